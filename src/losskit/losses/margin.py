"""Losses of the margin m = y_true * y_pred, with labels -1 and +1 and a real score."""

from typing import ClassVar

from losskit.about import CONVEX, ROBUST, SMOOTH, About, lipschitz
from losskit.rules import rule
from losskit.scalar import clip, exp, maximum, sigmoid, softplus, where
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
        elsewhere=(
            "keras.losses.Hinge: the same; turns labels that are all 0 and 1 into -1 and +1",
            "optax.hinge_loss: the same, unreduced; its derivative at margin 1 is -1/2",
            "sklearn.metrics.hinge_loss: the value alone",
        ),
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
        elsewhere=(
            "keras.losses.SquaredHinge: the same; turns labels that are all 0 and 1 into -1 and +1",
            'sklearn.svm.LinearSVC(loss="squared_hinge"): the same, inside of the estimator',
        ),
    )


class LogisticLoss(MarginLoss):
    r"""log(1 + e^-m): logistic regression with labels -1 and +1.

    Binary cross-entropy of the same logit with labels 0 and 1. Both tails are exact: at a margin of
    20 the value is 2.06e-9, in float32 as well. Some texts divide by log 2, to meet the zero-one loss at 0.

    >>> print(f"{LogisticLoss().compute([1.0], [20.0]):.7e}")
    2.0611536e-09
    """

    @rule
    def value(m):
        return softplus(-m)

    @rule
    def slope(m):
        return -sigmoid(-m)

    @rule(wide=True)
    def curvature(m):
        return sigmoid(m) * sigmoid(-m)

    about: ClassVar = About(
        formula=r"\log\left(1 + e^{-y\hat y}\right)",
        tasks={"binary"},
        traits={CONVEX, SMOOTH, ROBUST, lipschitz(1)},
        estimates="the log odds of class +1",
        strengths=("gives probabilities", "smooth: suits every optimiser"),
        weaknesses=("no example is ever done with: separable data drive the scores to infinity",),
        uses=("logistic regression", "gradient boosting for classification"),
        references=("Friedman, Hastie & Tibshirani (2000), Annals of Statistics 28",),
        aliases=("logistic_regression",),
        elsewhere=("torch.nn.SoftMarginLoss: the same; inf for margins below -89 in float32",),
    )


class ExponentialLoss(MarginLoss):
    r"""e^-m: what AdaBoost minimises.

    >>> float(ExponentialLoss().compute([1.0, -1.0], [0.0, 0.0]))
    1.0
    """

    @rule
    def value(m):
        return exp(-m)

    @rule
    def slope(m):
        return -exp(-m)

    @rule
    def curvature(m):
        return exp(-m)

    about: ClassVar = About(
        formula=r"e^{-y\hat y}",
        tasks={"binary"},
        traits={CONVEX, SMOOTH},
        estimates="half the log odds of class +1",
        strengths=("the reweighting of boosting follows from it in closed form",),
        weaknesses=("one mislabelled example can outweigh all others", "overflows for large wrong scores"),
        uses=("AdaBoost",),
        references=("Freund & Schapire (1997), Journal of Computer and System Sciences 55",),
        aliases=("adaboost",),
    )


class PerceptronLoss(MarginLoss):
    r"""max(0, -m): the hinge without a margin. At m = 0 the derivative is 0.

    >>> float(PerceptronLoss().compute([1.0, -1.0], [-0.5, -2.0]))
    0.25
    """

    @rule
    def value(m):
        return maximum(-m, 0.0)

    @rule
    def slope(m):
        return where(m >= 0.0, 0.0, where(m < 0.0, -1.0, m))

    @rule
    def curvature(m):
        return where(m == m, 0.0, m)

    about: ClassVar = About(
        formula=r"\max(0, -y\hat y)",
        tasks={"binary"},
        traits={CONVEX, ROBUST, lipschitz(1)},
        estimates="the more probable class, not its probability",
        strengths=("updates on mistakes only",),
        weaknesses=("a score of 0 everywhere costs nothing", "no margin: the boundary may touch the data"),
        uses=("online linear classification",),
        references=("Rosenblatt (1958), Psychological Review 65",),
        elsewhere=(
            "optax.perceptron_loss: the same, unreduced; its derivative at margin 0 is -1/2 of the label",
            'sklearn.linear_model.SGDClassifier(loss="perceptron"): the same, inside of the estimator',
        ),
    )


class ModifiedHuberLoss(MarginLoss):
    r"""The squared hinge, continued by a straight line where m < -1: max(0, 1 - m)² and -4m.

    The same as scikit-learn's ``modified_huber``.

    >>> float(ModifiedHuberLoss().compute([1.0, -1.0], [0.0, 2.0]))
    4.5
    """

    @rule
    def value(m):
        h = maximum(1.0 - m, 0.0)
        return where(m < -1.0, -4.0 * m, h * h)

    @rule
    def slope(m):
        return -2.0 * clip(1.0 - m, 0.0, 2.0)

    @rule
    def curvature(m):
        return where(m == m, where((m >= -1.0) & (m < 1.0), 2.0, 0.0), m)

    about: ClassVar = About(
        formula=r"\begin{cases}\max(0, 1 - y\hat y)^2 & y\hat y \ge -1 \\ -4y\hat y & y\hat y < -1\end{cases}",
        tasks={"binary"},
        traits={CONVEX, SMOOTH, ROBUST, lipschitz(4)},
        estimates="2p - 1 for the probability p of class +1, where |2p - 1| < 1",
        strengths=("smooth like the squared hinge, bounded slope like the hinge", "gives probabilities"),
        weaknesses=("those probabilities are exactly 0 or 1 beyond the margin",),
        uses=("linear classifiers on noisy labels",),
        references=("Zhang (2004), ICML",),
        elsewhere=(
            'sklearn.linear_model.SGDClassifier(loss="modified_huber"): the same, inside of the estimator',
            "optax.sparsemax_loss: a quarter of this, for labels 0 and 1",
        ),
    )
