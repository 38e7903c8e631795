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


PRIMITIVES = ("exp", "expm1", "log", "log1p", "maximum", "minimum", "power", "sign", "sqrt", "tanh", "where")
"""What an engine must supply."""

COMPOSITES = ("clip", "scaled", "sigmoid", "softplus")
"""What an engine may override."""

WORDS = PRIMITIVES + COMPOSITES
"""The whole vocabulary, but for the builtin ``abs``."""
