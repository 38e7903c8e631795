"""What an answer is worth: right, or in which way it is not."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from mpmath import mp, mpf

from benchmarks.failures.case import Array
from benchmarks.failures.truth import Truth

WRONG = 1e-3
"""A peer's number is wrong beyond this relative error, which is many units in the last place but in float16."""
LAST_DIGITS = 8
"""Units in the last place that losskit may be off."""

Pairs = list[tuple[float, Any]]
"""Numbers of an answer, and of the truth."""


class Failure(StrEnum):
    """The ways to fail."""

    NAN = "NaN"
    INFINITE = "infinite where the truth is finite"
    FINITE = "finite where the truth is infinite"
    ZERO = "0 where the truth is not"
    WRONG = "a wrong number"
    ACCEPTED = "a number for an illegal input"
    ERROR = "an error"


@dataclass(frozen=True)
class Verdict:
    """In which way an answer fails, if it does, and its relative error, where it has one."""

    failure: Failure | None
    error: float = 0.0


def judge(answer: Array | Exception, truth: Truth | None, *, strict: bool = False) -> Verdict:
    """Compare an answer with the truth: to the last digits where ``strict``, else to ``WRONG``."""
    if isinstance(answer, Exception):
        return Verdict(None if truth is None else Failure.ERROR)
    if truth is None:
        return Verdict(Failure.NAN if np.isnan(answer).any() else Failure.ACCEPTED)
    if answer.size != truth.size:
        return Verdict(Failure.WRONG, np.inf)
    precision = np.finfo(answer.dtype)
    pairs = list(zip(answer.astype(np.float64).ravel().tolist(), truth.flat, strict=True))
    failure = _kind(pairs, float(precision.tiny))
    if failure is not None:
        return Verdict(failure)
    error, last_digits = _relative_error(pairs), LAST_DIGITS * float(precision.eps)
    allowed = last_digits if strict else max(WRONG, last_digits)
    return Verdict(Failure.WRONG if error > allowed else None, error)


def _kind(pairs: Pairs, tiny: float) -> Failure | None:
    """A failure that one look shows; what is below the smallest normal number may come out as 0."""
    if any(mp.isnan(got) for got, _ in pairs):
        return Failure.NAN
    if any(mp.isinf(got) and mp.isfinite(true) for got, true in pairs):
        return Failure.INFINITE
    if any(mp.isfinite(got) and mp.isinf(true) for got, true in pairs):
        return Failure.FINITE
    if any(got == 0 and abs(true) >= tiny for got, true in pairs):
        return Failure.ZERO
    return None


def _relative_error(pairs: Pairs) -> float:
    """The largest error of a number, relative to its truth, or to the largest truth where its own is 0."""
    finite = [(got, true) for got, true in pairs if got != 0 and mp.isfinite(true)]
    largest = max((abs(true) for _, true in pairs if mp.isfinite(true)), default=mpf(0))
    return float(max((abs(got - true) / (abs(true) or largest or 1) for got, true in finite), default=0))
