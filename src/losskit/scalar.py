"""The scalar functions a rule may call, in NumPy's names.

A rule is written once in these words. Each engine binds the words to its own functions (the Numba
engine to vectorisable polynomials, SymPy to symbols, mpmath to 50 digits); called directly, as here,
they are NumPy's, and so a rule is also an ordinary function of floats and arrays.

The first group are primitives: an engine must supply each of them. The second group are written in
terms of the first, so an engine gets them for free and overrides one only to do it better.
The builtin ``abs`` belongs to the vocabulary too.
"""

from typing import Any

import numpy as np

Scalar = Any
"""A float, an array, a tensor or a symbol: whatever the engine at work passes to a rule."""

exp = np.exp
expm1 = np.expm1
log = np.log
log1p = np.log1p
maximum = np.maximum  # NaN propagates in both, unlike `a if a > b else b`
minimum = np.minimum
power = np.power
sign = np.sign
sqrt = np.sqrt
tanh = np.tanh
where = np.where


def clip(x: Scalar, low: Scalar, high: Scalar) -> Scalar:
    """``x`` moved into [low, high]; NaN stays NaN."""
    return minimum(maximum(x, low), high)


def scaled(factor: Scalar, x: Scalar) -> Scalar:
    """``factor * x``, and 0 where the factor is 0 even if ``x`` is infinite: 0 log 0 = 0."""
    return where(factor == 0.0, 0.0, factor * x)


def sigmoid(x: Scalar) -> Scalar:
    """1 / (1 + e^-x), exact in both tails: sigmoid(-100) is 3.7e-44, not 0."""
    e = exp(-abs(x))  # never overflows
    return where(x >= 0.0, 1.0, e) / (1.0 + e)


def softplus(x: Scalar) -> Scalar:
    """log(1 + e^x), exact in both tails: softplus(-100) is 3.7e-44, not 0."""
    return maximum(x, 0.0) + log1p(exp(-abs(x)))


def polynomial(x: Scalar, coefficients: tuple[float, ...]) -> Scalar:
    """``c[0] + c[1] x + c[2] x**2 + ...`` by Horner's rule; the coefficients are a constant."""
    *lower, total = coefficients
    for coefficient in reversed(lower):
        total = total * x + coefficient
    return total


# ---- the gamma function ---------------------------------------------------------------------------------------------
#
# The coefficients are our own minimax fits, made by tests/engines/numba/minimax.py.

# log x! / (x (x - 1)) in powers of x - 3/4, 0 <= x <= 3/2; relative error 2**-54.8
LOG_FACTORIAL = (
    0.4501393121092563, -0.1194815866252428, 0.04452044719851816, -0.01905395783023735,
    0.008776370424408032, -0.0042261941264414, 0.002095533913151193, -0.0010605660628582988,
    0.0005448963161703775, -0.00028319078818908513, 0.0001485249019768302, -7.846039697984737e-05,
    4.164247301890703e-05, -2.228857771614628e-05, 1.2275679977908219e-05, -6.411645484034221e-06,
    2.3505049719514176e-06, -1.9606523389567913e-06, 3.771481524861556e-06, -4.300174262412043e-07,
    -4.197134892794695e-06, -3.184486105713018e-07, 4.856611566741487e-06, 6.23485079621352e-08,
    -2.9143498751773017e-06, -6.04238415042912e-08, 8.169646172111458e-07,
)  # fmt: skip

# x (log x! - (x + 1/2) log x + x - log(2 pi) / 2) in powers of 1 / x**2, x >= 7; relative error 2**-54.0
STIRLING = (
    0.08333333333333333, -0.002777777777756194, 0.000793650777216345, -0.0005952333860960014,
    0.0008411033270667023, -0.0018710542444445519, 0.004684197694697907,
)  # fmt: skip
HALF_LOG_TAU = 0.9189385332046727  # log(2 pi) / 2

# digamma(x) / (x - its zero) in powers of x - 3/2, 1 <= x <= 2; relative error 2**-54.3
DIGAMMA = (
    0.9510558760318328, -0.42362742128146047, 0.2405424842408277, -0.14840492305393413,
    0.09498872444655983, -0.06192213326960086, 0.040760834324476025, -0.02697579694181468,
    0.01790723640083971, -0.01190821295724693, 0.007927237675220963, -0.005280043301201144,
    0.00351566868826816, -0.0023445280063889695, 0.00158105093802783, -0.001041939992831226,
    0.0006085336768992554, -0.0004671188336047442, 0.0005624174825942083, -0.00018067144852779637,
    -0.0002935941545637696, -0.00014917231637037918, 0.00039453510213768026,
)  # fmt: skip
# Its zero in three parts, of which float32 holds the first two.
ZERO_HIGH, ZERO_MIDDLE, ZERO_LOW = 1.4616321325302124, 1.243815006546356e-08, -1.2654465062537432e-16

# x**2 (log x - 1 / (2 x) - digamma(x)) in powers of 1 / x**2, x >= 8; relative error 2**-47.4
DIGAMMA_SERIES = (
    0.08333333333333288, -0.008333333331226576, 0.003968252371609997, -0.004166222693240992,
    0.007519449795725566, -0.01772024088127548,
)  # fmt: skip


def lgamma(x: Scalar) -> Scalar:
    """log Γ(x) for x >= 0, exact also beside its zeros at 1 and 2; NaN for a negative number."""
    small = x < 1.0
    return log_factorial(where(small, x, x - 1.0)) - log(where(small, x, 1.0))


def log_factorial(x: Scalar) -> Scalar:
    """log x! = log Γ(1 + x) for x >= 0, exact also for small x, where 1 + x is not; NaN for a negative number."""
    a = minimum(x, 7.0)
    b = _less_one(a, 1.5)
    c = _less_one(b, 1.5)
    d = _less_one(c, 1.5)
    e = _less_one(d, 1.5)
    f = _less_one(e, 1.5)
    rest = _less_one(f, 1.5)
    product = _factor(a) * _factor(b) * _factor(c) * _factor(d) * _factor(e) * _factor(f)
    logarithm = log(where(x < 0.0, -1.0, where(x < 7.0, product, x)))
    near = rest * (rest - 1.0) * polynomial(rest - 0.75, LOG_FACTORIAL) + logarithm
    # not x log x - x: that cancels where x is not yet large
    far = x * (logarithm - 1.0) + (0.5 * logarithm + (HALF_LOG_TAU + stirling_series(x)))
    return where(x < 7.0, near, far)


def stirling_series(x: Scalar) -> Scalar:
    """What Stirling's formula leaves out: log x! - (x + 1/2) log x + x - log(2 pi) / 2, for x >= 7."""
    reciprocal = 1.0 / maximum(x, 7.0)
    return reciprocal * polynomial(reciprocal * reciprocal, STIRLING)


def digamma(x: Scalar) -> Scalar:
    """The derivative of lgamma for x >= 0, exact also beside its zero; NaN for a negative number."""
    a = minimum(x, 8.0)
    b = _less_one(a, 2.0)
    c = _less_one(b, 2.0)
    d = _less_one(c, 2.0)
    e = _less_one(d, 2.0)
    f = _less_one(e, 2.0)
    g = where(x < 1.0, x + 1.0, _less_one(f, 2.0))
    steps = _step(a) + _step(b) + _step(c) + _step(d) + _step(e) + _step(f)
    near = (((g - ZERO_HIGH) - ZERO_MIDDLE) - ZERO_LOW) * polynomial(g - 1.5, DIGAMMA)
    pole = where(x < 0.0, log(minimum(x, 1.0)), 1.0 / where(x < 1.0, abs(x), 1.0))
    reciprocal = 1.0 / maximum(x, 8.0)
    square = reciprocal * reciprocal
    far = log(maximum(x, 8.0)) - (0.5 * reciprocal + square * polynomial(square, DIGAMMA_SERIES))
    return where(x < 8.0, where(x < 1.0, near - pole, near + steps), far)


def _less_one(x: Scalar, limit: float) -> Scalar:
    return where(x >= limit, x - 1.0, x)


def _factor(x: Scalar) -> Scalar:
    return where(x >= 1.5, x, 1.0)


def _step(x: Scalar) -> Scalar:
    return where(x >= 2.0, 1.0 / (x - 1.0), 0.0)


PRIMITIVES = ("exp", "expm1", "log", "log1p", "maximum", "minimum", "power", "sign", "sqrt", "tanh", "where")
"""What an engine must supply."""

COMPOSITES = ("clip", "digamma", "lgamma", "log_factorial", "polynomial", "scaled", "sigmoid", "softplus")
"""What an engine may override."""

WORDS = PRIMITIVES + COMPOSITES
"""The whole vocabulary, but for the builtin ``abs``."""
