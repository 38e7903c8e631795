"""Negative log-likelihoods of counts, given their mean or its logarithm.

Each loss has two sets of rules, one a link: predictions are means, or with ``log_input`` logarithms of
means, which may be any number. The part of a likelihood that depends on the target alone moves no
gradient and is left out, unless asked for. Targets need not be whole numbers.
"""

import math
from typing import Any, ClassVar

from losskit.about import CONVEX, SMOOTH, About
from losskit.domain import NON_NEGATIVE
from losskit.parameters import parameter
from losskit.rules import Rules, Term, rule, term_of
from losskit.scalar import (
    HALF_LOG_TAU,
    exp,
    expm1,
    log,
    log1p,
    log_factorial,
    maximum,
    polynomial,
    scaled,
    stirling_series,
    where,
)  # fmt: skip
from losskit.structures import ElementwiseLoss

EXP_REST = tuple(1.0 / math.factorial(k) for k in range(2, 17))
"""(e^x - 1 - x) / x² for |x| < 1/2."""


def log_input_parameter() -> Any:
    return parameter(default=False, doc="y_pred holds the logarithm of the mean")


def difference(a, b):
    """a - b, and infinite where both are: each use has an ``a`` that grows faster."""
    d = a - b
    return where(d == d, d, maximum(a, b))


def relative_error(y, p):
    """(p - y) / p, without cancellation and with its limits; 1 for a mean and a target of 0."""
    ratio = where(p > 2.0 * y, 1.0 - y / p, (p - y) / p)
    return where((p == 0.0) & (y == 0.0), 1.0, ratio)


def over_square(y, p):
    """y / p², and 0 for a mean and a target of 0; p² may overflow on its own."""
    return where((p == 0.0) & (y == 0.0), 0.0, y / p / p)


def times_exp(y, x, factor):
    """factor y e^x, where e^x may overflow or underflow on its own; 0 for y = 0."""
    half = exp(0.5 * x)
    rest = factor * half
    whole = half * rest
    at_once = (x > 0.0) & (whole - whole == 0.0)  # or a subnormal y would be rounded on the way
    return where(y == 0.0, 0.0, where(at_once, y * whole, y * half * rest))


def surplus(y, log_mean):
    """mean - y; beside a mean of 1 without cancellation."""
    return where(abs(log_mean) < 0.5, expm1(log_mean) + (1.0 - y), exp(log_mean) - y)


def shortfall(y, log_mean):
    """1 - y / mean; beside a mean of 1 without cancellation."""
    near = (1.0 - y) - y * expm1(-log_mean)
    return where(abs(log_mean) < 0.5, near, 1.0 - times_exp(y, -log_mean, 1.0))


# ---- Poisson --------------------------------------------------------------------------------------------------------
#
# The whole likelihood of a large count cancels to almost nothing: p - y log p + log y! is 5.5 at y = p = 10⁴, where its
# terms are near 10⁵. So beyond MANY it is put together from two parts of one sign, the deviance and what is left of log y!.

MANY = 7.0


def _many(y, mean, log_ratio):
    """mean - y log mean + log y! for y >= MANY, with log_ratio = log(mean / y)."""
    near = y * (log_ratio * log_ratio * polynomial(log_ratio, EXP_REST))
    deviance = where(abs(log_ratio) < 0.5, near, difference(mean - y, y * log_ratio))
    return deviance + 0.5 * log(y) + (HALF_LOG_TAU + stirling_series(y))


class PoissonOfMean(Rules):
    """p - y log p."""

    argument: ClassVar = "pair"
    targets: ClassVar = NON_NEGATIVE
    predictions: ClassVar = NON_NEGATIVE

    @rule
    def value(y, p):
        return difference(p, scaled(y, log(p)))

    @rule
    def slope(y, p):
        return relative_error(y, p)

    @rule
    def curvature(y, p):
        return over_square(y, p)


class PoissonOfLogMean(Rules):
    """e^p - y p."""

    argument: ClassVar = "pair"
    targets: ClassVar = NON_NEGATIVE

    @rule
    def value(y, p):
        return difference(exp(p), scaled(y, p))

    @rule
    def slope(y, p):
        return surplus(y, p)

    @rule
    def curvature(y, p):
        return exp(p)


class FullPoissonOfMean(Rules):
    """p - y log p + log y!."""

    argument: ClassVar = "pair"
    targets: ClassVar = NON_NEGATIVE
    predictions: ClassVar = NON_NEGATIVE

    @rule(wide=True)
    def value(y, p):
        few = difference(p, scaled(y, log(p))) + log_factorial(y)
        count = maximum(y, MANY)
        ratio = where(y < MANY, 1.0, p / count)
        log_ratio = where(ratio < 1e-30, log(p) - log(count), log(ratio))  # the quotient may underflow
        return where(y < MANY, few, _many(count, p, log_ratio))

    slope: ClassVar = PoissonOfMean.slope
    curvature: ClassVar = PoissonOfMean.curvature


class FullPoissonOfLogMean(Rules):
    """e^p - y p + log y!."""

    argument: ClassVar = "pair"
    targets: ClassVar = NON_NEGATIVE

    @rule(wide=True)
    def value(y, p):
        few = difference(exp(p), scaled(y, p)) + log_factorial(y)
        count = maximum(y, MANY)
        return where(y < MANY, few, _many(count, exp(p), p - log(count)))

    slope: ClassVar = PoissonOfLogMean.slope
    curvature: ClassVar = PoissonOfLogMean.curvature


class PoissonLoss(ElementwiseLoss):
    r"""The negative log-likelihood of counts: p - y log p for a mean p, e^z - y z for its logarithm z.

    0 log 0 is 0: a mean of 0 is fine where the count is 0, and infinitely wrong where it is not.
    ``full=True`` adds log y!, exactly; torch adds Stirling's formula there and Keras nothing. Both
    put a small number into log p, which costs digits of small means.

    >>> round(float(PoissonLoss().compute([2.0, 0.0], [1.5, 0.5])), 6)
    0.594535
    >>> round(float(PoissonLoss(full=True).compute([1e6], [1e6])), 6)
    7.826694
    """

    log_input: bool = log_input_parameter()
    full: bool = parameter(default=False, doc="add log y!, the part that depends on y_true alone")

    def make_terms(self) -> tuple[Term, ...]:
        of_mean, of_log_mean = (
            (FullPoissonOfMean, FullPoissonOfLogMean) if self.full else (PoissonOfMean, PoissonOfLogMean)
        )
        return (Term(1.0, (of_log_mean if self.log_input else of_mean).rules),)

    about: ClassVar = About(
        formula=r"\hat y - y\log\hat y\ (+ \log y!)",
        tasks={"regression"},
        traits={CONVEX, SMOOTH},
        estimates="mean",
        strengths=("the likelihood of counts: their variance grows with their mean",),
        weaknesses=("counts that vary more than their mean make it too sure of itself",),
        uses=("counts of events per unit of time or space", "rates, with an exposure as the weight"),
        references=("McCullagh & Nelder (1989), Generalized Linear Models, ch. 6",),
        aliases=("poisson_nll",),
        elsewhere=(
            "torch.nn.PoissonNLLLoss: log_input=True by default; adds 1e-8 inside of the logarithm; full adds "
            "Stirling's formula",
            "keras.losses.Poisson: adds 1e-7 inside of the logarithm",
            "sklearn.metrics.mean_poisson_deviance: twice this, less its least value",
        ),
    )


# ---- negative binomial ----------------------------------------------------------------------------------------------


def _costs(y, mean, log_mean, dispersion):
    """y log(1 / mean + dispersion) + log(1 + dispersion * mean) / dispersion."""
    odds = dispersion * mean  # which may be 0 or infinite by rounding
    near = log1p(where(odds < 1.0, odds, 1.0 / odds))
    less = where(odds > 1e20, y / mean / dispersion, y * near)  # near may be subnormal
    counts = where(odds < 1.0, scaled(y, near - log_mean), less + y * log(dispersion))
    none = where(odds < 1.0, near, near + (log(dispersion) + log_mean))
    return counts + where(odds < 1e-20, mean * (1.0 - 0.5 * odds), none / dispersion)


class NegativeBinomialOfMean(Rules):
    """y log(1/p + a) + log(1 + a p) / a, a the dispersion."""

    argument: ClassVar = "pair"
    targets: ClassVar = NON_NEGATIVE
    predictions: ClassVar = NON_NEGATIVE

    @rule(wide=True)
    def value(y, p, dispersion):
        return _costs(y, p, log(p), dispersion)

    @rule(wide=True)
    def slope(y, p, dispersion):
        return relative_error(y, p) / (1.0 + dispersion * p)

    @rule(wide=True)
    def curvature(y, p, dispersion):
        share = 1.0 / (1.0 + dispersion * p)
        return over_square(y, p) * share * (2.0 - share) - dispersion * share * share


def _denominator(p, dispersion):
    """dispersion + e^-p for p >= 0, else 1 + dispersion e^p: one is e^p times the other."""
    e = exp(-abs(p))
    return where(p >= 0.0, dispersion + e, 1.0 + dispersion * e)


class NegativeBinomialOfLogMean(Rules):
    """The same of p = e^z."""

    argument: ClassVar = "pair"
    targets: ClassVar = NON_NEGATIVE

    @rule(wide=True)
    def value(y, p, dispersion):
        return _costs(y, exp(p), p, dispersion)

    @rule(wide=True)
    def slope(y, p, dispersion):
        return where(p >= 0.0, shortfall(y, p), surplus(y, p)) / _denominator(p, dispersion)

    @rule(wide=True)
    def curvature(y, p, dispersion):
        below = _denominator(p, dispersion)
        return times_exp((1.0 + dispersion * y) / below / below, -abs(p), 1.0)


class NegativeBinomialLoss(ElementwiseLoss):
    r"""The negative log-likelihood of counts whose variance is p + dispersion p², p the mean.

    A Poisson count whose own mean varies by a gamma distribution. 1 / ``dispersion`` is the size (the
    number of successes, TensorFlow Probability's ``total_count``); towards 0 the loss is the Poisson
    loss. ``dispersion`` is statsmodels' alpha. The part of y_true alone is left out.

    >>> round(float(NegativeBinomialLoss(dispersion=0.5).compute([2.0], [2.0])), 6)
    1.386294
    """

    dispersion: float = parameter(default=1.0, above=0, doc="the variance is mean + dispersion mean²")
    log_input: bool = log_input_parameter()

    def make_terms(self) -> tuple[Term, ...]:
        rules = NegativeBinomialOfLogMean if self.log_input else NegativeBinomialOfMean
        return (term_of(rules.rules, {"dispersion": self.dispersion}),)

    def traits(self) -> frozenset[str]:
        traits: frozenset[str] = self.about.traits
        return traits | {CONVEX} if self.log_input else traits

    about: ClassVar = About(
        formula=r"y\log\left(\frac1{\hat y} + a\right) + \frac1a\log(1 + a\hat y)",
        tasks={"regression"},
        traits={SMOOTH},
        estimates="mean",
        strengths=("counts that vary more than their mean", "large counts weigh less than in a Poisson loss"),
        weaknesses=("the dispersion has to be known or estimated besides",),
        uses=("read counts of sequencing", "demand forecasts with many zeros"),
        references=("Hilbe (2011), Negative Binomial Regression",),
        aliases=("nb",),
        elsewhere=("statsmodels.genmod.families.NegativeBinomial: its alpha is dispersion",),
    )
