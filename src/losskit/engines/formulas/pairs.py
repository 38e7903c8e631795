"""Pairs of vectors in array words: distances, cosines and their gradients, for vectors of any scale."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from losskit.domain import NON_NEGATIVE
from losskit.engines.array_formula import Arrays, Fault
from losskit.scalar import scaled
from losskit.structures.pairs import PairLoss

Shape = tuple[int, ...]


def shape(loss: PairLoss, *shapes: Shape | None) -> Shape:
    """One term for each row of the vectors, or for each distance."""
    of = dict(zip(loss.arguments, shapes, strict=True))
    vectors = [(name, of[name]) for name in loss.differentiable if of[name] is not None]
    first, rows = vectors[0]
    assert rows is not None
    for name, other in vectors[1:]:
        if other != rows:
            raise ValueError(
                f"{first} and {name} must have the same shape, got {rows} and {other}; "
                "give both the same shape; losskit never broadcasts arrays"
            )
    distances = len(vectors) < len(loss.differentiable)
    if not distances and (not rows or rows[-1] == 0):
        raise ValueError(f"{first} must hold vectors on its last axis, got shape {rows}")
    terms = rows if distances else rows[:-1]
    for name in _labels(loss):
        if of[name] != terms:
            what = "distance" if distances else "row"
            raise ValueError(
                f"{name} must have one label a {what} of {first}, shape {terms}; got {of[name]} "
                f"beside {first} of shape {rows}"
            )
    return terms


def faults(xp: Any, loss: PairLoss, *arrays: Any) -> Iterator[Fault]:
    """Labels that are none, and negative distances."""
    labels, vectors = _apart(loss, arrays)
    if loss.targets is not None:
        for name, label in zip(_labels(loss), labels, strict=True):
            yield Fault(name, loss.targets.outside(label), str(loss.targets))
    if vectors[-1] is None:
        assert loss.distances is not None
        yield Fault(loss.distances, NON_NEGATIVE.outside(vectors[0]), str(NON_NEGATIVE))


def terms(xp: Any, loss: PairLoss, *arrays: Any) -> Any:
    """The loss's rule of the measures of each row."""
    labels, vectors = _apart(loss, arrays)
    if vectors[-1] is None:
        measures = [vectors[0]]
    elif loss.rules.measure == "distance":
        measures = [_distance(xp, vectors[0], other)[0] for other in vectors[1:]]
    else:
        first, *others = (_normalised(xp, v) for v in vectors)
        measures = [m for other in others for m in _cosine(xp, first, other)[:2]]
    return xp.rule(loss.rules.value)(*labels, *measures, *loss.numbers)


def pullback(xp: Any, loss: PairLoss, cotangent: Any, *arrays: Any) -> Arrays:
    """The rule's slopes, each times the gradient of its measure."""
    labels, vectors = _apart(loss, arrays)
    slopes_of = xp.rule(loss.rules.slopes)
    if vectors[-1] is None:
        s = vectors[0]
        along, unit = slopes_of(*labels, s, *loss.numbers)
        return cotangent * (along * s + unit), None
    first, *others = vectors
    if loss.rules.measure == "distance":
        distances = [_distance(xp, first, other) for other in others]
        slopes = slopes_of(*labels, *(d.length for d in distances), *loss.numbers)
        along, unit = (_columns(xp, cotangent, half) for half in (slopes[::2], slopes[1::2]))
        times = xp.rule(scaled)
        pulls = [
            times(a, d.difference) + u * d.direction for a, u, d in zip(along, unit, distances, strict=True)
        ]
        rows = xp.expand_dims(cotangent, -1)
        return (rows * sum(pulls[1:], pulls[0]), *(-(rows * pull) for pull in pulls))
    directions = [_normalised(xp, v) for v in vectors]
    cosines = [_cosine(xp, directions[0], other) for other in directions[1:]]
    slopes = slopes_of(*labels, *(m for c in cosines for m in (c.cosine, c.gap)), *loss.numbers)
    columns = _columns(xp, cotangent, [cotangent * s for s in slopes])
    pulls = [s * c.in_first for s, c in zip(columns, cosines, strict=True)]
    pushes = [s * c.in_second for s, c in zip(columns, cosines, strict=True)]
    return tuple(
        xp.where(d.scale == 0.0, 0.0, pull / _or_one(xp, d.length) / _or_one(xp, d.scale))
        for d, pull in zip(directions, (sum(pulls[1:], pulls[0]), *pushes), strict=True)
    )


def _labels(loss: PairLoss) -> tuple[str, ...]:
    return tuple(name for name in loss.arguments if name not in loss.differentiable)


def _apart(loss: PairLoss, arrays: Arrays) -> tuple[list[Any], list[Any]]:
    """Labels, and vectors in their order."""
    of = dict(zip(loss.arguments, arrays, strict=True))
    return [of[name] for name in _labels(loss)], [of[name] for name in loss.differentiable]


def _columns(xp: Any, like: Any, numbers: Any) -> list[Any]:
    """One number a row as a column beside the vectors; a rule may answer with plain numbers."""
    return [xp.expand_dims(xp.zeros_like(like) + number, -1) for number in numbers]


class _Distance(NamedTuple):
    length: Any
    difference: Any
    direction: Any


class _Cosine(NamedTuple):
    cosine: Any
    gap: Any
    in_first: Any
    """The gradient of the cosine in the first vector, times that vector's length."""
    in_second: Any


class _Normalised(NamedTuple):
    """A row is scale * length * direction; of a row of zeros all three are 0."""

    direction: Any
    length: Any
    scale: Any


def _distance(xp: Any, x1: Any, x2: Any) -> _Distance:
    largest = xp.maximum(_largest(xp, x1), _largest(xp, x2))
    shrink = xp.where(largest > 0.25 * xp.finfo_max, 0.25, 1.0)  # a difference of such numbers may overflow
    direction, length, scale = _normalised(xp, shrink * x1 - shrink * x2)
    return _Distance(xp.squeeze(scale * length / shrink, -1), x1 - x2, direction)


def _cosine(xp: Any, first: _Normalised, second: _Normalised) -> _Cosine:
    """Cosine, gap and gradients, which are v - cosine u in the first direction, u, and u - cosine v in the other.

    Towards 1 or -1, which is then the side, the small vector v - side u holds all digits; its projection,
    not the rounded cosine, makes the gradient orthogonal to its vector.
    """
    u, v = first.direction, second.direction
    c = _sum(xp, xp.rounded(u * v))  # of orthogonal vectors 0, which a merged product and sum would miss
    side = xp.where(xp.abs(xp.stop(c)) < 0.5, 0.0, xp.sign(xp.stop(c)))
    from_first, from_second = v - side * u, u - side * v
    near = 0.5 * _sum(xp, from_first * from_first)
    gap = xp.where(side > 0.0, near, xp.where(side < 0.0, 2.0 - near, 1.0 - c))
    in_first = from_first - _sum(xp, from_first * u) * u
    in_second = from_second - _sum(xp, from_second * v) * v
    no_angle = (first.scale == 0.0) | (second.scale == 0.0)
    return _Cosine(
        xp.squeeze(c, -1),
        xp.squeeze(gap, -1),
        xp.where(no_angle, 0.0, in_first),
        xp.where(no_angle, 0.0, in_second),
    )


def _normalised(xp: Any, x: Any) -> _Normalised:
    """Direction, length and scale of each row.

    The scale is the largest number of the row, so that no square overflows or underflows. An infinite
    row points along its infinite numbers.
    """
    scale = _largest(xp, x)
    infinite = scale == math.inf
    ends = xp.where(xp.abs(x) == math.inf, xp.sign(x), 0.0)
    y = xp.where(infinite, ends, x / xp.where(infinite, 1.0, _or_one(xp, scale)))
    squares = _sum(xp, y * y)
    length = xp.sqrt(_or_one(xp, squares))
    return _Normalised(xp.rounded(y / length), xp.where(squares == 0.0, 0.0, length), scale)


def _largest(xp: Any, x: Any) -> Any:
    return xp.stop(xp.max(xp.abs(x), axis=-1, keepdims=True))


def _or_one(xp: Any, x: Any) -> Any:
    """``x``, and 1 where it is 0: a divisor."""
    return xp.where(x == 0.0, 1.0, x)


def _sum(xp: Any, x: Any) -> Any:
    return xp.cast(xp.sum(x, axis=-1, keepdims=True, dtype=xp.wide), xp.float)
