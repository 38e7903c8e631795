"""One sequence against another: all ways to step through both at once, by soft dynamic time warping.

Cell (i, j) of the table pairs vector i of the one with vector j of the other and costs their squared
distance. A path runs from the first cell to the last, by steps down, right or both. The table is
swept by its diagonals, on which no cell depends on another.
"""

import math
from collections.abc import Iterator
from typing import Any

from losskit.engines.array_formula import Arrays, Fault
from losskit.engines.formulas.paths import centred, later, merged, sooner, spoilt
from losskit.structures.lattice import AlignmentLoss


def shape(loss: AlignmentLoss, y_true: tuple[int, ...], y_pred: tuple[int, ...]) -> tuple[int, ...]:
    """The axes before those of the length and the features."""
    alike = y_true[:-2] == y_pred[:-2] and y_true[-1:] == y_pred[-1:]
    if len(y_true) != len(y_pred) or len(y_true) < 2 or not alike:
        raise ValueError(
            "y_true and y_pred must be (..., length, features), alike but for the length; "
            f"got shapes {y_true} and {y_pred}"
        )
    if 0 in (y_true[-2], y_pred[-2]):
        raise ValueError(f"sequences must have at least one vector; got shapes {y_true} and {y_pred}")
    return y_true[:-2]


def faults(xp: Any, loss: AlignmentLoss, y_true: Any, y_pred: Any) -> Iterator[Fault]:
    """None: any numbers will do."""
    return iter(())


def terms(xp: Any, loss: AlignmentLoss, y_true: Any, y_pred: Any) -> Any:
    """The soft minimum over all paths of the sum of their costs; of the divergence, less that of each alone."""
    sequences = _flat(xp, y_true), _flat(xp, y_pred)
    values = [w * _forward(xp, loss, sequences[i], sequences[j])[0] for w, i, j in _pairs(loss)]
    return xp.reshape(xp.cast(sum(values[1:], values[0]), xp.float), y_true.shape[:-2])


def pullback(xp: Any, loss: AlignmentLoss, cotangent: Any, y_true: Any, y_pred: Any) -> Arrays:
    """2 (x - y) for each pair, times the share of the paths that pass it."""
    sequences = _flat(xp, y_true), _flat(xp, y_pred)
    cotangent = xp.cast(xp.reshape(cotangent, (-1,)), xp.wide)
    slopes = [xp.zeros_like(a) for a in sequences]
    for weight, i, j in _pairs(loss):
        shares, _ = _shares(xp, loss, weight * cotangent, sequences[i], sequences[j])
        gaps = _gaps(sequences[i], sequences[j])
        gaps = xp.where(xp.isinf(gaps), xp.zeros_like(gaps), gaps)  # no path of finite cost passes there
        slope = shares[..., None] * (2.0 * gaps)
        slopes[i] = slopes[i] + xp.sum(slope, axis=2)
        slopes[j] = slopes[j] - xp.sum(slope, axis=1)
    return tuple(
        xp.reshape(xp.cast(s, xp.float), a.shape) for s, a in zip(slopes, (y_true, y_pred), strict=True)
    )


def diagonal(xp: Any, loss: AlignmentLoss, cotangent: Any, y_true: Any, y_pred: Any) -> Arrays:
    """The mean curvature of a path's cost less the variance, over paths, of its slope, by gamma."""
    x, y = _flat(xp, y_true), _flat(xp, y_pred)
    seconds = [_second(xp, loss, x, y), _second(xp, loss, y, x)]
    if loss.normalize:
        seconds = [s - 0.5 * _second(xp, loss, a) for s, a in zip(seconds, (x, y), strict=True)]
    cotangent = xp.cast(xp.reshape(cotangent, (-1, 1, 1)), xp.wide)
    return tuple(
        xp.reshape(xp.cast(cotangent * s, xp.float), a.shape)
        for s, a in zip(seconds, (y_true, y_pred), strict=True)
    )


def _flat(xp: Any, sequences: Any) -> Any:
    """(batch, length, features), in the wide dtype."""
    return xp.cast(xp.reshape(sequences, (-1, *sequences.shape[-2:])), xp.wide)


def _pairs(loss: AlignmentLoss) -> tuple[tuple[float, int, int], ...]:
    """What the loss adds up: weights, and which two of the sequences."""
    return ((1.0, 0, 1), (-0.5, 0, 0), (-0.5, 1, 1)) if loss.normalize else ((1.0, 0, 1),)


def _gaps(x: Any, y: Any) -> Any:
    """(batch, cells, features): x_i - y_j."""
    return x[:, :, None] - y[:, None]


def _forward(xp: Any, loss: AlignmentLoss, x: Any, y: Any) -> tuple[Any, Any]:
    """The soft minimum, and each cell's shares of the paths by step, diagonal by diagonal."""
    nothing = -math.inf
    gaps = _gaps(x, y)
    costs = _skewed(xp, xp.sum(gaps * gaps, axis=-1), math.inf)
    diagonals, _, rows = costs.shape

    def step(state: Any, diagonal: Any) -> tuple[Any, Any]:
        before, two_before, total = state
        cost, start = diagonal
        ways = xp.stack([before, later(xp, before, 1, nothing), later(xp, two_before, 1, nothing)])
        scores, shares = merged(xp, ways, loss.gamma)
        scores = xp.where(start, xp.zeros_like(scores), scores)
        # The best path may jump over a diagonal: two in a row hold one of its cells.
        both, shift = centred(xp, xp.concatenate([scores - cost, before], axis=-1))
        return (both[:, :rows], both[:, rows:], total + shift), shares

    at_start = (xp.arange(diagonals)[:, None, None] == 0) & (xp.arange(rows) == 0)
    empty = xp.full_like(costs[0], nothing)
    state, shares = xp.scan(step, (empty, empty, xp.zeros_like(costs[0, :, 0])), (costs, at_start))
    return -(state[2] + state[0][:, -1]), shares


def _shares(xp: Any, loss: AlignmentLoss, cotangent: Any, x: Any, y: Any) -> tuple[Any, Any]:
    """(batch, cells): which share of the paths passes each cell, times ``cotangent``; and the shares of each step."""
    value, steps = _forward(xp, loss, x, y)
    none = xp.zeros_like(steps[0, 0])
    last = xp.arange(x.shape[1]) == x.shape[1] - 1
    finite = xp.where(xp.isinf(value), xp.zeros_like(value), cotangent)
    at_end = xp.where(last, finite[:, None], none)

    def back(state: Any, ways: Any) -> tuple[Any, Any]:
        share, more = state
        before = ways[0] * share + sooner(xp, ways[1] * share, 1) + more
        return (before, sooner(xp, ways[2] * share, 1)), share

    _, shares = xp.scan(back, (at_end, none), xp.flip(steps, axis=0))
    shares = _straight(xp, xp.flip(shares, axis=0), y.shape[1])
    return spoilt(xp, xp.isnan(value)[:, None, None], shares), steps


def _second(xp: Any, loss: AlignmentLoss, x: Any, y: Any = None) -> Any:
    """The second derivative in each number of x, against y or itself."""
    alone = y is None
    y = x if alone else y
    shares, steps = _shares(xp, loss, xp.ones_like(x[:, 0, 0]), x, y)
    slopes = xp.moveaxis(2.0 * _gaps(x, y), -1, 0)
    seconds = []  # (features, batch) each
    for i in range(x.shape[1]):
        passes = xp.broadcast_to(xp.arange(x.shape[1])[:, None] == i, shares.shape[1:])
        slope = xp.where(passes, slopes, xp.zeros_like(slopes))
        if alone:
            slope = slope + xp.swapaxes(slope, 2, 3)  # 0 at (i, i)
            passes = passes != xp.swapaxes(passes, 0, 1)
        curvature = 2.0 * xp.sum(xp.where(passes, shares, xp.zeros_like(shares)), axis=(1, 2))
        spread = (
            _variance(xp, steps, slope) / loss.gamma if loss.gamma > 0.0 else xp.zeros_like(slope[..., 0, 0])
        )
        seconds.append(curvature - spread)
    return xp.moveaxis(xp.stack(seconds), (2, 0, 1), (0, 1, 2))


def _variance(xp: Any, steps: Any, slopes: Any) -> Any:
    """(features, batch): the variance over paths of the sum of the slopes they pass, by their first two moments."""
    features, batch, rows, columns = slopes.shape
    flat = _skewed(xp, xp.reshape(slopes, (features * batch, rows, columns)), 0.0)
    slopes = xp.reshape(flat, (-1, features, batch, rows))

    def step(state: Any, diagonal: Any) -> tuple[Any, Any]:
        before, two_before = state
        ways, slope = diagonal
        mean, square = (
            ways[0] * b + ways[1] * later(xp, b, 1, 0.0) + ways[2] * later(xp, t, 1, 0.0)
            for b, t in zip(before, two_before, strict=True)
        )
        return ((mean + slope, square + slope * (2.0 * mean + slope)), before), None

    none = (xp.zeros_like(slopes[0]), xp.zeros_like(slopes[0]))
    ((mean, square), _), _ = xp.scan(step, (none, none), (steps, slopes))
    return square[..., -1] - mean[..., -1] * mean[..., -1]


def _skewed(xp: Any, cells: Any, fill: float) -> Any:
    """(batch, rows, columns) as (diagonals, batch, rows): cell (i, j) is place i of diagonal i + j."""
    batch, rows, columns = cells.shape
    wide = xp.concatenate([cells, xp.zeros((batch, rows, rows), dtype=cells.dtype) + fill], axis=2)
    diagonals = rows + columns - 1
    flat = xp.reshape(wide, (batch, -1))[:, : rows * diagonals]
    return xp.moveaxis(xp.reshape(flat, (batch, rows, diagonals)), 2, 0)


def _straight(xp: Any, diagonals: Any, columns: int) -> Any:
    """The cells of ``_skewed`` again."""
    n, batch, rows = diagonals.shape
    flat = xp.reshape(xp.moveaxis(diagonals, 0, 2), (batch, rows * n))
    wide = xp.concatenate([flat, xp.zeros((batch, rows), dtype=flat.dtype)], axis=1)
    return xp.reshape(wide, (batch, rows, n + 1))[:, :, :columns]
