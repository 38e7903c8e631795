"""Divergences between a target distribution and a predicted one, a row of class shares each."""

from typing import Any, ClassVar

from losskit.about import CONVEX, SMOOTH, About
from losskit.domain import PROBABILITY
from losskit.parameters import parameter
from losskit.rules import FromDtype, Rules, Term, rule, term_of
from losskit.scalar import exp, log, log1p, maximum, scaled, where
from losskit.structures import RowForm, RowLoss


def log_ratio(a, b):
    """log(a / b), exact where a is almost b: the difference is, the ratio is not."""
    near = (a > 0.5 * b) & (a < 2.0 * b)
    c, d = where(near, a, 1.0), where(near, b, 1.0)  # the branch not taken must have a derivative, too
    return where(near, log1p((c - d) / d), log(a / b))


class Forward(Rules):
    """y log(y / p)."""

    argument: ClassVar[str] = "pair"
    targets: ClassVar = PROBABILITY
    predictions: ClassVar = PROBABILITY
    saturates: ClassVar[bool] = True

    @rule
    def value(y, p, floor):
        return scaled(y, log_ratio(y, maximum(p, floor)))

    @rule
    def slope(y, p, floor):
        return -y / maximum(p, floor)

    @rule
    def curvature(y, p, floor):
        return y / maximum(p, floor) / maximum(p, floor)


class Reverse(Rules):
    """p log(p / y)."""

    argument: ClassVar[str] = "pair"
    targets: ClassVar = PROBABILITY
    predictions: ClassVar = PROBABILITY
    saturates: ClassVar[bool] = True

    @rule
    def value(y, p, floor):
        return scaled(p, log_ratio(p, y))

    @rule
    def slope(y, p, floor):
        return log_ratio(maximum(p, floor), y) + 1.0

    @rule
    def curvature(y, p, floor):
        return 1.0 / maximum(p, floor)


class ForwardOfLogarithm(Rules):
    """y (log y - p) with p the logarithm of the predicted probability."""

    argument: ClassVar[str] = "pair"
    targets: ClassVar = PROBABILITY

    @rule
    def value(y, p):
        return scaled(y, log(y) - p)

    @rule
    def slope(y, p):
        return where(p == p, -y, p)  # NaN in, NaN out

    @rule
    def curvature(y, p):
        return where(p == p, 0.0, p)


def share_of_log_ratio(y, p, extra):
    """e^p (p - log y + extra): infinite where y rules out what p allows, even if e^p is no number."""
    ruled_out = (y == 0.0) & (p - p == 0.0)
    return where(ruled_out, p - log(y), scaled(exp(p), p - log(y) + extra))


class ReverseOfLogarithm(Rules):
    """e^p (p - log y) with p the logarithm of the predicted probability."""

    argument: ClassVar[str] = "pair"
    targets: ClassVar = PROBABILITY

    @rule
    def value(y, p):
        return share_of_log_ratio(y, p, 0.0)

    @rule
    def slope(y, p):
        return share_of_log_ratio(y, p, 1.0)

    @rule
    def curvature(y, p):
        return share_of_log_ratio(y, p, 2.0)


class Divergence(RowLoss):
    """Between a target distribution and a predicted one, on the same classes. Abstract."""

    log_input: bool = parameter(
        default=False, kw_only=True, doc="predictions are logarithms of probabilities"
    )
    from_logits: bool = parameter(
        default=False, kw_only=True, doc="predictions are logits, to be put through a softmax"
    )
    eps: float | None = parameter(
        default=None, kw_only=True, optional=True, above=0, below=1,
        doc="floor of a predicted probability, the smallest normal number where None",
    )  # fmt: skip

    def check_parameters(self) -> None:
        if self.log_input and self.from_logits:
            raise ValueError("log_input and from_logits exclude each other: pass only one of them")

    def row_form(self) -> RowForm:
        link = "softmax" if self.from_logits else "log_probability" if self.log_input else "probability"
        return RowForm(link=link, target="distribution", axis=self.axis)

    def term_of(
        self, of_probability: type[Rules], of_logarithm: type[Rules], of_softmax: type[Rules] | None = None
    ) -> Term:
        """The rules for predictions as they are read, with the parameters that they take.

        The probabilities of a softmax sum to 1, so that a multiple of p may be taken off its rules'
        slopes: best the one that leaves none where the target has no share.
        """
        logarithms = of_softmax if of_softmax is not None and self.from_logits else of_logarithm
        rules = logarithms if self.from_logits or self.log_input else of_probability
        return term_of(rules.rules, self.parameters_of_rules())

    def parameters_of_rules(self) -> dict[str, Any]:
        """What rules may take, by name."""
        return {"floor": FromDtype.SMALLEST_NORMAL if self.eps is None else self.eps}


class KLDivergence(Divergence):
    r"""Σ_j y_j log(y_j / p_j) of a row, where 0 log 0 is 0; with ``reverse`` Σ_j p_j log(p_j / y_j).

    Targets and predictions are distributions over the last axis and a mean is over rows: torch's
    "batchmean", where its "mean" divides by the classes too. torch's KLDivLoss takes logarithms of
    probabilities, here ``log_input=True``; Keras clips both sides at 1e-7. ``from_logits=True`` takes
    the softmax of the predictions without forming it. The divergence of distributions is never
    negative; rows that sum to 1 only nearly may give a little less than 0.

    >>> round(float(KLDivergence().compute([[0.5, 0.5]], [[0.25, 0.75]])), 6)  # log(2 / sqrt(3))
    0.143841
    >>> float(KLDivergence().compute([[0.1, 0.9]], [[0.1, 0.9]]))
    0.0
    """

    reverse: bool = parameter(
        default=False, kw_only=True, doc="the divergence of the target from the prediction instead"
    )

    def make_terms(self) -> tuple[Term, ...]:
        if self.reverse:
            return (self.term_of(Reverse, ReverseOfLogarithm),)
        return (self.term_of(Forward, ForwardOfLogarithm),)

    def traits(self) -> frozenset[str]:
        traits: frozenset[str] = self.about.traits
        return traits - {CONVEX} if self.reverse and (self.from_logits or self.log_input) else traits

    about: ClassVar = About(
        formula=r"\sum_j y_j \log \frac{y_j}{\hat p_j}",
        tasks={"distribution", "multiclass"},
        traits={CONVEX, SMOOTH},
        estimates="the target distribution",
        strengths=("0 where and only where the distributions agree", "its gradient is that of cross-entropy"),
        weaknesses=(
            "infinite, here very large, where the prediction rules out what happens",
            "not symmetric: forward covers every mode of the target, reverse settles on one",
        ),
        uses=("distillation", "variational inference", "soft labels whose own entropy should not count"),
        references=("Kullback & Leibler (1951), Annals of Mathematical Statistics 22",),
        aliases=("kl", "kl_div", "kullback_leibler"),
        elsewhere=(
            'torch.nn.KLDivLoss: takes log-probabilities, log_input=True here; "batchmean" is our mean, its '
            "mean divides by the classes too",
            "keras.losses.KLDivergence: clips both sides at 1e-7",
            "optax.kl_divergence: takes log-probabilities; unreduced",
            "kornia.losses.kl_div_loss_2d: of heatmaps, over height and width",
            "scipy.stats.entropy(y, p): the value alone",
        ),
    )
