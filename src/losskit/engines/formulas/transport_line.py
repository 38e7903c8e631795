"""Transport on the line: sorted samples go to sorted samples.

A plan is a list of moves, in the order of the quantiles: a share of the mass goes between sample i of the
predictions and sample j of the targets. All work on them is sorting, gathering and running sums over them, so
that every framework can batch, compile and differentiate it.
"""

from typing import Any, NamedTuple

import numpy as np

from losskit.engines.formulas.transport_mass import cleared, cost, curvature, power, unit_of
from losskit.engines.numpy.array_words import xp as numpy_words
from losskit.structures.transport import LineLoss, SlicesLoss


class Side(NamedTuple):
    """One set, sorted along the last axis."""

    values: Any
    order: Any
    weight: Any
    """None where all samples weigh the same."""


class Plan(NamedTuple):
    """The moves between two sorted sets: who takes part, how much moves, and which move is a sample's last."""

    i: Any
    j: Any
    share: Any
    last_i: Any
    last_j: Any


class Moves(NamedTuple):
    """How far each move goes, how much it moves, and all that leads back to the samples."""

    gap: Any
    share: Any
    pred: Side
    true: Side
    plan: Plan | None
    """None where sample k simply goes to sample k."""


def terms(
    xp: Any, loss: LineLoss, y_true: Any, y_pred: Any, target_weight: Any = None, weight: Any = None
) -> Any:
    """The cost of each pair of sets."""
    total, unit, _ = _total(xp, loss, _moves(xp, loss, y_true, y_pred, target_weight, weight))
    return cost(xp, loss.p, loss.root, total, unit)[0]


def pullback(
    xp: Any, loss: LineLoss, cotangent: Any, y_true: Any, y_pred: Any,
    target_weight: Any = None, weight: Any = None,
) -> tuple[Any, Any]:  # fmt: skip
    """The derivative of the costs, each times its cotangent, with respect to both sets."""
    moves = _moves(xp, loss, y_true, y_pred, target_weight, weight)
    total, unit, distance = _total(xp, loss, moves)
    rate = cost(xp, loss.p, loss.root, total, unit)[1]
    factor = _along(xp, cotangent * (loss.p * rate), moves.gap)
    slope = _slope(xp, loss, moves, distance)
    slope = xp.where(slope == 0.0, slope, factor * slope)  # the factor may be infinite
    true, pred = _to_sets(xp, moves, -slope, slope)
    return _to_points(xp, loss, true, y_true), _to_points(xp, loss, pred, y_pred)


def diagonal(
    xp: Any, loss: LineLoss, cotangent: Any, y_true: Any, y_pred: Any,
    target_weight: Any = None, weight: Any = None,
) -> tuple[Any, Any]:  # fmt: skip
    """The diagonal of their second derivative, where the order of the samples stays as it is."""
    if loss.p == 1.0:
        return xp.zeros_like(y_true), xp.zeros_like(y_pred)
    moves = _moves(xp, loss, y_true, y_pred, target_weight, weight)
    total, unit, distance = _total(xp, loss, moves)
    slope, bend = _slope(xp, loss, moves, distance), moves.share * power(xp, distance, loss.p - 2.0)
    slopes, bends = _to_sets(xp, moves, slope, slope), _to_sets(xp, moves, bend, bend)
    by_bend, by_square = (
        _along(xp, cotangent * rate, y_pred) for rate in curvature(xp, loss.p, loss.root, total, unit)
    )
    true, pred = (
        by_bend * _to_points(xp, loss, bent, points, 2)
        + by_square * xp.square(_to_points(xp, loss, sloped, points))
        for sloped, bent, points in zip(slopes, bends, (y_true, y_pred), strict=True)
    )
    return true, pred


def _total(xp: Any, loss: LineLoss, moves: Moves) -> tuple[Any, Any, Any]:
    """The cost in units of the farthest move, that unit, and how far each move goes in it."""
    axes = (-2, -1) if isinstance(loss, SlicesLoss) else (-1,)
    way = xp.abs(moves.gap)
    farthest = xp.max(way, axis=axes) if loss.p != 1.0 else xp.ones(way.shape[: way.ndim - len(axes)])
    unit = unit_of(xp, farthest)
    distance = way / _along(xp, unit, way) if loss.p != 1.0 else way
    moved = xp.where(moves.share == 0.0, xp.zeros_like(way), moves.share * power(xp, distance, loss.p))
    return xp.cast(xp.sum(moved, axis=axes, dtype=xp.wide), xp.float), unit, distance


def _slope(xp: Any, loss: LineLoss, moves: Moves, distance: Any) -> Any:
    """The derivative of a pth of the total in the gap of each move, both in units of the farthest."""
    return moves.share * power(xp, distance, loss.p - 1.0) * xp.sign(moves.gap)


def _along(xp: Any, term: Any, moves: Any) -> Any:
    """One number a term, beside its moves."""
    return xp.reshape(term, (*term.shape, *((1,) * (moves.ndim - term.ndim))))


def _moves(xp: Any, loss: LineLoss, y_true: Any, y_pred: Any, target_weight: Any, weight: Any) -> Moves:
    pred, true = _side(xp, loss, y_pred, weight), _side(xp, loss, y_true, target_weight)
    n, m = pred.values.shape[-1], true.values.shape[-1]
    lines = 1.0 / pred.values.shape[-2] if isinstance(loss, SlicesLoss) else 1.0
    alike = pred.weight is None and true.weight is None
    if alike and n == m:
        gap = pred.values - true.values
        return Moves(gap, xp.full_like(gap, lines / n), pred, true, None)
    plan = _plan_of_equal(xp, n, m) if alike else plan_of_levels(xp, *levels_of(xp, pred, true))
    gap = _gather(xp, pred.values, plan.i) - _gather(xp, true.values, plan.j)
    share = xp.broadcast_to(xp.cast(plan.share * lines, xp.float), gap.shape)
    return Moves(gap, share, pred, true, plan)


def _side(xp: Any, loss: LineLoss, points: Any, weight: Any) -> Side:
    lines = cleared(xp, points, weight)
    if isinstance(loss, SlicesLoss):
        lines = xp.swapaxes(xp.matmul(lines, xp.array(loss.directions(points.shape[-1]).T)), -1, -2)
        weight = None if weight is None else xp.broadcast_to(xp.expand_dims(weight, -2), lines.shape)
    order = xp.argsort(lines, axis=-1)
    sorted_weight = None if weight is None else xp.take_along_axis(weight, order, axis=-1)
    return Side(xp.take_along_axis(lines, order, axis=-1), order, sorted_weight)


def levels_of(xp: Any, *sides: Side) -> list[Any]:
    """The share of the mass up to and with each sample, which ends at exactly 1."""
    levels = []
    for side in sides:
        weight = xp.cast(xp.ones_like(side.values) if side.weight is None else side.weight, xp.wide)
        nothing = xp.sum(weight, axis=-1, keepdims=True) == 0.0  # a set that is no term
        upto = xp.cumsum(xp.where(nothing, xp.ones_like(weight), weight), axis=-1)
        levels.append(upto / upto[..., -1:])
    return levels


def plan_of_levels(xp: Any, upto_i: Any, upto_j: Any) -> Plan:
    """The moves between sets whose samples reach up to these levels of the mass: the levels of both, merged."""
    n, m = upto_i.shape[-1], upto_j.shape[-1]
    levels = xp.concatenate([upto_i, upto_j], axis=-1)
    order = xp.argsort(levels, axis=-1, stable=True)
    ends = xp.take_along_axis(levels, order, axis=-1)
    share = ends - xp.concatenate([xp.zeros_like(ends[..., :1]), ends[..., :-1]], axis=-1)
    of_i = xp.cast(order < n, xp.index)
    i, j = xp.cumsum(of_i, axis=-1) - of_i, xp.cumsum(1 - of_i, axis=-1) - (1 - of_i)
    rank = xp.argsort(order, axis=-1)
    # A last move of no mass may lie beyond the end of one set.
    return Plan(xp.where(i < n, i, n - 1), xp.where(j < m, j, m - 1), share, rank[..., :n], rank[..., n:])


def _equal_plan(n: int, m: int) -> Plan:
    """The plan between sets of n and m samples that weigh the same, in whole numbers: no share is rounded twice."""
    plan = plan_of_levels(numpy_words, np.arange(1.0, n + 1) * m, np.arange(1.0, m + 1) * n)
    return plan._replace(share=plan.share / (n * m))


def _plan_of_equal(xp: Any, n: int, m: int) -> Plan:
    plan = _equal_plan(n, m)
    share = xp.array(plan.share)
    return Plan(*(share if x is plan.share else xp.array(x, xp.index) for x in plan))


def _gather(xp: Any, values: Any, places: Any) -> Any:
    places = xp.broadcast_to(places, (*values.shape[:-1], places.shape[-1]))
    return xp.take_along_axis(values, places, axis=-1)


def _to_sets(xp: Any, moves: Moves, of_true: Any, of_pred: Any) -> tuple[Any, Any]:
    """From the derivatives of moves to those of the samples at both their ends."""
    plan = moves.plan
    return (
        _to_samples(xp, of_true, moves.true, None if plan is None else (plan.j, plan.last_j)),
        _to_samples(xp, of_pred, moves.pred, None if plan is None else (plan.i, plan.last_i)),
    )


def _to_samples(xp: Any, slope: Any, side: Side, moved: tuple[Any, Any] | None) -> Any:
    """From the derivatives of moves to those of the samples, in the order in which they came."""
    if moved is not None:
        sample, last = moved
        slope = _gather(xp, _run_totals(xp, sample, slope), last)
    weight = xp.ones_like(side.values) if side.weight is None else side.weight
    together = _run_totals(xp, side.values, weight)
    share = weight / xp.where(together == 0.0, xp.ones_like(together), together)
    slope = share * _run_totals(xp, side.values, slope)
    return xp.take_along_axis(slope, xp.argsort(side.order, axis=-1), axis=-1)


def _run_totals(xp: Any, keys: Any, values: Any) -> Any:
    """At each place the total of ``values`` over the places with an equal key, where keys are sorted.

    By sums of neighbours, of their neighbours, and so on: differences of running sums would lose digits.
    """
    before = after = values
    reach = 1
    while reach < keys.shape[-1]:
        same = keys[..., reach:] == keys[..., :-reach]  # then so are all in between
        edge = xp.zeros_like(values[..., :reach])
        left = xp.where(same, before[..., :-reach], xp.zeros_like(before[..., reach:]))
        right = xp.where(same, after[..., reach:], xp.zeros_like(after[..., reach:]))
        before = before + xp.concatenate([edge, left], axis=-1)
        after = after + xp.concatenate([right, edge], axis=-1)
        reach *= 2
    return before + after - values


def _to_points(xp: Any, loss: LineLoss, slope: Any, points: Any, order: int = 1) -> Any:
    """From the derivatives of some order of projections to those of the points."""
    if not isinstance(loss, SlicesLoss):
        return slope
    return xp.matmul(xp.swapaxes(slope, -1, -2), xp.array(loss.directions(points.shape[-1]) ** order))
