"""exp(z - m) for a row of logits and its largest one, right to about 1 ulp although z - m is rounded.

The residue of the difference joins the reduced argument, where it costs two additions. The result
is multiplied by a power of two, ``LIFT``, so that a probability far below the smallest normal number
keeps its digits until it meets its weight; whoever multiplies by that weight takes the lift out again.
"""
# mypy: ignore-errors

from __future__ import annotations

import numpy as np
from numba import njit

from losskit.engines.numba import math32, math64
from losskit.engines.numba.intrinsics import bits, fma, from_bits, polynomial, select, shift_left

_inline = njit(forceinline=True, error_model="numpy", no_cfunc_wrapper=True, no_cpython_wrapper=True)

F32, F64 = np.float32, np.float64

LIFT32 = 2.0**32
LIFT64 = 2.0**256

# Below these the lifted exponential is 0.
_LOW32 = F32(-109.0)
_LOW64 = F64(-880.0)

_ROUND32 = math32.ROUND + F32(127 + 32)
_ROUND64 = math64.ROUND + F64(1023 + 256)
_LOG2E32, _LOG2E64 = math32.LOG2E, math64.LOG2E
_HIGH32, _HIGH64 = math32.LN2_HIGH, math64.LN2_HIGH
_LOW_PART32, _LOW_PART64 = math32.LN2_LOW, math64.LN2_LOW
_EXP32, _EXP64 = math32.EXP_REST, math64.EXP_REST


@_inline
def _gap(z, m):
    """z - m and what rounding took from it."""
    d = z - m
    back = d - z
    return d, (z - (d - back)) - (m + back)


@_inline
def exact_sum(a, b):
    """a + b and what rounding took from it, whichever is larger."""
    s = a + b
    of_b = s - a
    return s, (a - (s - of_b)) + (b - of_b)


@_inline
def exp_gap32(z, m):
    """LIFT32 * exp(z - m) for z <= m; NaN where both are the same infinity."""
    d, lost = _gap(z, m)
    small = d < _LOW32
    d = select(small, _LOW32, d)
    lost = select(small, F32(0), lost)  # of -inf it is NaN
    t = fma(d, _LOG2E32, _ROUND32)
    n = t - _ROUND32
    h = fma(n, -_HIGH32, d)
    l = fma(n, _LOW_PART32, -lost)
    r = h - l
    y = F32(1) + (h + fma(r * r, polynomial(r, _EXP32), -l))
    return select(small, F32(0), y * from_bits(shift_left(bits(t), math32.MANTISSA)))


@_inline
def exp_gap64(z, m):
    """LIFT64 * exp(z - m) for z <= m; NaN where both are the same infinity."""
    d, lost = _gap(z, m)
    small = d < _LOW64
    d = select(small, _LOW64, d)
    lost = select(small, F64(0), lost)
    t = fma(d, _LOG2E64, _ROUND64)
    n = t - _ROUND64
    h = fma(n, -_HIGH64, d)
    l = fma(n, _LOW_PART64, -lost)
    r = h - l
    y = F64(1) + (h + fma(r * r, polynomial(r, _EXP64), -l))
    return select(small, F64(0), y * from_bits(shift_left(bits(t), math64.MANTISSA)))
