"""The mean of p times the signed distance from the target's boundary.

Squared distances to the nearest site are taken one axis after the other, each the least of
f(j) + (i - j)^2 over all j of a line: whole numbers, hence exact.
"""

from typing import Any

from losskit.engines.formulas.masks import Masks, Shape, chain, class_weights, probabilities, read
from losskit.engines.formulas.ratios import AXES
from losskit.structures.overlap import DistanceLoss, MaskLoss


def terms(xp: Any, loss: DistanceLoss, y: Any, p: Any, weight: Any = None) -> Any:
    """The mean of each region."""
    x = read(xp, loss, y, p, weight)
    towards = _map(xp, loss, x, p.shape[2:])
    elements = xp.cast(towards * probabilities(xp, loss, x.z)[0], xp.wide)
    value = xp.sum(elements, axis=(*AXES[loss.per], 2), keepdims=True) / size_of(xp, loss, x)
    return xp.cast(xp.reshape(value, x.axes.terms(loss.per)), xp.float)


def pullback(xp: Any, loss: DistanceLoss, cotangent: Any, y: Any, p: Any, weight: Any = None) -> tuple[Any]:
    """The derivative of the terms, each times its cotangent, in the predictions."""
    x = read(xp, loss, y, p, weight)
    seed = xp.reshape(xp.cast(cotangent, xp.wide), x.axes.regions(loss.per)) / size_of(xp, loss, x)
    slope = xp.cast(seed, xp.float) * _map(xp, loss, x, p.shape[2:])
    slope = xp.where(x.z == x.z, slope, x.z)  # linear in p, but a NaN must not be lost
    return (xp.reshape(chain(xp, loss, x.z, slope), p.shape),)


def _map(xp: Any, loss: DistanceLoss, x: Masks, space: Shape) -> Any:
    """The weighted signed distance of each element."""
    return class_weights(xp, loss) * x.w * signed_distance(xp, x.y, space)


def size_of(xp: Any, loss: MaskLoss, x: Masks) -> Any:
    """The weight of all elements of each region; 1 where there is none."""
    total = xp.broadcast_to(xp.cast(x.w, xp.wide), x.axes.shape)
    total = xp.sum(total, axis=(*AXES[loss.per], 2), keepdims=True)
    return xp.where(total == 0.0, xp.ones_like(total), total)


def signed_distance(xp: Any, y: Any, space: Shape) -> Any:
    """Outside of a mask the distance to it, inside minus the distance to its outside less 1; (..., inner)."""
    inside = xp.reshape(y > 0.5, (*y.shape[:2], *space))
    far = float(sum(n * n for n in space))  # beyond any distance
    outer, inner = _squares(xp, inside, far), _squares(xp, xp.logical_not(inside), far)
    bounded = xp.logical_and(outer < far, inner < far)
    distance = xp.where(inside, 1.0 - xp.sqrt(inner), xp.sqrt(outer))
    return xp.where(y == y, xp.reshape(xp.where(bounded, distance, xp.zeros_like(distance)), y.shape), y)


def _squares(xp: Any, sites: Any, far: float) -> Any:
    """The squared distance to the nearest site; ``far`` where there is none."""
    squares = xp.where(sites, xp.zeros(sites.shape), xp.full(sites.shape, far))
    for axis in range(2, squares.ndim):
        lines = xp.moveaxis(squares, axis, 0)
        places = xp.cast(xp.arange(lines.shape[0]), xp.float)
        column = xp.reshape(places, (lines.shape[0],) + (1,) * (lines.ndim - 1))

        def step(least: Any, one: Any, column: Any = column) -> tuple[Any, Any]:
            line, place = one
            return xp.minimum(least, xp.expand_dims(line, 0) + xp.square(column - place)), place

        squares = xp.moveaxis(xp.scan(step, lines, (lines, places))[0], 0, axis)
    return xp.minimum(squares, xp.full_like(squares, far))
