"""Losses of the margin m = y_true * y_pred, with labels -1 and +1 and a real score."""

from typing import ClassVar

from losskit.about import CONVEX, ROBUST, SMOOTH, About, lipschitz
from losskit.rules import rule
from losskit.scalar import maximum, where
from losskit.structures import MarginLoss


class HingeLoss(MarginLoss):
    r"""max(0, 1 - m): no cost once an example is right by a margin of 1.

    Labels are -1 and +1; 0 is an error, not a third class. At m = 1 the derivative is 0.

    >>> float(HingeLoss().compute([1.0, -1.0], [0.5, -2.0]))
    0.25
    """

    @rule
    def value(m):
        return maximum(1.0 - m, 0.0)

    @rule
    def slope(m):
        return where(m >= 1.0, 0.0, where(m < 1.0, -1.0, m))

    @rule
    def curvature(m):
        return where(m == m, 0.0, m)

    about: ClassVar = About(
        formula=r"\max(0, 1 - y\hat y)",
        tasks={"binary"},
        traits={CONVEX, ROBUST, lipschitz(1)},
        estimates="the more probable class, not its probability",
        strengths=("sparse: only examples near or beyond the boundary count",),
        weaknesses=("no probabilities", "a kink at the margin", "unbounded for wrong labels"),
        uses=("support vector machines", "GAN critics"),
        references=("Cortes & Vapnik (1995), Machine Learning 20",),
    )


class SquaredHingeLoss(MarginLoss):
    r"""max(0, 1 - m)²: the hinge without its kink.

    >>> float(SquaredHingeLoss().compute([1.0, -1.0], [0.0, -2.0]))
    0.5
    """

    @rule
    def value(m):
        h = maximum(1.0 - m, 0.0)
        return h * h

    @rule
    def slope(m):
        return -2.0 * maximum(1.0 - m, 0.0)

    @rule
    def curvature(m):
        return where(m >= 1.0, 0.0, where(m < 1.0, 2.0, m))

    about: ClassVar = About(
        formula=r"\max(0, 1 - y\hat y)^2",
        tasks={"binary"},
        traits={CONVEX, SMOOTH},
        estimates="2p - 1 for the probability p of class +1, where |2p - 1| < 1",
        strengths=("smooth: suits gradient methods better than the hinge",),
        weaknesses=("more sensitive to outliers and wrong labels than the hinge",),
        uses=("linear support vector machines",),
        references=("Chang, Hsieh & Lin (2008), JMLR 9",),
    )
