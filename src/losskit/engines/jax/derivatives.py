"""Rules as JAX functions with derivatives of their own.

A rule's value has its slope as its derivative in the prediction, and the slope has the curvature.
Autodiff of the value would be neither exact nor finite in the tails, and wrong at kinks. Only the
derivative in a target that is more than part of a residual or a margin is JAX's, of the rules.

The functions of this module are linear in the tangents, so that JAX can run them backwards, and a
tangent of 0 gives 0 even where a slope is infinite.
"""

import contextlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero

from losskit.engines.jax.words import WORDS, Array, Operand, bare, largest, smallest_normal
from losskit.rules import PAIRS, RuleFunction, Term, bind, is_wide
from losskit.structures import argument_of

Function = Callable[..., Array]


class Numbers(NamedTuple):
    """What rules are run in."""

    dtype: str
    """The dtype at work, "float32" or "float64"."""
    largest: float
    """Where slopes of floored probabilities stop."""

    @property
    def tiny(self) -> float:
        """The smallest normal number."""
        return smallest_normal(self.dtype)


class TermFunctions(NamedTuple):
    """A term's rules as functions of arrays, times its coefficient."""

    argument: str
    value: Function
    """Differentiable: its derivative is ``slope``."""
    slope: Function
    """Differentiable: its derivative is ``curvature``."""
    curvature: Function
    target_slope: Function | None = None
    """The derivative of the value in the target, for rules of (y, p); itself differentiable in p."""
    mixed: Function | None = None
    """The derivative of the slope in the target."""


def finite(x: Array, most: float | None = None) -> Array:
    """``x``, but no larger than the largest number, or than ``most``; NaN stays."""
    most = largest(x.dtype) if most is None else most
    return jnp.clip(x, -most, most)


def linear(tangent: Array, slope: Array) -> Array:
    """``tangent * slope``, but 0 for a tangent of 0 whatever the slope."""
    infinite = jnp.isinf(slope)
    most = largest(slope.dtype)
    # Two finite factors, whose product is infinite again.
    return tangent * jnp.where(infinite, jnp.sign(slope) * most, slope) * jnp.where(infinite, most, 1.0)


def is_zero(tangent: Any) -> bool:
    """Whether nothing is differentiated with respect to an argument."""
    return isinstance(tangent, SymbolicZero)


def once(value: Function, slope: Function, curvature: Function) -> tuple[Function, Function]:
    """A function of one array with this slope, which has this curvature: (value, slope)."""
    first = jax.custom_jvp(slope)
    first.defjvp(lambda x, t: (first(*x), linear(t[0], curvature(*x))))
    function = jax.custom_jvp(value)
    function.defjvp(lambda x, t: (function(*x), linear(t[0], first(*x))))
    return function, first


def in_target(function: Function) -> Function:
    """The derivative of a function of (y, p) with respect to y, element by element."""

    def derivative(y: Array, p: Array) -> Array:
        tangent: Array = jax.jvp(lambda y: function(y, p), (y,), (jnp.ones_like(y),))[1]
        return finite(tangent)

    return derivative


def of_pair(value: Function, slope: Function, curvature: Function) -> tuple[Function, ...]:
    """A function of (y, p) with these derivatives in p: (value, slope, curvature, slope in y, mixed slope)."""
    mixed = in_target(slope)
    by_target = jax.custom_jvp(in_target(value))
    first = jax.custom_jvp(slope)
    function = jax.custom_jvp(value)

    @by_target.defjvp
    def _(x: Any, t: Any) -> tuple[Array, Array]:
        twice = jax.jvp(lambda y: in_target(value)(y, x[1]), (x[0],), (t[0],))[1]
        return by_target(*x), twice + linear(t[1], mixed(*x))

    _derive(first, mixed, curvature)
    _derive(function, by_target, first)
    return function, first, curvature, by_target, mixed


def _derive(function: Any, slope_in_y: Function, slope_in_p: Function) -> None:
    """Give a function of (y, p) its two slopes; neither is computed where it is not asked for."""

    def rule(x: Any, t: Any) -> tuple[Array, Array]:
        total = jnp.zeros_like(x[1])
        for tangent, slope in zip(t, (slope_in_y, slope_in_p), strict=True):
            if not is_zero(tangent):
                total = total + linear(tangent, slope(*x))
        return function(*x), total

    function.defjvp(rule, symbolic_zeros=True)


@lru_cache(maxsize=1024)
def functions_of(term: Term, numbers: Numbers) -> TermFunctions:
    """A term's rules bound to jax.numpy."""
    rules = term.rules
    value, slope, curvature = (_bound(term, r, numbers) for r in (rules.value, rules.slope, rules.curvature))
    if rules.saturates:
        slope, curvature = (_saturated(f, numbers.largest) for f in (slope, curvature))
    if rules.argument in PAIRS:
        return TermFunctions(rules.argument, *of_pair(value, slope, curvature))
    return TermFunctions(rules.argument, *once(value, slope, curvature), curvature)


def _bound(term: Term, rule: RuleFunction, numbers: Numbers) -> Function:
    bound = bind(rule, WORDS)
    dtype = "float64" if is_wide(rule) else numbers.dtype
    # The others are Python numbers, which take the dtype of what they meet; what they mean they take from the loss's.
    given = [float(np.dtype(numbers.dtype).type(n)) for n in term.numbers(numbers.tiny)]

    def function(*argument: Array) -> Array:
        with jax.enable_x64(True) if dtype != numbers.dtype else contextlib.nullcontext():
            zero = Operand(
                jnp.zeros((), dtype)
            )  # as an array: 1/beta in a branch not taken is inf then, where Python's raises
            wide = (Operand(x.astype(dtype)) for x in argument)
            result = jnp.asarray(bare(bound(*wide, *(n if n != 0.0 else zero for n in given))), numbers.dtype)
        result = jnp.broadcast_to(result, argument[-1].shape)
        return result if term.coefficient == 1.0 else term.coefficient * result

    return function


def _saturated(function: Function, largest: float) -> Function:
    return lambda *argument: finite(function(*argument), largest)


def elementwise(terms: tuple[Term, ...], numbers: Numbers, y: Array, p: Array) -> Array:
    """An elementwise loss at each element, differentiable in ``p`` and in ``y``."""
    parts = [functions_of(term, numbers) for term in terms]
    values = [part.value(*argument_of(part.argument, y, p)) for part in parts]
    return sum(values[1:], values[0])


def curvatures(terms: tuple[Term, ...], numbers: Numbers, y: Array, p: Array) -> Array:
    """The second derivative of each element in ``p``."""
    parts = [functions_of(term, numbers) for term in terms]
    values = [
        part.curvature(*argument_of(part.argument, y, p)) * (y * y if part.argument == "margin" else 1.0)
        for part in parts
    ]
    return sum(values[1:], values[0])
