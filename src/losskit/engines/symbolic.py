"""Rules on symbols: the derivatives of a rule that came with a value only.

SymPy's derivative is examined before it is used: at a kink it may pick the wrong side, and an
expression that is right in exact arithmetic may be 0/0 in floats. Where it fails, the author of the
loss is asked for the rule. (The built-in losses all have their own; see tests for the comparison.)
"""

import linecache
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import losskit.scalar
from losskit.errors import needs
from losskit.rules import ARGUMENTS, RuleFunction, bind

with needs("symbolic"):
    import mpmath
    import sympy
    from sympy.printing.str import StrPrinter


class _Log1p(sympy.Function):
    def fdiff(self, argindex: int = 1) -> Any:
        return 1 / (1 + self.args[0])


class _Expm1(sympy.Function):
    def fdiff(self, argindex: int = 1) -> Any:
        return sympy.exp(self.args[0])


class _Sigmoid(sympy.Function):
    def fdiff(self, argindex: int = 1) -> Any:
        return _Sigmoid(self.args[0]) * _Sigmoid(-self.args[0])


class _Softplus(sympy.Function):
    def fdiff(self, argindex: int = 1) -> Any:
        return _Sigmoid(self.args[0])


class _Lgamma(sympy.Function):
    def fdiff(self, argindex: int = 1) -> Any:
        return _Digamma(self.args[0])


class _LogFactorial(sympy.Function):
    def fdiff(self, argindex: int = 1) -> Any:
        return _Digamma(1 + self.args[0])


class _Digamma(sympy.Function):
    """Its derivative is no word: nothing knows how to print it."""


def _where(condition: Any, a: Any, b: Any) -> Any:
    return sympy.Piecewise((a, condition), (b, True))


SYMBOLS: Mapping[str, Any] = {
    "exp": sympy.exp, "expm1": _Expm1, "log": sympy.log, "log1p": _Log1p, "sqrt": sympy.sqrt,
    "tanh": sympy.tanh, "sign": sympy.sign, "abs": sympy.Abs, "where": _where,
    "power": lambda x, a: x**a,
    "maximum": lambda a, b: _where(a > b, a, b),
    "minimum": lambda a, b: _where(a < b, a, b),
    "sigmoid": _Sigmoid, "softplus": _Softplus, "scaled": lambda a, x: a * x,
    "lgamma": _Lgamma, "log_factorial": _LogFactorial, "digamma": _Digamma,
}  # fmt: skip
"""The vocabulary on SymPy's expressions."""

DIGITS: Mapping[str, Any] = {
    "exp": mpmath.exp, "expm1": mpmath.expm1, "log": mpmath.log, "log1p": mpmath.log1p, "sqrt": mpmath.sqrt,
    "tanh": mpmath.tanh, "sign": mpmath.sign, "power": mpmath.power,
    "where": lambda condition, a, b: a if condition else b,
    "maximum": lambda a, b: a + b if a != a or b != b else max(a, b),
    "minimum": lambda a, b: a + b if a != a or b != b else min(a, b),
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "lgamma": mpmath.loggamma, "log_factorial": lambda x: mpmath.loggamma(1 + x), "digamma": mpmath.digamma,
}  # fmt: skip
"""The vocabulary on mpmath's numbers: any precision that ``mpmath.workdps`` sets."""


class _Printer(StrPrinter):
    """SymPy's expressions in the words of rules."""

    _words = {
        "_Log1p": "log1p",
        "_Expm1": "expm1",
        "_Sigmoid": "sigmoid",
        "_Softplus": "softplus",
        "_Lgamma": "lgamma",
        "_LogFactorial": "log_factorial",
        "_Digamma": "digamma",
        "Abs": "abs",
    }

    def _print_Function(self, expression: Any) -> str:
        name = type(expression).__name__
        word = self._words.get(name, name)
        if word not in (*losskit.scalar.WORDS, "abs"):
            raise NotImplementedError(f"its derivative contains {name}")
        return f"{word}({', '.join(self._print(a) for a in expression.args)})"

    _print_Abs = _print_Function

    def _print_Piecewise(self, expression: Any) -> str:
        text = "0.0"
        for value, condition in reversed(expression.args):
            value = self._print(value)
            text = value if condition == sympy.true else f"where({self._print(condition)}, {value}, {text})"
        return text

    def _print_And(self, expression: Any) -> str:
        return " & ".join(f"({self._print(a)})" for a in expression.args)

    def _print_Or(self, expression: Any) -> str:
        return " | ".join(f"({self._print(a)})" for a in expression.args)

    def _print_Relational(self, expression: Any) -> str:
        left, right = (self._print(a) for a in expression.args)
        return f"({left}) {expression.rel_op} ({right})"

    def _print_Pow(self, expression: Any, rational: bool = False) -> str:
        base, exponent = expression.base, expression.exp
        if exponent.is_Integer and abs(int(exponent)) <= 8:
            power = f"({self._print(base)})**{abs(int(exponent))}"
            return power if exponent > 0 else f"(1.0/{power})"
        if exponent == sympy.Rational(1, 2):
            return f"sqrt({self._print(base)})"
        if exponent == sympy.Rational(-1, 2):
            return f"(1.0/sqrt({self._print(base)}))"
        return f"power({self._print(base)}, {self._print(exponent)})"

    def _print_Exp1(self, expression: Any) -> str:
        return repr(math.e)


def derive(value: RuleFunction, argument: str, order: int) -> RuleFunction:
    """The slope (order 1) or curvature (order 2) of a value rule, as a rule with a text of its own."""
    kind = ("value", "slope", "curvature")[order]
    names = value.__code__.co_varnames[: value.__code__.co_argcount]
    where = value.__qualname__
    symbols = [sympy.Symbol(name, real=True) for name in names]
    variable = symbols[len(ARGUMENTS[argument]) - 1]
    try:
        expression = sympy.diff(bind(value, SYMBOLS)(*symbols), variable, order)
        expression = expression.replace(sympy.DiracDelta, lambda *a: sympy.S.Zero)
        text = f"def {kind}({', '.join(names)}):\n    return {_Printer().doprint(expression)}\n"
    except Exception as error:
        raise TypeError(f"cannot derive the {kind} of {where}: {error}; write it as a rule") from error
    derived = _function(text, kind, value)
    _examine(value, derived, argument, order, where, kind)
    return derived


def _function(text: str, kind: str, value: RuleFunction) -> RuleFunction:
    """A function of ``text`` in the vocabulary, whose text tracebacks and compilers can see."""
    file = f"<losskit {kind} of {value.__module__}.{value.__qualname__}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    names = {word: getattr(losskit.scalar, word) for word in losskit.scalar.WORDS}
    exec(compile(text, file, "exec"), names)  # text printed above from an expression tree, never a user's
    function: RuleFunction = names[kind]
    function.__rule_source__ = text  # type: ignore[attr-defined]
    function.__module__ = value.__module__
    return function


_GRID = (-20.0, -3.0, -1.0, -0.5, -0.1, 0.0, 0.1, 0.3, 0.5, 0.7, 1.0, 2.0, 20.0)


def _examine(
    value: RuleFunction, derived: RuleFunction, argument: str, order: int, where: str, kind: str
) -> None:
    """Compare with one-sided differences in 60 digits: at a kink anything between them is a subgradient."""
    exact = bind(value, DIGITS)
    count = value.__code__.co_argcount - len(ARGUMENTS[argument])
    for p in _GRID:
        for y in (0.0, 1.0) if len(ARGUMENTS[argument]) == 2 else (None,):
            for shared in (0.5, 1.0):
                front = () if y is None else (y,)
                numbers = (shared,) * count
                sides = _one_sided(lambda t: exact(*front, t, *numbers), p, order)  # noqa: B023
                if sides is None:
                    continue  # outside the domain of the value
                with np.errstate(all="ignore"):
                    got = float(derived(*map(np.float64, (*front, p, *numbers))))
                slack = 1e-6 * (1.0 + max(map(abs, sides)))
                if not min(sides) - slack <= got <= max(sides) + slack:
                    raise TypeError(
                        f"cannot derive the {kind} of {where}: at {'' if y is None else f'y = {y:g}, '}"
                        f"{ARGUMENTS[argument][-1]} = {p:g} with parameters {shared:g} SymPy's answer is {got:g}, the "
                        f"limits from either side are {sides[0]:g} and {sides[1]:g}; write the {kind} as a rule"
                    )


def _one_sided(f: Callable[[Any], Any], p: float, order: int) -> tuple[float, float] | None:
    """The derivatives of order 1 or 2 just left and right of p; None where f is not defined."""
    with mpmath.workdps(60):
        h = mpmath.mpf(10) ** -15
        answers = []
        for side in (-1, 1):
            try:
                a, b, c = (mpmath.mpf(f(mpmath.mpf(p) + side * k * h)) for k in (1, 2, 3))
            except (ZeroDivisionError, ValueError, TypeError, OverflowError):
                return None
            first = side * (-5 * a + 8 * b - 3 * c) / (2 * h)  # at p itself, from the three points beside it
            answers.append(float(first if order == 1 else (a - 2 * b + c) / (h * h)))
    return (answers[0], answers[1]) if all(map(math.isfinite, answers)) else None
