"""Lists of items in array words: every item of a query beside every other, on two last axes."""

import math
from collections.abc import Iterator
from typing import Any

from losskit.engines.array_formula import Arrays, Fault
from losskit.engines.inputs import shape_error
from losskit.structures.lists import ChoiceListLoss, ListLoss, PairwiseListLoss, SmoothRankLoss

Shape = tuple[int, ...]


def shape(loss: ListLoss, relevance: Shape, scores: Shape) -> Shape:
    """One term a query."""
    if relevance != scores:
        raise shape_error(loss, relevance, scores)
    if not scores:
        raise ValueError(f"{loss.arguments[1]} must hold the items of a query on its last axis, got shape ()")
    return scores[:-1]


def faults(xp: Any, loss: ListLoss, y: Any, s: Any, weight: Any = None) -> Iterator[Fault]:
    """Relevances without a gain."""
    if loss.targets is not None:
        yield Fault(loss.arguments[0], loss.targets.outside(y), str(loss.targets))


def present(xp: Any, loss: ListLoss, y: Any, s: Any, weight: Any = None) -> Any:
    """Queries with two items of different relevance."""
    if y.shape[-1] == 0:
        return xp.zeros(y.shape[:-1]) > 0.0
    exists = _exists(xp, y, weight)
    highest = xp.max(xp.where(exists, y, -math.inf), axis=-1)
    lowest = xp.min(xp.where(exists, y, math.inf), axis=-1)
    return xp.logical_not(highest <= lowest)  # of NaN too, which must show


def terms(xp: Any, loss: ListLoss, y: Any, s: Any, weight: Any = None) -> Any:
    """The loss of each query."""
    return _nan_with(xp, y, _TERMS[loss.kind](xp, loss, y, s, _exists(xp, y, weight)))


def pullback(xp: Any, loss: ListLoss, cotangent: Any, y: Any, s: Any, weight: Any = None) -> Arrays:
    """The gradient in the scores."""
    cotangent = _nan_with(xp, y, cotangent)
    return (_PULLBACKS[loss.kind](xp, loss, cotangent, y, s, _exists(xp, y, weight)),)


def _exists(xp: Any, y: Any, weight: Any) -> Any:
    return xp.ones_like(y) > 0.0 if weight is None else weight > 0.0


def _nan_with(xp: Any, y: Any, numbers: Any) -> Any:
    """NaN for a query with a relevance that is NaN: no comparison would show it."""
    return xp.where(xp.any(xp.isnan(y), axis=-1), math.nan, numbers)


def _ith(xp: Any, x: Any) -> Any:
    return xp.expand_dims(x, -1)


def _jth(xp: Any, x: Any) -> Any:
    return xp.expand_dims(x, -2)


def _sum(xp: Any, x: Any, axis: int = -1) -> Any:
    return xp.cast(xp.sum(x, axis=axis, dtype=xp.wide), xp.float)


def _apart(xp: Any, s: Any, pairs: Any) -> Any:
    """s_i - s_j of the pairs that count, else 0: a difference of infinities in the others would be NaN."""
    return xp.where(pairs, _ith(xp, s), 0.0) - xp.where(pairs, _jth(xp, s), 0.0)


# ---- pairs ----------------------------------------------------------------------------------------------------------


def _pairs(xp: Any, loss: PairwiseListLoss, y: Any, s: Any, exists: Any) -> tuple[Any, Any]:
    """Weights and differences of scores of all pairs, those that do not count with weight 0."""
    pairs = (_ith(xp, y) > _jth(xp, y)) & _ith(xp, exists) & _jth(xp, exists)
    weight = xp.where(pairs, 1.0, 0.0)
    if loss.weight is not None:
        worth = _gains(xp, loss, y, s, exists)
        rank = _rank(xp, s, -y, exists)  # of equal scores the less relevant first
        of_pair = (_ith(xp, worth), _jth(xp, worth), _ith(xp, rank), _jth(xp, rank))
        weight = weight * xp.rule(loss.weight)(*of_pair, *loss.numbers[1])
    return xp.stop(weight), _apart(xp, s, pairs)


def _pair_terms(xp: Any, loss: Any, y: Any, s: Any, exists: Any) -> Any:
    weight, d = _pairs(xp, loss, y, s, exists)
    values = xp.rule(type(loss).value)(d, *loss.numbers[0])
    return _sum(xp, _sum(xp, xp.where(weight > 0.0, weight * values, 0.0)))


def _pair_pullback(xp: Any, loss: Any, cotangent: Any, y: Any, s: Any, exists: Any) -> Any:
    weight, d = _pairs(xp, loss, y, s, exists)
    slopes = xp.where(weight > 0.0, weight * xp.rule(type(loss).slope)(d, *loss.numbers[0]), 0.0)
    return _ith(xp, cotangent) * (_sum(xp, slopes) - _sum(xp, slopes, axis=-2))


def _gains(xp: Any, loss: Any, y: Any, s: Any, exists: Any) -> Any:
    """Gains as shares of the best sum of discounted gains."""
    gain = xp.where(exists, xp.rule(loss.gain)(y), 0.0)
    best = _sum(xp, gain * xp.rule(loss.discount)(_rank(xp, y, s, exists)))
    return gain / _ith(xp, xp.where(best > 0.0, best, 1.0))


def _rank(xp: Any, first: Any, second: Any, exists: Any) -> Any:
    """Ranks from 1 by ``first``, falling, among equals by ``second``, else in the order of the items."""
    n = first.shape[-1]
    before = _ith(xp, xp.arange(n)) > _jth(xp, xp.arange(n))
    tied_first = _jth(xp, first) == _ith(xp, first)
    tied = tied_first & (_jth(xp, second) == _ith(xp, second)) & before
    ahead = (_jth(xp, first) > _ith(xp, first)) | (tied_first & (_jth(xp, second) > _ith(xp, second))) | tied
    return 1.0 + xp.stop(_sum(xp, xp.where(ahead & _jth(xp, exists), 1.0, 0.0)))


# ---- choices --------------------------------------------------------------------------------------------------------


def _choices(xp: Any, loss: ChoiceListLoss, y: Any, s: Any, exists: Any) -> tuple[Any, Any, Any]:
    """Of each item: its share, by how much the others it is chosen among are ahead, and which of them by what share.

    An item with probability p is chosen against the others together: -log p = softplus(ahead).
    """
    highest = xp.max(xp.where(exists, s, -math.inf), axis=-1, keepdims=True)
    s = s - xp.stop(xp.where(highest == -math.inf, 0.0, highest))  # far from 0 a logarithm would lose digits
    others = _jth(xp, exists) & (xp.eye(s.shape[-1]) == 0.0)
    if loss.among == "rest":
        others = others & (_jth(xp, y) <= _ith(xp, y))
    some = xp.any(others, axis=-1, keepdims=True)
    scores = xp.where(others, _jth(xp, s), xp.where(some, -math.inf, 0.0))
    ahead = xp.where(xp.squeeze(some, -1), xp.log_sum_exp(scores, axis=-1) - s, -math.inf)
    return _shares(xp, loss, y, exists), ahead, xp.softmax(scores, axis=-1)


def _shares(xp: Any, loss: ChoiceListLoss, y: Any, exists: Any) -> Any:
    if loss.shares == "equal":
        return xp.where(exists, 1.0, 0.0)
    nothing = xp.logical_not(xp.any(exists, axis=-1, keepdims=True))
    return xp.where(exists, xp.softmax(xp.where(exists | nothing, y, -math.inf), axis=-1), 0.0)


def _choice_terms(xp: Any, loss: Any, y: Any, s: Any, exists: Any) -> Any:
    share, ahead, _ = _choices(xp, loss, y, s, exists)
    return _sum(xp, xp.where(share > 0.0, share * xp.softplus(ahead), 0.0))


def _choice_pullback(xp: Any, loss: Any, cotangent: Any, y: Any, s: Any, exists: Any) -> Any:
    share, ahead, among = _choices(xp, loss, y, s, exists)
    missed = xp.where(share > 0.0, share * xp.sigmoid(ahead), 0.0)
    to_others = _sum(xp, _ith(xp, missed) * among, axis=-2)
    return _ith(xp, cotangent) * xp.where(exists, to_others - missed, 0.0)


# ---- ranks ----------------------------------------------------------------------------------------------------------


def _excess(xp: Any, loss: SmoothRankLoss, y: Any, s: Any, exists: Any) -> tuple[Any, Any, Any]:
    """The rank that each item should have, the excess of its smooth rank over that, and differences s_i - s_j.

    An item that belongs below adds the sigmoid of by how much it is ahead; one that belongs above takes
    away the sigmoid of by how much it is behind: both are small in a list that is in order.
    """
    pairs = _ith(xp, exists) & _jth(xp, exists)
    rank = _rank(xp, y, s, exists)
    side = xp.where(_jth(xp, rank) > _ith(xp, rank), 1.0, -1.0)
    d = _apart(xp, s, pairs) / loss.temperature
    counts = pairs & (xp.eye(s.shape[-1]) == 0.0)
    return rank, _sum(xp, xp.where(counts, side * xp.sigmoid(-side * d), 0.0)), d


def _rank_terms(xp: Any, loss: Any, y: Any, s: Any, exists: Any) -> Any:
    rank, excess, _ = _excess(xp, loss, y, s, exists)
    return _sum(xp, _gains(xp, loss, y, s, exists) * xp.rule(loss.lost)(rank, excess))


def _rank_pullback(xp: Any, loss: Any, cotangent: Any, y: Any, s: Any, exists: Any) -> Any:
    rank, excess, d = _excess(xp, loss, y, s, exists)
    slope = _gains(xp, loss, y, s, exists) * xp.rule(loss.lost_slope)(rank, excess)
    others = _ith(xp, exists) & _jth(xp, exists) & (xp.eye(s.shape[-1]) == 0.0)
    crossing = xp.where(others, xp.sigmoid(d) * xp.sigmoid(-d), 0.0) / loss.temperature
    return _ith(xp, cotangent) * _sum(xp, (_jth(xp, slope) - _ith(xp, slope)) * crossing)


_TERMS = {"pairs": _pair_terms, "choices": _choice_terms, "ranks": _rank_terms}
_PULLBACKS = {"pairs": _pair_pullback, "choices": _choice_pullback, "ranks": _rank_pullback}
