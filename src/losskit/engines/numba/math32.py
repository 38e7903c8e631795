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
    isub,
    polynomial,
    select,
    shift_left,
    shift_right,
    to_float,
)
from losskit.engines.numba.intrinsics import sqrt as _sqrt

ULP: Final[dict[str, float]] = {
    "exp": 1.1,
    "expm1": 1.6,
    "log": 1.0,
    "log1p": 1.5,
    "tanh": 3.0,
    "power": 1.0,
    "sigmoid": 3.0,
    "softplus": 3.0,
    "sqrt": 0.5,
}

F = np.float32
I = np.int32

_inline = njit(forceinline=True, error_model="numpy")

LOG2E = F(1.4426950408889634)
LN2_HIGH = F(0.693359375)  # 10 bits, so that n * LN2_HIGH is exact
LN2_LOW = F(-2.12194440054690583e-4)
ROUND = F(1.5 * 2.0**23)  # adding it rounds to an integer, which then stands in the low bits
FOUR_BITS = I(0x40800000)
MANTISSA = I(23)
INF = F(np.inf)
NAN = F(np.nan)
TINY_ARGUMENT = F(2.0**-25)  # below it expm1(x), log1p(x) and tanh(x) are x
TINY = F(2.0**-126)
SQRT_HALF = I(0x3F3504F3)  # the bits of sqrt(1/2): what exceeds them splits into 2**k and a number around 1
MASK = I(-(1 << 23))  # clears the mantissa

# e**r, |r| <= ln(2) / 2; relative error 2**-28.2
EXP = tuple(map(F, (1.0, 1.0, 4.9999994e-01, 1.6666521e-01, 4.1668274e-02, 8.368683e-03, 1.3820042e-03)))

# log(1 + f) = f - f**2 / 2 + f**3 (c0 + c1 f + ...), sqrt(1/2) <= 1 + f <= sqrt(2); relative error 2**-27.3
LOG = tuple(
    map(
        F,
        (
            3.333333e-01,
            -2.500082e-01,
            2.0001242e-01,
            -1.662341e-01,
            1.4201586e-01,
            -1.3159601e-01,
            1.2762144e-01,
            -7.636345e-02,
        ),
    )
)

# log(1 + e) = e + e**2 (c0 + c1 e + ...), 0 <= e <= 1; relative error 2**-30.1
LOG1P = tuple(
    map(
        F,
        (
            -4.9999988e-01,
            3.3332714e-01,
            -2.4988864e-01,
            1.9899623e-01,
            -1.6135171e-01,
            1.24795295e-01,
            -8.323895e-02,
            4.2114824e-02,
            -1.3691671e-02,
            2.0845444e-03,
        ),
    )
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
def abs(x):
    return fabs(x)


@_inline
def sign(x):
    return select(x > F(0), F(1), select(x < F(0), F(-1), x))  # 0, -0 and NaN are their own sign


@_inline
def sqrt(x):
    return _sqrt(x)


# ---- exponentials ---------------------------------------------------------------------------------------------------


@_inline
def _clamped(x, low, high):
    x = select(high < x, high, x)  # NaN stays
    return select(low > x, low, x)


@_inline
def _reduced(x, offset):
    """(i, h, l): x = n ln(2) + (h - l) with an integer n, h exact, and n + offset in the low bits of i."""
    t = fma(x, LOG2E, ROUND + offset)
    n = t - (ROUND + offset)
    return bits(t), fma(n, -LN2_HIGH, x), n * LN2_LOW


@_inline
def _power_of_2(i):
    """2**n from n + 127 in the low bits; the bits above are shifted out."""
    return from_bits(shift_left(i, MANTISSA))


@_inline
def exp(x):
    i, h, l = _reduced(_clamped(x, F(-104), F(89)), F(2 * 127))
    half = shift_right(i, I(1))
    y = polynomial(h - l, EXP)
    return y * _power_of_2(half) * _power_of_2(isub(i, half))  # in two steps: 2**n may be subnormal or too large


@_inline
def _exp_minus(a):
    """e**-a for a >= 0, with an error below 0.8 ulp."""
    x = -a
    i, h, l = _reduced(select(F(-104) > x, F(-104), x), F(127 + 40))
    r = h - l
    y = F(1) + (h + fma(r * r, polynomial(r, EXP[2:]), -l))
    return y * _power_of_2(i) * F(2.0**-40)  # in two steps: 2**n may be subnormal


@_inline
def expm1(x):
    i, h, l = _reduced(_clamped(x, F(-18), F(89)), F(127 - 1))
    r = h - l
    s = _power_of_2(i)  # 2**(n - 1): 2**128 is no float
    y = fma(s, fma(r * r, polynomial(r, EXP[2:]), -l), fma(s, h, s - F(0.5)))
    return select(fabs(x) < TINY_ARGUMENT, x, y + y)


# ---- logarithms -----------------------------------------------------------------------------------------------------


@_inline
def _log_rest(f, k):
    """log((1 + f) 2**k) without its leading part, k LN2_HIGH + f."""
    return fma(f * f, fma(f, polynomial(f, LOG), F(-0.5)), k * LN2_LOW)


@_inline
def log(x):
    small = x < TINY
    y = select(small, x * F(2.0**23), x)  # a subnormal number has its exponent elsewhere
    i = bits(y)
    e = iand(isub(i, SQRT_HALF), MASK)
    f = from_bits(isub(i, e)) - F(1)
    k = to_float(shift_right(e, MANTISSA)) + select(small, F(-23), F(0))
    y = fma(k, LN2_HIGH, f + _log_rest(f, k))
    y = select(x < INF, y, x)
    return select(x > F(0), y, select(x == F(0), -INF, NAN))


@_inline
def log1p(x):
    e = iand(isub(bits(F(1) + x), SQRT_HALF), MASK)
    s = from_bits(isub(FOUR_BITS, e))  # 4 * 2**-k: 2**-128 is no normal number
    f = fma(F(0.25) * x, s, fma(F(0.25), s, F(-1)))  # (1 + x) 2**-k - 1, rounded once
    k = to_float(shift_right(e, MANTISSA))
    y = fma(k, LN2_HIGH, f + _log_rest(f, k))
    y = select(x < INF, y, x)
    y = select(fabs(x) < TINY_ARGUMENT, x, y)
    return select(x > F(-1), y, select(x == F(-1), -INF, NAN))


# ---- composites that share the steps above --------------------------------------------------------------------------


@_inline
def tanh(x):
    a = fabs(x)
    a = select(F(10) < a, F(10), a)
    i, h, l = _reduced(a + a, F(127))
    r = h - l
    s = _power_of_2(i)
    e = fma(s, fma(r * r, polynomial(r, EXP[2:]), -l), fma(s, h, s - F(1)))  # e**(2a) - 1
    return copysign(e / (e + F(2)), x)


@_inline
def sigmoid(x):
    e = _exp_minus(fabs(x))
    return select(x < F(0), e, F(1)) / (F(1) + e)


@_inline
def softplus(x):
    e = _exp_minus(fabs(x))
    return select(x > F(0), x, F(0)) + fma(e * e, polynomial(e, LOG1P), e)


@_inline
def power(x, a):
    return F(math64.power(np.float64(x), np.float64(a)))
