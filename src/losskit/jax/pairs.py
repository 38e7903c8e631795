"""optax's losses of pairs and triplets of vectors: exact for vectors of any scale."""

from typing import ClassVar

import jax.numpy as jnp

from losskit.jax.shapes import Array, ArrayLike, Axis, kept, number_of, rows_of
from losskit.losses.pairs import CosineSimilarityLoss, TripletLoss
from losskit.rules import rule
from losskit.scalar import Scalar
from losskit.structures.pairs import PairLoss


class Cosine(PairLoss):
    """The cosine itself."""

    measure: ClassVar[str] = "cosine"

    @rule
    def value(c: Scalar, gap: Scalar) -> Scalar:
        return c

    @rule
    def slopes(c: Scalar, gap: Scalar) -> tuple[Scalar]:
        return (1.0,)


_COSINE = Cosine(reduction="none")
_COSINE_DISTANCE = CosineSimilarityLoss(reduction="none")


def cosine_similarity(
    predictions: ArrayLike, targets: ArrayLike, *, epsilon: ArrayLike = 0.0, axis: Axis = -1,
    where: ArrayLike | None = None,
) -> Array:  # fmt: skip
    """The cosine of the vectors on ``axis``; 0, with the derivative 0, beside a vector of zeros, where optax has NaN.

    ``epsilon`` is the least squared length of a vector, ``where`` the elements to take.
    """
    x, y = _vectors(predictions, targets, axis, where)
    cosine: Array = _COSINE(x, y) * _shrunk(x, epsilon) * _shrunk(y, epsilon)
    return cosine


def cosine_distance(
    predictions: ArrayLike, targets: ArrayLike, *, epsilon: ArrayLike = 0.0, axis: Axis = -1,
    where: ArrayLike | None = None,
) -> Array:  # fmt: skip
    """1 less the cosine, with all its digits where vectors are almost parallel; arguments as for ``cosine_similarity``."""
    if number_of(epsilon) != 0.0:
        return 1.0 - cosine_similarity(predictions, targets, epsilon=epsilon, axis=axis, where=where)
    distance: Array = _COSINE_DISTANCE(*_vectors(predictions, targets, axis, where))
    return distance


def triplet_margin_loss(
    anchors: ArrayLike, positives: ArrayLike, negatives: ArrayLike, axis: int = -1, norm_degree: ArrayLike = 2,
    margin: ArrayLike = 1.0, eps: ArrayLike = 1e-6,
) -> Array:  # fmt: skip
    """max(0, d(a, p) - d(a, n) + margin) with d(x, y) = (Σ |x - y|^degree + eps)^(1 / degree).

    For the degree 2 distances neither overflow nor underflow. Odd degrees take absolute values, optax's
    do not. Where a triplet has its margin exactly, the derivative is 0.
    """
    a, p, n = (jnp.moveaxis(jnp.asarray(x), axis, -1) for x in (anchors, positives, negatives))
    width = number_of(margin)
    if number_of(norm_degree) == 2.0 and width is not None and width >= 0.0:
        beyond = jnp.broadcast_to(jnp.sqrt(jnp.asarray(eps, a.dtype)), (*a.shape[:-1], 1))
        loss: Array = TripletLoss(width, reduction="none")(
            *(jnp.concatenate((x, e), -1) for x, e in ((a, beyond), (p, 0.0 * beyond), (n, 0.0 * beyond)))
        )
        return loss
    to_positive, to_negative = (
        jnp.power(jnp.sum(jnp.power(jnp.abs(a - x), norm_degree), -1) + eps, 1.0 / norm_degree)
        for x in (p, n)
    )
    return jnp.maximum(to_positive - to_negative + margin, 0.0)


def _vectors(
    predictions: ArrayLike, targets: ArrayLike, axis: Axis, where: ArrayLike | None
) -> tuple[Array, Array]:
    """Vectors on the last axis, with 0 in the place of what is left out."""
    x, y, axes = rows_of(predictions, targets, axis)
    keep, rows = kept(where, jnp.shape(predictions), axes)
    keep = rows[..., None] if keep is None and rows is not None else keep
    return (x, y) if keep is None else (jnp.where(keep, x, 0), jnp.where(keep, y, 0))


def _shrunk(x: Array, epsilon: ArrayLike) -> ArrayLike:
    """A vector's length over the least that counts as one, where it is below that."""
    if number_of(epsilon) == 0.0:
        return 1.0
    squares = jnp.sum(x * x, -1)
    short = squares < epsilon
    return jnp.where(short, jnp.sqrt(jnp.where(short & (squares > 0), squares, 1.0) / epsilon), 1.0)
