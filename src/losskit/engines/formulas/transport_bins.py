"""Transport between histograms over the same ordered bins, a unit apart: the difference of cumulative sums.

A histogram is the function F of its cumulative sums, without the last, which is 1 for all. The cost is a sum
of one function of each F_k: raising F_k moves mass from bin k+1 to bin k.
"""

from typing import Any

from losskit.engines.formulas.transport_line import plan_of_levels
from losskit.engines.formulas.transport_mass import cost, curvature, power
from losskit.structures.transport import LineLoss


def terms(xp: Any, loss: LineLoss, y_true: Any, y_pred: Any, target_weight: None = None) -> Any:
    """The cost of each row."""
    return _cost(xp, loss, y_true, y_pred)[0]


def pullback(
    xp: Any, loss: LineLoss, cotangent: Any, y_true: Any, y_pred: Any, target_weight: None = None
) -> tuple[Any, Any]:
    """The derivative of the costs, each times its cotangent, with respect to both histograms."""
    factor = xp.expand_dims(cotangent * _cost(xp, loss, y_true, y_pred)[1], -1)
    true, pred = _slopes(xp, loss, y_true, y_pred)
    return _of_bins(xp, factor * true), _of_bins(xp, factor * pred)


def diagonal(
    xp: Any, loss: LineLoss, cotangent: Any, y_true: Any, y_pred: Any, target_weight: None = None
) -> tuple[Any, Any]:
    """The diagonal of their second derivative: the total is linear in the bins, up to where its slope jumps."""
    total = _total(xp, loss, y_true, y_pred)
    by_square = cotangent * curvature(xp, loss.p, loss.root, total, xp.ones_like(total))[1]
    true, pred = (xp.square(_of_bins(xp, slope / loss.p)) for slope in _slopes(xp, loss, y_true, y_pred))
    return xp.expand_dims(by_square, -1) * true, xp.expand_dims(by_square, -1) * pred


def _slopes(xp: Any, loss: LineLoss, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """The derivatives of the total in the cumulative sums of both histograms."""
    if loss.p == 1.0:
        return xp.sign(_sums(xp, y_true - y_pred)), xp.sign(_sums(xp, y_pred - y_true))
    F, G = _sums(xp, y_pred), _sums(xp, y_true)
    return _slope(xp, loss.p, G, F), _slope(xp, loss.p, F, G)


def _cost(xp: Any, loss: LineLoss, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """The cost, and its rate of change with the total."""
    total = _total(xp, loss, y_true, y_pred)
    return cost(xp, loss.p, loss.root, total, xp.ones_like(total))


def _total(xp: Any, loss: LineLoss, y_true: Any, y_pred: Any) -> Any:
    """The sum that the cost is (of the p-th root)."""
    if loss.p == 1.0:
        total = xp.sum(xp.abs(_sums(xp, y_pred - y_true)), axis=-1)
    else:
        plan = plan_of_levels(xp, *(_to_the_end(xp, _sums(xp, rows)) for rows in (y_pred, y_true)))
        way = xp.cast(xp.abs(plan.i - plan.j), xp.wide)
        total = xp.sum(plan.share * power(xp, way, loss.p), axis=-1)
    return xp.cast(total, xp.float)


def _sums(xp: Any, rows: Any) -> Any:
    """Cumulative sums without the last."""
    return xp.cumsum(xp.cast(rows, xp.wide), axis=-1)[..., :-1]


def _to_the_end(xp: Any, sums: Any) -> Any:
    """With a last level above all others: what lies there stays in the last bin and costs nothing."""
    end = xp.ones((*sums.shape[:-1], 1), dtype=xp.wide)
    return xp.concatenate([sums, 2.0 * end], axis=-1)


def _slope(xp: Any, p: float, F: Any, G: Any) -> Any:
    """The derivative in each F_k: |k - j|^p - |k + 1 - j|^p, where G reaches the level F_k in bin j.

    Where F_k equals some G the derivative jumps, and the number of least size in between is taken.
    """
    n = F.shape[-1]
    k = xp.arange(n)
    below, upto = _ranks(xp, F, G)[..., :n] - k, _ranks(xp, G, F)[..., n:] - k
    low, high = (_rise(xp, p, xp.cast(k - j, xp.wide)) for j in (below, upto))
    return xp.maximum(low, xp.zeros_like(low)) + xp.minimum(high, xp.zeros_like(high))


def _ranks(xp: Any, first: Any, second: Any) -> Any:
    """Where each level comes in the order of all; of equal ones the first come first."""
    levels = xp.concatenate([first, second], axis=-1)
    return xp.argsort(xp.argsort(levels, axis=-1, stable=True), axis=-1)


def _rise(xp: Any, p: float, way: Any) -> Any:
    return power(xp, xp.abs(way), p) - power(xp, xp.abs(way + 1.0), p)


def _of_bins(xp: Any, slope: Any) -> Any:
    """From the derivatives in cumulative sums to those in the bins: each bin is in all sums from its own on."""
    slope = xp.cast(slope, xp.float)
    after = xp.flip(xp.cumsum(xp.flip(slope, axis=-1), axis=-1), axis=-1)
    return xp.concatenate([after, xp.zeros((*after.shape[:-1], 1))], axis=-1)
