"""Losses of the residual r = y_pred - y_true."""

import math
from typing import ClassVar

from losskit.about import CONVEX, ROBUST, SMOOTH, SYMMETRIC, About, lipschitz
from losskit.losses.robust import FAR
from losskit.parameters import parameter
from losskit.rules import Term, rule
from losskit.scalar import clip, exp, log1p, maximum, minimum, polynomial, sign, sqrt, tanh, where
from losskit.structures import ResidualLoss

LOG_2 = math.log(2.0)
# log cosh x / x² in powers of x², x <= 1, right to 2**-56.7 and its derivatives, too: by tests/engines/numba/minimax.py
LOG_COSH = (
    0.5, -0.08333333333333333, 0.02222222222222222, -0.006746031746031656, 0.0021869488536129774, -0.0007386029607811278,
    0.00025658057353162715, -9.098964503542844e-05, 3.2779277400679215e-05, -1.1956343450395603e-05,
    4.404855058574972e-06, -1.6355440577153008e-06, 6.100284191515454e-07, -2.266606627208672e-07, 8.216271898980807e-08,
    -2.7853607975322668e-08, 8.243048663841502e-09, -1.9289617668202864e-09, 3.073329553575542e-10, -2.4396533031490927e-11,
)  # fmt: skip


class MeanSquaredError(ResidualLoss):
    r"""The squared residual, r². Its best constant prediction is the mean.

    Not halved: the derivative of one element is 2r. Convention of scikit-learn's metric, torch and
    Keras; optax's ``l2_loss`` and scikit-learn's boosting loss are half of it.

    >>> round(float(MeanSquaredError().compute([1, 2, 3, 4], [1.1, 1.9, 3.2, 3.8])), 4)
    0.025
    """

    @rule
    def value(r):
        return r * r

    @rule
    def slope(r):
        return 2.0 * r

    @rule
    def curvature(r):
        return where(r == r, 2.0, r)  # NaN in, NaN out

    about: ClassVar = About(
        formula=r"(\hat y - y)^2",
        tasks={"regression"},
        traits={CONVEX, SYMMETRIC, SMOOTH},
        estimates="mean",
        strengths=("the efficient choice under Gaussian noise", "constant curvature: easy to optimise"),
        weaknesses=("one far outlier can outweigh all other data", "in squared units of y"),
        uses=("regression with light-tailed noise", "when large errors cost more than proportionally"),
        references=("Gauss (1809), Theoria motus corporum coelestium",),
        aliases=("mse", "l2", "squared_error"),
        elsewhere=(
            "torch.nn.MSELoss, keras.losses.MeanSquaredError, sklearn.metrics.mean_squared_error: the same",
            "optax.squared_error: the same, unreduced; optax.l2_loss is half of it",
        ),
    )


class MeanAbsoluteError(ResidualLoss):
    r"""The absolute residual, |r|. Its best constant prediction is the median.

    At r = 0 the derivative is 0, the subgradient of least size.

    >>> round(float(MeanAbsoluteError().compute([1, 2, 3, 4], [1.1, 1.9, 3.2, 3.8])), 4)
    0.15
    """

    @rule
    def value(r):
        return abs(r)

    @rule
    def slope(r):
        return sign(r)

    @rule
    def curvature(r):
        return 0.0 * sign(r)  # NaN in, NaN out

    about: ClassVar = About(
        formula=r"|\hat y - y|",
        tasks={"regression"},
        traits={CONVEX, SYMMETRIC, ROBUST, lipschitz(1)},
        estimates="median",
        strengths=("an outlier pulls no harder than any other point", "in the units of y"),
        weaknesses=("the gradient does not shrink near the optimum", "no curvature for second-order methods"),
        uses=("regression with outliers", "forecasts judged by absolute error"),
        references=("Boscovich (1757); Koenker & Bassett (1978), Econometrica 46",),
        aliases=("mae", "l1", "absolute_error"),
        elsewhere="torch.nn.L1Loss, keras.losses.MeanAbsoluteError, sklearn.metrics.mean_absolute_error: the same",
    )


class HuberLoss(ResidualLoss):
    r"""A parabola near zero, straight lines beyond ``delta``: r²/2 for |r| <= delta, else delta(|r| - delta/2).

    torch's and Keras's HuberLoss are the same. For delta towards infinity it is half the squared
    error; divided by delta it is SmoothL1Loss.

    >>> float(HuberLoss(delta=1.0).compute([0.0], [3.0]))
    2.5
    """

    delta: float = parameter(
        default=1.0, above=0, doc="residual at which the parabola becomes a line, in units of y"
    )

    @rule
    def value(r, delta):
        a = abs(r)
        return where(a <= delta, 0.5 * r * r, delta * (a - 0.5 * delta))

    @rule
    def slope(r, delta):
        return clip(r, -delta, delta)

    @rule
    def curvature(r, delta):
        return where(abs(r) <= delta, 1.0, 0.0 * sign(r))

    about: ClassVar = About(
        formula=r"\begin{cases}\frac12 r^2 & |r| \le \delta \\ "
        r"\delta\left(|r| - \frac12\delta\right) & |r| > \delta\end{cases}",
        tasks={"regression"},
        traits={CONVEX, SYMMETRIC, SMOOTH, ROBUST, lipschitz("delta")},
        estimates="between the mean and the median",
        strengths=(
            "efficient for the bulk of the data, bounded influence of the rest",
            "continuous gradient",
        ),
        weaknesses=("delta has to match the scale of the noise", "curvature is 0 beyond delta"),
        uses=("regression with a few outliers", "value functions in reinforcement learning"),
        references=("Huber (1964), Annals of Mathematical Statistics 35",),
        elsewhere=(
            "torch.nn.HuberLoss, keras.losses.Huber: the same",
            "optax.huber_loss: the same, unreduced; its second derivative at the threshold is 1/4",
            "sklearn.linear_model.HuberRegressor: the threshold epsilon is in units of a scale that it fits as well",
        ),
    )


class LogCoshLoss(ResidualLoss):
    r"""log cosh r: r²/2 near zero, |r| - log 2 far away, with every derivative.

    Computed without overflow at any r and without cancellation near 0: 1e-30 gives 5e-61 in float64.

    >>> float(LogCoshLoss().compute([0.0], [1000.0]))
    999.3068528194401
    """

    @rule
    def value(r):
        a = abs(r)
        b = minimum(a, 1.0)
        # A series near 0, where log(cosh(a)) loses half the digits at 1e-4; far away cosh a = e^a (1 + e^-2a) / 2.
        return where(a < 1.0, b * b * polynomial(b * b, LOG_COSH), (a - LOG_2) + log1p(exp(-2.0 * a)))

    @rule
    def slope(r):
        return tanh(r)

    @rule(wide=True)
    def curvature(r):
        e = exp(-2.0 * abs(r))  # 1 - tanh² would be 0 for |r| > 9 in float32
        return 4.0 * e / ((1.0 + e) * (1.0 + e))

    about: ClassVar = About(
        formula=r"\log\cosh(\hat y - y)",
        tasks={"regression"},
        traits={CONVEX, SYMMETRIC, SMOOTH, ROBUST, lipschitz(1)},
        estimates="between the mean and the median",
        strengths=("smooth everywhere, with bounded slope", "no parameter to tune"),
        weaknesses=("its width is fixed at one unit of y: scale the target first",),
        uses=("regression with outliers under second-order optimisers, such as boosting",),
        references=("Green (1990), IEEE Transactions on Medical Imaging 9",),
        aliases=("logcosh",),
        elsewhere=(
            "keras.losses.LogCosh: the same; in float32 it is 0 or wrong for residuals below 1e-4",
            "optax.log_cosh: the same, unreduced; in float32 it is 0 for a residual of 1e-4",
        ),
    )


class SmoothL1Loss(ResidualLoss):
    r"""Huber's loss divided by its threshold: r²/(2 beta) for |r| < beta, else |r| - beta/2.

    ``beta=0`` is the absolute error. The same as torch's.

    >>> float(SmoothL1Loss(beta=2.0).compute([0.0], [3.0]))
    2.0
    """

    beta: float = parameter(
        default=1.0, at_least=0, doc="residual at which the parabola becomes a line, in units of y"
    )

    @rule
    def value(r, beta):
        a = abs(r)
        return where(a < beta, 0.5 * r * (r / beta), a - 0.5 * beta)

    @rule
    def slope(r, beta):
        return where(abs(r) < beta, r / beta, sign(r))

    @rule
    def curvature(r, beta):
        return where(abs(r) < beta, 1.0 / beta, 0.0 * sign(r))

    about: ClassVar = About(
        formula=r"\begin{cases}\frac{r^2}{2\beta} & |r| < \beta \\ |r| - \frac12\beta & |r| \ge \beta\end{cases}",
        tasks={"regression", "detection"},
        traits={CONVEX, SYMMETRIC, ROBUST, lipschitz(1)},
        estimates="between the mean and the median",
        strengths=("slope 1 for every outlier, whatever beta is",),
        weaknesses=("for small beta the curvature near 0 is large",),
        uses=("bounding-box regression",),
        references=("Girshick (2015), Fast R-CNN, ICCV",),
        elsewhere="torch.nn.SmoothL1Loss: the same",
    )


class QuantileLoss(ResidualLoss):
    r"""The pinball loss: q(y - p) where the prediction is low, (1 - q)(p - y) where it is high.

    Its best constant prediction is the q-quantile; ``quantile=0.5`` is half the absolute error.

    >>> float(QuantileLoss(quantile=0.9).compute([1.0], [0.0]))
    0.9
    """

    quantile: float = parameter(default=0.5, above=0, below=1, doc="the quantile to estimate")

    @rule
    def value(r, quantile):
        return maximum((1.0 - quantile) * r, -quantile * r)

    @rule
    def slope(r, quantile):
        return where(r > 0.0, 1.0 - quantile, where(r < 0.0, -quantile, 0.0 * r))

    @rule
    def curvature(r, quantile):
        return 0.0 * sign(r)

    about: ClassVar = About(
        formula=r"\max\left(q\,(y - \hat y),\ (q - 1)(y - \hat y)\right)",
        tasks={"regression"},
        traits={CONVEX, ROBUST, lipschitz(1)},
        estimates="the quantile asked for",
        strengths=("gives prediction intervals, not only a centre", "as robust as the absolute error"),
        weaknesses=("quantiles fitted one by one may cross", "no curvature"),
        uses=("prediction intervals", "costs that differ for too much and too little"),
        references=("Koenker & Bassett (1978), Econometrica 46",),
        aliases=("pinball",),
        elsewhere="sklearn.metrics.mean_pinball_loss(alpha=q), tfa.losses.PinballLoss(tau=q): the same",
    )


class ExpectileLoss(ResidualLoss):
    r"""The squared error with weight e below the target and 1 - e above it.

    ``expectile=0.5`` is half the squared error.

    >>> float(ExpectileLoss(expectile=0.9).compute([2.0], [0.0]))
    3.6
    """

    expectile: float = parameter(default=0.5, above=0, below=1, doc="the expectile to estimate")

    @rule
    def value(r, expectile):
        return (where(r > 0.0, 1.0 - expectile, expectile) * r) * r  # r² may overflow alone

    @rule
    def slope(r, expectile):
        return (2.0 * where(r > 0.0, 1.0 - expectile, expectile)) * r  # 2 r may overflow

    @rule
    def curvature(r, expectile):
        return 2.0 * where(r > 0.0, 1.0 - expectile, where(r <= 0.0, expectile, r))

    about: ClassVar = About(
        formula=r"\left|e - \mathbf 1[y < \hat y]\right|\,(\hat y - y)^2",
        tasks={"regression"},
        traits={CONVEX, SMOOTH},
        estimates="the expectile asked for",
        strengths=("asymmetric and still smooth",),
        weaknesses=("as sensitive to outliers as the squared error", "harder to interpret than a quantile"),
        uses=("risk measures", "asymmetric costs under Newton-type optimisers", "reinforcement learning"),
        references=("Newey & Powell (1987), Econometrica 55",),
    )


class EpsilonInsensitiveLoss(ResidualLoss):
    r"""max(0, |r| - epsilon): errors inside the tube are free.

    >>> float(EpsilonInsensitiveLoss(epsilon=0.5).compute([0.0, 0.0], [0.25, 2.0]))
    0.75
    """

    epsilon: float = parameter(default=0.1, at_least=0, doc="half width of the free tube, in units of y")

    @rule
    def value(r, epsilon):
        return maximum(abs(r) - epsilon, 0.0)

    @rule
    def slope(r, epsilon):
        return where(abs(r) <= epsilon, 0.0, sign(r))

    @rule
    def curvature(r, epsilon):
        return 0.0 * sign(r)

    about: ClassVar = About(
        formula=r"\max(0, |\hat y - y| - \varepsilon)",
        tasks={"regression"},
        traits={CONVEX, SYMMETRIC, ROBUST, lipschitz(1)},
        estimates="a centre, up to epsilon",
        strengths=("ignores errors that do not matter", "sparse: only points outside the tube count"),
        weaknesses=("no gradient inside the tube", "epsilon has to be chosen"),
        uses=("support vector regression", "targets known only to a tolerance"),
        references=("Vapnik (1995), The Nature of Statistical Learning Theory",),
        elsewhere='sklearn.linear_model.SGDRegressor(loss="epsilon_insensitive"): the same, inside of it',
    )


class CharbonnierLoss(ResidualLoss):
    r"""delta²(sqrt(1 + (r/delta)²) - 1): a smooth Huber loss (also called pseudo-Huber).

    >>> round(float(CharbonnierLoss(delta=1.0).compute([0.0], [1e-8])) * 1e17, 6)
    5.0
    """

    delta: float = parameter(default=1.0, above=0, doc="where a parabola becomes a line, in units of y")

    @rule(wide=True)
    def value(r, delta):
        a = abs(r)
        u = a / delta
        # not sqrt(..) - 1: that is 0.0 at r = 1e-4 in float32
        far = delta * (a - delta * (1.0 - 0.5 * (delta / a)))
        return where(u > FAR, far, a * (a / (1.0 + sqrt(1.0 + u * u))))

    @rule(wide=True)
    def slope(r, delta):
        u, v = r / delta, delta / r
        return where(abs(u) > FAR, delta * sign(r) * (1.0 - 0.5 * v * v), r / sqrt(1.0 + u * u))

    @rule(wide=True)
    def curvature(r, delta):
        a = abs(r)
        u, v = a / delta, delta / a
        w = where(a <= delta, u, v)
        s = 1.0 + w * w
        return where(a <= delta, 1.0, v * v * v) / (s * sqrt(s))

    about: ClassVar = About(
        formula=r"\delta^2\left(\sqrt{1 + (r/\delta)^2} - 1\right)",
        tasks={"regression"},
        traits={CONVEX, SYMMETRIC, SMOOTH, ROBUST, lipschitz("delta")},
        estimates="between the mean and the median",
        strengths=("Huber's robustness with every derivative",),
        weaknesses=("delta has to match the scale of the noise",),
        uses=("image restoration and optical flow", "robust regression under second-order optimisers"),
        references=("Charbonnier et al. (1994), ICIP",),
        aliases=("pseudo_huber", "pseudohuber"),
        elsewhere=("kornia.losses.CharbonnierLoss: the same at delta = 1",),
    )


class CustomRegressionLoss(ResidualLoss):
    r"""alpha times the squared error plus 1 - alpha times the absolute error: the worked example of a custom loss.

    The same as ``alpha * MeanSquaredError() + (1 - alpha) * MeanAbsoluteError()``.

    >>> float(CustomRegressionLoss(alpha=0.5).compute([0.0], [3.0]))
    6.0
    """

    alpha: float = parameter(default=0.5, at_least=0, at_most=1, doc="share of the squared error")

    def make_terms(self) -> tuple[Term, ...]:
        (squared,), (absolute,) = MeanSquaredError().terms, MeanAbsoluteError().terms
        return squared.times(self.alpha), absolute.times(1.0 - self.alpha)

    about: ClassVar = About(
        formula=r"\alpha\,r^2 + (1 - \alpha)\,|r|",
        tasks={"regression"},
        traits={CONVEX, SYMMETRIC},
        estimates="between the mean and the median",
        strengths=("shows how losses are mixed",),
        weaknesses=("parts of different units: alpha depends on the scale of y",),
        uses=("a template for mixtures",),
        references=("compare Zou & Hastie (2005), JRSS B 67, for the same mixture as a penalty",),
    )
