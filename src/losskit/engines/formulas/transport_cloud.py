"""Distances between sets of points: potentials that one set has at the points of the other, or of itself.

Both forms, by a kernel and by a plan, are < a, f(x, y) - f(x, x) > + < b, f(y, x) - f(y, y) >, and the kernels of
the CPU share this arithmetic: ``Fields`` is what they bring their own of. Here a field is a map over tiles of
points, so that memory grows with the number of points, not of pairs (but for derivatives that a framework takes of
these derivatives).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from losskit.engines.formulas.transport_mass import cleared, power, shares, times_power, unit_of
from losskit.structures.transport import CloudLoss, Ground, KernelLoss, PlanLoss

Forces = tuple[Any, Any] | None
"""The derivatives with respect to the points of both clouds, where they are wanted."""

TILE = 1 << 20
"""Numbers in a tile of differences between points."""
MEDIAN_OF = 512
"""Points among which the median distance is sought."""


class Cloud(NamedTuple):
    """Sets of points, (sets, points, features), and their weights, whose sum is 1 in each set."""

    points: Any
    mass: Any


class Fields(NamedTuple):
    """How potentials are computed, and forces, their derivatives with respect to the points they are at."""

    mean: Callable[..., tuple[Any, Any]]
    """mean(unit, at, of, forces): the mean ground cost to the points of a cloud, of distances in a unit for each set."""
    softmin: Callable[..., tuple[Any, Any]]
    """softmin(weight, at, f, of, g, forces): the soft minimum of cost less g over the points of a cloud, at the
    weight of the entropy, where f is a guess of it."""


def terms(
    xp: Any, loss: CloudLoss, y_true: Any, y_pred: Any, target_weight: Any = None, weight: Any = None
) -> Any:
    """The distance of each pair of sets."""
    clouds = clouds_of(xp, y_true, y_pred, target_weight, weight)
    return xp.reshape(distances(xp, loss, _fields(xp, loss), *clouds, False)[0], y_pred.shape[:-2])


def pullback(
    xp: Any, loss: CloudLoss, cotangent: Any, y_true: Any, y_pred: Any,
    target_weight: Any = None, weight: Any = None,
) -> tuple[Any, Any]:  # fmt: skip
    """The derivative of the distances, each times its cotangent, with respect to both sets; of a plan, with the
    potentials held."""
    clouds = clouds_of(xp, y_true, y_pred, target_weight, weight)
    _, forces = distances(xp, loss, _fields(xp, loss), *clouds, True)
    assert forces is not None
    pred, true = forces
    each = xp.reshape(cotangent, (-1, 1, 1))
    return xp.reshape(each * true, y_true.shape), xp.reshape(each * pred, y_pred.shape)


def clouds_of(xp: Any, y_true: Any, y_pred: Any, target_weight: Any, weight: Any) -> tuple[Cloud, Cloud]:
    """Predictions and targets, with one batch axis."""
    found = []
    for points, w in ((y_pred, weight), (y_true, target_weight)):
        flat = xp.reshape(cleared(xp, points, w), (-1, *points.shape[-2:]))
        found.append(
            Cloud(flat, shares(xp, xp.ones(flat.shape[:2]) if w is None else xp.reshape(w, flat.shape[:2])))
        )
    return found[0], found[1]


def distances(
    xp: Any, loss: CloudLoss, fields: Fields, x: Cloud, y: Cloud, forces: bool
) -> tuple[Any, Forces]:
    """The distance of each pair of sets, and where wanted its derivative with respect to the points of both."""
    if isinstance(loss, PlanLoss):
        return _by_plan(xp, loss, fields, x, y, forces)
    assert isinstance(loss, KernelLoss)
    units = [xp.full((x.points.shape[0], 1), unit) for unit in loss.units or ()] or [
        _median_distance(xp, x, y)
    ]
    pairs = ((x, y), (x, x), (y, x), (y, y))
    found = [
        _difference(xp, x, y, *(fields.mean(unit, at, of, forces) for at, of in pairs)) for unit in units
    ]
    value = sum(v for v, _ in found) / len(found)
    if not forces:
        return value, None
    # Both points of a pair feel its cost, so each force counts twice.
    pred, true = (sum(f[k] for _, f in found if f) * (2.0 / len(found)) for k in range(2))
    return value, (pred, true)


def _difference(xp: Any, x: Cloud, y: Cloud, x_y: Any, x_x: Any, y_x: Any, y_y: Any) -> tuple[Any, Forces]:
    """< a, f(x, y) - f(x, x) > + < b, f(y, x) - f(y, y) >, 0 where rounding makes it negative, and the forces."""
    value = sum(
        xp.sum(cloud.mass * (other[0] - own[0]), axis=-1, dtype=xp.wide)
        for cloud, other, own in ((x, x_y, x_x), (y, y_x, y_y))
    )
    value = xp.cast(xp.maximum(value, xp.zeros_like(value)), xp.float)
    if x_y[1] is None:
        return value, None
    return value, (
        xp.expand_dims(x.mass, -1) * (x_y[1] - x_x[1]),
        xp.expand_dims(y.mass, -1) * (y_x[1] - y_y[1]),
    )


def _by_plan(xp: Any, loss: PlanLoss, fields: Fields, x: Cloud, y: Cloud, forces: bool) -> tuple[Any, Forces]:
    """The Sinkhorn divergence. Lengths are in units of the blur, so that the entropy's weight is 1 in the end."""
    x, y = (Cloud(cloud.points / loss.blur, cloud.mass) for cloud in (x, y))
    extent = _extent(xp, x, y)

    def improve(f: tuple[Any, ...], shrink: Any) -> tuple[tuple[Any, ...], None]:
        weight = power(xp, xp.maximum(extent * shrink, xp.ones_like(extent)), loss.p)
        better = _softmins(fields, weight, x, y, f, False)
        return tuple(0.5 * (old + new[0]) for old, new in zip(f, better, strict=True)), None

    start = tuple(xp.zeros_like(cloud.mass) for cloud in (x, x, y, y))
    f, _ = xp.scan(improve, start, xp.array([0.5**k for k in range(loss.iterations)]))
    value, slopes = _difference(xp, x, y, *_softmins(fields, xp.ones_like(extent), x, y, f, forces))
    value = times_power(xp, value, xp.full_like(value, loss.blur), loss.p)
    if slopes is None:
        return value, None
    pred, true = (times_power(xp, s, xp.full_like(s, loss.blur), loss.p - 1.0) for s in slopes)
    return value, (pred, true)


def _softmins(
    fields: Fields, weight: Any, x: Cloud, y: Cloud, f: tuple[Any, ...], forces: bool
) -> tuple[Any, Any, Any, Any]:
    """The potentials of each set in the other and in itself, from the last ones."""
    x_y, x_x, y_x, y_y = f
    return (
        fields.softmin(weight, x, x_y, y, y_x, forces), fields.softmin(weight, x, x_x, x, x_x, forces),
        fields.softmin(weight, y, y_x, x, x_y, forces), fields.softmin(weight, y, y_y, y, y_y, forces),
    )  # fmt: skip


def _extent(xp: Any, *clouds: Cloud) -> Any:
    """The diagonal of the box around all points that have weight: a constant to whoever differentiates."""
    highs, lows = [], []
    for cloud in clouds:
        nothing = xp.expand_dims(cloud.mass == 0.0, -1)
        highs.append(xp.max(xp.where(nothing, xp.full_like(cloud.points, -np.inf), cloud.points), axis=1))
        lows.append(xp.min(xp.where(nothing, xp.full_like(cloud.points, np.inf), cloud.points), axis=1))
    sides = xp.maximum(*highs) - xp.minimum(*lows)
    return xp.stop(xp.sqrt(xp.sum(sides * sides, axis=-1, keepdims=True)))


def _median_distance(xp: Any, *clouds: Cloud) -> Any:
    """The median of the distances between two points of either set, each pair counting by its weights, and the lesser
    of two middle ones; 1 where it is 0. A constant to whoever differentiates."""
    points, mass = (xp.concatenate(both, axis=1) for both in zip(*clouds, strict=True))
    step = -(-points.shape[1] // MEDIAN_OF)
    points, mass = points[:, ::step], mass[:, ::step]
    i, j = (xp.array(k, xp.index) for k in np.triu_indices(points.shape[1], 1))
    way = xp.stop(_length(xp, xp.take(points, i, axis=1) - xp.take(points, j, axis=1)))
    order = xp.argsort(way, axis=-1)
    both = xp.take_along_axis(xp.take(mass, i, axis=1) * xp.take(mass, j, axis=1), order, axis=-1)
    upto = xp.cumsum(both, axis=-1, dtype=xp.wide)
    # A hair below the half: rounding must not decide between two middle distances.
    middle = xp.sum(xp.cast(upto < 0.4999 * upto[..., -1:], xp.index), axis=-1, keepdims=True)
    median = xp.take_along_axis(xp.take_along_axis(way, order, axis=-1), middle, axis=-1)
    return xp.where(median > 0.0, median, xp.ones_like(median))


def _fields(xp: Any, loss: CloudLoss) -> Fields:
    """Fields by array operations, a tile of points at a time."""
    return Fields(partial(_mean, xp, loss.ground), partial(_softmin, xp, loss.ground))


def _mean(xp: Any, ground: Ground, unit: Any, at: Cloud, of: Cloud, forces: bool) -> tuple[Any, Any]:
    unit, share, value = xp.expand_dims(unit, -1), xp.expand_dims(of.mass, 1), xp.rule(ground.value)

    def tile(points: Any) -> tuple[Any, ...]:
        way, direction = _between(xp, points, of.points)
        way = way / unit
        potential = xp.sum(share * value(way, *ground.numbers), axis=-1)
        return (potential, _force(xp, ground, share / unit, way, direction)) if forces else (potential,)

    return _by_tiles(xp, tile, of, at.points)


def _softmin(
    xp: Any, ground: Ground, weight: Any, at: Cloud, f: Any, of: Cloud, g: Any, forces: bool
) -> tuple[Any, Any]:
    weight, share, value = xp.expand_dims(weight, -1), xp.expand_dims(of.mass, 1), xp.rule(ground.value)

    def tile(points: Any, guess: Any) -> tuple[Any, ...]:
        way, direction = _between(xp, points, of.points)
        rest = xp.expand_dims(guess, -1) + xp.expand_dims(g, 1) - value(way, *ground.numbers)
        rise, powers = _log_mean(xp, share, rest / weight)
        potential = guess - xp.squeeze(weight * rise, -1)
        return (potential, _force(xp, ground, powers, way, direction)) if forces else (potential,)

    return _by_tiles(xp, tile, of, at.points, f)


def _log_mean(xp: Any, share: Any, exponent: Any) -> tuple[Any, Any]:
    """The logarithm of a mean of exponentials, and what each contributes to the mean, as shares."""
    some = xp.broadcast_to(share > 0.0, exponent.shape)
    top = xp.max(xp.where(some, exponent, xp.full_like(exponent, -np.inf)), axis=-1, keepdims=True)
    top = xp.stop(top)
    powers = xp.where(some, share * xp.exp(exponent - top), xp.zeros_like(exponent))
    total = xp.sum(powers, axis=-1, keepdims=True)
    rise = top + xp.log(total)
    # A rise near 0 is found from what each exponential differs from 1 by: the logarithm has lost it.
    near = xp.abs(rise) < 0.5
    small = xp.where(near & some, exponent, xp.zeros_like(exponent))
    excess = xp.sum(share * xp.expm1(small), axis=-1, keepdims=True)
    return xp.where(near, xp.log1p(excess), rise), powers / total


def _force(xp: Any, ground: Ground, share: Any, way: Any, direction: Any) -> Any:
    """The derivative of mean ground costs; 0 between points that coincide, whatever the slope there and its own."""
    slope = xp.rule(ground.slope)(xp.where(way == 0.0, xp.ones_like(way), way), *ground.numbers)
    return xp.sum(xp.expand_dims(share * slope, -1) * direction, axis=-2)


def _between(xp: Any, x: Any, y: Any) -> tuple[Any, Any]:
    """The distance of each point of x to each of y, and the direction from y to x: 0 where they coincide."""
    gap = xp.expand_dims(x, 2) - xp.expand_dims(y, 1)
    way = _length(xp, gap)
    return way, gap / xp.expand_dims(xp.where(way == 0.0, xp.ones_like(way), way), -1)


def _length(xp: Any, gap: Any) -> Any:
    """The length of vectors, measured in units of their largest entry, so that no square over- or underflows."""
    unit = unit_of(xp, xp.max(xp.abs(gap), axis=-1))
    squares = xp.sum(xp.square(gap / xp.expand_dims(unit, -1)), axis=-1)
    nothing = squares == 0.0
    root = xp.sqrt(xp.where(nothing, xp.ones_like(squares), squares))
    return xp.where(nothing, xp.zeros_like(root), unit * root)


def _by_tiles(xp: Any, function: Callable[..., tuple[Any, ...]], of: Cloud, *rows: Any) -> tuple[Any, Any]:
    """``function`` of tiles of rows (their second axis); a potential, and forces or None."""
    n = rows[0].shape[1]
    tile = max(1, TILE // max(1, int(np.prod(of.points.shape))))
    if n <= tile:
        found = function(*rows)
    else:
        tiles = -(-n // tile)
        padded = (xp.pad(r, [(0, 0), (0, tiles * tile - n), *(((0, 0),) * (r.ndim - 2))]) for r in rows)
        cut = tuple(xp.moveaxis(xp.reshape(r, (r.shape[0], tiles, tile, *r.shape[2:])), 1, 0) for r in padded)
        _, stacked = xp.scan(lambda _, one: (_, function(*one)), xp.zeros(()), cut)
        found = tuple(_joined(xp, s)[:, :n] for s in stacked)
    return found if len(found) == 2 else (found[0], None)


def _joined(xp: Any, stacked: Any) -> Any:
    """Tiles put back in a row."""
    whole = xp.moveaxis(stacked, 0, 1)
    return xp.reshape(whole, (whole.shape[0], -1, *whole.shape[3:]))
