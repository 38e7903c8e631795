"""The vocabulary of rules on mpmath numbers that obey the rules of floating point.

A context of its own: 1/0 is infinite and log(-1) is NaN here, as in floats, because a rule computes
both branches of a ``where`` and may divide by zero in the one that is not taken.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from losskit.errors import needs

with needs("check"):
    import mpmath

Number = Any  # mpmath has no types

context = mpmath.MPContext()
mpf = context.mpf
INF, NAN = context.inf, context.nan
_ENOUGH = mpf(2) ** 1030  # exp of more is out of reach of any format, and of patience


def _divide(a: Number, b: Number) -> Number:
    if b == 0:
        return NAN if a == 0 or a != a else INF if a > 0 else -INF
    return _quotient(a, b)


def _raise(base: Number, exponent: Number) -> Number:
    if base == 0 and exponent < 0:
        return INF
    if base < 0 and exponent != int(exponent):
        return NAN
    return _power(base, exponent)


_quotient, _power = mpf.__truediv__, mpf.__pow__
mpf.__truediv__ = _divide  # of this context only: its class of numbers is its own
mpf.__rtruediv__ = lambda self, other: _divide(mpf(other), self)
mpf.__pow__ = _raise


def _from(low: float, function: Callable[[Number], Number]) -> Callable[[Number], Number]:
    """The function from ``low`` upwards, NaN below."""
    return lambda x: function(mpf(x)) if x >= low else NAN


def _least(a: Number, b: Number) -> Number:
    return a + b if a != a or b != b else min(mpf(a), mpf(b))


def _largest(a: Number, b: Number) -> Number:
    return a + b if a != a or b != b else max(mpf(a), mpf(b))


def _exp(x: Number) -> Number:
    return _exp_at(mpf(x), context.prec)


@lru_cache(maxsize=4096)  # a row is differentiated in one entry while the others stay
def _exp_at(x: Number, bits: int) -> Number:
    if x > _ENOUGH:
        return INF
    if not context.isfinite(x) or abs(x) < 2**30:
        return context.exp(x)
    with context.workprec(
        context.prec + context.mag(x) + 20
    ):  # mpmath takes 10 ms to raise e to a large integer
        doublings = context.floor(x / context.ln2)
        rest = x - doublings * context.ln2
    return context.ldexp(context.exp(rest), int(doublings))


def _log(x: Number) -> Number:
    return _log_at(x, context.prec)


@lru_cache(maxsize=4096)
def _log_at(x: Number, bits: int) -> Number:
    return context.log(x)


def _sigmoid(x: Number) -> Number:
    e = _exp(-abs(x))
    return (1 if x >= 0 else e) / (1 + e)


_OF_NUMPY = ("cosh", "sinh", "sin", "cos", "tan", "pi")
_ARCS = ("sin", "cos", "tan", "sinh", "cosh", "tanh")

WORDS: dict[str, Any] = {
    **{name: getattr(context, name) for name in _OF_NUMPY},
    **{f"arc{name}": getattr(context, f"a{name}") for name in _ARCS},
    "exp": _exp,
    "expm1": lambda x: _exp(x) - 1 if abs(x) > 2**30 else context.expm1(x),
    "log": _from(0, _log),
    "log1p": _from(-1, lambda x: context.log1p(x) if x > -1 else -INF),
    "log2": _from(0, lambda x: context.log(x, 2)),
    "log10": _from(0, context.log10),
    "sqrt": _from(0, context.sqrt),
    "tanh": context.tanh,
    "sign": context.sign,
    "power": lambda x, a: mpf(x) ** mpf(a),
    "where": lambda condition, a, b: mpf(a) if condition else mpf(b),
    "maximum": _largest,
    "minimum": _least,
    "sigmoid": _sigmoid,
    "lgamma": _from(0, lambda x: context.loggamma(x) if x else INF),
    "log_factorial": _from(0, lambda x: context.loggamma(1 + x)),
    "digamma": _from(0, lambda x: context.digamma(x) if x else -INF),
    "softplus": lambda x: _largest(x, 0) + context.log1p(_exp(-abs(x))),
    "square": lambda x: x * x,
    "absolute": abs,
}
"""The words of rules, and what NumPy has besides."""
