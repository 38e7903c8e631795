"""Losses of lists: the items of a query, each with a score and a relevance, and the order they come in."""

from functools import cached_property
from typing import Any, ClassVar

from losskit.domain import Domain, Interval
from losskit.parameters import parameter
from losskit.rules import RuleFunction, rule
from losskit.scalar import Scalar, expm1, log1p
from losskit.structures.arrays import ArrayLoss
from losskit.structures.numbers import numbers_of

LOG_2 = 0.6931471805599453

GRADES = Interval(0.0, 100.0)
"""Relevances with a gain: 2**100 items of the best one could be added up in float32, and no more is needed."""


def gain(y: Scalar) -> Scalar:
    """What an item of relevance y is worth: 2^y - 1, as in NDCG."""
    return expm1(LOG_2 * y)


def discount(rank: Scalar) -> Scalar:
    """What is left of a gain at a rank: 1 / log2(1 + rank), as in NDCG."""
    return LOG_2 / log1p(rank)


def lost(k: Scalar, e: Scalar) -> Scalar:
    """discount(k) - discount(k + e), with all its digits for a small e."""
    more = log1p(e / (1.0 + k))
    return LOG_2 * more / (log1p(k) * (log1p(k) + more))


def lost_slope(k: Scalar, e: Scalar) -> Scalar:
    """Its derivative in e."""
    log_rank = log1p(k + e)
    return LOG_2 / ((1.0 + k + e) * (log_rank * log_rank))


class ListLoss(ArrayLoss):
    """A loss of the items of queries, on the last axis: relevances first, then scores.

    A term is a query. ``mask`` has the shape of the scores and says which items there are; the others
    are padding. Only a query with two items of different relevance has an order to get wrong: others
    are absent, count for nothing in the mean and have the derivative 0. ``sample_weight`` is one a query.

    Subclass one of the kinds below. All rules are those of scalars; ranks start at 1.
    """

    structure: ClassVar[str] = "lists"
    weighting: ClassVar[str] = "items"
    kind: ClassVar[str]
    targets: ClassVar[Domain | None] = None
    """The legal relevances."""

    gain: ClassVar[RuleFunction] = rule(gain)
    discount: ClassVar[RuleFunction] = rule(discount)

    def example(self, random: Any, n: int) -> tuple[Any, ...]:
        relevance = random.integers(0, 4, (n, 6))
        relevance[:, :2] = 0, 1
        return 1.0 * relevance, random.standard_normal((n, 6))


class PairwiseListLoss(ListLoss):
    """The sum over the pairs of items of which i is more relevant than j.

    Rules are functions of the difference d of their scores; with ``pair_weight`` each pair has a weight,
    a function of its gains, as shares of the best sum of discounted gains, and of its ranks by score.
    The weights are constants to the derivative: between two changes of order, that is what they are.

    >>> from losskit.scalar import maximum, where
    >>> class RankingHinge(PairwiseListLoss):
    ...     @rule
    ...     def value(d):
    ...         return maximum(1.0 - d, 0.0)
    ...     @rule
    ...     def slope(d):
    ...         return where(d < 1.0, -1.0, 0.0)
    >>> float(RankingHinge().compute([[2.0, 0.0, 1.0]], [[3.0, 0.0, 2.75]]))
    0.75
    """

    kind: ClassVar[str] = "pairs"

    def pair_weight(self) -> RuleFunction | None:
        """weight(gain_i, gain_j, rank_i, rank_j), then parameters; None for pairs that all weigh the same."""
        return None

    @cached_property
    def weight(self) -> RuleFunction | None:
        """What ``pair_weight`` answers."""
        return self.pair_weight()

    @cached_property
    def numbers(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The parameters that value and slope take, and those of the weight."""
        cls: Any = type(self)
        weight = () if self.weight is None else numbers_of(self, self.weight, 4)
        return numbers_of(self, cls.value, 1), weight


class ChoiceListLoss(ListLoss):
    """Items are chosen one after the other, each with the softmax probability of its score.

    The loss is the sum over the items of -log of the probability to be chosen, times the item's share.
    """

    kind: ClassVar[str] = "choices"
    among: ClassVar[str]
    """Out of what an item is chosen: "all" the items, or the "rest", those that are not more relevant."""
    shares: ClassVar[str]
    """An item's share: "equal", which is 1, or the "softmax" of the relevances."""


class SmoothRankLoss(ListLoss):
    """The share of the best sum of discounted gains that is missing, with smooth ranks.

    The rank of an item is 1 plus, for every other item, the sigmoid of by how much that is ahead.
    Rules are functions of the rank k that the item should have and of the excess e of its smooth rank
    over that.
    """

    kind: ClassVar[str] = "ranks"
    targets: ClassVar[Domain | None] = GRADES

    temperature: float = parameter(
        default=0.1, above=0, doc="difference of scores at which an item counts as 73 % ahead of another"
    )

    lost: ClassVar[RuleFunction] = rule(lost)
    lost_slope: ClassVar[RuleFunction] = rule(lost_slope)
