"""How far an answer is from the truth, in units in the last place of the true result."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from mpmath import mp, mpf
from numpy.typing import NDArray

from .jets import Mpf

Array = NDArray[Any]
INFINITE = float("inf")


@dataclass(frozen=True)
class Format:
    """A binary floating-point format: bits of significand and the exponents of normal numbers."""

    bits: int
    min_exponent: int
    max_exponent: int

    @property
    def tiny(self) -> Mpf:
        return mpf(2) ** self.min_exponent

    @property
    def smallest(self) -> Mpf:
        return mpf(2) ** (self.min_exponent - self.bits + 1)

    @property
    def largest(self) -> Mpf:
        return (2 - mpf(2) ** (1 - self.bits)) * mpf(2) ** self.max_exponent

    def ulp(self, x: Mpf) -> Mpf:
        """The gap between neighbours at x; at and below the normal range that of subnormals."""
        exponent = self.min_exponent
        if x:
            exponent = max(exponent, int(mp.frexp(abs(x))[1]) - 1)
        return mpf(2) ** (min(exponent, self.max_exponent) - self.bits + 1)


FORMATS = {
    "float16": Format(11, -14, 15),
    "bfloat16": Format(8, -126, 127),
    "float32": Format(24, -126, 127),
    "float64": Format(53, -1022, 1023),
}


def format_of(dtype: Any) -> Format:
    """The format of a NumPy dtype or of a name such as "bfloat16"."""
    if isinstance(dtype, Format):
        return dtype
    if isinstance(dtype, str) and dtype in FORMATS:
        return FORMATS[dtype]
    return FORMATS[np.dtype(dtype).name]


def ulp_error(actual: Any, truth: Mpf, dtype: Any, *, saturates: bool = False) -> float:
    """|actual - truth| in ulp of the truth; infinite where the answer is of the wrong kind.

    A truth below the smallest normal number may come out as 0, and one beyond the largest finite
    number must come out infinite (or, where the library promises to saturate, as the largest).
    """
    return _error(actual, truth, truth, format_of(dtype), saturates)


def ulp_of_terms(
    actual: Any, truth: Mpf, terms: Iterable[Mpf], dtype: Any, *, saturates: bool = False
) -> float:
    """The error in ulp of the largest term, for a truth that is a difference of larger terms."""
    largest = max((abs(t) for t in (truth, *terms)), default=mpf(0))
    return _error(actual, truth, largest, format_of(dtype), saturates)


def least_ulp_error(actual: Any, accepted: Iterable[Mpf], dtype: Any, *, saturates: bool = False) -> float:
    """The error against the nearest of several accepted truths, as at a kink."""
    return min(ulp_error(actual, truth, dtype, saturates=saturates) for truth in accepted)


def _error(actual: Any, truth: Mpf, scale: Mpf, form: Format, saturates: bool) -> float:
    got = actual if isinstance(actual, mpf) else mpf(float(actual))
    if mp.isnan(truth) or mp.isnan(got):
        return 0.0 if mp.isnan(truth) and mp.isnan(got) else INFINITE
    with mp.workprec(4096):  # differences of float64 numbers of any size are exact
        if mp.isinf(truth) or abs(truth) > form.largest:
            return _error_beyond(got, truth, form, saturates)
        if mp.isinf(got):  # counts as the next number after the largest
            got = mp.sign(got) * mpf(2) ** (form.max_exponent + 1)
        if not got and abs(truth) < form.tiny:
            return 0.0
        return float(abs(got - truth) / form.ulp(scale))


def _error_beyond(got: Mpf, truth: Mpf, form: Format, saturates: bool) -> float:
    """The error of an answer to an overflowing truth."""
    if mp.isinf(got):
        return 0.0 if mp.sign(got) == mp.sign(truth) else INFINITE
    if saturates and got == mp.sign(truth) * form.largest:
        return 0.0
    # A finite answer is as wrong as it is far: right by rounding just above the largest number.
    return INFINITE if mp.isinf(truth) else float(abs(got - truth) / form.ulp(form.largest))


def allowed(truth: Mpf, condition: Mpf, bound: float) -> float:
    """The bound in ulp, times the condition of the problem where that is worse than 1.

    A truth of 0 has no relative condition: what cancels to 0 exactly is judged by its terms.
    """
    if not truth or not mp.isfinite(truth) or not mp.isfinite(condition):
        return bound
    return bound * float(max(mpf(1), condition))


def ulp_errors(got: Array, truth: Array, spread: Array, dtype: Any, *, saturates: bool = False) -> Array:
    """Errors of many answers against float64 truths, divided by the condition spread / |truth| of each.

    Infinite where the answer or the truth is NaN. What may be flushed to zero may be anything between.
    """
    form = format_of(dtype)
    tiny, largest = float(form.tiny), float(form.largest)
    got, size = np.asarray(got).astype(np.float64), np.abs(truth)
    with np.errstate(all="ignore"):
        exponent = np.where(size > 0, np.frexp(size)[1] - 1, form.min_exponent)
        exponent = np.clip(exponent, form.min_exponent, form.max_exponent)
        unit = np.ldexp(np.maximum(1.0, np.where(size > 0, spread / size, 1.0)), exponent - form.bits + 1)
        errors: Array = np.abs(got - truth) / unit
        if not np.isfinite(errors).all() or size.max(initial=0.0) > largest:
            errors = _errors_beyond(errors, got, truth, unit, form, saturates)
        if size.min(initial=1.0) < tiny:
            errors[(size < tiny) & (np.abs(got) <= tiny) & (got * truth >= 0)] = 0.0
    return errors


def _errors_beyond(
    errors: Array, got: Array, truth: Array, unit: Array, form: Format, saturates: bool
) -> Array:
    """The same where answers or truths are infinite or not a number."""
    largest, gap = float(form.largest), float(form.ulp(form.largest))
    far = np.where(
        np.isinf(got), np.sign(got) * 2.0 ** (form.max_exponent + 1), got
    )  # the number after the largest
    same = (np.sign(got) == np.sign(truth)) & (np.isinf(got) | (saturates & (np.abs(got) == largest)))
    beyond = np.where(same, 0.0, np.abs(got - truth) / gap)
    errors = np.where(np.abs(truth) > largest, beyond, np.abs(far - truth) / unit)
    errors[np.isnan(errors)] = INFINITE
    return errors
