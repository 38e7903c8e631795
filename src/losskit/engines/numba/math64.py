"""float64 scalar functions for the CPU kernels: branch-free, inlined, vectorised by LLVM to the machine's full width.

Compiled strictly: what may be fused is written as ``fma``, and no flag lets LLVM assume the absence of NaN, infinities or
signed zeros. ``ULP`` declares each function's largest error, which the tests measure. The coefficients are our own minimax
fits, made by tests/engines/numba/minimax.py. A further function is: a table from there, the steps below, a line in ``ULP``.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

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

F = np.float64
I = np.int64

_inline = njit(forceinline=True, error_model="numpy")

LOG2E = F(1.4426950408889634)
LN2_HIGH = F(float.fromhex("0x1.62e42fefa38p-1"))  # 42 bits, so that n * LN2_HIGH is exact
LN2_LOW = F(float.fromhex("0x1.ef35793c76730p-45"))
ROUND = F(1.5 * 2.0**52)  # adding it rounds to an integer, which then stands in the low bits
FOUR_BITS = I(0x4010000000000000)
MANTISSA = I(52)
INF = F(np.inf)
NAN = F(np.nan)
TINY_ARGUMENT = F(2.0**-54)  # below it expm1(x), log1p(x) and tanh(x) are x
TINY = F(2.0**-1022)

# e**r = 1 + r + r**2 (c0 + c1 r + ...), |r| <= ln(2) / 2; relative error 2**-57.9
EXP = tuple(
    map(
        F,
        (
            5.000000000000011e-01,
            1.666666666666645e-01,
            4.166666666652805e-02,
            8.333333333478087e-03,
            1.3888888943994855e-03,
            1.984126953320302e-04,
            2.4801492801501333e-05,
            2.7557567482897714e-06,
            2.7630343370117564e-07,
            2.5005030896380578e-08,
        ),
    )
)

# 2 atanh(s) = 2 s + s**3 (c0 + c1 s**2 + ...), where s = f / (2 + f) and sqrt(1/2) <= 1 + f <= sqrt(2); 2**-58.5
ATANH = tuple(
    map(
        F,
        (
            6.666666666666734e-01,
            3.9999999999416674e-01,
            2.857142874202262e-01,
            2.2222198605384003e-01,
            1.8183562841615616e-01,
            1.5314085000029445e-01,
            1.479563211914322e-01,
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
    """n + offset as an integer, in the low bits, and r, where x = n ln(2) + r and n is an integer."""
    t = fma(x, LOG2E, ROUND + offset)
    n = t - (ROUND + offset)
    return bits(t), fma(n, -LN2_LOW, fma(n, -LN2_HIGH, x))


@_inline
def _power_of_2(i):
    """2**n from n + 1023 in the low bits; the bits above are shifted out."""
    return from_bits(shift_left(i, MANTISSA))


@_inline
def exp(x):
    i, r = _reduced(_clamped(x, F(-746.0), F(710.0)), F(2 * 1023))
    half = shift_right(i, I(1))
    y = F(1) + fma(r * r, polynomial(r, EXP), r)
    return y * _power_of_2(half) * _power_of_2(isub(i, half))  # in two steps: 2**n may be subnormal or too large


@_inline
def expm1(x):
    i, r = _reduced(_clamped(x, F(-38.0), F(710.0)), F(1023 - 1))
    s = _power_of_2(i)  # 2**(n - 1): 2**1024 is no float
    y = fma(s, fma(r * r, polynomial(r, EXP), r), s - F(0.5))
    return select(fabs(x) < TINY_ARGUMENT, x, y + y)


# ---- logarithms -----------------------------------------------------------------------------------------------------


@_inline
def _log_tail(f):
    """log(1 + f) - f."""
    s = f / (F(2) + f)
    z = s * s
    half_square = F(0.5) * f * f
    return fma(s, fma(z, polynomial(z, ATANH), half_square), -half_square)


SQRT_HALF = I(0x3FE6A09E667F3BCD)
MASK = I(-(1 << 52))  # clears the mantissa


@_inline
def log(x):
    small = x < TINY
    y = select(small, x * F(2.0**52), x)
    i = bits(y)
    e = iand(isub(i, SQRT_HALF), MASK)  # exponent of the power of 2 nearest to y, in place
    f = from_bits(isub(i, e)) - F(1)
    k = to_float(shift_right(e, MANTISSA)) + select(small, F(-52), F(0))
    y = fma(k, LN2_HIGH, f + fma(k, LN2_LOW, _log_tail(f)))
    y = select(x < INF, y, x)  # +inf and NaN
    return select(x > F(0), y, select(x == F(0), -INF, x - x + NAN))


@_inline
def log1p(x):
    e = iand(isub(bits(F(1) + x), SQRT_HALF), MASK)
    s = from_bits(isub(FOUR_BITS, e))  # 4 * 2**-k: 2**-1024 is no normal number
    f = fma(F(0.25) * x, s, fma(F(0.25), s, F(-1)))  # (1 + x) 2**-k - 1, rounded once
    k = to_float(shift_right(e, MANTISSA))
    y = fma(k, LN2_HIGH, f + fma(k, LN2_LOW, _log_tail(f)))
    y = select(x < INF, y, x)
    y = select(fabs(x) < TINY_ARGUMENT, x, y)
    return select(x > F(-1), y, select(x == F(-1), -INF, x - x + NAN))


# ---- composites that share the steps above --------------------------------------------------------------------------


@_inline
def tanh(x):
    e = expm1(F(2) * _clamped(fabs(x), F(0), F(40)))
    return select(fabs(x) < F(2.0**-27), x, copysign(e / (e + F(2)), x))


@_inline
def sigmoid(x):
    e = exp(-fabs(x))
    return select(x < F(0), e, F(1)) / (F(1) + e)


@_inline
def softplus(x):
    return maximum(x, F(0)) + log1p(exp(-fabs(x)))


@_inline
def power(x, a):
    return exp(a * log(x))
