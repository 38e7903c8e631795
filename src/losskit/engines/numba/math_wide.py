"""float64 scalar functions for rules whose answers end up as float32: good to 2**-30, and short for it.

A rule of ten float32 operations may be wrong by ten half units in the last place; in these words its answer is right to
hardly more than the half unit of its own rounding, however it is spelled. Nothing of float32's size overflows or is
subnormal on the way, so none of the functions steps carefully there. ``ERROR`` declares the largest relative error of
each, which the tests measure. Polynomials as in math32.py: by tests/engines/numba/minimax.py.
"""
# mypy: ignore-errors

from __future__ import annotations

from typing import Final

import numpy as np

from losskit.engines.numba.intrinsics import (
    bits,
    copysign,
    fabs,
    fma,
    from_bits,
    iand,
    isub,
    polynomial,
    select,
    shift_left,
    shift_right,
    to_float,
)
from losskit.engines.numba.math32 import LOG2
from losskit.engines.numba.math64 import (
    FOUR_BITS,
    LOG2E,
    MANTISSA,
    MASK,
    ROUND,
    SQRT_HALF,
    THREE_QUARTERS,
    _inline,
    _step,
    _with_poles,
    abs,  # noqa: F401 - as they are, for rules
    clip,
    maximum,  # noqa: F401
    minimum,  # noqa: F401
    sign,  # noqa: F401
    sqrt,  # noqa: F401
    where,  # noqa: F401
)

ERROR: Final[dict[str, float]] = {
    "exp": 2.0**-34,
    "expm1": 2.0**-31,
    "log": 2.0**-32,
    "log1p": 2.0**-32,
    "tanh": 2.0**-30,
    "sigmoid": 2.0**-34,
    "softplus": 2.0**-32,
    "power": 2.0**-30,
}
"""The largest relative error of each function, where neither its argument nor its result is beyond 2**256 or 2**-256."""

F = np.float64
LN2 = F(0.6931471805599453)

# (e**r - 1 - r) / r**2, |r| <= ln(2) / 2; relative error of e**r 2**-34.2
EXP_REST = (
    5.000000068029142e-01,
    1.6666665871029995e-01,
    4.1666293642103405e-02,
    8.333496271768617e-03,
    1.3944757995138749e-03,
    1.9790959607487627e-04,
)

# log(1 + f) = f - f**2 / 2 + f**3 (c0 + c1 f + ...), -1/4 <= f <= 1/2; relative error 2**-32.8
LOG = (
    3.333333092860632e-01,
    -2.500002022636619e-01,
    2.0000354538592224e-01,
    -1.6665688387563343e-01,
    1.42695351587237e-01,
    -1.2496689828024322e-01,
    1.1385374346801608e-01,
    -1.0570015711144415e-01,
    8.051368168987265e-02,
    -3.1770790215165795e-02,
)

# log(1 + e) = e + e**2 (c0 + c1 e + ...), 0 <= e <= 1; relative error 2**-32.9
LOG1P = (
    -4.9999997619301156e-01,
    3.333319018844101e-01,
    -2.4996978261474115e-01,
    1.99677578854845e-01,
    -1.6462930676294157e-01,
    1.3452948848262494e-01,
    -1.0169761981269028e-01,
    6.451614595285791e-02,
    -3.0529766638703836e-02,
    9.22401711455232e-03,
    -1.3054997947893163e-03,
)

# 2**g, |g| <= 1/2; relative error 2**-34.5
EXP2 = (
    9.999999999616993e-01,
    6.93147180728497e-01,
    2.4022651198086978e-01,
    5.550410352690819e-02,
    9.618027252928714e-03,
    1.3333923156706945e-03,
    1.5469292624817481e-04,
    1.5201800084935757e-05,
)


@_step
def _power_and_rest(x):
    """(s, r): e**x = s (1 + r), with s a power of 2, which is 0 or infinite where the result is."""
    t = fma(x, LOG2E, ROUND + F(1023))
    r = fma(t - (ROUND + F(1023)), -LN2, x)
    return from_bits(shift_left(bits(t), MANTISSA)), fma(r * r, polynomial(r, EXP_REST), r)


@_inline
def exp(x):
    s, r = _power_and_rest(clip(x, F(-709), F(710)))
    return s * (F(1) + r)


@_step
def _exp_minus(a):
    """e**-a for a >= 0."""
    s, r = _power_and_rest(select(F(709) < a, F(-709), -a))
    return fma(s, r, s)


@_inline
def expm1(x):
    s, r = _power_and_rest(clip(x, F(-709), F(709)))
    return fma(s, r, s - F(1))


@_step
def _log(f, k):
    """log((1 + f) 2**k)."""
    return fma(k, LN2, fma(f * f, fma(f, polynomial(f, LOG), F(-0.5)), f))


@_inline
def log(x):
    i = bits(x + F(0))  # 0 for -0
    e = iand(isub(i, THREE_QUARTERS), MASK)
    f = from_bits(isub(i, e)) - F(1)
    return _with_poles(_log(f, to_float(shift_right(e, MANTISSA))), x, i)


@_inline
def log1p(x):
    i = bits(F(1) + x)
    e = iand(isub(i, THREE_QUARTERS), MASK)
    s = from_bits(isub(FOUR_BITS, e))
    f = fma(F(0.25) * x, s, fma(F(0.25), s, F(-1)))
    return _with_poles(_log(f, to_float(shift_right(e, MANTISSA))), x, i)


@_inline
def tanh(x):
    a = fabs(x)
    t = expm1(-(a + a))
    return copysign(t / (t + F(2)), x)


@_inline
def sigmoid(x):
    e = _exp_minus(fabs(x))
    q = e / (F(1) + e)
    return select(x < F(0), q, F(1) - q)


@_inline
def softplus(x):
    e = _exp_minus(fabs(x))
    return select(x > F(0), x, F(0)) + fma(e * e, polynomial(e, LOG1P), e)


@_inline
def power(x, a):
    i = bits(x + F(0))
    e = iand(isub(i, SQRT_HALF), MASK)
    f = from_bits(isub(i, e)) - F(1)
    s = f / (F(2) + f)
    y = fma(s, polynomial(s * s, LOG2), to_float(shift_right(e, MANTISSA)))
    y = clip(a * _with_poles(y, x, i), F(-1023), F(1024))
    t = y + (ROUND + F(1023))
    y = polynomial(y - (t - (ROUND + F(1023))), EXP2) * from_bits(shift_left(bits(t), MANTISSA))
    return select(a == F(0), F(1), y)
