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
    "softplus": 1.8,
    "power": 1.2,
    "sqrt": 0.5,
}
"""The largest error of each function, in units in the last place."""

F = np.float64
I = np.int64  # every literal is typed: Numba would compute float32 with a Python number in float64

_inline = njit(forceinline=True, error_model="numpy", no_cfunc_wrapper=True)
_step = njit(  # private steps cannot be called from Python, which saves a third of the time to compile
    forceinline=True, error_model="numpy", no_cfunc_wrapper=True, no_cpython_wrapper=True
)


def _table(*coefficients: float) -> tuple[np.floating, ...]:
    return tuple(map(F, coefficients))


LOG2E = F(1.4426950408889634)
LN2_HIGH = F(float.fromhex("0x1.62e42fefa38p-1"))  # 42 bits, so that n * LN2_HIGH is exact
LN2_LOW = F(float.fromhex("0x1.ef35793c76730p-45"))
ROUND = F(1.5 * 2.0**52)  # adding it rounds to an integer, which then stands in the low bits
ONE_BITS = I(0x3FF0000000000000)
SMALLEST_NORMAL = I(0x0010000000000000)
NEGATIVE_INF = I(-0x0010000000000000)  # its bits
FOUR_BITS = I(0x4010000000000000)
MANTISSA = I(52)
TINY_ARGUMENT = F(2.0**-54)  # below it expm1(x) and log1p(x) are x
SQRT_HALF = I(0x3FE6A09E667F3BCD)  # its bits
THREE_QUARTERS = I(0x3FE8000000000000)  # its bits
MASK = I(-(1 << 52))  # clears the mantissa

# e**r, |r| <= ln(2) / 2; relative error 2**-57.9
EXP = _table(
    1.0,
    1.0,
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
)
EXP_REST = EXP[2:]  # (e**r - 1 - r) / r**2

# 2 atanh(s) = 2 s + s**3 (c0 + c1 s**2 + ...), where s = f / (2 + f) and -1/4 <= f <= 1/2; relative error 2**-55.9
ATANH = _table(
    6.666666666667268e-01,
    3.9999999996176777e-01,
    2.8571429392847764e-01,
    2.222213868269913e-01,
    1.8186349269459526e-01,
    1.5250314271468499e-01,
    1.5367282162825568e-01,
)

# log2(m) = s (LOG2_0 + z LOG2_1 + z**2 (c0 + c1 z + ...)), s = (m - 1) / (m + 1), z = s**2, sqrt(1/2) <= m <= sqrt(2);
# 2 / ln(2) and 2 / (3 ln(2)) in two parts; relative error 2**-66.3
LOG2_0 = F(float.fromhex("0x1.71547652b82fep+1"))
LOG2_0_LOW = F(float.fromhex("0x1.777d0ffda0d24p-55"))
LOG2_1 = F(float.fromhex("0x1.ec709dc3a03fdp-1"))
LOG2_1_LOW = F(float.fromhex("0x1.d27f05548af0cp-55"))
LOG2 = _table(
    5.770780163556178e-01,
    4.1219858309199586e-01,
    3.2059890226339477e-01,
    2.623077020241245e-01,
    2.219839561406112e-01,
    1.9125613226639235e-01,
    1.9037641298994054e-01,
)

# 2**g, |g| <= 1/2; relative error 2**-57.8
EXP2 = _table(
    1.0,
    6.931471805599453e-01,
    2.4022650695910108e-01,
    5.550410866482172e-02,
    9.618129107601616e-03,
    1.333355814654643e-03,
    1.5403530449013472e-04,
    1.5252733633820791e-05,
    1.3215438849117271e-06,
    1.0178160124956568e-07,
    7.073230637776914e-09,
    4.438848121491997e-10,
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
    """2**n from n + 1023 in the low bits; the bits above are shifted out."""
    return from_bits(shift_left(i, MANTISSA))


@_inline
def exp(x):
    i, h, l = _reduced(clip(x, F(-746), F(710)), F(2 * 1023))
    half = shift_right(i, I(1))  # scaled in two steps: 2**n may be subnormal or too large
    y = polynomial(h - l, EXP)
    return y * _power_of_2(half) * _power_of_2(isub(i, half))


@_step
def _exp_minus(a):
    """e**-a for a >= 0, with an error below 0.9 ulp."""
    x = -a
    i, h, l = _reduced(select(F(-746) > x, F(-746), x), F(1023 + 60))
    r = h - l
    y = F(1) + (h + fma(r * r, polynomial(r, EXP_REST), -l))
    return y * _power_of_2(i) * F(2.0**-60)  # in two steps: 2**n may be subnormal


@_inline
def expm1(x):
    i, h, l = _reduced(clip(x, F(-38), F(710)), F(1023 - 1))
    r = h - l
    s = _power_of_2(i)  # 2**(n - 1): 2**1024 is no float
    y = fma(s, fma(r * r, polynomial(r, EXP_REST), -l), fma(s, h, s - F(0.5)))
    return select(fabs(x) < TINY_ARGUMENT, x, y + y)


# ---- logarithms -----------------------------------------------------------------------------------------------------


@_step
def _log(f, k):
    """log((1 + f) 2**k)."""
    s = f / (F(2) + f)
    z = s * s
    rest = fma(-s, fma(-z, polynomial(z, ATANH), f), k * LN2_LOW)  # 2 s is f - s f
    return fma(k, LN2_HIGH, f + rest)


@_step
def _with_poles(y, x, i):
    """y = log(...) with its special values: x and the bits i of the logarithm's argument decide."""
    at_infinity = fma(x, F(2.0**-1014), F(-2000))  # inf or NaN where x is, else below every logarithm
    y = select(y > at_infinity, y, at_infinity)
    pole = from_bits(ior(shift_right(i, I(12)), NEGATIVE_INF))  # -inf for 0, NaN for a negative number
    return select(i < I(1), pole, y)


@_step
def _split(x):
    """(i, f, k): x = (1 + f) 2**k with sqrt(1/2) <= 1 + f < sqrt(2), and i the bits of x."""
    i = bits(x + F(0))  # 0 for -0
    small = i < SMALLEST_NORMAL
    j = select(small, bits(from_bits(ior(i, ONE_BITS)) - F(1)), i)  # 2**1022 x, if x is subnormal
    e = iand(isub(j, SQRT_HALF), MASK)
    f = from_bits(isub(j, e)) - F(1)
    return i, f, to_float(shift_right(e, MANTISSA)) + select(small, F(-1022), F(0))


@_inline
def log(x):
    i, f, k = _split(x)
    return _with_poles(_log(f, k), x, i)


@_inline
def log1p(x):
    i = bits(F(1) + x)
    e = iand(isub(i, THREE_QUARTERS), MASK)  # f from [-1/4, 1/2) is exact except for huge x
    s = from_bits(isub(FOUR_BITS, e))  # 4 * 2**-k: 2**-1024 is no normal number
    f = fma(F(0.25) * x, s, fma(F(0.25), s, F(-1)))  # (1 + x) 2**-k - 1
    y = _log(f, to_float(shift_right(e, MANTISSA)))
    return select(fabs(x) < TINY_ARGUMENT, x, _with_poles(y, x, i))


# ---- composites that share the steps above --------------------------------------------------------------------------


@_inline
def tanh(x):
    a = fabs(x)
    a = select(F(20) < a, F(20), a)
    i, h, l = _reduced(a + a, F(1023 - 1))
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
    large = e > F(0.5)
    f = select(large, fma(F(0.5), e, F(-0.5)), e)  # 1 + e is 1 + f or 2 (1 + f)
    return select(x > F(0), x, F(0)) + _log(f, select(large, F(1), F(0)))


# ---- powers ---------------------------------------------------------------------------------------------------------
#
# y = a log2(x) may be 1000 and its error is that of the result, so the logarithm needs 64 bits: sums and products carry
# their rounding error along, as a pair (high, low).


@_step
def _two_product(a, b):
    """a * b and its rounding error."""
    high = a * b
    return high, fma(a, b, -high)


@_step
def _two_sum(a, b):
    """a + b and its rounding error, for |a| >= |b|."""
    high = a + b
    return high, b - (high - a)


@_step
def _log2(x):
    """log2(x) as a pair."""
    i, f, k = _split(x)
    d, d_low = _two_sum(F(2), f)
    reciprocal = F(1) / d
    s = f * reciprocal
    s_low = fma(-s, d_low, fma(-s, d, f)) * reciprocal
    z, z_low = _two_product(s, s)
    z_low = fma(s + s, s_low, z_low)
    c, c_low = _two_sum(LOG2_1, z * polynomial(z, LOG2))
    w, w_low = _two_product(z, c)
    w_low = fma(z, c_low + LOG2_1_LOW, fma(z_low, c, w_low))
    c, c_low = _two_sum(LOG2_0, w)
    y, y_low = _two_product(s, c)
    y_low = fma(s, c_low + (w_low + LOG2_0_LOW), fma(s_low, c, y_low))
    high, low = _two_sum(k, y)
    return _with_poles(high, x, i), low + y_low


@_inline
def power(x, a):
    high, low = _log2(x)
    y, y_low = _two_product(a, high)
    y_low = fma(a, low, y_low)
    y = clip(y, F(-1080), F(1080))
    t = y + (ROUND + F(2 * 1023))
    n = t - (ROUND + F(2 * 1023))
    g = (y - n) + select(fabs(y) < F(1080), y_low, F(0))  # y_low is NaN where log2(x) is infinite
    i = bits(t)
    half = shift_right(i, I(1))
    y = polynomial(g, EXP2) * _power_of_2(half) * _power_of_2(isub(i, half))
    return select(a == F(0), F(1), y)
