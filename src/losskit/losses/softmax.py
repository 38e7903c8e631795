"""Losses of a row of class scores: cross-entropy in its forms, and what weighs it anew.

Rules are functions of nll = -log p, with p the probability of a class. Predictions are probabilities,
or logits with ``from_logits=True``, whose softmax is never formed.
"""

from dataclasses import replace
from typing import Any, ClassVar

from losskit.about import CONVEX, PROPER, ROBUST, SMOOTH, About
from losskit.parameters import Legal, as_number, as_numbers, parameter
from losskit.rules import Rules, Term, rule
from losskit.scalar import exp, expm1, power, scaled, where
from losskit.structures import RowForm, SoftmaxLoss


class Surprise(Rules):
    """nll itself: cross-entropy."""

    argument: ClassVar[str] = "nll"

    @rule
    def value(nll):
        return nll

    @rule
    def slope(nll):
        return 1.0

    @rule
    def curvature(nll):
        return 0.0


MEAN_SURPRISE = replace(Surprise.rules, name="MeanSurprise", argument="mean_nll")
"""The mean of nll over all classes: what label smoothing mixes in."""


class SquaredLogSumExp(Rules):
    """lse²: keeps logits from drifting (the z-loss)."""

    argument: ClassVar[str] = "log_sum_exp"

    @rule
    def value(lse):
        return lse * lse

    @rule
    def slope(lse):
        return 2.0 * lse

    @rule
    def curvature(lse):
        return 2.0


class Focal(Rules):
    """(1 - p)^gamma nll, as a function of nll; 1 - p = -expm1(-nll) loses no digit where p is almost 1."""

    argument: ClassVar[str] = "nll"

    @rule
    def value(nll, gamma):
        return where(nll == 0.0, 0.0, power(-expm1(-nll), gamma) * nll)

    @rule
    def slope(nll, gamma):
        c = -expm1(-nll)
        # d(c^gamma nll) = c^gamma (1 + gamma h) with h = nll / (e^nll - 1), which is 1 at 0 and 0 at inf
        h = where(nll > 0.0, scaled(exp(-nll), nll) / c, 1.0)
        return power(c, gamma) * (1.0 + gamma * h)

    @rule
    def curvature(nll, gamma):
        c, p = -expm1(-nll), exp(-nll)
        h = where(nll > 0.0, scaled(p, nll) / c, 1.0)
        return scaled(gamma, power(c, gamma - 1.0) * scaled(p, 2.0 + (gamma - 1.0) * h - nll))


def smoothed(loss: SoftmaxLoss, smoothing: float) -> tuple[Term, ...]:
    """Cross-entropy against the target mixed with the uniform distribution."""
    return (
        Term(1.0 - smoothing, loss.linked(Surprise.rules)),
        Term(smoothing, loss.linked(MEAN_SURPRISE)),
    )


def kept(loss: SoftmaxLoss, smoothing: float, z_loss: float = 0.0) -> frozenset[str]:
    """The traits of cross-entropy that its parameters leave it."""
    assert loss.about is not None
    floored = loss.eps is not None and not loss.from_logits
    plain = smoothing == 0.0 and z_loss == 0.0 and loss.class_weights is None and not floored
    bounded = (loss.from_logits and z_loss == 0.0) or floored  # 1/p is not
    return loss.about.traits - (set() if plain else {PROPER}) - (set() if bounded else {ROBUST})


_CROSS_ENTROPY = {
    "tasks": {"multiclass", "segmentation"},
    "traits": {CONVEX, PROPER, ROBUST, SMOOTH},
    "estimates": "the probability of each class",
}


class CategoricalCrossEntropy(SoftmaxLoss):
    r"""-Σ_j y_j log p_j of a row, for targets that are one-hot or distributions over the classes.

    The mean is over rows. Keras's loss of the same name is this, but clips probabilities to
    [1e-7, 1 - 1e-7], where the slope is then 0; torch's CrossEntropyLoss takes logits only, the class
    axis second, and divides by the sum of the class weights, where here a class weight belongs to the
    loss. ``label_smoothing`` s puts (1 - s) y + s / n_classes in the place of y.

    >>> loss = CategoricalCrossEntropy()
    >>> round(float(loss.compute([[1, 0], [0, 1]], [[0.5, 0.5], [0.75, 0.25]])), 6)  # (log 2 + log 4) / 2
    1.039721
    >>> logits = CategoricalCrossEntropy(from_logits=True)
    >>> print(f"{logits.compute([[1.0, 0.0]], [[20.0, 0.0]]):.7e}")
    2.0611536e-09
    """

    label_smoothing: float = parameter(
        default=0.0, at_least=0, at_most=1, doc="share of the uniform distribution mixed into the target"
    )

    target: ClassVar[str] = "distribution"

    def make_terms(self) -> tuple[Term, ...]:
        return smoothed(self, self.label_smoothing)

    def traits(self) -> frozenset[str]:
        return kept(self, self.label_smoothing)

    about: ClassVar = About(
        formula=r"-\sum_j y_j \log \hat p_j",
        **_CROSS_ENTROPY,  # type: ignore[arg-type]
        strengths=(
            "maximum likelihood: the best prediction is the true distribution",
            "the gradient in the logits is the plain difference of probabilities",
        ),
        weaknesses=(
            "a confident mistake, or a wrong label, costs without bound",
            "pushes towards overconfidence",
        ),
        uses=(
            "classification with soft labels, mixup or annotators who disagree",
            "distillation from probabilities",
        ),
        references=("Bishop (2006), Pattern Recognition and Machine Learning, eq. 4.108",),
        aliases=("cross_entropy", "softmax_cross_entropy"),
        elsewhere=(
            "torch.nn.CrossEntropyLoss: logits only, the classes on axis 1; divides by the sum of the class weights",
            "keras.losses.CategoricalCrossentropy: clips probabilities to [1e-7, 1 - 1e-7], where the slope is 0",
            "optax.softmax_cross_entropy: from logits, unreduced; NaN for a logit of -inf whose label is 0",
        ),
    )


class SparseCategoricalCrossEntropy(SoftmaxLoss):
    r"""-log p_t of a row, for targets t that are class indices.

    The mean is over rows that are not ignored, whatever their class weights (torch divides by the
    class weights' sum). Rows whose target is ``ignore_index`` are absent, not even read; no index is
    ignored by default (torch ignores -100). ``z_loss`` adds that multiple of the squared log-sum-exp
    of the logits.

    >>> loss = SparseCategoricalCrossEntropy(from_logits=True)
    >>> print(f"{loss.compute([0], [[20.0, 0.0]]):.7e}")
    2.0611536e-09
    >>> float(SparseCategoricalCrossEntropy(ignore_index=-1).compute([1, -1], [[0.0, 1.0], [0.5, 0.5]]))
    0.0
    """

    ignore_index: int | None = parameter(
        default=None, kw_only=True, optional=True, doc="target of rows that do not count"
    )
    label_smoothing: float = parameter(
        default=0.0, at_least=0, at_most=1, doc="share of the uniform distribution mixed into the target"
    )
    z_loss: float = parameter(
        default=0.0, at_least=0, doc="multiple of the squared log-sum-exp of the logits"
    )

    target: ClassVar[str] = "index"

    def check_parameters(self) -> None:
        if self.z_loss != 0.0 and not self.from_logits:
            raise ValueError(
                f"z_loss={self.z_loss!r} needs logits, whose log-sum-exp it squares: pass from_logits=True; "
                "probabilities have lost it"
            )

    def make_terms(self) -> tuple[Term, ...]:
        extra = (Term(self.z_loss, SquaredLogSumExp.rules),) if self.z_loss != 0.0 else ()
        return smoothed(self, self.label_smoothing) + extra

    def traits(self) -> frozenset[str]:
        return kept(self, self.label_smoothing, self.z_loss)

    about: ClassVar = About(
        formula=r"-\log \hat p_t",
        **_CROSS_ENTROPY,  # type: ignore[arg-type]
        strengths=(
            "cross-entropy without a one-hot matrix: one pass over the logits, no memory but the gradient",
        ),
        weaknesses=(
            "a confident mistake, or a wrong label, costs without bound",
            "cannot say that labels are uncertain",
        ),
        uses=(
            "classification with one true class",
            "language models, with z_loss to keep the logits from drifting",
        ),
        references=(
            "Bishop (2006), Pattern Recognition and Machine Learning, eq. 4.108",
            "z_loss: Chowdhery et al. (2022), PaLM, section 5",
        ),
        aliases=("sparse_cross_entropy",),
        elsewhere=(
            "torch.nn.CrossEntropyLoss: logits, the classes on axis 1; ignores -100; divides by the sum of the "
            "class weights",
            "torch.nn.NLLLoss: from log-probabilities",
            "keras.losses.SparseCategoricalCrossentropy: ignore_class is ignore_index; clips probabilities to "
            "[1e-7, 1 - 1e-7]",
            "optax.softmax_cross_entropy_with_integer_labels: from logits, unreduced; the index -1 is the last class",
            "sklearn.metrics.log_loss: the value alone",
        ),
    )


class LabelSmoothingCrossEntropy(SoftmaxLoss):
    r"""Cross-entropy against the target mixed with the uniform distribution.

    The target is (1 - s) y + s / n_classes with s = ``smoothing``, for class indices or distributions;
    torch's ``label_smoothing`` is the same. The mean is over rows.

    >>> loss = LabelSmoothingCrossEntropy(smoothing=0.2, from_logits=True)
    >>> round(float(loss.compute([0], [[0.0, 1.0]])), 6)  # log(1 + e) - 0.1
    1.213262
    """

    smoothing: float = parameter(
        default=0.1, at_least=0, at_most=1, doc="share of the uniform distribution mixed into the target"
    )
    ignore_index: int | None = parameter(
        default=None, kw_only=True, optional=True, doc="target of rows that do not count"
    )

    def make_terms(self) -> tuple[Term, ...]:
        return smoothed(self, self.smoothing)

    def traits(self) -> frozenset[str]:
        return kept(self, self.smoothing)

    about: ClassVar = About(
        formula=r"-(1 - s) \log \hat p_t - \frac{s}{C} \sum_j \log \hat p_j",
        tasks={"multiclass", "segmentation"},
        traits={CONVEX, ROBUST, SMOOTH},
        estimates="the probability of each class, shrunk towards the uniform distribution",
        strengths=("keeps logits finite: no gain from infinite confidence", "often better calibrated"),
        weaknesses=(
            "never 0, even for a perfect prediction",
            "erases what a teacher knows about similar classes",
        ),
        uses=("image and language classifiers", "labels with a known rate of error"),
        references=("Szegedy et al. (2016), Rethinking the Inception architecture, CVPR, section 7",),
        aliases=("label_smoothing",),
        elsewhere=(
            "torch.nn.CrossEntropyLoss(label_smoothing=s): the same, from logits",
            "keras.losses.CategoricalCrossentropy(label_smoothing=s): the same for one-hot targets",
            "optax.smooth_labels: makes the target, for softmax_cross_entropy",
        ),
    )


class CategoricalFocalLoss(SoftmaxLoss):
    r"""Σ_j y_j alpha_j (1 - p_j)^gamma (-log p_j): cross-entropy that turns from what is already right.

    For class indices or distributions; ``gamma=0`` is cross-entropy. ``alpha`` is a number, or one a
    class; Keras's default is 0.25, here it is 1. The mean is over rows.

    >>> float(CategoricalFocalLoss(gamma=2.0).compute([1], [[0.5, 0.5]]))  # log(2) / 4
    0.17328679513998632
    """

    gamma: float = parameter(default=2.0, at_least=0, doc="how fast easy examples lose weight")
    alpha: float | tuple[float, ...] | None = parameter(
        default=None, optional=True, convert=lambda value: _alpha(value), doc="a weight, or a weight a class"
    )
    ignore_index: int | None = parameter(
        default=None, kw_only=True, optional=True, doc="target of rows that do not count"
    )

    def check_parameters(self) -> None:
        if isinstance(self.alpha, tuple) and self.class_weights is not None:
            raise ValueError(
                "alpha with a number a class is the same as class_weights: pass only one of them"
            )

    def row_form(self) -> RowForm:
        form = super().row_form()
        return replace(form, class_weights=self.alpha) if isinstance(self.alpha, tuple) else form

    def make_terms(self) -> tuple[Term, ...]:
        alpha = self.alpha if isinstance(self.alpha, float) else 1.0
        if self.gamma == 0.0:
            return (Term(alpha, self.linked(Surprise.rules)),)
        return (Term(alpha, self.linked(Focal.rules), (self.gamma,)),)

    about: ClassVar = About(
        formula=r"-\sum_j y_j\,\alpha_j\,(1 - \hat p_j)^\gamma \log \hat p_j",
        tasks={"multiclass", "imbalance", "segmentation"},
        traits={SMOOTH},
        estimates="the class probabilities, less confident than the truth for gamma > 0",
        strengths=("many easy examples do not outweigh the few hard ones",),
        weaknesses=(
            "not proper: its best prediction is less confident than the truth",
            "wrong labels are the hardest examples and get the most weight",
        ),
        uses=("rare classes among a sea of background", "dense detection"),
        references=("Lin et al. (2017), Focal loss for dense object detection, ICCV",),
        elsewhere=(
            "keras.losses.CategoricalFocalCrossentropy: the same, with alpha 0.25 by default",
            "kornia.losses.FocalLoss: from logits, the classes on axis 1; alpha is required",
            "monai.losses.FocalLoss(use_softmax=True): from logits, the classes on axis 1",
        ),
    )


def _alpha(value: Any) -> float | tuple[float, ...]:
    if isinstance(value, list | tuple) or getattr(value, "ndim", 0) > 0:
        return as_numbers("alpha", value, Legal(at_least=0))
    return as_number("alpha", value, Legal(at_least=0))
