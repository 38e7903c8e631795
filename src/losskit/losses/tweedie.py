"""Losses of positive amounts, given their mean or its logarithm: the gamma distribution and Tweedie's family."""

from typing import ClassVar

from losskit.about import CONVEX, SMOOTH, About
from losskit.domain import NON_NEGATIVE, POSITIVE
from losskit.losses.likelihood import (
    PoissonLoss,
    difference,
    log_input_parameter,
    relative_error,
    shortfall,
    times_exp,
)  # fmt: skip
from losskit.parameters import parameter
from losskit.rules import Rules, Term, rule, term_of
from losskit.scalar import exp, log, power, scaled, where
from losskit.structures import ElementwiseLoss

# ---- gamma ----------------------------------------------------------------------------------------------------------


class GammaOfMean(Rules):
    """y / p + log p."""

    argument: ClassVar = "pair"
    targets: ClassVar = POSITIVE
    predictions: ClassVar = POSITIVE

    @rule
    def value(y, p):
        return y / p + log(p)

    @rule
    def slope(y, p):
        return relative_error(y, p) / p

    @rule
    def curvature(y, p):
        return (1.0 - 2.0 * relative_error(y, p)) / p / p


class GammaOfLogMean(Rules):
    """y e^-p + p."""

    argument: ClassVar = "pair"
    targets: ClassVar = POSITIVE

    @rule(wide=True)
    def value(y, p):
        return difference(times_exp(y, -p, 1.0), -p)

    @rule(wide=True)
    def slope(y, p):
        return shortfall(y, p)

    @rule(wide=True)
    def curvature(y, p):
        return times_exp(y, -p, 1.0)


class GammaLoss(ElementwiseLoss):
    r"""The negative log-likelihood of positive amounts: y / p + log p for a mean p.

    That of a gamma distribution of shape k is k times as large, and has besides what depends on y
    alone: k moves no optimum, and k = 1 is the exponential distribution. scikit-learn's deviance is
    twice this loss, less its least value.

    >>> round(float(GammaLoss().compute([2.0], [1.0])), 6)
    2.0
    """

    log_input: bool = log_input_parameter()

    def make_terms(self) -> tuple[Term, ...]:
        return (Term(1.0, (GammaOfLogMean if self.log_input else GammaOfMean).rules),)

    def traits(self) -> frozenset[str]:
        traits: frozenset[str] = self.about.traits
        return traits | {CONVEX} if self.log_input else traits

    about: ClassVar = About(
        formula=r"\frac{y}{\hat y} + \log\hat y",
        tasks={"regression"},
        traits={SMOOTH},
        estimates="mean",
        strengths=("relative errors count: the standard deviation grows with the mean",),
        weaknesses=("a target of 0 is impossible", "not convex in the mean, only in its logarithm"),
        uses=("insurance claims", "durations, rainfall and other positive, skewed amounts"),
        references=("McCullagh & Nelder (1989), Generalized Linear Models, ch. 8",),
        aliases=("gamma_nll",),
        elsewhere=("sklearn.metrics.mean_gamma_deviance: twice this, less its least value",),
    )


# ---- Tweedie --------------------------------------------------------------------------------------------------------


class TweedieOfMean(Rules):
    """p^(2-rho) / (2-rho) - y p^(1-rho) / (1-rho) for 1 < rho < 2."""

    argument: ClassVar = "pair"
    targets: ClassVar = NON_NEGATIVE
    predictions: ClassVar = POSITIVE

    @rule(wide=True)
    def value(y, p, rho):
        root = power(p, 0.5 * (1.0 - rho))
        amount = where(root == 0.0, p, p * root * root)  # an infinite one
        return amount / (2.0 - rho) + y * root * root / (rho - 1.0)

    @rule(wide=True)
    def slope(y, p, rho):
        return scaled(relative_error(y, p), power(p, 1.0 - rho))

    @rule(wide=True)
    def curvature(y, p, rho):
        root = power(p, -0.5 * rho)  # p^-rho may overflow on its own
        # of a mean far above y 1 - rho (1 - y/p) would cancel
        growth = where(p > 2.0 * y, rho * (y / p) - (rho - 1.0), 1.0 - rho * relative_error(y, p))
        return scaled(root, growth * root)


class SteepTweedieOfMean(Rules):
    """The same for rho > 2, where both parts may be infinite."""

    argument: ClassVar = "pair"
    targets: ClassVar = POSITIVE
    predictions: ClassVar = POSITIVE

    @rule(wide=True)
    def value(y, p, rho):
        return scaled(_steep(relative_error(y, p), rho), power(p, 2.0 - rho))

    slope: ClassVar = TweedieOfMean.slope
    curvature: ClassVar = TweedieOfMean.curvature


def _steep(error, rho):
    """The loss over mean^(2-rho), from the relative error of the mean."""
    return -(1.0 / (rho - 2.0) + error) / (rho - 1.0)


class TweedieOfLogMean(Rules):
    """The same of the mean e^p for 1 < rho < 2."""

    argument: ClassVar = "pair"
    targets: ClassVar = NON_NEGATIVE

    @rule(wide=True)
    def value(y, p, rho):
        return exp((2.0 - rho) * p) / (2.0 - rho) + times_exp(y, (1.0 - rho) * p, 1.0 / (rho - 1.0))

    @rule(wide=True)
    def slope(y, p, rho):
        amount = exp((2.0 - rho) * p)
        return where(abs(p) < 0.5, amount * shortfall(y, p), amount - times_exp(y, (1.0 - rho) * p, 1.0))

    @rule(wide=True)
    def curvature(y, p, rho):
        return (2.0 - rho) * exp((2.0 - rho) * p) + times_exp(y, (1.0 - rho) * p, rho - 1.0)


class SteepTweedieOfLogMean(Rules):
    """The same for rho > 2."""

    argument: ClassVar = "pair"
    targets: ClassVar = POSITIVE

    @rule(wide=True)
    def value(y, p, rho):
        return scaled(_steep(shortfall(y, p), rho), exp((2.0 - rho) * p))

    @rule(wide=True)
    def slope(y, p, rho):
        return scaled(shortfall(y, p), exp((2.0 - rho) * p))

    @rule(wide=True)
    def curvature(y, p, rho):
        return scaled(1.0 - (rho - 1.0) * shortfall(y, p), exp((2.0 - rho) * p))


class TweedieLoss(ElementwiseLoss):
    r"""The deviance of Tweedie's distributions, whose variance is a power of their mean; the target's part left out.

    ``power`` 1 is the Poisson loss and 2 the gamma loss; between them the distribution has a mass at 0
    and a density beyond, and above 2 (3 is the inverse Gaussian) a density of positive targets. Power
    0 is the squared error, for which there is MeanSquaredError; no distribution has a power between
    0 and 1. The likelihood itself has no closed form.

    >>> round(float(TweedieLoss(power=1.5).compute([0.0, 4.0], [1.0, 4.0])), 6)
    5.0
    """

    power: float = parameter(default=1.5, at_least=1, doc="the variance is proportional to mean^power")
    log_input: bool = log_input_parameter()

    def make_terms(self) -> tuple[Term, ...]:
        if self.power == 1.0:
            return PoissonLoss(self.log_input).terms
        if self.power == 2.0:
            return GammaLoss(self.log_input).terms
        between, steep = (
            (TweedieOfLogMean, SteepTweedieOfLogMean)
            if self.log_input
            else (TweedieOfMean, SteepTweedieOfMean)
        )
        return (term_of((between if self.power < 2.0 else steep).rules, {"rho": self.power}),)

    def traits(self) -> frozenset[str]:
        traits: frozenset[str] = self.about.traits
        convex = self.power <= 2.0 if self.log_input else self.power == 1.0
        return traits | {CONVEX} if convex else traits

    about: ClassVar = About(
        formula=r"\frac{\hat y^{2-\rho}}{2-\rho} - \frac{y\,\hat y^{1-\rho}}{1-\rho}",
        tasks={"regression"},
        traits={SMOOTH},
        estimates="mean",
        strengths=("amounts that are often exactly 0 and else positive", "one power from counts to amounts"),
        weaknesses=("the power has to be known or searched for",),
        uses=("insurance: claims per policy", "rainfall per day"),
        references=("Jorgensen (1987), JRSS B 49", "Dunn & Smyth (2005), Statistics and Computing 15"),
        elsewhere=("sklearn.metrics.mean_tweedie_deviance: twice this, less its least value",),
    )
