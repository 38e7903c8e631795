"""What is known of the answers of one loss on one engine: how many, how wrong, and where the worst is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from truth.ulp import allowed

VERBS = ("value", "derivative", "second derivative")
DEAD = 8.0  # an answer of 0 that is further from the truth than any bound is a dead gradient


class Judged(NamedTuple):
    """An answer, its error in ulp, and how that is divided by the condition of the problem."""

    ulp: float
    place: str
    got: float
    truth: Any
    conditioned: Callable[[float], float]
    """The error in units of what the problem allows; costly, and asked of the worst answers only."""


@dataclass
class Worst:
    """The largest error of a loss's value or of one of its derivatives, and where it is."""

    error: float = 0.0
    """In ulp, divided by the condition of the problem where that is worse than 1."""
    ulp: float = 0.0
    """The same before that."""
    place: str = ""
    got: float = 0.0
    truth: str = ""
    answers: int = 0
    nans: int = 0
    dead: int = 0

    def passes(self, bound: float) -> bool:
        """Whether all answers are as good as they have to be."""
        return self.error <= bound and not self.nans and not self.dead


Key = tuple[str, str]
"""A dtype and one of VERBS."""


@dataclass
class Ledger:
    """The worst answers of a loss on one engine, by dtype and verb."""

    worst: dict[Key, Worst] = field(default_factory=dict)

    def of(self, dtype: str, order: int) -> Worst:
        """The entry of a dtype and an order of differentiation."""
        return self.worst.setdefault((dtype, VERBS[order]), Worst())

    def judge(self, dtype: str, order: int, judged: Iterable[Judged]) -> None:
        """Take in answers; the condition of the problem is asked of those that may be the worst."""
        worst = self.of(dtype, order)
        for one in sorted(judged, key=lambda j: -j.ulp):
            dead = order == 1 and one.got == 0.0 and one.ulp > DEAD
            if one.ulp <= worst.error and not dead:
                return
            error = one.conditioned(one.ulp) if math.isfinite(one.ulp) else one.ulp
            worst.dead += dead and error > DEAD
            if error > worst.error:
                worst.error, worst.ulp = error, one.ulp
                worst.place, worst.got, worst.truth = one.place, one.got, _digits(one.truth)

    def as_data(self) -> list[dict[str, Any]]:
        """What JSON can hold."""
        return [{"dtype": d, "verb": v, **asdict(worst)} for (d, v), worst in self.worst.items()]

    @classmethod
    def from_data(cls, data: list[dict[str, Any]]) -> Ledger:
        """What `as_data` gave."""
        entries = [dict(entry) for entry in data]
        return cls({(e.pop("dtype"), e.pop("verb")): Worst(**e) for e in entries})


def by_condition(truth: Any, condition: Callable[[], Any]) -> Callable[[float], float]:
    """Divides an error by the condition of the problem, or by 1."""
    return lambda ulp: ulp / allowed(truth, condition(), 1.0)


def _digits(truth: Any) -> str:
    return f"{float(truth):.9g}"
