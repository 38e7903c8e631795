r"""
Design a loss of your own, and check it
=======================================

An electric car predicts how far it will still go. Too few kilometres promised is a nuisance; too many, and somebody
walks. No standard loss says that, so write one.

Before any code, say what the loss must be like as a function of the residual :math:`r`, prediction minus truth:

1. 0 at :math:`r = 0` and nowhere negative, so that a perfect prediction is the best one;
2. smooth with slope 0 there, so that training settles;
3. convex, so that a linear model has one best fit;
4. steep for :math:`r > 0` and mild for :math:`r < 0`.

Varian's LINEX loss is all of this: about linear on one side, exponential on the other,

.. math::

   L(r) = e^{r/s} - \frac rs - 1, \qquad L'(r) = \frac{e^{r/s} - 1}{s}.
"""

# %%
# By hand
# -------
#
# A loss is a class with ``compute`` and ``derivative``. This one has a mistake that is easily made: somewhere the
# residual was written the other way round.

import math
from typing import ClassVar

import matplotlib.pyplot as plt
import mpmath
import numpy as np
from scipy.optimize import minimize

import losskit as lk
from losskit.about import CONVEX, SMOOTH, About
from losskit.scalar import exp, expm1, polynomial, where


class ByHand(lk.LossFunction):
    def __init__(self, scale=1.0):
        self.scale = scale

    def compute(self, y_true, y_pred):
        u = (y_pred - y_true) / self.scale
        return np.mean(np.exp(u) - u - 1)

    def derivative(self, y_true, y_pred):
        u = (y_true - y_pred) / self.scale
        return (np.exp(u) - 1) / self.scale / y_true.size


def findings(loss):
    """The verdict of ``lk.check``, and its first finding of each law."""
    report = lk.check(loss)
    print(str(report).split("\n", 1)[0])
    for finding in report.findings:
        print(f"\n{finding.severity} ({finding.law}): {finding.message}")


findings(ByHand())

# %%
# Nothing would have crashed: the model would have walked away from the data. ``lk.check`` compares the
# derivative with differences of ``compute`` and shows an input at which they disagree.

# %%
# As a rule
# ---------
#
# Better not to write the derivative, the mean, weights and masks at all. A *rule* is the formula of one residual; its
# slope and curvature are derived, and it compiles to the same kind of kernel as the losses of the library. As the
# exact value of a rule can be computed in as many digits as it takes, the laws can now look much closer.


class Naive(lk.ResidualLoss):
    scale: float = lk.parameter(
        default=1.0, above=0, doc="step over which e^(r/s) grows e-fold, in units of y"
    )

    @lk.rule
    def value(r, scale):
        return exp(r / scale) - r / scale - 1.0


findings(Naive())

# %%
# The formula is right, and its digits are not: near 0, :math:`e^u`, :math:`u` and 1 nearly cancel, and what is left of
# them is rounding error. An error of ``lk.check`` has to be put right; a warning is about numbers that may never occur
# in your data, and you decide.

# %%
# With care
# ---------
#
# The cure for cancellation is another spelling of the same function: near 0 the Taylor series
# :math:`u^2 (\frac12 + \frac u6 + \frac{u^2}{24} + \dots)`, and ``expm1`` for :math:`e^u - 1`. Slope and curvature are
# one line each, so they are written as well. ``about`` makes promises, which the laws test.

TAYLOR = tuple(1 / math.factorial(k) for k in range(2, 12))


class Linex(lk.ResidualLoss):
    scale: float = lk.parameter(
        default=1.0, above=0, doc="step over which e^(r/s) grows e-fold, in units of y"
    )

    @lk.rule
    def value(r, scale):
        u = r / scale
        series = u * u * polynomial(u, TAYLOR)
        return where(abs(u) < 0.1, series, where(u > 40.0, exp(u), expm1(u) - u))  # not inf - inf far out

    @lk.rule
    def slope(r, scale):
        return expm1(r / scale) / scale

    @lk.rule
    def curvature(r, scale):
        return exp(r / scale) / (scale * scale)

    about: ClassVar = About(
        formula=r"e^{r/s} - r/s - 1",
        tasks={"regression"},
        traits={CONVEX, SMOOTH},
        estimates="less than the mean",
    )


findings(Linex())

# %%
# How far off was the first attempt? The truth here has 40 digits; no error at all is drawn at
# :math:`10^{-17}`.

residuals = np.logspace(-9, 0.5, 300)
with mpmath.workdps(40):
    truth = np.array([float(mpmath.exp(r) - r - 1) for r in map(mpmath.mpf, residuals)])

figure, axes = plt.subplots(figsize=(7.5, 3.4))
for name, loss in {"naive": Naive(reduction="none"), "with care": Linex(reduction="none")}.items():
    error = np.abs(loss(np.zeros(residuals.size), residuals) / truth - 1)
    axes.loglog(residuals, np.maximum(error, 1e-17), ".", markersize=4, label=name)
axes.set(xlabel="residual", ylabel="relative error", title="One function, two spellings", ylim=(3e-18, 1e3))
axes.legend(markerscale=2)
plt.show()

# %%
# Does it do what it was made for?
# --------------------------------
#
# A linear model of the range, fitted under the squared error and then under the new loss. Any optimiser will do: value
# and gradient of the loss are all it needs, and the chain rule gives the gradient of the two coefficients.

# sphinx_gallery_thumbnail_number = 2
rng = np.random.default_rng(0)
charge = rng.uniform(10, 100, 800)
kilometres = 4 * charge + rng.normal(0, 15, charge.size)
features = np.column_stack([np.ones(charge.size), charge / 100])
least_squares = np.linalg.lstsq(features, kilometres)[0]


def objective(coefficients, loss):
    value, slope = loss.value_and_derivative(kilometres, features @ coefficients)
    return value, features.T @ slope


FITS = {
    "squared error": least_squares,
    "LINEX, s = 8": minimize(objective, least_squares, Linex(scale=8.0), jac=True).x,
}
figure, panels = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True)
for axes, (name, coefficients) in zip(panels, FITS.items(), strict=True):
    residual = features @ coefficients - kilometres
    _, edges, bars = axes.hist(residual, bins=np.arange(-70, 51, 5), edgecolor="white")
    for left, bar in zip(edges, bars, strict=False):
        bar.set_facecolor("C1" if left >= 0 else "C0")
    axes.set(title=f"{name}: {np.mean(residual > 0):.0%} walk", xlabel="kilometres promised too many")
panels[0].set_ylabel("trips")
plt.show()

# %%
# Question
# --------
#
# One odometer was read 500 km wrong. At :math:`s = 8` that residual costs :math:`e^{62}`, and the fit follows it.
# **Write a loss that is as asymmetric, and robust**: smooth and of slope 0 at :math:`r = 0`, with a slope that rises
# to 3 far to the right, and falls to -1 far to the left. Charbonnier's :math:`\sqrt{1 + r^2} - 1` is a start; spell it
# so that nothing cancels, and write slope and curvature as well.


def check_answer(loss):
    """Whether the laws hold of a loss, and its slope is as asked."""
    y_pred = np.array([-1e6, -1e-6, 0.0, 1e-6, 1e6])
    slopes = loss.derivative(np.zeros(5), y_pred) * 5
    if not np.allclose(slopes, [-1, 0, 0, 0, 3], atol=1e-4):
        wanted = "-1 far to the left, 0 around 0 and 3 far to the right"
        return f"Not yet: at {y_pred} the slopes are {slopes.round(4)}; they should be {wanted}."
    report = lk.check(loss)
    if not report.ok:
        return f"Not yet: {next(f.message for f in report.findings if f.severity == 'error')}"
    warned = ", ".join(f.law for f in report.findings)
    return (
        f"Right. What is left are warnings ({warned}); read them if residuals may be huge."
        if warned
        else "Right."
    )


print(check_answer(lk.QuantileLoss(quantile=0.25)))
