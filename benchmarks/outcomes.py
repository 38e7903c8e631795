"""What came of a case: the times, their ratios, and whether losskit is ahead."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

Kind = Literal["losskit", "peer", "floor"]


@dataclass(frozen=True)
class Interval:
    """A median and the 95 % bootstrap interval around it."""

    median: float
    low: float
    high: float


@dataclass
class Entry:
    """What came of one contestant in a case."""

    name: str
    kind: Kind
    code: str = ""
    """What its user writes, where that is known."""
    times: list[float] = field(default_factory=list)
    """Seconds a call, one a round."""
    trouble: str = ""
    """Why it was not timed: it failed, or its answer is another one."""
    ratio: Interval | None = None
    """Its time over losskit's, round by round: above 1 losskit is faster."""
    best_ratio: float | None = None
    """Its best round over losskit's best."""

    @property
    def times_faster(self) -> float | None:
        """How many times faster losskit is: the lesser of the median of ratios and that of the best rounds."""
        if self.ratio is None or self.best_ratio is None:
            return None
        return min(self.ratio.median, self.best_ratio)

    @property
    def median(self) -> float:
        return float(np.median(self.times)) if self.times else math.nan

    @property
    def best(self) -> float:
        return min(self.times, default=math.nan)


@dataclass
class Outcome:
    """What came of a case."""

    structure: str
    loss: str
    size: str
    dtype: str
    threads: int
    tolerance: float
    entries: list[Entry]

    def find(self, name: str) -> Entry | None:
        """The entry of that name, if it took part."""
        return next((e for e in self.entries if e.name == name), None)

    @property
    def floor(self) -> Entry | None:
        """The fastest of the floors: with few numbers one thread is faster than two that wait for each other."""
        return min(
            (e for e in self.entries if e.kind == "floor" and e.times), key=lambda e: e.best, default=None
        )

    @property
    def best_peer(self) -> Entry | None:
        """The peer that comes closest to losskit, or passes it."""
        peers = [e for e in self.entries if e.kind == "peer" and e.times_faster is not None]
        return min(peers, key=lambda e: e.times_faster or math.inf, default=None)

    @property
    def ahead(self) -> bool:
        """Whether losskit is faster than the best peer, by more than noise and in the best rounds too.

        The second matters on a busy machine: a peer whose threads wait for each other loses
        milliseconds whenever one of them has no core, and its median says nothing about its code.
        """
        best = self.best_peer
        if best is None or best.ratio is None or best.best_ratio is None:
            return False
        return best.ratio.low > 1.0 and best.best_ratio > 1.0

    @property
    def behind(self) -> bool:
        """Whether the best peer is faster, by the same two measures."""
        best = self.best_peer
        if best is None or best.ratio is None or best.best_ratio is None:
            return False
        return best.ratio.high < 1.0 and best.best_ratio < 1.0


def most_threads(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Those that ran on the most threads and in which losskit was timed."""
    timed = [o for o in outcomes if any(e.name == "losskit" and e.times for e in o.entries)]
    most = max((o.threads for o in timed), default=0)
    return [o for o in timed if o.threads == most]


def interval(
    ratios: Sequence[float] | npt.NDArray[np.float64], resamples: int = 2000, seed: int = 0
) -> Interval:
    """The median of ``ratios`` with its 95 % bootstrap interval."""
    x = np.asarray(ratios, dtype=np.float64)
    if x.size == 0:
        raise ValueError("an interval needs at least one ratio")
    drawn = np.random.default_rng(seed).integers(0, x.size, (resamples, x.size))
    low, high = np.quantile(np.median(x[drawn], axis=1), (0.025, 0.975))
    return Interval(float(np.median(x)), float(low), float(high))
