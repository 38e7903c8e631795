"""Transport on the line on the CPU: both sets are sorted in parallel, then two passes over the moves.

The first adds up costs and writes the slope of each move, the second takes slopes back to where the samples
came from. Slices are taken a few directions at a time, each of which is a row.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from losskit.engines import memory
from losskit.engines.formulas.transport_line import Side, levels_of
from losskit.engines.formulas.transport_mass import cleared, cost, times_power, unit_of
from losskit.engines.inputs import Array
from losskit.engines.numba import pool
from losskit.engines.numba import transport_line_loop as loops
from losskit.engines.numpy.array_words import xp
from losskit.structures.transport import LineLoss, SlicesLoss

DIRECTIONS = 8
"""Slices that are taken together."""
_SHORT = 2048  # samples; a radix sort has to look at so many buckets
_ALONE = 30_000  # samples; below, waking a thread costs more than it saves


@dataclass(slots=True)
class Plan:
    """The moves of each row, or of all; see ``merge``."""

    i: Array
    j: Array
    share: Array
    first_i: Array
    first_j: Array


@dataclass(slots=True)
class Rows:
    """Pairs of sorted sets, the predictions' first, with their plan and the tasks that its moves are cut into."""

    sides: tuple[Side, Side]
    plan: Plan | None
    tasks: tuple[int, int]
    threads: int

    @property
    def ends(self) -> tuple[Array, Array, Array | None, Array | None]:
        """What the loops over moves take first: both sets, and who goes where."""
        x, y = (side.values for side in self.sides)
        return (x, y, None, None) if self.plan is None else (x, y, self.plan.i, self.plan.j)


def kernel(
    loss: LineLoss, arrays: tuple[Array | None, ...], cotangent: Array | None, needed: tuple[bool, ...],
    weight: Array | None = None,
) -> tuple[Array, tuple[Array | None, ...] | None]:  # fmt: skip
    """The cost of each pair of sets, and its derivatives with respect to the targets and the predictions."""
    y_true, y_pred, target_weight = arrays
    assert y_true is not None
    assert y_pred is not None
    axes = 2 if isinstance(loss, SlicesLoss) else 1
    points = tuple(
        cleared(xp, a, w).reshape(-1, *a.shape[a.ndim - axes :])
        for a, w in ((y_pred, weight), (y_true, target_weight))
    )
    weights = tuple(None if w is None else w.reshape(-1, w.shape[-1]) for w in (weight, target_weight))
    wanted = (needed[1], needed[0]) if cotangent is not None else (False, False)
    given = (points, weights, cotangent, wanted)
    terms, gradients = _slices(loss, *given) if isinstance(loss, SlicesLoss) else _samples(loss, *given)
    terms = terms.reshape(y_pred.shape[: y_pred.ndim - axes])
    if cotangent is None:
        return terms, None
    pred, true = (
        None if g is None else g.astype(a.dtype, copy=False).reshape(a.shape)
        for g, a in zip(gradients, (y_pred, y_true), strict=True)
    )
    return terms, (true, pred)


def _samples(
    loss: LineLoss, points: Any, weights: Any, cotangent: Array | None, wanted: tuple[bool, bool]
) -> tuple[Array, tuple[Array | None, ...]]:
    """Each set is a row."""
    rows = _rows(points, weights)
    unit = unit_of(xp, _farthest(loss, rows))
    totals, slopes = _costs(loss, rows, unit, any(wanted))
    terms, rate = cost(xp, loss.p, loss.root, totals, unit)
    if cotangent is None:
        return terms, (None, None)
    factor = loss.p * rate * np.reshape(cotangent, -1)
    return terms, _gradients(rows, slopes, (factor, -factor), wanted, points[0].dtype)


def _slices(
    loss: SlicesLoss, points: Any, weights: Any, cotangent: Array | None, wanted: tuple[bool, bool]
) -> tuple[Array, tuple[Array | None, ...]]:
    """Each set is a row for each direction."""
    sets, features = points[0].shape[0], points[0].shape[2]
    directions = loss.directions(features)
    wide = [p.astype(np.float64, copy=False) for p in points]
    forces = [np.zeros(p.shape) if w else None for p, w in zip(wide, wanted, strict=True)]
    totals, far, unit = np.zeros(sets), np.zeros(sets), np.ones(sets)
    for start in range(0, len(directions), DIRECTIONS):
        some = directions[start : start + DIRECTIONS]
        lines = [np.matmul(some, np.swapaxes(p, 1, 2)).reshape(-1, p.shape[1]) for p in wide]
        lines = [line.astype(points[0].dtype, copy=False) for line in lines]
        rows = _rows(lines, [None if w is None else np.repeat(w, len(some), axis=0) for w in weights])
        far = np.maximum(far, _farthest(loss, rows).reshape(sets, -1).max(axis=1))
        shrink, unit = unit / unit_of(xp, far), unit_of(xp, far)
        found, slopes = _costs(loss, rows, np.repeat(unit, len(some)), any(wanted))
        totals = times_power(xp, totals, shrink, loss.p) + found.reshape(sets, -1).sum(axis=1)
        one = np.ones(len(found))
        gradients = _gradients(rows, slopes, (one, -one), wanted, np.dtype(np.float64))
        for k, g in enumerate(gradients):
            if g is not None:
                more = np.matmul(np.swapaxes(g.reshape(sets, len(some), -1), 1, 2), some)
                forces[k] = times_power(xp, forces[k], shrink[:, None, None], loss.p - 1.0) + more
    terms, rate = cost(xp, loss.p, loss.root, totals / len(directions), unit)
    if cotangent is None:
        return terms, (None, None)
    factor = (loss.p * rate * np.reshape(cotangent, -1) / len(directions))[:, None, None]
    return terms, tuple(None if f is None else np.where(f == 0.0, f, factor * f) for f in forces)


def _rows(lines: Any, weights: Any) -> Rows:
    """Both sets of each row in order, with their plan; none where sample k simply goes to sample k."""
    rows, n, m = len(lines[0]), lines[0].shape[1], lines[1].shape[1]
    threads = pool.get_num_threads() if rows * (n + m) > _ALONE else 1
    sides = _sorted(lines, weights, threads)
    alike = n == m and weights[0] is None and weights[1] is None
    plan = None if alike else _plan(sides, threads)
    moves = n if plan is None else n + m - 1
    return Rows(sides, plan, (rows, -(-moves // loops.BLOCK)), threads)


def _farthest(loss: LineLoss, rows: Rows) -> Array:
    """The longest way in each row, as a unit; there is no need for one where no powers are taken."""
    if loss.p == 1.0:
        return np.ones(rows.tasks[0])
    found = np.empty(rows.tasks)
    pool.run(partial(loops.farthest, *rows.ends, found), found.size, rows.threads)
    return np.asarray(found.max(axis=1))


def _costs(loss: LineLoss, rows: Rows, unit: Array, wanted: bool) -> tuple[Array, Array | None]:
    """What the moves of each row cost together, and where wanted the slope of each."""
    plan, n = rows.plan, rows.sides[0].values.shape[1]
    moves = n if plan is None else plan.share.shape[1]
    slopes = memory.empty(rows.tasks[0] * moves, np.dtype(np.float64)).reshape(-1, moves) if wanted else None
    totals = np.empty(rows.tasks)
    share = None if plan is None else plan.share
    loop = partial(loops.costs, *rows.ends, share, loss.p, unit, slopes, totals)
    pool.run(loop, totals.size, rows.threads)
    return totals.sum(axis=1) / (n if plan is None else 1.0), slopes


def _sorted(lines: Any, weights: Any, threads: int) -> tuple[Side, Side]:
    """Both sides' rows in order, as so many tasks."""
    values = [np.ascontiguousarray(line).copy() for line in lines]
    orders = [np.empty(line.shape, np.int64) for line in lines]

    def sort(first: int, last: int) -> None:
        for task in range(first, last):
            row, side = task // 2, task % 2
            _sort(values[side][row], orders[side][row])

    pool.run(sort, 2 * len(lines[0]), threads)
    first, second = (
        Side(v, o, None if w is None else np.take_along_axis(w.astype(np.float64, copy=False), o, axis=1))
        for v, o, w in zip(values, orders, weights, strict=True)
    )
    return first, second


def _sort(row: Array, order: Array) -> None:
    """Sort a row in place and say where its numbers were."""
    if row.dtype == np.float32 and _SHORT < row.size < 1 << 32:
        packed, spare = (memory.empty(row.size, np.dtype(np.uint64)) for _ in range(2))
        loops.sort_float32(row.view(np.uint32), packed, spare, order)
    else:
        order[...] = np.argsort(row)
        row[...] = row[order]


def _plan(sides: tuple[Side, Side], threads: int) -> Plan:
    """The plan of each row; where nothing is weighed, one for all, whose levels are whole numbers."""
    x, y = sides
    n, m = x.values.shape[1], y.values.shape[1]
    weighed = x.weight is not None or y.weight is not None
    whole = [np.arange(1.0, n + 1)[None] * m, np.arange(1.0, m + 1)[None] * n]
    upto = levels_of(xp, x, y) if weighed else whole
    rows = len(upto[0])
    plan = Plan(
        *(np.empty((rows, n + m - 1), kind) for kind in (np.int64, np.int64, np.float64)),
        *(np.empty((rows, size + 1), np.int64) for size in (n, m)),
    )
    given = (*upto, plan.i, plan.j, plan.share, plan.first_i, plan.first_j)
    pool.run(partial(loops.merge, *given), rows, min(rows, threads))
    if not weighed:
        plan.share /= n * m
    return plan


def _gradients(
    rows: Rows, slopes: Array | None, factors: tuple[Array, Array], wanted: tuple[bool, bool], dtype: np.dtype[Any]
) -> tuple[Array | None, ...]:  # fmt: skip
    """The derivative of each side's samples, in the order in which they came."""
    plan = rows.plan
    starts = (None, None) if plan is None else (plan.first_i, plan.first_j)
    gradients: list[Array | None] = [None, None]
    for k, (side, start, factor) in enumerate(zip(rows.sides, starts, factors, strict=True)):
        if wanted[k]:
            count, n = side.values.shape
            gradients[k] = gradient = memory.empty(count * n, dtype).reshape(count, n)
            per_row = -(-n // loops.BLOCK)
            each = factor / n if plan is None else factor
            given = (side.values, side.order, side.weight, slopes, start, each, gradient, per_row)
            pool.run(partial(loops.to_samples, *given), count * per_row, rows.threads)
    return tuple(gradients)
