"""Regression losses that measure errors relative to the target."""

from typing import ClassVar

from losskit.about import CONVEX, SMOOTH, SYMMETRIC, About
from losskit.domain import NON_NEGATIVE, NonZero
from losskit.rules import rule
from losskit.scalar import log1p, minimum, scaled, sign, where
from losskit.structures import ElementwiseLoss


class MeanAbsolutePercentageError(ElementwiseLoss):
    r"""100 |y_pred - y_true| / |y_true|, in per cent, as in Keras.

    A target of 0 has no percentage and is an error; Keras puts 1e-7 in its place.

    >>> float(MeanAbsolutePercentageError().compute([2.0], [3.0]))
    50.0
    """

    targets: ClassVar = NonZero()

    @rule(wide=True)
    def value(y, p):
        ratio = p / y  # where the signs differ p - y may overflow and nothing cancels
        return 100.0 * abs(where(ratio < 0.0, ratio - 1.0, (p - y) / y))

    @rule(wide=True)
    def slope(y, p):
        return 100.0 * (sign(p - y) / abs(y))

    @rule
    def curvature(y, p):
        return 0.0 * sign(p - y)

    about: ClassVar = About(
        formula=r"100\left|\frac{\hat y - y}{y}\right|",
        tasks={"regression"},
        traits={CONVEX},
        estimates="a median weighted by 1/|y|, below the plain one for positive targets",
        strengths=("free of units: comparable across series",),
        weaknesses=("undefined at 0, dominated by targets near 0", "favours low predictions"),
        uses=("forecasts of positive quantities reported in per cent",),
        references=("Makridakis (1993), International Journal of Forecasting 9",),
        aliases=("mape",),
        elsewhere=(
            "keras.losses.MeanAbsolutePercentageError: the same; a target of 0 counts as 1e-7",
            "sklearn.metrics.mean_absolute_percentage_error: not times 100; a target of 0 counts as 2.2e-16",
        ),
    )


class MeanSquaredLogarithmicError(ElementwiseLoss):
    r"""(log(1 + y_pred) - log(1 + y_true))², as in Keras, for values of at least 0.

    Negative values are an error; Keras moves them to 0.

    >>> round(float(MeanSquaredLogarithmicError().compute([0.0], [1.0])), 6)
    0.480453
    """

    targets: ClassVar = NON_NEGATIVE
    predictions: ClassVar = NON_NEGATIVE

    @rule(wide=True)
    def value(y, p):
        ratio = log1p(abs(p - y) / (1.0 + minimum(y, p)))  # the difference of two logs cancels where y ~ p
        return ratio * ratio

    @rule(wide=True)
    def slope(y, p):
        ratio = log1p(abs(p - y) / (1.0 + minimum(y, p)))
        return scaled(1.0 / (1.0 + p), 2.0 * sign(p - y) * ratio)  # 0 at infinity

    @rule(wide=True)
    def curvature(y, p):
        ratio = sign(p - y) * log1p(abs(p - y) / (1.0 + minimum(y, p)))
        return scaled(1.0 / (1.0 + p) / (1.0 + p), 2.0 * (1.0 - ratio))

    about: ClassVar = About(
        formula=r"\left(\log(1 + \hat y) - \log(1 + y)\right)^2",
        tasks={"regression"},
        traits={SYMMETRIC, SMOOTH},
        estimates="the mean of log(1 + y)",
        strengths=("relative errors for large values, absolute ones near 0", "targets may span decades"),
        weaknesses=("only for values of at least 0", "punishes low predictions more than high ones"),
        uses=("counts, prices and other positive, skewed targets",),
        references=("the metric of scikit-learn and Keras under the same name",),
        aliases=("msle",),
        elsewhere=(
            "keras.losses.MeanSquaredLogarithmicError: the same; values below 1e-7 count as 1e-7",
            "sklearn.metrics.mean_squared_log_error: the value alone",
        ),
    )
