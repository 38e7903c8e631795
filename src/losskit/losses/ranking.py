"""Losses of pairs of scores, of which one should be higher."""

from typing import Any, ClassVar

from losskit.about import CONVEX, ROBUST, About
from losskit.domain import PLUS_MINUS_ONE
from losskit.parameters import parameter
from losskit.rules import rule
from losskit.scalar import maximum, where
from losskit.structures.columns import ColumnLoss


class MarginRankingLoss(ColumnLoss):
    r"""max(0, margin - y (x1 - x2)): for y = +1 the score x1 should be above x2, for y = -1 below.

    ``compute(y_true, x1, x2)``, all of one shape; derivatives are those in both scores. At the kink,
    with a margin of 0 where the scores are equal, they are 0.

    >>> float(MarginRankingLoss(margin=0.5).compute([1.0, -1.0], [2.0, 1.0], [1.0, 1.0]))  # (0 + 0.5)/2
    0.25
    """

    margin: float = parameter(
        default=0.0, at_least=0, doc="by how much the one score should exceed the other"
    )

    arguments: ClassVar = ("y_true", "x1", "x2")
    differentiable: ClassVar = ("x1", "x2")
    domains: ClassVar = {"y_true": PLUS_MINUS_ONE}
    torch_order: ClassVar = ("x1", "x2", "y_true")

    @rule
    def value(y, x1, x2, margin):
        return maximum(margin - y * (x1 - x2), 0.0)

    @rule
    def slopes(y, x1, x2, margin):
        slope = _slope(y, margin - y * (x1 - x2))
        return -slope, slope

    @rule
    def curvatures(y, x1, x2, margin):
        none = 0.0 * _slope(y, margin - y * (x1 - x2))
        return none, none

    def example(self, random: Any, n: int) -> tuple[Any, ...]:
        return random.choice((-1.0, 1.0), n), random.normal(size=n), random.normal(size=n)

    about: ClassVar = About(
        formula=r"\max\left(0, m - y (x_1 - x_2)\right)",
        tasks={"ranking"},
        traits={CONVEX, ROBUST},
        estimates="scores in the order of the labels",
        strengths=("only the order of the scores counts, and only pairs in the wrong order",),
        weaknesses=("a margin of 0 is met by scores that are all the same",),
        uses=("learning to rank from pairs", "ranking triples of knowledge graphs"),
        references=(
            "Herbrich, Graepel & Obermayer (1999), Support Vector Learning for Ordinal Regression, ICANN",
        ),
        elsewhere=("torch.nn.MarginRankingLoss: the same; takes x1, x2, target",),
    )


def _slope(y, gap):
    """y where there is a loss, else 0; NaN where the loss is."""
    return where(gap > 0.0, y, where(gap <= 0.0, 0.0, gap))
