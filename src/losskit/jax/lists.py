"""optax's loss of lists."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from losskit.jax.shapes import Array, ArrayLike
from losskit.losses.softmax import CategoricalCrossEntropy

_CROSS_ENTROPY = CategoricalCrossEntropy(from_logits=True, reduction="none", validate=False)


def ranking_softmax_loss(
    logits: ArrayLike, labels: ArrayLike, *, where: ArrayLike | None = None, weights: ArrayLike | None = None,
    reduce_fn: Callable[..., Any] | None = jnp.mean,
) -> Array:  # fmt: skip
    """-Σ y log softmax(logits) over the last axis: relevances are shares as they are, not as their softmax.

    ``where`` says which items there are, ``weights`` multiply labels. ``reduce_fn`` is called on the lists'
    losses, with ``where=`` those that have an item; the mean of none is 0. None leaves them as they are.
    """
    z = jnp.asarray(logits)
    y = jnp.asarray(labels, z.dtype) if weights is None else jnp.asarray(labels, z.dtype) * weights
    lists = None
    if where is not None:
        items = jnp.broadcast_to(jnp.asarray(where, bool), z.shape)
        z, y, lists = jnp.where(items, z, -jnp.inf), jnp.where(items, y, 0), items.any(-1)
    terms: Array = _CROSS_ENTROPY(y, z, mask=lists)
    if reduce_fn is None:
        return terms
    answer = reduce_fn(terms) if lists is None else reduce_fn(terms, where=lists)
    nothing = False if lists is None else ~lists.any()
    return jnp.where(nothing, 0.0, answer) if reduce_fn is jnp.mean else answer
