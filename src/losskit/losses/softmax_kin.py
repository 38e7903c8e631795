"""Kin of cross-entropy: losses of a row of class scores for wrong labels and unequal classes.

As in cross-entropy, rules are functions of nll = -log p, with p the probability of a class.
"""

import math
from dataclasses import replace
from typing import Any, ClassVar

from losskit.about import BOUNDED, CONVEX, REDESCENDING, ROBUST, SMOOTH, About
from losskit.domain import PROBABILITY
from losskit.losses.softmax import Surprise
from losskit.parameters import Legal, as_numbers, parameter
from losskit.rules import Rules, Term, rule
from losskit.scalar import exp, expm1, log, maximum, where
from losskit.structures import RowForm, RowLoss, SoftmaxLoss


class PolyLoss(SoftmaxLoss):
    r"""-log p_t + epsilon (1 - p_t): cross-entropy with another first coefficient.

    Cross-entropy is Σ_k (1 - p_t)^k / k; this is the paper's Poly-1, which puts 1 + epsilon in the place
    of the first 1. For class indices or distributions; ``epsilon=0`` is cross-entropy, ``epsilon=-1``
    leaves the first term out. The mean is over rows. optax has it as poly_loss_cross_entropy.

    >>> float(PolyLoss(epsilon=2.0).compute([1], [[0.5, 0.5]]))  # log(2) + 2 / 2
    1.6931471805599454
    """

    epsilon: float = parameter(default=2.0, at_least=-1, doc="what is added to the coefficient of 1 - p")
    ignore_index: int | None = parameter(
        default=None, kw_only=True, optional=True, doc="target of rows that do not count"
    )

    @rule
    def value(nll, epsilon):
        return nll - epsilon * expm1(-nll)

    @rule
    def slope(nll, epsilon):
        return 1.0 + epsilon * exp(-nll)

    @rule
    def curvature(nll, epsilon):
        return -epsilon * exp(-nll)

    def traits(self) -> frozenset[str]:
        return _bounded_slopes(self)

    about: ClassVar = About(
        formula=r"-\log \hat p_t + \epsilon\,(1 - \hat p_t)",
        tasks={"multiclass", "imbalance"},
        traits={SMOOTH, ROBUST},
        estimates="the class probabilities, more confident than the truth for epsilon > 0",
        strengths=("one number to tune, where focal loss changes every coefficient",),
        weaknesses=("not proper for epsilon other than 0", "the best epsilon differs from task to task"),
        uses=("image classification with epsilon near 2", "detection with epsilon near -1"),
        references=("Leng et al. (2022), PolyLoss, ICLR, section 4",),
        aliases=("poly1",),
        elsewhere=("optax.poly_loss_cross_entropy: the same, from logits",),
    )


class GeneralizedCrossEntropy(SoftmaxLoss):
    r"""(1 - p_t^q) / q: between cross-entropy, its limit for q = 0, and 1 - p_t, for q = 1.

    For class indices or distributions, whose losses are then added by their shares; the mean is over
    rows. Wrong labels, which training comes to see as improbable, pull with p_t^q of the weight that
    they have in cross-entropy.

    >>> float(GeneralizedCrossEntropy(q=0.5).compute([1], [[0.75, 0.25]]))
    1.0
    """

    q: float = parameter(default=0.7, above=0, at_most=1, doc="0 is cross-entropy, 1 the mean absolute error")
    ignore_index: int | None = parameter(
        default=None, kw_only=True, optional=True, doc="target of rows that do not count"
    )

    @rule
    def value(nll, q):
        return -expm1(-q * nll) / q

    @rule
    def slope(nll, q):
        return exp(-q * nll)

    @rule
    def curvature(nll, q):
        return -q * exp(-q * nll)

    def traits(self) -> frozenset[str]:
        if self.from_logits:
            return self.about.traits
        # 1/p is not bounded, and for a small q the bound is out of the reach of floats
        return self.about.traits - {BOUNDED, REDESCENDING, ROBUST}

    about: ClassVar = About(
        formula=r"\frac{1 - \hat p_t^{\,q}}{q}",
        tasks={"multiclass"},
        traits={SMOOTH, BOUNDED, ROBUST, REDESCENDING},
        estimates="the class probabilities, more confident than the truth",
        strengths=(
            "no label costs more than 1 / q",
            "tolerates labels that are wrong at random",
        ),
        weaknesses=(
            "slow to learn hard classes, the more so the larger q",
            "rows it has given up no longer train",
        ),
        uses=("labels from the web or the crowd",),
        references=("Zhang & Sabuncu (2018), Generalized cross entropy loss, NeurIPS",),
        aliases=("gce",),
        elsewhere=("keras.losses.CategoricalGeneralizedCrossEntropy: the same, with q 0.5 by default",),
    )


class Doubt(Rules):
    """1 - p as a function of nll."""

    argument: ClassVar[str] = "nll"

    @rule
    def value(nll):
        return -expm1(-nll)

    @rule
    def slope(nll):
        return exp(-nll)

    @rule
    def curvature(nll):
        return -exp(-nll)


def log_of_share(y, log_zero):
    """log y, at least ``log_zero``; what it was at y = 0 must not reach a derivative in y."""
    return where(y == 0.0, log_zero, maximum(log(where(y == 0.0, 1.0, y)), log_zero))


class ReverseCrossEntropy(Rules):
    """-p log y."""

    argument: ClassVar[str] = "pair"

    @rule
    def value(y, p, log_zero):
        return -p * log_of_share(y, log_zero)

    @rule
    def slope(y, p, log_zero):
        return where(p == p, -log_of_share(y, log_zero), p)  # NaN in, NaN out

    @rule
    def curvature(y, p, log_zero):
        return 0.0 * (p + y)


class ReverseCrossEntropyOfLogarithm(Rules):
    """-e^p log y with p the logarithm of the predicted probability."""

    argument: ClassVar[str] = "pair"

    @rule
    def value(y, p, log_zero):
        return -exp(p) * log_of_share(y, log_zero)

    @rule
    def slope(y, p, log_zero):
        return -exp(p) * log_of_share(y, log_zero)

    @rule
    def curvature(y, p, log_zero):
        return -exp(p) * log_of_share(y, log_zero)


class SymmetricCrossEntropy(SoftmaxLoss):
    r"""alpha times cross-entropy -Σ y_j log p_j, plus beta times its reverse -Σ p_j log y_j.

    In the reverse no logarithm is less than ``log_zero``, the paper's A, which stands for log 0: with a
    class index t it is -A Σ_{j≠t} p_j, a multiple of the mean absolute error. The mean is over rows. The
    paper takes alpha = 0.1 and beta = 1 for ten classes, 6 and 0.1 for a hundred; its published program
    clips targets at 1e-4, which is A = -9.21.

    >>> loss = SymmetricCrossEntropy(alpha=1.0, beta=0.5, log_zero=-4.0)
    >>> float(loss.compute([1], [[0.5, 0.5]]))  # log(2) + 4 / 4
    1.6931471805599454
    """

    alpha: float = parameter(default=0.1, at_least=0, doc="weight of the cross-entropy")
    beta: float = parameter(default=1.0, at_least=0, doc="weight of the reverse cross-entropy")
    log_zero: float = parameter(default=-4.0, below=0, doc="the least logarithm of a target's share")
    ignore_index: int | None = parameter(
        default=None, kw_only=True, optional=True, doc="target of rows that do not count"
    )

    def check_parameters(self) -> None:
        if self.class_weights is not None:
            raise ValueError(
                "class_weights must be None: the reverse term is no sum over the target's classes; weigh rows with "
                "sample_weight=weights[y_true]"
            )

    def make_terms(self) -> tuple[Term, ...]:
        reverse = ReverseCrossEntropyOfLogarithm if self.from_logits else ReverseCrossEntropy
        return (
            Term(self.alpha, self.linked(Surprise.rules)),
            Term(self.beta, self.linked(reverse.rules), (self.log_zero,)),
        )

    def make_index_terms(self) -> tuple[Term, ...]:
        if not self.from_logits:  # each probability is its own variable: 1 - p_t is not the sum of the others
            return self.make_terms()
        return (
            Term(self.alpha, self.linked(Surprise.rules)),
            Term(-self.log_zero * self.beta, self.linked(Doubt.rules)),
        )

    def traits(self) -> frozenset[str]:
        return _bounded_slopes(self)

    about: ClassVar = About(
        formula=r"-\alpha \sum_j y_j \log \hat p_j - \beta \sum_j \hat p_j \log y_j",
        tasks={"multiclass"},
        traits={SMOOTH, ROBUST},
        estimates="the class probabilities, more confident than the truth",
        strengths=("learns hard classes by its first term and doubts wrong labels by its second",),
        weaknesses=("three numbers to tune, of which beta and log_zero are one for class indices",),
        uses=("labels from the web or the crowd",),
        references=("Wang et al. (2019), Symmetric cross entropy for robust learning, ICCV",),
        aliases=("sce",),
    )


class LogitAdjustedLoss(RowLoss):
    r"""Cross-entropy of logits to which ``tau`` times the logarithm of each class's prior is added.

    A network trained with it predicts, by its plain logits, as if all classes were equally frequent.
    ``class_priors`` are frequencies or counts of the training set: only their ratios matter. ``tau`` 0 is
    cross-entropy. For class indices or distributions; the mean is over rows.

    >>> loss = LogitAdjustedLoss(class_priors=(3.0, 1.0))
    >>> round(float(loss.compute([1], [[0.0, 0.0]])), 6)  # log 4
    1.386294
    """

    class_priors: tuple[float, ...] = parameter(
        convert=lambda v: as_numbers("class_priors", v, Legal(above=0)), doc="how frequent each class is"
    )
    tau: float = parameter(default=1.0, at_least=0, doc="how much of the priors is added")
    class_weights: tuple[float, ...] | None = parameter(
        default=None, kw_only=True, optional=True, convert=lambda v: as_numbers("class_weights", v, Legal(at_least=0)),
        doc="a weight a class, applied to its share of the loss",
    )  # fmt: skip
    ignore_index: int | None = parameter(
        default=None, kw_only=True, optional=True, doc="target of rows that do not count"
    )

    def row_form(self) -> RowForm:
        shift = tuple(self.tau * math.log(prior) for prior in self.class_priors)
        return RowForm(
            "softmax",
            "either",
            self.axis,
            class_weights=self.class_weights,
            ignore_index=self.ignore_index,
            shift=shift,
        )

    def make_terms(self) -> tuple[Term, ...]:
        return (Term(1.0, replace(Surprise.rules, targets=PROBABILITY)),)

    about: ClassVar = About(
        formula=r"-\log \frac{\pi_t^\tau e^{z_t}}{\sum_j \pi_j^\tau e^{z_j}}",
        tasks={"multiclass", "imbalance"},
        traits={CONVEX, ROBUST, SMOOTH},
        estimates="the probability of each class, were the classes equally frequent (tau = 1)",
        strengths=(
            "right for the balanced error, where class weights move only the boundary of classes that overlap",
        ),
        weaknesses=("wants the priors", "probabilities need the priors back"),
        uses=("long tails of rare classes",),
        references=("Menon et al. (2021), Long-tail learning via logit adjustment, ICLR, section 5",),
        aliases=("balanced_softmax",),
        elsewhere=("torch.nn.CrossEntropyLoss: the same, of logits + tau * log(priors)",),
    )


def _bounded_slopes(loss: Any) -> frozenset[str]:
    """The traits, without bounded slopes where predictions are probabilities: 1/p is not bounded."""
    traits: frozenset[str] = loss.about.traits
    return traits if loss.from_logits else traits - {ROBUST}
