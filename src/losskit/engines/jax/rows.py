"""Losses of rows on JAX arrays.

A loss of rows is differentiated by its exact gradient, and that by its exact change along a vector: a
few sums over the row, and no matrix.
"""

import math
from dataclasses import replace
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp

from losskit.engines.jax.array_words import array_words
from losskit.engines.jax.derivatives import Function, finite, functions_of, is_zero, linear
from losskit.engines.jax.points import Logits, Point, Probabilities, Rows, are_indices, total
from losskit.engines.jax.words import Array
from losskit.engines.row_outer import outer, outer_value
from losskit.rules import OUTER, Term

__all__ = ["Rows", "diagonal", "function_of"]


@lru_cache(maxsize=256)
def function_of(rows: Rows) -> Function:
    """The loss of each row as a function of (z, y), twice differentiable in both."""
    outers = tuple(term for term in rows.terms if term.rules.argument in OUTER)
    if outers:
        return _sum_of(rows, outers)
    at = point_of(rows)
    nll = jax.custom_jvp(lambda z: at(rows, z).nll)
    nll.defjvp(lambda x, t: (nll(*x), at(rows, *x).rise(*t)))
    function = jax.custom_jvp(lambda z, y: at(rows, z).value(y))
    gradient = jax.custom_jvp(lambda z, y: at(rows, z).gradient(y))

    def slopes(x: Any, t: Any) -> tuple[Array, Array]:
        z, y = x
        along = jnp.zeros_like(z)
        if not is_zero(t[0]):
            along = along + linear(t[0], gradient(z, y))
        if not is_zero(t[1]) and not are_indices(y):
            along = along + linear(t[1], target_slopes(rows, nll(z), z, y))
        return function(z, y), total(along)[..., 0]

    def changes(x: Any, t: Any) -> tuple[Array, Array]:
        z, y = x
        dz = jnp.zeros_like(z) if is_zero(t[0]) else t[0]
        dy = None if is_zero(t[1]) or are_indices(y) else t[1]
        return gradient(z, y), at(rows, z).change(y, dz, dy)

    function.defjvp(slopes, symbolic_zeros=True)
    gradient.defjvp(changes, symbolic_zeros=True)
    return function


def _sum_of(rows: Rows, outers: tuple[Term, ...]) -> Function:
    """A loss with terms that are a function of all classes' rules of a pair.

    Those are put together of functions whose derivatives are exact, and JAX differentiates the whole.
    """
    others = replace(rows, terms=tuple(term for term in rows.terms if term not in outers))
    plain = function_of(others) if others.terms else None
    at = point_of(rows)
    argument = jax.custom_jvp(lambda z: at(rows, z).argument)
    argument.defjvp(lambda x, t: (argument(*x), -at(rows, *x).rise(*t)))
    xp = array_words(rows.numbers.dtype)

    def function(z: Array, y: Array) -> Array:
        p = argument(z) if rows.link == "softmax" else z
        whole = jnp.zeros_like(z[..., 0]) if plain is None else plain(z, y)
        for term in outers:
            each = functions_of(replace(term, coefficient=1.0), rows.numbers).value(y, p)
            numbers = term.numbers(rows.numbers.tiny)
            whole = whole + term.coefficient * outer_value(xp, term.rules.argument, numbers, y, each)
        return whole

    return function


def point_of(rows: Rows) -> type[Point]:
    """How predictions are read."""
    return Logits if rows.link == "softmax" else Probabilities


def diagonal(rows: Rows, z: Array, y: Array) -> Array:
    """The diagonal of the second derivative of each row."""
    at = point_of(rows)(rows, z)
    second = at.diagonal(y)
    for term in rows.terms:
        if term.rules.argument in OUTER:
            endless = rows.numbers._replace(largest=math.inf)  # the whole saturates, not its parts
            part = functions_of(replace(term, coefficient=1.0), endless)
            each = (f(y, at.argument) for f in (part.value, part.slope, part.curvature))
            xp, numbers = array_words(rows.numbers.dtype), term.numbers(rows.numbers.tiny)
            whole = outer(xp, term.rules.argument, numbers, y, *each)
            second = second + term.coefficient * at.diagonal_of(whole)
    return rows.saturated(second)


def target_slopes(rows: Rows, nll: Array, z: Array, y: Array) -> Array:
    """The derivative of each row in its shares, in parts whose own derivatives are exact."""
    slopes = jnp.zeros_like(y)
    for part in rows.parts("nll"):
        slopes = slopes + rows.weights(z.shape[-1]) * finite(part.value(nll))
    for part in rows.parts("pair"):
        assert part.target_slope is not None
        slopes = slopes + part.target_slope(y, -nll if rows.link == "softmax" else z)
    return slopes
