"""Axes, masks and numbers as optax takes them."""

import operator
from typing import Any

import jax
import jax.numpy as jnp

Array = jax.Array
ArrayLike = Any
Axis = int | tuple[int, ...] | None


def number_of(x: ArrayLike) -> float | None:
    """A number whose value is known; None for other arrays."""
    return float(x) if jnp.ndim(x) == 0 and not isinstance(x, jax.core.Tracer) else None


def integers(labels: ArrayLike) -> Array:
    y = jnp.asarray(labels)
    if not jnp.issubdtype(y.dtype, jnp.integer):
        raise TypeError(f"labels must be integers, got {y.dtype}; distributions go to softmax_cross_entropy")
    return y


def rows_of(x: ArrayLike, y: ArrayLike | None, axis: Axis) -> tuple[Array, Array, tuple[int, ...]]:
    """Predictions and labels with ``axis``, which may be several axes or all, as the last one."""
    p = jnp.asarray(x)
    axes = _axes(axis, p.ndim)
    y = p if y is None else jnp.broadcast_to(jnp.asarray(y), p.shape)
    return _last(p, axes), _last(y, axes), axes


def _axes(axis: Axis, dimensions: int) -> tuple[int, ...]:
    axes = range(dimensions) if axis is None else axis if isinstance(axis, tuple) else (operator.index(axis),)
    for one in axes:
        if not -dimensions <= one < dimensions:
            raise ValueError(f"axis {one} is out of bounds for predictions with {dimensions} dimensions")
    return tuple(one % dimensions for one in axes)


def _last(x: Array, axes: tuple[int, ...]) -> Array:
    if axes == (x.ndim - 1,):
        return x
    batch = tuple(i for i in range(x.ndim) if i not in axes)
    return x.transpose(batch + axes).reshape(*(x.shape[i] for i in batch), -1)


def kept(
    where: ArrayLike | None, shape: tuple[int, ...], axes: tuple[int, ...]
) -> tuple[Array | None, Array | None]:
    """``where`` as a mask of elements, or None if it is one of rows, and as a mask of rows."""
    if where is None:
        return None, None
    keep = jnp.asarray(where).astype(bool)
    if keep.ndim != len(shape):  # of the rows
        return None, jnp.broadcast_to(keep, tuple(n for i, n in enumerate(shape) if i not in axes))
    keep = _last(jnp.broadcast_to(keep, shape), axes)
    return keep, keep.any(-1)
