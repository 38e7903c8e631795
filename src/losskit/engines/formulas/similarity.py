"""Batch similarity as array operations: anchors against candidates, a tile of anchors at a time.

Each row has a key and an identity. Two rows belong together where their keys are equal, and a row is
no candidate of itself. For an anchor's pool with exponents x, weights follow from the largest one,

    log(sum exp(x)) = x_top + log1p(o),   o = the sum of exp(x - x_top) over the others,

so that neither a value nor a weight near 0 or 1 is a difference of larger numbers. Memory grows with the
number of rows times that of a tile, but for derivatives that a framework takes of these derivatives.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from losskit.engines.array_formula import Fault
from losskit.engines.formulas.tiles import tiles
from losskit.structures.similarity import (
    ACROSS,
    AMONG_ALL,
    BOTH_WAYS,
    CANDIDATES,
    NEGATIVES,
    POSITIVES,
    CosinesLoss,
    EmbeddingLoss,
    LabelledLoss,
    SimilarityLoss,
    ViewsLoss,
)

ROUNDING = 1e-3
"""How far beyond 1 rounding may put a cosine."""
SMALL = 1 << 21
"""Multiplications of all products together up to which float64 costs nothing beside the call."""


class Rows(NamedTuple):
    """Vectors, with what tells which of them belong together and which is which."""

    vectors: Any
    keys: Any
    identities: Any


class Lengths(NamedTuple):
    """The lengths of rows, as largest * rest, so that neither part over- or underflows; 1 for a row of zeros."""

    largest: Any
    rest: Any


def shape(loss: SimilarityLoss, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    """One term a row."""
    if isinstance(loss, CosinesLoss):
        labels, cosines = shapes
        if not cosines or labels != cosines[:-1]:
            raise ValueError(
                "labels must be (...) and cosines (..., classes), got labels of shape "
                f"{labels} and cosines of shape {cosines}"
            )
        return labels
    if isinstance(loss, ViewsLoss):
        z1, z2 = shapes
        if len(z1) != 2 or z1 != z2:
            hint = "; row i of both is the same thing" if len(z1) == len(z2) == 2 else ""
            raise ValueError(
                f"z1 and z2 must both be (n, features), got z1 of shape {z1} and z2 of shape {z2}{hint}"
            )
        return z1[:1]
    labels, embeddings = shapes
    if len(embeddings) != 2 or labels != embeddings[:1]:
        hint = f"; pass labels.reshape({embeddings[0]})" if labels == (*embeddings[:1], 1) else ""
        raise ValueError(
            "labels must be (n,) and embeddings (n, features), got labels of shape "
            f"{labels} and embeddings of shape {embeddings}{hint}"
        )
    return labels


def in_double(loss: SimilarityLoss, *shapes: tuple[int, ...]) -> bool:
    """Where it costs nothing: exponents are similarities over a temperature, which multiplies their rounding."""
    rows = shapes[-1]
    return math.prod(rows) * (1 if isinstance(loss, CosinesLoss) else rows[0]) <= SMALL


def faults(xp: Any, loss: SimilarityLoss, *arrays: Any) -> Iterator[Fault]:
    """Labels that are no class, and cosines that are none."""
    if isinstance(loss, CosinesLoss):
        labels, cosines = arrays
        classes = cosines.shape[-1]
        wrong = xp.logical_or(labels < 0, labels >= classes)
        yield Fault("labels", wrong, f"in 0..{classes - 1}, the classes of cosines", index=True)
        yield Fault("cosines", xp.abs(cosines) > 1.0 + ROUNDING, "cosines in [-1, 1]")


def present(xp: Any, loss: SimilarityLoss, *arrays: Any) -> Any:
    """Which anchors have a positive, where a loss needs one."""
    if not isinstance(loss, LabelledLoss) or not any(pool.less_positives for pool in loss.pools):
        return None
    labels = arrays[0]
    ordered = xp.sort(labels)
    first, last = (xp.searchsorted(ordered, labels, side=side) for side in ("left", "right"))
    return last - first > 1


def terms(xp: Any, loss: SimilarityLoss, *arrays: Any) -> Any:
    """The pools of each anchor, added up; of a pair of views, the mean of its anchors."""
    if isinstance(loss, CosinesLoss):
        return _of_cosines(xp, loss, *arrays)[0]
    assert isinstance(loss, EmbeddingLoss)
    units = [unit(xp, loss, z)[0] for z in _embeddings(loss, arrays)]
    found = [_terms(xp, loss, *sides) for sides in comparisons(xp, loss, arrays, units)]
    whole = _of_pairs(xp, loss, found)
    # An anchor's only candidate has all of the probability, whatever it is: that must not lose a NaN.
    for u in units:
        whole = xp.where(xp.any(xp.isnan(u)), xp.full_like(whole, float("nan")), whole)
    return whole


def pullback(xp: Any, loss: SimilarityLoss, cotangent: Any, *arrays: Any) -> tuple[Any, ...]:
    """The derivative of the terms, each times its cotangent, with respect to the embeddings."""
    if isinstance(loss, CosinesLoss):
        return (xp.expand_dims(cotangent, -1) * _of_cosines(xp, loss, *arrays)[1],)
    assert isinstance(loss, EmbeddingLoss)
    made = [unit(xp, loss, z) for z in _embeddings(loss, arrays)]
    units = [u for u, _ in made]
    shares = _of_anchors(xp, loss, cotangent)
    slopes = [
        _slopes(xp, loss, share, *sides)
        for share, sides in zip(shares, comparisons(xp, loss, arrays, units), strict=True)
    ]
    if loss.compares() == AMONG_ALL:
        ((anchors, candidates),) = slopes
        whole, n = anchors + candidates, units[0].shape[0]
        found = [whole[n * i : n * (i + 1)] for i in range(len(units))]
    elif loss.compares() == BOTH_WAYS:
        (a1, c2), (a2, c1) = slopes
        found = [a1 + c1, a2 + c2]
    else:
        found = list(slopes[0])
    return tuple(through_length(xp, loss, g, u, length) for g, (u, length) in zip(found, made, strict=True))


def unit(xp: Any, loss: EmbeddingLoss, z: Any) -> tuple[Any, Lengths]:
    """The rows divided by their lengths, and these; a row of zeros stays one."""
    if not loss.normalize:
        return z, Lengths(1.0, 1.0)
    largest = xp.stop(xp.max(xp.abs(z), axis=-1, keepdims=True))
    largest = xp.where(largest == 0.0, xp.ones_like(largest), largest)
    scaled = z / largest
    square = xp.sum(scaled * scaled, axis=-1, keepdims=True)
    rest = xp.sqrt(xp.where(square == 0.0, xp.ones_like(square), square))
    return scaled / rest, Lengths(largest, rest)


def through_length(xp: Any, loss: EmbeddingLoss, slope: Any, u: Any, length: Lengths) -> Any:
    """From the derivative in the unit vectors to that in the rows; 0 for a row of zeros."""
    if not loss.normalize:
        return slope
    size = xp.abs(u)
    top = xp.expand_dims(xp.argmax(size, axis=-1), -1) == xp.arange(u.shape[-1])
    rest = xp.where(top, xp.zeros_like(u), u)
    along = xp.sum(slope * rest, axis=-1, keepdims=True)
    inside = xp.sum(xp.where(top, slope * u, xp.zeros_like(u)), axis=-1, keepdims=True)
    # slope - u (u·slope); in the largest entry the difference 1 - u² is the sum of the other squares.
    across = xp.where(
        top, slope * xp.sum(rest * rest, axis=-1, keepdims=True) - u * along, slope - u * (along + inside)
    )
    nothing = xp.max(size, axis=-1, keepdims=True) == 0.0
    return xp.where(nothing, xp.zeros_like(across), across / length.rest / length.largest)


def _of_cosines(xp: Any, loss: CosinesLoss, labels: Any, cosines: Any) -> tuple[Any, Any]:
    """The terms of rows of cosines, and their derivatives with respect to these."""
    right = xp.one_hot(labels, cosines.shape[-1])
    numbers = loss.target_numbers()
    c = xp.clip(cosines, -1.0, 1.0)
    x = loss.scale * xp.where(right > 0.0, xp.rule(type(loss).target)(c, *numbers), c)
    flat = [xp.reshape(a, (-1, c.shape[-1])) for a in (x, right)]
    value, slope = _logarithm(xp, flat[0], flat[1] >= 0.0, flat[1], None)
    inner = xp.where(right > 0.0, xp.rule(type(loss).target_slope)(c, *numbers), xp.ones_like(c))
    return xp.reshape(value, labels.shape), loss.scale * inner * xp.reshape(slope, c.shape)


def _embeddings(loss: EmbeddingLoss, arrays: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(z for name, z in zip(loss.arguments, arrays, strict=True) if name in loss.differentiable)


def comparisons(
    xp: Any, loss: EmbeddingLoss, arrays: tuple[Any, ...], units: list[Any]
) -> list[tuple[Rows, Rows]]:
    """Anchors and candidates, once or twice."""
    n = units[0].shape[0]
    index = xp.arange(n)
    if not isinstance(loss, ViewsLoss):
        rows = Rows(units[0], arrays[0], index)
        return [(rows, rows)]
    one, two = (Rows(u, index, index + n * i) for i, u in enumerate(units))
    if loss.compares() == ACROSS:
        return [(one, two)]
    if loss.compares() == BOTH_WAYS:
        return [(one, two), (two, one)]
    rows = Rows(*(xp.concatenate((a, b), axis=0) for a, b in zip(one, two, strict=True)))
    return [(rows, rows)]


def _of_pairs(xp: Any, loss: EmbeddingLoss, found: list[Any]) -> Any:
    """The terms of anchors as terms of the loss: the mean of the anchors of a pair of views."""
    if not isinstance(loss, ViewsLoss) or loss.compares() == ACROSS:
        return found[0]
    both = xp.reshape(xp.concatenate(found, axis=0), (2, -1))
    return 0.5 * both[0] + 0.5 * both[1]


def _of_anchors(xp: Any, loss: EmbeddingLoss, cotangent: Any) -> list[Any]:
    """The adjoint of ``_of_pairs``."""
    if not isinstance(loss, ViewsLoss) or loss.compares() == ACROSS:
        return [cotangent]
    half = 0.5 * cotangent
    return [half, half] if loss.compares() == BOTH_WAYS else [xp.concatenate((half, half), axis=0)]


def _terms(xp: Any, loss: EmbeddingLoss, anchors: Rows, candidates: Rows) -> Any:
    def step(state: Any, rows: Any) -> tuple[Any, Any]:
        made = _pools(xp, loss, Rows(*rows), candidates)
        return state, sum(value for value, _ in made)

    _, found = xp.scan(step, xp.zeros(()), tiles(xp, *anchors))
    return xp.reshape(found, (-1,))[: anchors.vectors.shape[0]]


def _slopes(xp: Any, loss: EmbeddingLoss, cotangent: Any, anchors: Rows, candidates: Rows) -> tuple[Any, Any]:
    """The derivative with respect to the anchors and to the candidates."""

    def step(whole: Any, rows: Any) -> tuple[Any, Any]:
        share, tile = rows[0], Rows(*rows[1:])
        made = _pools(xp, loss, tile, candidates)
        slope = xp.expand_dims(share, -1) * sum(slope for _, slope in made)
        across = xp.matmul(xp.swapaxes(slope, 0, 1), tile.vectors)
        return whole + across, xp.matmul(slope, candidates.vectors)

    whole, found = xp.scan(step, xp.zeros_like(candidates.vectors), tiles(xp, cotangent, *anchors))
    rows, features = anchors.vectors.shape
    return xp.reshape(found, (-1, features))[:rows], whole


def _pools(xp: Any, loss: EmbeddingLoss, anchors: Rows, candidates: Rows) -> list[tuple[Any, Any]]:
    """Of each pool its value, one an anchor, and its derivative with respect to each similarity."""
    s = xp.matmul(anchors.vectors, xp.swapaxes(candidates.vectors, 0, 1))
    other = xp.expand_dims(anchors.identities, -1) != candidates.identities
    alike = xp.expand_dims(anchors.keys, -1) == candidates.keys
    positive = xp.logical_and(alike, other)
    sets = {CANDIDATES: other, POSITIVES: positive, NEGATIVES: xp.logical_not(alike)}
    made = []
    for pool in loss.pools:
        x, inside = pool.scale * s, sets[pool.over]
        if pool.each:
            value, slope = _logarithms(xp, x + pool.shift, inside)
        else:
            less = xp.cast(positive, xp.float) if pool.less_positives else xp.zeros_like(s)
            value, slope = _logarithm(xp, x, inside, less, pool.shift if pool.plus_one else None)
        made.append((pool.coefficient * value, pool.coefficient * pool.scale * slope))
    return made


def _logarithms(xp: Any, x: Any, inside: Any) -> tuple[Any, Any]:
    """sum log(1 + exp(x)) over a set, and its derivative."""
    value = xp.sum(xp.where(inside, xp.softplus(x), xp.zeros_like(x)), axis=-1, dtype=xp.wide)
    return xp.cast(value, xp.float), xp.where(inside, xp.sigmoid(x), xp.zeros_like(x))


def _logarithm(xp: Any, x: Any, inside: Any, positive: Any, shift: float | None) -> tuple[Any, Any]:
    """log(sum exp(x)) over a set less the mean of the positive x, and its derivative.

    With a shift it is log(1 + sum exp(x + shift)): the 1 is then one more x, -shift, so that a large shift
    rounds nothing off.
    """
    if shift is not None:
        column = xp.zeros_like(x[:, :1])
        x, positive = (
            xp.concatenate((x, column - shift), axis=-1), xp.concatenate((positive, column), axis=-1)
        )  # fmt: skip
        inside = xp.concatenate((inside, column == 0.0), axis=-1)
    nothing = xp.zeros_like(x)
    highest = xp.argmax(xp.where(inside, x, xp.full_like(x, -xp.finfo_max)), axis=-1)
    top = xp.logical_and(inside, xp.expand_dims(highest, -1) == xp.arange(x.shape[-1]))
    x_top = xp.sum(xp.where(top, x, nothing), axis=-1, keepdims=True)
    below = xp.logical_and(inside, xp.logical_not(top))
    gap = xp.where(below, x_top - x, nothing)
    power = xp.where(below, xp.exp(-gap), nothing)
    others = xp.cast(xp.sum(power, axis=-1, keepdims=True, dtype=xp.wide), xp.float)
    share = positive / xp.maximum(xp.sum(positive, axis=-1, keepdims=True), xp.ones_like(x_top))
    some = xp.sum(share, axis=-1) > 0.0
    level = xp.where(some, xp.sum(share * gap, axis=-1), x_top[:, 0] + (shift or 0.0))
    slope = xp.where(top, ((1.0 - share) - others * share) / (1.0 + others), power / (1.0 + others) - share)
    slope = xp.where(inside, slope, nothing)
    if shift is not None:
        slope = slope[:, :-1]
    return level + xp.log1p(others[:, 0]), slope
