"""A log loss of each element, plus how far the prediction's steepness | grad p | is from the target's.

The gradient is that of central differences, one-sided at the border of the image and next to elements
that do not count. With G_a the difference along axis a and e = | grad p | - | grad y |,

    d |e| / dp = sum_a D_a^T (sign(e) G_a / | grad p |),

where D_a^T, the adjoint of the difference, hands each half back to the two neighbours it came from.
Where | grad p | or e is 0 the derivative is 0, the least of the subgradients.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from losskit.engines.formulas.distance import size_of
from losskit.engines.formulas.masks import Masks, Shape, chain, class_weights, probabilities, read
from losskit.engines.formulas.ratios import AXES
from losskit.structures.overlap import EdgeLoss


@dataclass(frozen=True)
class Grid:
    """Where elements lie in space, and which of them count."""

    shape: Shape
    axes: Sequence[int]
    keep: Any
    """1 for each element that counts, else 0."""


@dataclass(frozen=True)
class Steepness:
    """The differences of the prediction along each axis, their length, and how it differs from the target's."""

    differences: Sequence[Any]
    length: Any
    excess: Any


def terms(xp: Any, loss: EdgeLoss, y: Any, p: Any, weight: Any = None) -> Any:
    """The mean of each region."""
    x = read(xp, loss, y, p, weight)
    grid = _grid(xp, loss, x, p.shape)
    edges = xp.reshape(xp.abs(_steepness(xp, loss, x, grid).excess), x.axes.shape)
    elements = class_weights(xp, loss) * x.w * (_log_loss(xp, loss, x) + loss.boundary_weight * edges)
    value = xp.sum(xp.cast(elements, xp.wide), axis=(*AXES[loss.per], 2), keepdims=True) / size_of(
        xp, loss, x
    )
    return xp.cast(xp.reshape(value, x.axes.terms(loss.per)), xp.float)


def pullback(xp: Any, loss: EdgeLoss, cotangent: Any, y: Any, p: Any, weight: Any = None) -> tuple[Any]:
    """The derivative of the terms, each times its cotangent, in the predictions."""
    x = read(xp, loss, y, p, weight)
    grid = _grid(xp, loss, x, p.shape)
    seed = xp.reshape(xp.cast(cotangent, xp.wide), x.axes.regions(loss.per)) / size_of(xp, loss, x)
    seed = xp.cast(seed, xp.float) * class_weights(xp, loss) * x.w
    steep = _steepness(xp, loss, x, grid)
    flat = steep.length == 0.0
    sign = xp.where(flat, xp.zeros_like(steep.length), xp.sign(steep.excess))
    length = xp.where(
        flat, xp.ones_like(sign), steep.length
    )  # not d times 1/length, whose derivative overflows
    pull = sign * xp.reshape(xp.broadcast_to(loss.boundary_weight * seed, x.axes.shape), grid.shape)
    back = sum(
        _adjoint(xp, pull * (d / length), grid, a) for d, a in zip(steep.differences, grid.axes, strict=True)
    )
    slope = seed * _slope_of_log_loss(xp, loss, x) + chain(xp, loss, x.z, xp.reshape(back, x.axes.shape))
    return (xp.reshape(slope, p.shape),)


# ---- the log loss ---------------------------------------------------------------------------------------------------


def _log_loss(xp: Any, loss: EdgeLoss, x: Masks) -> Any:
    """-y log p - (1-y) log(1-p), of probabilities floored at the smallest normal number."""
    if loss.from_logits:
        true, false = xp.softplus(-x.z), xp.softplus(x.z)
    else:
        p, q = xp.maximum(x.z, xp.finfo_tiny), xp.maximum(1.0 - x.z, xp.finfo_tiny)
        small = x.z < 0.5
        true = -xp.log(p)
        false = -xp.where(small, xp.log1p(-xp.where(small, x.z, xp.zeros_like(p))), xp.log(q))
    nothing = xp.zeros_like(x.z)
    return xp.where(x.y == 0.0, nothing, x.y * true) + xp.where(x.y == 1.0, nothing, (1.0 - x.y) * false)


def _slope_of_log_loss(xp: Any, loss: EdgeLoss, x: Masks) -> Any:
    """Its derivative in the predictions."""
    p, q = probabilities(xp, loss, x.z)
    if loss.from_logits:
        return (1.0 - x.y) * p - x.y * q
    return (1.0 - x.y) / _divisor(xp, q) - x.y / _divisor(xp, p)


def _divisor(xp: Any, p: Any) -> Any:
    """A floored probability, held still where the derivative of 1 / p overflows: 0 times that would be NaN."""
    p = xp.maximum(p, xp.finfo_tiny)
    return xp.where(p < xp.finfo_max**-0.5, xp.stop(p), p)


# ---- steepness ------------------------------------------------------------------------------------------------------


def _grid(xp: Any, loss: EdgeLoss, x: Masks, shape: Shape) -> Grid:
    """The axes of space: as many of the last ones as ``spatial_dims`` says."""
    batch = 0 if x.axes.outer == x.axes.classes == 1 else 2 if x.axes.by_index or loss.needs_classes else 1
    most = len(shape) - batch
    dims = loss.spatial_dims
    if dims is None:
        dims = len(shape) if batch == 0 and len(shape) <= 3 else len(shape) - 2
    if not 1 <= dims <= most:
        raise ValueError(
            f"{loss.arguments[1]} of shape {shape} has {most} axes that may be space, but spatial_dims is {dims}"
        )
    whole = (1, 1, *shape) if batch == 0 else shape
    keep = xp.where(x.w == 0.0, xp.zeros_like(x.w), xp.ones_like(x.w))
    return Grid(
        whole, range(len(whole) - dims, len(whole)), xp.reshape(xp.broadcast_to(keep, x.axes.shape), whole)
    )


def _steepness(xp: Any, loss: EdgeLoss, x: Masks, grid: Grid) -> Steepness:
    """The excess as (a^2 - b^2) / (a + b), of the differences of p - y: a - b cancels for a good prediction."""
    p, q, y = (xp.reshape(a, grid.shape) for a in (*probabilities(xp, loss, x.z), x.y))
    error = (1.0 - y) * p - y * q
    of_p = [_difference(xp, p, q, grid, axis) for axis in grid.axes]
    of_y = [_difference(xp, y, 1.0 - y, grid, axis) for axis in grid.axes]
    length, of_target = _length(xp, of_p), _length(xp, of_y)
    both = length + of_target
    both = xp.where(both == 0.0, xp.ones_like(both), both)
    excess = sum(
        _difference(xp, error, -error, grid, axis) * ((a + b) / both)
        for a, b, axis in zip(of_p, of_y, grid.axes, strict=True)
    )
    return Steepness(of_p, length, excess)


def _length(xp: Any, differences: Sequence[Any]) -> Any:
    """The Euclidean length, of small differences too: none is squared before it is divided by the largest."""
    largest = xp.abs(differences[0])
    for d in differences[1:]:
        largest = xp.maximum(largest, xp.abs(d))
    largest = xp.stop(largest)
    zero = largest == 0.0
    safe = xp.where(zero, xp.ones_like(largest), largest)
    squares = sum(xp.square(d / safe) for d in differences)
    root = xp.sqrt(xp.where(zero, xp.ones_like(largest), squares))
    return xp.where(zero, xp.zeros_like(largest), safe * root)


def _shifted(xp: Any, a: Any, axis: int, by: int) -> Any:
    """At each place what is one further (by 1) or one before (by -1); 0 beyond the border."""
    width = [(0, 0)] * a.ndim
    width[axis] = (0, 1) if by > 0 else (1, 0)
    kept = slice(1, None) if by > 0 else slice(0, -1)
    return xp.pad(a, width)[(slice(None),) * axis + (kept,)]


def _neighbours(xp: Any, grid: Grid, axis: int) -> tuple[Any, Any, Any]:
    """1 where the next one and the one before count, and one over the distance between those that do."""
    after, before = (grid.keep * _shifted(xp, grid.keep, axis, by) for by in (1, -1))
    count = after + before
    none = count == 0.0
    return after, before, xp.where(none, count, 1.0 / xp.where(none, xp.ones_like(count), count))


def _difference(xp: Any, p: Any, q: Any, grid: Grid, axis: int) -> Any:
    """Of p between the neighbours along an axis, or of q = 1 - p, where p is close to 1 and has fewer digits."""
    after, before, share = _neighbours(xp, grid, axis)

    def ends(a: Any) -> tuple[Any, Any]:
        return (
            xp.where(after > 0.0, _shifted(xp, a, axis, 1), a),
            xp.where(before > 0.0, _shifted(xp, a, axis, -1), a),
        )

    (high, low), (q_high, q_low) = ends(p), ends(q)
    return share * xp.where(xp.minimum(high, low) > 0.5, q_low - q_high, high - low)


def _adjoint(xp: Any, v: Any, grid: Grid, axis: int) -> Any:
    """What ``_difference`` multiplied is handed back to where it came from."""
    after, before, share = _neighbours(xp, grid, axis)
    v = share * v
    towards = _shifted(xp, v * after, axis, -1) - _shifted(xp, v * before, axis, 1)
    return towards + v * (before - after)
