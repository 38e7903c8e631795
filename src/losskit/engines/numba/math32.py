"""float32 scalar functions for the CPU kernels: branch-free, inlined, vectorised by LLVM to the machine's full width.

Compiled strictly: what may be fused is written as ``fma``, and no flag lets LLVM assume the absence of NaN, infinities or
signed zeros. ``ULP`` declares each function's largest error, which the tests measure. The coefficients are our own minimax
fits, made by tests/engines/numba/minimax.py. A further function is: a table from there, the steps below, a line in ``ULP``.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from losskit.engines.numba import math64
from losskit.engines.numba.intrinsics import (
    bits,
    copysign,
    fabs,
    fma,
    from_bits,
    iand,
    ior,
    isub,
    polynomial,
    select,
    shift_left,
    shift_right,
    to_float,
)
from losskit.engines.numba.intrinsics import sqrt as _sqrt

ULP: Final[dict[str, float]] = {
    "exp": 1.0,
    "expm1": 1.25,
    "log": 1.0,
    "log1p": 1.3,  # 0.95 but for the number just below 1/2
    "tanh": 1.85,
    "sigmoid": 1.75,
    "softplus": 1.85,
    "power": 0.6,
    "sqrt": 0.5,
}
"""The largest error of each function, in units in the last place."""

F = np.float32
I = np.int32  # every literal is typed: Numba would compute float32 with a Python number in float64

_inline = njit(forceinline=True, error_model="numpy", no_cfunc_wrapper=True)
_step = njit(  # private steps cannot be called from Python, which saves a third of the time to compile
    forceinline=True, error_model="numpy", no_cfunc_wrapper=True, no_cpython_wrapper=True
)


def _table(*coefficients: float) -> tuple[np.floating, ...]:
    return tuple(map(F, coefficients))


LOG2E = F(1.4426950408889634)
LN2 = F(0.6931471805599453)
LN2_HIGH = F(0.693359375)  # 10 bits, so that n * LN2_HIGH is exact
LN2_LOW = F(-2.12194440054690583e-4)
ROUND = F(1.5 * 2.0**23)  # adding it rounds to an integer, which then stands in the low bits
ONE_BITS = I(0x3F800000)
SMALLEST_NORMAL = I(0x00800000)
NEGATIVE_INF = I(-0x00800000)  # its bits
FOUR_BITS = I(0x40800000)
MANTISSA = I(23)
TINY_ARGUMENT = F(2.0**-25)  # below it expm1(x) and log1p(x) are x
THREE_QUARTERS = I(0x3F400000)  # its bits
MASK = I(-(1 << 23))  # clears the mantissa

# e**r, |r| <= ln(2) / 2; relative error 2**-28.2
EXP = _table(1.0, 1.0, 4.9999994e-01, 1.6666521e-01, 4.1668274e-02, 8.368683e-03, 1.3820042e-03)
EXP_REST = EXP[2:]  # (e**r - 1 - r) / r**2

# log(1 + f) = f - f**2 / 2 + f**3 (c0 + c1 f + ...), -1/4 <= f <= 1/2; relative error 2**-27.6
LOG = _table(
    3.3333448e-01,
    -2.5000095e-01,
    1.9990923e-01,
    -1.664738e-01,
    1.4477733e-01,
    -1.3160048e-01,
    1.0464364e-01,
    -4.5101486e-02,
)

# log(1 + e) = e + e**2 (c0 + c1 e + ...), 0 <= e <= 1; relative error 2**-30.1
LOG1P = _table(
    -4.9999988e-01,
    3.3332714e-01,
    -2.4988864e-01,
    1.9899623e-01,
    -1.613517e-01,
    1.24795206e-01,
    -8.323874e-02,
    4.2114586e-02,
    -1.3691536e-02,
    2.0845137e-03,
)

# for ``power``, in float64: log2(m) = s (c0 + c1 s**2 + ...), s = (m - 1) / (m + 1), sqrt(1/2) <= m <= sqrt(2), error
# 2**-37.8; and 2**g, |g| <= 1/2, error 2**-29.0
LOG2 = (
    2.885390081790082e00,
    9.617966733332656e-01,
    5.770835862641861e-01,
    4.1167267117240464e-01,
    3.4073050662870924e-01,
)
EXP2 = (
    1.000000000552672e00,
    6.93147205728881e-01,
    2.4022646907720432e-01,
    5.550328799395469e-02,
    9.618487619671753e-03,
    1.3399924517327403e-03,
    1.534610245454904e-04,
)


# ---- choosing -------------------------------------------------------------------------------------------------------


@_inline
def where(condition, a, b):
    return select(condition, a, b)


@_inline
def maximum(a, b):
    return select(a != a, a, select(a > b, a, b))  # the inner select is b if either is NaN


@_inline
def minimum(a, b):
    return select(a != a, a, select(a < b, a, b))


@_inline
def clip(x, low, high):
    x = select(low > x, low, x)  # NaN stays
    return select(high < x, high, x)


@_inline
def abs(x):
    return fabs(x)


@_inline
def sign(x):
    return select(x > F(0), F(1), select(x < F(0), F(-1), x))  # 0, -0 and NaN are their own sign


@_inline
def sqrt(x):
    return _sqrt(x)


# ---- exponentials ---------------------------------------------------------------------------------------------------


@_step
def _reduced(x, offset):
    """(i, h, l): x = n ln(2) + (h - l) with an integer n, h exact, and n + offset in the low bits of i."""
    t = fma(x, LOG2E, ROUND + offset)
    n = t - (ROUND + offset)
    return bits(t), fma(n, -LN2_HIGH, x), n * LN2_LOW


@_step
def _power_of_2(i):
    """2**n from n + 127 in the low bits; the bits above are shifted out."""
    return from_bits(shift_left(i, MANTISSA))


@_inline
def exp(x):
    i, h, l = _reduced(clip(x, F(-104), F(89)), F(2 * 127))
    half = shift_right(i, I(1))  # scaled in two steps: 2**n may be subnormal or too large
    y = polynomial(h - l, EXP)
    return y * _power_of_2(half) * _power_of_2(isub(i, half))


@_step
def _exp_minus(a):
    """e**-a for a >= 0, with an error below 0.9 ulp."""
    x = -a
    i, h, l = _reduced(select(F(-104) > x, F(-104), x), F(127 + 40))
    r = h - l
    y = F(1) + (h + fma(r * r, polynomial(r, EXP_REST), -l))
    return y * _power_of_2(i) * F(2.0**-40)  # in two steps: 2**n may be subnormal


@_inline
def expm1(x):
    i, h, l = _reduced(clip(x, F(-18), F(89)), F(127 - 1))
    r = h - l
    s = _power_of_2(i)  # 2**(n - 1): 2**128 is no float
    y = fma(s, fma(r * r, polynomial(r, EXP_REST), -l), fma(s, h, s - F(0.5)))
    return select(fabs(x) < TINY_ARGUMENT, x, y + y)


# ---- logarithms -----------------------------------------------------------------------------------------------------


@_step
def _log(f, k):
    """log((1 + f) 2**k)."""
    return fma(k, LN2, fma(f * f, fma(f, polynomial(f, LOG), F(-0.5)), f))


@_step
def _with_poles(y, x, i):
    """y = log(...) with its special values: x and the bits i of the logarithm's argument decide."""
    at_infinity = fma(x, F(2.0**-122), F(-200))  # inf or NaN where x is, else below every logarithm
    y = select(y > at_infinity, y, at_infinity)
    pole = from_bits(ior(shift_right(i, I(9)), NEGATIVE_INF))  # -inf for 0, NaN for a negative number
    return select(i < I(1), pole, y)


@_inline
def log(x):
    i = bits(x + F(0))  # 0 for -0
    small = i < SMALLEST_NORMAL
    j = select(small, bits(from_bits(ior(i, ONE_BITS)) - F(1)), i)  # 2**126 x, if x is subnormal
    e = iand(isub(j, THREE_QUARTERS), MASK)
    f = from_bits(isub(j, e)) - F(1)
    k = to_float(shift_right(e, MANTISSA)) + select(small, F(-126), F(0))
    return _with_poles(_log(f, k), x, i)


@_inline
def log1p(x):
    i = bits(F(1) + x)
    e = iand(isub(i, THREE_QUARTERS), MASK)  # f from [-1/4, 1/2) is exact except for huge x
    s = from_bits(isub(FOUR_BITS, e))  # 4 * 2**-k: 2**-128 is no normal number
    f = fma(F(0.25) * x, s, fma(F(0.25), s, F(-1)))  # (1 + x) 2**-k - 1
    y = _log(f, to_float(shift_right(e, MANTISSA)))
    return select(fabs(x) < TINY_ARGUMENT, x, _with_poles(y, x, i))


# ---- composites that share the steps above --------------------------------------------------------------------------


@_inline
def tanh(x):
    a = fabs(x)
    a = select(F(10) < a, F(10), a)
    i, h, l = _reduced(a + a, F(127 - 1))
    r = h - l
    s = _power_of_2(i)
    e = fma(s, fma(r * r, polynomial(r, EXP_REST), -l), fma(s, h, s - F(0.5)))  # (e**(2a) - 1) / 2
    q = e / (e + F(1))
    q = select(e < F(0.5), fma(-e, q, e), q)  # e - e q forgives the rounding of e + 1 and of the quotient
    return copysign(q, x)


@_inline
def sigmoid(x):
    e = _exp_minus(fabs(x))
    q = fma(-e, e / (F(1) + e), e)  # = e / (1 + e), but forgives the rounding of 1 + e and of the quotient
    return select(x < F(0), q, F(1) - q)


@_inline
def softplus(x):
    e = _exp_minus(fabs(x))
    return select(x > F(0), x, F(0)) + fma(e * e, polynomial(e, LOG1P), e)


@_inline
def power(x, a):
    # In float64: a log2(x) may be 150 and its error is that of the result. No float32 is subnormal there.
    x = np.float64(x)
    i = bits(x + 0.0)
    e = iand(isub(i, math64.SQRT_HALF), math64.MASK)
    f = from_bits(isub(i, e)) - 1.0
    s = f / (2.0 + f)
    y = fma(s, polynomial(s * s, LOG2), to_float(shift_right(e, math64.MANTISSA)))
    y = math64.clip(np.float64(a) * math64._with_poles(y, x, i), -200.0, 200.0)
    t = y + (math64.ROUND + 1023.0)
    y = polynomial(y - (t - (math64.ROUND + 1023.0)), EXP2) * math64._power_of_2(bits(t))
    return select(a == F(0), F(1), F(y))
