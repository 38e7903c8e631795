"""Losses of rows on JAX arrays.

A loss of rows is differentiated by its exact gradient, and that by its exact change along a vector: a
few sums over the row, and no matrix.
"""

from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp

from losskit.engines.jax.derivatives import Function, finite, is_zero, linear
from losskit.engines.jax.points import Logits, Point, Probabilities, Rows, are_indices, total
from losskit.engines.jax.words import Array

__all__ = ["Rows", "diagonal", "function_of"]


@lru_cache(maxsize=256)
def function_of(rows: Rows) -> Function:
    """The loss of each row as a function of (z, y), twice differentiable in both."""
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


def point_of(rows: Rows) -> type[Point]:
    """How predictions are read."""
    return Logits if rows.link == "softmax" else Probabilities


def diagonal(rows: Rows, z: Array, y: Array) -> Array:
    """The diagonal of the second derivative of each row."""
    return rows.saturated(point_of(rows)(rows, z).diagonal(y))


def target_slopes(rows: Rows, nll: Array, z: Array, y: Array) -> Array:
    """The derivative of each row in its shares, in parts whose own derivatives are exact."""
    slopes = jnp.zeros_like(y)
    for part in rows.parts("nll"):
        slopes = slopes + rows.weights(z.shape[-1]) * finite(part.value(nll))
    for part in rows.parts("pair"):
        assert part.target_slope is not None
        slopes = slopes + part.target_slope(y, -nll if rows.link == "softmax" else z)
    return slopes
