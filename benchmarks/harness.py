"""How contestants are compared: checked first, then timed in rounds, in random order, in one process.

A machine that others use as well runs the same code at two or three speeds by turns. Therefore every
round times each contestant once, and what counts is the ratio within a round; its median comes with a
bootstrap interval. Best rounds are reported beside it: they say what the code can do when left alone.
"""

import gc
import math
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Answer = tuple[float, Array]
Kind = Literal["losskit", "peer", "floor"]

SAMPLE = 0.002
"""A timed sample lasts about this long, in seconds: a shorter call is repeated."""

REST = 0.01
"""Seconds of quiet before a sample: the threads of OpenMP, which torch and scikit-learn use, keep spinning
for milliseconds after their work and would take a core from whoever comes next."""


@dataclass(frozen=True)
class Runner:
    """A contestant at the start line: its buffers exist and its code is compiled."""

    run: Callable[[], Any]
    """What is timed. Run in a loop, every turn does the whole work again."""
    answer: Callable[[Any], Answer] | None = None
    """Value and gradient out of what ``run`` returned; None for a floor, which has no answer."""
    release: Callable[[], None] = lambda: None
    """Frees what ``run`` left behind, outside the timed region."""


@dataclass(frozen=True)
class Contestant:
    """Someone who computes a loss and its gradient, or a floor that moves the same bytes."""

    name: str
    kind: Kind
    start: Callable[[], Runner]


@dataclass(frozen=True)
class Case:
    """One loss at one size."""

    structure: str
    loss: str
    size: str
    build: Callable[[], list[Contestant]]
    """Makes the data and the contestants; the first of kind "losskit" is what all ratios refer to."""
    dtype: str = "float32"
    tolerance: float = 1e-5
    """Values agree to this relative error, gradients to this part of the largest gradient."""


@dataclass(frozen=True)
class Plan:
    """How long to measure: rounds until ``seconds`` are spent, at least and at most so many."""

    seconds: float = 12.0
    at_least: int = 7
    at_most: int = 40


QUICK = Plan(seconds=1.0, at_least=3, at_most=5)


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
        return next((e for e in self.entries if e.kind == "floor" and e.times), None)

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


def interval(ratios: Sequence[float] | Array, resamples: int = 2000, seed: int = 0) -> Interval:
    """The median of ``ratios`` with its 95 % bootstrap interval."""
    x = np.asarray(ratios, dtype=np.float64)
    if x.size == 0:
        raise ValueError("an interval needs at least one ratio")
    drawn = np.random.default_rng(seed).integers(0, x.size, (resamples, x.size))
    low, high = np.quantile(np.median(x[drawn], axis=1), (0.025, 0.975))
    return Interval(float(np.median(x)), float(low), float(high))


def disagreement(reference: Answer, other: Answer, tolerance: float) -> str:
    """How two answers differ by more than the tolerance, in words; "" where they agree."""
    (value, gradient), (other_value, other_gradient) = reference, other
    if not abs(other_value - value) <= tolerance * abs(value):
        return f"value {other_value:.8g} instead of {value:.8g}"
    if other_gradient.shape != gradient.shape:
        return f"gradient of shape {other_gradient.shape} instead of {gradient.shape}"
    a, b = gradient.reshape(-1), other_gradient.reshape(-1)
    largest, error = 0.0, 0.0
    for start in range(0, a.size, 1 << 20):  # in pieces: a difference may be as large as the data
        piece = a[start : start + (1 << 20)].astype(np.float64)
        with np.errstate(invalid="ignore"):
            gap = np.abs(b[start : start + (1 << 20)] - piece)
        largest = max(largest, float(np.max(np.abs(piece))))
        error = max(error, math.inf if np.isnan(gap).any() else float(gap.max()))
    if not error <= tolerance * largest:
        return f"gradient off by {error:.3g} where the largest is {largest:.3g}"
    return ""


def compete(case: Case, threads: int, plan: Plan, without: Iterable[str] = ()) -> Outcome:
    """Check the contestants of a case against losskit and time those that agree."""
    contestants = [c for c in case.build() if c.name not in set(without)]
    entries = [Entry(c.name, c.kind) for c in contestants]
    outcome = Outcome(case.structure, case.loss, case.size, case.dtype, threads, case.tolerance, entries)
    runners = _checked(contestants, entries, case.tolerance)
    baseline = next((e.name for e in entries if e.kind == "losskit"), None)
    if baseline in runners:
        _time(runners, {e.name: e for e in entries}, plan)
        _compare(entries, baseline)
    runners.clear()
    gc.collect()
    return outcome


def _checked(contestants: list[Contestant], entries: list[Entry], tolerance: float) -> dict[str, Runner]:
    """Start every contestant and keep those whose answer is losskit's; the others say why not."""
    reference: Answer | None = None
    runners: dict[str, Runner] = {}
    for contestant, entry in zip(contestants, entries, strict=True):
        try:
            runner = contestant.start()
            result = runner.run()
            if runner.answer is not None:
                answer = runner.answer(result)
                if reference is None:
                    reference = answer[0], answer[1].copy()
                entry.trouble = disagreement(reference, answer, tolerance)
                del answer
            del result
            runner.release()
        except Exception as error:  # a peer that breaks down is a result, not the end of the run
            entry.trouble = f"{type(error).__name__}: {error}".splitlines()[0]
        if not entry.trouble:
            runners[contestant.name] = runner
    return runners


def _time(runners: dict[str, Runner], entries: dict[str, Entry], plan: Plan) -> None:
    """Fill in the times, in rounds of random order."""
    repeats = {name: _repeats(runner) for name, runner in runners.items()}
    order = list(runners)
    shuffle = random.Random(0).shuffle
    start = time.perf_counter()
    for done in range(plan.at_most):
        if done >= plan.at_least and time.perf_counter() - start > plan.seconds:
            break
        shuffle(order)
        for name in order:
            time.sleep(REST)
            entries[name].times.append(seconds_a_call(runners[name], repeats[name]))


def _repeats(runner: Runner) -> int:
    """How often a sample repeats the call, so that reading the clock does not count."""
    once = min(seconds_a_call(runner, 1) for _ in range(3))
    return max(1, min(1000, math.ceil(SAMPLE / max(once, 1e-7))))


def seconds_a_call(runner: Runner, repeats: int) -> float:
    """One sample: the mean time of ``repeats`` calls in a row, with the garbage collector at rest."""
    run, clock = runner.run, time.perf_counter
    enabled = gc.isenabled()
    gc.disable()
    try:
        start = clock()
        for _ in range(repeats):
            result = run()
        end = clock()
    finally:
        if enabled:
            gc.enable()
    del result
    runner.release()
    return (end - start) / repeats


def _compare(entries: list[Entry], baseline: str) -> None:
    ours = next(e for e in entries if e.name == baseline)
    for entry in entries:
        if entry.times:
            entry.ratio = interval([t / u for t, u in zip(entry.times, ours.times, strict=True)])
            entry.best_ratio = entry.best / ours.best
