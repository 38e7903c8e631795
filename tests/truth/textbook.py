"""Every elementwise loss by the plainest formula of the literature.

Each definition is a sum of terms in the target y and the prediction p of one element; terms are
kept apart because an error is measured against the largest of them where they cancel. Nothing here
looks at the library, nothing is rearranged for stability: the precision is raised instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mpmath import mpf

from .jets import Mpf, Number, exp, floored, is_zero, log, log1p, log_gamma, maximum, power, sqrt

Terms = Callable[..., tuple[Number, ...]]
INF = float("inf")


@dataclass(frozen=True)
class Domain:
    """Where an argument may lie: an interval, or a set of labels."""

    low: float = -INF
    high: float = INF
    labels: tuple[float, ...] = ()
    without_zero: bool = False

    def holds(self, x: Mpf) -> bool:
        if self.labels:
            return x in self.labels
        return bool(self.low <= x <= self.high and not (self.without_zero and x == 0))


REAL = Domain()
UNIT = Domain(0, 1)
NONNEGATIVE = Domain(0)
POSITIVE = Domain(0, without_zero=True)
NONZERO = Domain(without_zero=True)
SIGNS = Domain(labels=(-1, 1))


@dataclass(frozen=True)
class Kink:
    """A prediction where the slope jumps, and the subgradient of least size there."""

    at: Mpf
    least: Mpf


Kinks = Callable[[Mpf, dict[str, Any]], list[Kink]]
Points = Callable[[Mpf, dict[str, Any]], list[Mpf]]
Coordinates = Literal["residual", "relative", "margin", "pair"]


def _none(y: Mpf, params: dict[str, Any]) -> list[Any]:
    return []


@dataclass(frozen=True)
class Textbook:
    """A loss of one element as a textbook states it.

    `link` says what predictions are: "identity", or "both" where `from_logits` chooses between a
    probability and a logit. `coordinates` are the quantities whose rounding the problem must bear:
    for a residual loss p - y, which floating point gets exactly or correctly rounded.
    """

    terms: Terms
    kinks: Kinks = _none
    second_kinks: Points = _none
    y_domain: Domain = REAL
    p_domain: Domain = REAL
    coordinates: Coordinates = "pair"
    link: Literal["identity", "both"] = "identity"

    def value(self, y: Mpf, p: Mpf, **params: Any) -> Mpf:
        """The loss at the precision now set; `derivatives.value` finds the precision it needs."""
        return sum(self.terms(mpf(y), mpf(p), **params), mpf(0))

    def domain_of_p(self, params: dict[str, Any]) -> Domain:
        return REAL if params.get("from_logits") or params.get("log_input") else self.p_domain


ELEMENTWISE: dict[str, Textbook] = {}


def _define(name: str, **facts: Any) -> Callable[[Terms], Terms]:
    def register(terms: Terms) -> Terms:
        ELEMENTWISE[name] = Textbook(terms=terms, **facts)
        return terms

    return register


# Where a convex loss of the residual has its corner at r = 0, the subdifferential holds 0.
def _corner(y: Mpf, params: dict[str, Any]) -> list[Kink]:
    return [Kink(mpf(y), mpf(0))]


def _both_sides(name: str) -> Points:
    """Predictions whose residual is plus or minus the parameter `name`."""

    def points(y: Mpf, params: dict[str, Any]) -> list[Mpf]:
        size = mpf(params.get(name, 1.0))
        return [y - size, y + size]

    return points


@_define("MeanSquaredError", coordinates="residual")
def _mean_squared_error(y: Number, p: Number) -> tuple[Number, ...]:
    """(p - y)^2. Hastie, Tibshirani, Friedman, Elements of Statistical Learning, eq. 2.9."""
    return ((p - y) * (p - y),)


@_define("MeanAbsoluteError", coordinates="residual", kinks=_corner)
def _mean_absolute_error(y: Number, p: Number) -> tuple[Number, ...]:
    """|p - y|. Hastie, Tibshirani, Friedman, section 10.6."""
    return (abs(p - y),)


@_define("HuberLoss", coordinates="residual", second_kinks=_both_sides("delta"))
def _huber(y: Number, p: Number, delta: Any = 1.0) -> tuple[Number, ...]:
    """Huber 1964, Robust estimation of a location parameter, eq. 1.1 (k there is delta)."""
    d, size = mpf(delta), abs(p - y)
    return (size * size / 2,) if size <= d else (d * (size - d / 2),)


@_define("LogCoshLoss", coordinates="residual")
def _log_cosh(y: Number, p: Number) -> tuple[Number, ...]:
    """log cosh(p - y), cosh r = (e^r + e^-r)/2. Green 1990, IEEE Trans. Med. Imaging 9(1)."""
    return (log((exp(p - y) + exp(y - p)) / 2),)


def _smooth_l1_kinks(y: Mpf, params: dict[str, Any]) -> list[Kink]:
    return _corner(y, params) if params.get("beta", 1.0) == 0 else []


@_define(
    "SmoothL1Loss",
    coordinates="residual",
    kinks=_smooth_l1_kinks,
    second_kinks=_both_sides("beta"),
)
def _smooth_l1(y: Number, p: Number, beta: Any = 1.0) -> tuple[Number, ...]:
    """Girshick 2015, Fast R-CNN, eq. 3, with torch's beta: r^2/(2 beta) below, |r| - beta/2."""
    b, size = mpf(beta), abs(p - y)
    return (size * size / (2 * b),) if size < b else (size - b / 2,)


@_define("QuantileLoss", coordinates="residual", kinks=_corner)
def _quantile(y: Number, p: Number, quantile: Any = 0.5) -> tuple[Number, ...]:
    """Koenker & Bassett 1978, Regression quantiles: rho_q(u) = u (q - 1[u < 0]), u = y - p."""
    q = mpf(quantile)
    return (maximum(q * (y - p), (q - 1) * (y - p)),)


def _at_target(y: Mpf, params: dict[str, Any]) -> list[Mpf]:
    return [mpf(y)]


@_define("ExpectileLoss", coordinates="residual", second_kinks=_at_target)
def _expectile(y: Number, p: Number, expectile: Any = 0.5) -> tuple[Number, ...]:
    """Newey & Powell 1987, Asymmetric least squares: |e - 1[y < p]| (y - p)^2."""
    e = mpf(expectile)
    weight = 1 - e if p - y > 0 else e
    return (weight * (p - y) * (p - y),)


def _epsilon_kinks(y: Mpf, params: dict[str, Any]) -> list[Kink]:
    return [Kink(at, mpf(0)) for at in _both_sides("epsilon")(y, {"epsilon": 0.1, **params})]


@_define("EpsilonInsensitiveLoss", coordinates="residual", kinks=_epsilon_kinks)
def _epsilon_insensitive(y: Number, p: Number, epsilon: Any = 0.1) -> tuple[Number, ...]:
    """max(0, |r| - epsilon). Vapnik 1995, The Nature of Statistical Learning Theory, ch. 6."""
    return (maximum(abs(p - y) - mpf(epsilon), mpf(0)),)


@_define("CharbonnierLoss", coordinates="residual")
def _charbonnier(y: Number, p: Number, delta: Any = 1.0) -> tuple[Number, ...]:
    """delta^2 (sqrt(1 + (r/delta)^2) - 1): Charbonnier et al. 1994, Deterministic edge-preserving.

    Also the pseudo-Huber cost of Hartley & Zisserman, Multiple View Geometry, appendix 6.8.
    """
    d = mpf(delta)
    u = (p - y) / d
    return (d * d * (sqrt(1 + u * u) - 1),)


# The four M-estimators in Zhang 1997, Parameter estimation techniques, table 1: each is r^2/2 at 0.
@_define("CauchyLoss", coordinates="residual")
def _cauchy(y: Number, p: Number, scale: Any) -> tuple[Number, ...]:
    """c^2/2 log(1 + (r/c)^2). Zhang 1997, table 1, Cauchy."""
    c = mpf(scale)
    u = (p - y) / c
    return (c * c / 2 * log(1 + u * u),)


@_define("GemanMcClureLoss", coordinates="residual")
def _geman_mcclure(y: Number, p: Number, scale: Any) -> tuple[Number, ...]:
    """(r^2/2)/(1 + (r/c)^2). Zhang 1997, table 1, where c = 1.

    Barron's alpha = -2 at scale c is this with scale 2c, divided by c^2.
    """
    r = p - y
    u = r / mpf(scale)
    return (r * r / 2 / (1 + u * u),)


@_define("WelschLoss", coordinates="residual")
def _welsch(y: Number, p: Number, scale: Any) -> tuple[Number, ...]:
    """c^2/2 (1 - exp(-(r/c)^2)). Zhang 1997, table 1, Welsch."""
    c = mpf(scale)
    u = (p - y) / c
    return (c * c / 2 * (1 - exp(-(u * u))),)


@_define("TukeyBiweightLoss", coordinates="residual")
def _tukey(y: Number, p: Number, scale: Any) -> tuple[Number, ...]:
    """c^2/6 (1 - (1 - (r/c)^2)^3) to |r| = c, then c^2/6. Zhang 1997, table 1, Tukey."""
    c = mpf(scale)
    u = abs(p - y) / c
    inside = 1 - power(1 - u * u, mpf(3))
    return (c * c / 6 * inside,) if u <= 1 else (c * c / 6 + 0 * p,)


@_define("BarronLoss", coordinates="residual")
def _barron(y: Number, p: Number, alpha: Any = 1.0, scale: Any = 1.0) -> tuple[Number, ...]:
    """Barron 2019, A general and adaptive robust loss function, eq. 8 (eq. 1 and its limits)."""
    a = mpf(alpha)
    u = (p - y) / mpf(scale)
    half = u * u / 2
    if a == 2:
        return (half,)
    if a == 0:
        return (log(half + 1),)
    if a == -INF:
        return (1 - exp(-half),)
    if a == INF:  # not in the paper's list, but the limit of its eq. 1 and in its program
        return (exp(half) - 1,)
    return (abs(a - 2) / a * (power(u * u / abs(a - 2) + 1, a / 2) - 1),)


@_define("CustomRegressionLoss", coordinates="residual", kinks=_corner)
def _custom_regression(y: Number, p: Number, alpha: Any = 0.5) -> tuple[Number, ...]:
    """alpha r^2 + (1 - alpha) |r|: the mix of squared and absolute error by its own name."""
    a, r = mpf(alpha), p - y
    return (a * r * r, (1 - a) * abs(r))


@_define("MeanAbsolutePercentageError", coordinates="relative", kinks=_corner, y_domain=NONZERO)
def _absolute_percentage(y: Number, p: Number) -> tuple[Number, ...]:
    """100 |(y - p)/y|. Hyndman & Koehler 2006, Another look at measures of forecast accuracy."""
    return (100 * abs((y - p) / y),)


@_define("MeanSquaredLogarithmicError", y_domain=NONNEGATIVE, p_domain=NONNEGATIVE)
def _squared_logarithmic(y: Number, p: Number) -> tuple[Number, ...]:
    """(log(1 + y) - log(1 + p))^2. scikit-learn user guide, mean squared logarithmic error."""
    difference = log1p(y) - log1p(p)
    return (difference * difference,)


Cost = Callable[[], Number]


def _probability(p: Number, from_logits: bool, floor: Any) -> tuple[Number, Number, Cost, Cost]:
    """(P, 1 - P, -log P, -log(1 - P)) for a probability p, or for P = sigmoid(p) of a logit.

    For a logit 1 - sigmoid(z) is written sigmoid(-z), the logistic function's symmetry. Logarithms
    come as functions, since the one that is not asked for need not exist.
    """
    if from_logits:
        up, down = exp(p), exp(-p)
        return 1 / (1 + down), 1 / (1 + up), lambda: log1p(down), lambda: log1p(up)
    least = mpf(floor)
    return p, 1 - p, lambda: -log(floored(p, least)), lambda: -log(floored(1 - p, least))


def _two_classes(y: Number, positive: Cost, negative: Cost) -> tuple[Number, ...]:
    """y times the first and 1 - y times the second; no weight, no term, so 0 log 0 = 0."""
    pairs = ((y, positive), (1 - y, negative))
    return tuple(weight * cost() for weight, cost in pairs if not is_zero(weight))


BINARY: dict[str, Any] = {"y_domain": UNIT, "p_domain": UNIT, "link": "both"}


@_define("BinaryCrossEntropy", **BINARY)
def _binary_cross_entropy(
    y: Number,
    p: Number,
    from_logits: bool = False,
    label_smoothing: Any = 0.0,
    pos_weight: Any = 1.0,
    eps: Any = None,
    floor: Any = 0.0,
) -> tuple[Number, ...]:
    """-y log p - (1 - y) log(1 - p). Bishop 2006, Pattern Recognition, eq. 4.90.

    Smoothed labels y (1 - s) + s/2: Szegedy et al. 2016, Rethinking Inception, section 7, K = 2.
    """
    s, w = mpf(label_smoothing), mpf(pos_weight)
    _, _, cost1, cost0 = _probability(p, from_logits, floor if eps is None else eps)
    return _two_classes(y * (1 - s) + s / 2, lambda: w * cost1(), cost0)


@_define("WeightedCrossEntropy", **BINARY)
def _weighted_cross_entropy(
    y: Number,
    p: Number,
    class_weights: Sequence[Any] = (1.0, 1.0),
    from_logits: bool = False,
    eps: Any = None,
    floor: Any = 0.0,
) -> tuple[Number, ...]:
    """-w1 y log p - w0 (1 - y) log(1 - p). King & Zeng 2001, Logistic regression in rare events."""
    w0, w1 = (mpf(w) for w in class_weights)
    _, _, cost1, cost0 = _probability(p, from_logits, floor if eps is None else eps)
    return _two_classes(y, lambda: w1 * cost1(), lambda: w0 * cost0())


@_define("FocalLoss", **BINARY)
def _focal(
    y: Number,
    p: Number,
    alpha: Any = 1.0,
    gamma: Any = 2.0,
    from_logits: bool = False,
    eps: Any = None,
    floor: Any = 0.0,
) -> tuple[Number, ...]:
    """-alpha_t (1 - p_t)^gamma log p_t. Lin et al. 2017, Focal loss, eq. 5; linear in a soft y."""
    a0, a1 = (mpf(a) for a in (alpha if isinstance(alpha, Sequence) else (alpha, alpha)))
    g = mpf(gamma)
    p1, p0, cost1, cost0 = _probability(p, from_logits, floor if eps is None else eps)
    return _two_classes(y, lambda: a1 * power(p0, g) * cost1(), lambda: a0 * power(p1, g) * cost0())


def _margin_one(y: Mpf, params: dict[str, Any]) -> list[Mpf]:
    return [1 / mpf(y)]


def _hinge_kinks(y: Mpf, params: dict[str, Any]) -> list[Kink]:
    return [Kink(at, mpf(0)) for at in _margin_one(y, params)]


@_define("HingeLoss", coordinates="margin", kinks=_hinge_kinks, y_domain=SIGNS)
def _hinge(y: Number, p: Number) -> tuple[Number, ...]:
    """max(0, 1 - y p). Cortes & Vapnik 1995; Hastie, Tibshirani, Friedman, eq. 12.25."""
    return (maximum(1 - y * p, mpf(0)),)


@_define("SquaredHingeLoss", coordinates="margin", second_kinks=_margin_one, y_domain=SIGNS)
def _squared_hinge(y: Number, p: Number) -> tuple[Number, ...]:
    """max(0, 1 - y p)^2. Rosasco et al. 2004, Are loss functions all the same?, table 1."""
    return (power(maximum(1 - y * p, mpf(0)), mpf(2)),)


@_define("LogisticLoss", coordinates="margin", y_domain=SIGNS)
def _logistic(y: Number, p: Number) -> tuple[Number, ...]:
    """log(1 + e^(-y p)). Hastie, Tibshirani, Friedman, table 12.1."""
    return (log1p(exp(-(y * p))),)


@_define("ExponentialLoss", coordinates="margin", y_domain=SIGNS)
def _exponential(y: Number, p: Number) -> tuple[Number, ...]:
    """e^(-y p). Hastie, Tibshirani, Friedman, eq. 10.8."""
    return (exp(-(y * p)),)


def _perceptron_kinks(y: Mpf, params: dict[str, Any]) -> list[Kink]:
    return [Kink(mpf(0), mpf(0))]


@_define("PerceptronLoss", coordinates="margin", kinks=_perceptron_kinks, y_domain=SIGNS)
def _perceptron(y: Number, p: Number) -> tuple[Number, ...]:
    """max(0, -y p). Bishop 2006, Pattern Recognition, eq. 4.54."""
    return (maximum(-(y * p), mpf(0)),)


def _margins_one(y: Mpf, params: dict[str, Any]) -> list[Mpf]:
    return [1 / mpf(y), -1 / mpf(y)]


@_define("ModifiedHuberLoss", coordinates="margin", second_kinks=_margins_one, y_domain=SIGNS)
def _modified_huber(y: Number, p: Number) -> tuple[Number, ...]:
    """max(0, 1 - y p)^2 from y p = -1 on, -4 y p below. Zhang 2004, Solving large scale linear prediction."""
    m = y * p
    return (power(maximum(1 - m, mpf(0)), mpf(2)) if m >= -1 else -4 * m,)


def _mean_and_logarithm(p: Number, log_input: bool) -> tuple[Number, Cost]:
    """A mean and a function that gives its logarithm, which need not exist where it is not asked for."""
    return (exp(p), lambda: p) if log_input else (p, lambda: log(p))


def _times(weight: Number, cost: Cost) -> tuple[Number, ...]:
    """The term weight * cost; no weight, no term, so 0 log 0 = 0."""
    return () if is_zero(weight) else (weight * cost(),)


@_define("PoissonLoss", y_domain=NONNEGATIVE, p_domain=NONNEGATIVE)
def _poisson(y: Number, p: Number, log_input: bool = False, full: bool = False) -> tuple[Number, ...]:
    """p - y log p + log y!. McCullagh & Nelder 1989, Generalized Linear Models, section 6.2."""
    mean, logarithm = _mean_and_logarithm(p, log_input)
    constant = (log_gamma(1 + y),) if full else ()
    return (mean, *_times(-y, logarithm), *constant)


@_define("GammaLoss", y_domain=POSITIVE, p_domain=POSITIVE)
def _gamma(y: Number, p: Number, log_input: bool = False) -> tuple[Number, ...]:
    """-log of e^(-y/m) / m. McCullagh & Nelder 1989, section 8.2, with shape 1."""
    mean, logarithm = _mean_and_logarithm(p, log_input)
    return (y / mean, logarithm())


_raised = power  # a parameter of the next loss has its name


@_define("TweedieLoss", y_domain=NONNEGATIVE, p_domain=POSITIVE)
def _tweedie(y: Number, p: Number, power: Any = 1.5, log_input: bool = False) -> tuple[Number, ...]:
    """m^(2-q)/(2-q) - y m^(1-q)/(1-q), with its limits. Jorgensen 1987, Exponential dispersion models, section 4."""
    q = mpf(power)
    mean, logarithm = _mean_and_logarithm(p, log_input)
    if q == 1:
        return (mean, *_times(-y, logarithm))
    slow, fast = (exp(e * p) if log_input else _raised(p, e) for e in (1 - q, 2 - q))
    return (-y * slow / (1 - q), logarithm() if q == 2 else fast / (2 - q))


@_define("NegativeBinomialLoss", y_domain=NONNEGATIVE, p_domain=NONNEGATIVE)
def _negative_binomial(
    y: Number, p: Number, dispersion: Any = 1.0, log_input: bool = False
) -> tuple[Number, ...]:
    """-log of (m/(1 + a m))^y (1 + a m)^(-1/a). Hilbe 2011, Negative Binomial Regression, ch. 8."""
    a = mpf(dispersion)
    mean, logarithm = _mean_and_logarithm(p, log_input)
    return (*_times(y, lambda: log1p(a * mean) - logarithm()), log1p(a * mean) / a)


@_define("KLDivergence", y_domain=UNIT, p_domain=UNIT)
def _kl_divergence(y: Number, p: Number, eps: Any = None, floor: Any = 0.0) -> tuple[Number, ...]:
    """One term y log(y/p), 0 log 0 = 0. Cover & Thomas 2006, Information Theory, eq. 2.26."""
    if is_zero(y):
        return ()
    return (y * log(y / floored(p, mpf(floor if eps is None else eps))),)
