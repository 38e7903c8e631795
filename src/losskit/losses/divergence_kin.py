"""Divergences that are bounded, or of a family: kin of the Kullback-Leibler divergence."""

from typing import Any, ClassVar

from losskit.about import BOUNDED, CONVEX, ROBUST, SMOOTH, SYMMETRIC, About
from losskit.domain import PROBABILITY
from losskit.losses.divergence import Divergence, Forward, ForwardOfLogarithm, log_ratio
from losskit.parameters import parameter
from losskit.rules import Rules, Term, rule
from losskit.scalar import exp, expm1, log, log1p, maximum, scaled, sign, sqrt, where


def surplus(y, p):
    """e^p - y, exact where both are almost 1."""
    return where(y > 0.5, expm1(p) + (1.0 - y), exp(p) - y)


def excess(y, p, gap):
    """log(2p / (y + p)), exact where the gap p - y is small."""
    d = gap / (p + y)
    near = (d > -0.5) & (d < 0.5)
    return where(near, log1p(where(near, d, 0.0)), log(2.0 * p / (y + p)))


def log_share(y, p):
    """log(p / (y + p))."""
    return where(y < p, -log1p(y / p), log(p / (y + p)))


def mean_excess(y, p, gap):
    """(y log(2y / (y + p)) + p log(2p / (y + p))) / 2, where 0 log 0 is 0, with the gap p - y.

    With d = (p - y) / (p + y) it is (p + y) / 4 times (1 - d) log(1 - d) + (1 + d) log(1 + d), which is
    d² for a small d: there the terms of first order must be gone before they are added.
    """
    total = y + p
    d = where(total == 0.0, 0.0, gap / total)
    is_near = (d > -0.5) & (d < 0.5)
    c = where(is_near, d, 0.0)
    near = c * (log1p(c) - log1p(-c)) + log1p(-c * c)
    far = scaled(1.0 - d, log(2.0 * y / total)) + scaled(1.0 + d, log(2.0 * p / total))
    return 0.25 * total * where(is_near, near, far)


class JensenShannon(Rules):
    """Half of y log(y / m) + p log(p / m), with m between y and p."""

    argument: ClassVar[str] = "pair"
    targets: ClassVar = PROBABILITY
    predictions: ClassVar = PROBABILITY
    saturates: ClassVar[bool] = True

    @rule
    def value(y, p, floor):
        return mean_excess(y, p, p - y)

    @rule
    def slope(y, p, floor):
        q = maximum(p, floor)
        return 0.5 * excess(y, q, q - y)

    @rule
    def curvature(y, p, floor):
        q = maximum(p, floor)
        return 0.5 * (y / (y + q)) / q


class JensenShannonOfLogarithm(Rules):
    """The same with p the logarithm of the predicted probability."""

    argument: ClassVar[str] = "pair"
    targets: ClassVar = PROBABILITY

    @rule
    def value(y, p):
        return mean_excess(y, exp(p), surplus(y, p))

    @rule
    def slope(y, p):
        q = exp(p)
        return 0.5 * scaled(q, excess(y, q, surplus(y, p)))

    @rule
    def curvature(y, p):
        q = exp(p)
        return 0.5 * scaled(q, excess(y, q, surplus(y, p)) + y / (y + q))


class JensenShannonOfSoftmax(JensenShannonOfLogarithm):
    """The same, with p log(2) / 2 taken off the slope."""

    @rule
    def slope(y, p):
        q = exp(p)
        return 0.5 * scaled(q, log_share(y, q))

    @rule
    def curvature(y, p):
        q = exp(p)
        return 0.5 * scaled(q, log_share(y, q) + y / (y + q))


class JensenShannonDivergence(Divergence):
    r"""(KL(y, m) + KL(p, m)) / 2 of a row, with m = (y + p) / 2; at most log 2.

    Targets and predictions are distributions over the last axis; a mean is over rows. In nats, and not
    its square root, which is a distance: SciPy's jensenshannon gives that.

    >>> round(float(JensenShannonDivergence().compute([[1.0, 0.0]], [[0.0, 1.0]])), 6)  # log 2
    0.693147
    >>> float(JensenShannonDivergence().compute([[0.1, 0.9]], [[0.1, 0.9]]))
    0.0
    """

    def make_terms(self) -> tuple[Term, ...]:
        return (self.term_of(JensenShannon, JensenShannonOfLogarithm, JensenShannonOfSoftmax),)

    def traits(self) -> frozenset[str]:
        traits: frozenset[str] = self.about.traits
        return traits - {CONVEX, SYMMETRIC} if self.from_logits or self.log_input else traits

    about: ClassVar = About(
        formula=r"\frac12 \sum_j y_j \log \frac{2 y_j}{y_j + \hat p_j} + \hat p_j \log \frac{2 \hat p_j}{y_j + \hat p_j}",
        tasks={"distribution", "multiclass"},
        traits={CONVEX, SMOOTH, SYMMETRIC, BOUNDED},
        estimates="the target distribution",
        strengths=("symmetric", "finite, whatever either side rules out"),
        weaknesses=("flat where the distributions do not overlap", "no density's maximum likelihood"),
        uses=("agreement of two models, or of a model under two augmentations", "drift of a histogram"),
        references=("Lin (1991), IEEE Transactions on Information Theory 37",),
        aliases=("js", "js_divergence"),
        elsewhere=(
            "scipy.spatial.distance.jensenshannon: its square root",
            "kornia.losses.js_div_loss_2d: of heatmaps, over height and width",
        ),
    )


class HalfDistance(Rules):
    """|p - y| / 2."""

    argument: ClassVar[str] = "pair"
    targets: ClassVar = PROBABILITY
    predictions: ClassVar = PROBABILITY

    @rule
    def value(y, p):
        return 0.5 * abs(p - y)

    @rule
    def slope(y, p):
        return 0.5 * sign(p - y)

    @rule
    def curvature(y, p):
        return 0.0 * (p - y)


class HalfDistanceOfLogarithm(Rules):
    """The same with p the logarithm of the predicted probability."""

    argument: ClassVar[str] = "pair"
    targets: ClassVar = PROBABILITY

    @rule
    def value(y, p):
        return 0.5 * abs(surplus(y, p))

    @rule
    def slope(y, p):
        return 0.5 * exp(p) * sign(surplus(y, p))

    @rule
    def curvature(y, p):
        return 0.5 * exp(p) * sign(surplus(y, p))


class HalfDistanceOfSoftmax(HalfDistanceOfLogarithm):
    """The same, with p / 2 taken off the slope."""

    @rule
    def slope(y, p):
        return 0.5 * exp(p) * (sign(surplus(y, p)) - 1.0)

    @rule
    def curvature(y, p):
        return 0.5 * exp(p) * (sign(surplus(y, p)) - 1.0)


class TotalVariationDistance(Divergence):
    r"""Σ_j |p_j - y_j| / 2 of a row: the most that the two disagree about any event.

    Targets and predictions are distributions over the last axis; a mean is over rows. Where a share is
    met exactly its part of the derivative is 0. Not ``TotalVariationLoss``, which smooths images.

    >>> float(TotalVariationDistance().compute([[0.5, 0.5]], [[0.25, 0.75]]))
    0.25
    """

    def make_terms(self) -> tuple[Term, ...]:
        return (self.term_of(HalfDistance, HalfDistanceOfLogarithm, HalfDistanceOfSoftmax),)

    def traits(self) -> frozenset[str]:
        traits: frozenset[str] = self.about.traits
        return traits - {CONVEX, SYMMETRIC} if self.from_logits or self.log_input else traits

    about: ClassVar = About(
        formula=r"\frac12 \sum_j |\hat p_j - y_j|",
        tasks={"distribution", "multiclass"},
        traits={CONVEX, SYMMETRIC, BOUNDED, ROBUST},
        estimates="the target distribution",
        strengths=("a probability itself: easy to report and to bound with",),
        weaknesses=("a slope of one size, however near", "for a single label the mean absolute error"),
        uses=("evaluation of predicted distributions", "two-sample comparison of histograms"),
        references=("Levin, Peres & Wilmer (2009), Markov chains and mixing times, chapter 4",),
        aliases=("tv_distance",),
    )


class SquaredRootGap(Rules):
    """(sqrt(p) - sqrt(y))² / 2."""

    argument: ClassVar[str] = "root_pair"
    targets: ClassVar = PROBABILITY
    predictions: ClassVar = PROBABILITY
    saturates: ClassVar[bool] = True

    @rule
    def value(y, p, floor):
        gap = root_gap(y, p, p - y)
        return 0.5 * gap * gap

    @rule
    def slope(y, p, floor):
        q = maximum(p, floor)
        return 0.5 * root_gap(y, q, q - y) / sqrt(q)

    @rule
    def curvature(y, p, floor):
        q = maximum(p, floor)
        return 0.25 * root_of(y / q) / q


class SquaredRootGapOfLogarithm(Rules):
    """The same with p the logarithm of the predicted probability."""

    argument: ClassVar[str] = "root_pair"
    targets: ClassVar = PROBABILITY

    @rule
    def value(y, p):
        gap = root_gap(y, exp(p), surplus(y, p))
        return 0.5 * gap * gap

    @rule
    def slope(y, p):
        return 0.5 * exp(0.5 * p) * root_gap(y, exp(p), surplus(y, p))

    @rule
    def curvature(y, p):
        r = exp(0.5 * p)
        return 0.5 * r * (r - 0.5 * root_of(y))


def root_of(y):
    """sqrt(y), whose slope at 0 is taken as 0: an infinite one would make NaN of all that it meets."""
    return where(y == 0.0, 0.0, sqrt(where(y == 0.0, 1.0, y)))


def root_gap(y, p, gap):
    """sqrt(p) - sqrt(y), from the gap p - y, where the two are close."""
    total = sqrt(p) + root_of(y)
    return where(total == 0.0, 0.0, gap / where(total == 0.0, 1.0, total))


class HellingerDistance(Divergence):
    r"""sqrt(Σ_j (sqrt(p_j) - sqrt(y_j))² / 2) of a row: between 0 and 1.

    Targets and predictions are distributions over the last axis; a mean is over rows. Where the two
    agree, its tip, the derivative is 0. Logits take a log-softmax first, and ``log_input=True``.

    >>> float(HellingerDistance().compute([[1.0, 0.0]], [[0.0, 1.0]]))
    1.0
    """

    # No spelling of the derivative in the logits is exact both near the tip and far from it.
    from_logits: ClassVar[bool] = False  # type: ignore[misc]

    def make_terms(self) -> tuple[Term, ...]:
        return (self.term_of(SquaredRootGap, SquaredRootGapOfLogarithm),)

    def traits(self) -> frozenset[str]:
        traits: frozenset[str] = self.about.traits
        return traits - {SYMMETRIC} if self.log_input else traits

    about: ClassVar = About(
        formula=r"\sqrt{\tfrac12 \sum_j \left(\sqrt{\hat p_j} - \sqrt{y_j}\right)^2}",
        tasks={"distribution", "multiclass"},
        traits={SYMMETRIC, BOUNDED},
        estimates="the target distribution",
        strengths=("a distance", "bounds the total variation distance from both sides"),
        weaknesses=("a slope of one size however near, as of every distance",),
        uses=("comparison of histograms and of predicted distributions",),
        references=("Le Cam & Yang (2000), Asymptotics in statistics, chapter 3",),
        aliases=("hellinger",),
    )


class LogRatio(Rules):
    """log(y / p)."""

    argument: ClassVar[str] = "tilted_pair"
    targets: ClassVar = PROBABILITY
    predictions: ClassVar = PROBABILITY
    saturates: ClassVar[bool] = True

    @rule
    def value(y, p, tilt, floor):
        return log_ratio(y, maximum(p, floor))

    @rule
    def slope(y, p, tilt, floor):
        return -1.0 / maximum(p, floor)

    @rule
    def curvature(y, p, tilt, floor):
        return 1.0 / maximum(p, floor) / maximum(p, floor)


class LogRatioOfLogarithm(Rules):
    """The same with p the logarithm of the predicted probability."""

    argument: ClassVar[str] = "tilted_pair"
    targets: ClassVar = PROBABILITY

    @rule
    def value(y, p, tilt):
        return log(y) - p

    @rule
    def slope(y, p, tilt):
        return where(p == p, -1.0, p)  # NaN in, NaN out

    @rule
    def curvature(y, p, tilt):
        return where(p == p, 0.0, p)


class RenyiDivergence(Divergence):
    r"""log(Σ_j y_j^alpha p_j^(1 - alpha)) / (alpha - 1) of a row; alpha = 1 is the Kullback-Leibler divergence.

    It is computed as the target's mean of (y / p)^(alpha - 1), and right for an alpha near 1 as well.
    Targets and predictions are distributions over the last axis; a mean is over rows.

    >>> round(float(RenyiDivergence(alpha=2.0).compute([[0.5, 0.5]], [[0.25, 0.75]])), 6)  # log(4 / 3)
    0.287682
    """

    alpha: float = parameter(default=0.5, above=0, doc="order: how much the largest ratio counts")

    def make_terms(self) -> tuple[Term, ...]:
        if self.alpha == 1.0:
            return (self.term_of(Forward, ForwardOfLogarithm),)
        return (self.term_of(LogRatio, LogRatioOfLogarithm),)

    def parameters_of_rules(self) -> dict[str, Any]:
        return super().parameters_of_rules() | {"tilt": self.alpha - 1.0}

    def traits(self) -> frozenset[str]:
        concave = self.alpha < 1.0 and (self.from_logits or self.log_input)
        traits: frozenset[str] = self.about.traits
        return traits - {CONVEX} if concave else traits

    about: ClassVar = About(
        formula=r"\frac{1}{\alpha - 1} \log \sum_j y_j^\alpha \hat p_j^{1 - \alpha}",
        tasks={"distribution", "multiclass"},
        traits={CONVEX, SMOOTH},
        estimates="the target distribution",
        strengths=(
            "one family from the support (small alpha) over Kullback-Leibler to the worst ratio (large alpha)",
        ),
        weaknesses=(
            "infinite, here very large, where the prediction rules out what happens, for alpha of 1 and more",
        ),
        uses=("variational inference", "accounting of differential privacy"),
        references=("van Erven & Harremoës (2014), IEEE Transactions on Information Theory 60",),
        aliases=("renyi",),
    )
