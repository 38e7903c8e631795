"""Losses of how far a predicted region overlaps the true one: Dice, intersection over union, Tversky and kin.

All are rules of three sums over the elements: tp = sum y p, fp = sum (1-y) p and fn = sum y (1-p).
"""

from typing import ClassVar

from losskit.about import BOUNDED, SMOOTH, About
from losskit.parameters import parameter
from losskit.rules import rule
from losskit.scalar import exp, log1p, power, where
from losskit.structures.overlap import LovaszExtension, OverlapLoss, smooth_parameter

_TASKS = {"segmentation", "binary", "multiclass", "multilabel", "imbalance"}
_ESTIMATES = "the mask, not a probability: predictions are driven towards 0 and 1"


def _over(part, whole):
    """part / whole, and 0 where both are: two empty masks are alike."""
    nothing = whole == 0.0
    return where(nothing, 0.0, part / where(nothing, 1.0, whole))


def _tversky(tp, fp, fn, alpha, beta, smooth):
    """1 - (tp + s) / (tp + a fp + b fn + s), without the subtraction."""
    missed = alpha * fp + beta * fn
    return _over(missed, tp + missed + smooth)


def _tversky_slopes(tp, fp, fn, alpha, beta, smooth):
    """Its partial derivatives, of which all parts have one sign."""
    missed = alpha * fp + beta * fn
    whole = tp + missed + smooth
    shared = _over(_over(tp + smooth, whole), whole)
    return -_over(_over(missed, whole), whole), alpha * shared, beta * shared


def _focal(tp, fp, fn, gamma, alpha, beta, smooth):
    """(1 - index)^gamma: what rounding takes from a number next to 1 would count gamma times."""
    missed = _tversky(tp, fp, fn, alpha, beta, smooth)
    index = _over(tp + smooth, tp + alpha * fp + beta * fn + smooth)
    near = exp(gamma * log1p(-where(missed > 0.5, index, 0.5)))
    perfect = missed == 0.0  # where a power has no derivative
    return where(missed > 0.5, near, where(perfect, 0.0, power(where(perfect, 1.0, missed), gamma)))


class DiceLoss(OverlapLoss):
    r"""1 - Dice coefficient, 1 - (2 sum y p + smooth) / (sum y + sum p + smooth).

    The sums go over all elements (``per="all"``), as one set against another; with ``per="class"`` the
    loss is the mean over classes of such a ratio each, with ``per="sample_class"`` over the classes of
    every sample. ``squared`` divides by the sums of squares instead, as in V-Net. Its value and slope
    are exact also for a prediction that is almost perfect, from logits too.

    Parameters
    ----------
    smooth : added to both parts of the ratio, in elements
    squared : the denominator sums y² and p² instead of y and p

    >>> y, p = [1, 0, 1, 0], [0.9, 0.1, 0.8, 0.2]
    >>> round(float(DiceLoss().compute(y, p)), 4)
    0.15
    >>> float(DiceLoss().compute([0, 0], [0.0, 0.0]))
    0.0
    """

    smooth: float = smooth_parameter(1e-6)
    squared: bool = parameter(default=False, kw_only=True, doc="sum squares in the denominator")

    @rule
    def value(tp, fp, fn, smooth):
        return _tversky(tp, fp, fn, 0.5, 0.5, 0.5 * smooth)

    @rule
    def slopes(tp, fp, fn, smooth):
        return _tversky_slopes(tp, fp, fn, 0.5, 0.5, 0.5 * smooth)

    about: ClassVar = About(
        formula=r"1 - \frac{2\sum y p + s}{\sum y + \sum p + s}",
        tasks=_TASKS,
        traits={BOUNDED, SMOOTH},
        estimates=_ESTIMATES,
        strengths=(
            "background that both agree on does not count, so small regions do",
            "it is the metric itself",
        ),
        weaknesses=(
            "probabilities are not calibrated",
            "the gradient of an empty mask depends on the smoothing alone",
            "a mean over batches is not the loss of all of them",
        ),
        uses=("segmentation of medical images", "regions that are small beside the background"),
        references=("Dice (1945), Ecology 26", "Milletari, Navab & Ahmadi (2016), 3DV (squared)"),
        aliases=("soft_dice",),
        elsewhere=(
            'monai.losses.DiceLoss: per="sample_class"; 1e-5 in both parts of the ratio',
            "keras.losses.Dice: 1e-7 in the denominator alone, so two empty masks cost 1",
            "optax.losses.dice_loss: logits; a smooth of 1",
            'kornia.losses.DiceLoss: logits and class indices; per="sample"',
        ),
    )


class IoULoss(OverlapLoss):
    r"""1 - intersection over union (the Jaccard index), 1 - (sum y p + smooth) / (sum y + sum p - sum y p + smooth).

    It orders predictions as Dice does, J = D / (2 - D), but counts what is missed twice as much. The
    sums go over all elements unless ``per`` says otherwise.

    Parameters
    ----------
    smooth : added to both parts of the ratio, in elements
    squared : the denominator sums y² and p² instead of y and p

    >>> round(float(IoULoss().compute([1, 0, 1, 0], [0.9, 0.1, 0.8, 0.2])), 4)
    0.2609
    """

    name: ClassVar[str] = "iou"
    smooth: float = smooth_parameter(1e-6)
    squared: bool = parameter(default=False, kw_only=True, doc="sum squares in the denominator")

    @rule
    def value(tp, fp, fn, smooth):
        return _tversky(tp, fp, fn, 1.0, 1.0, smooth)

    @rule
    def slopes(tp, fp, fn, smooth):
        return _tversky_slopes(tp, fp, fn, 1.0, 1.0, smooth)

    about: ClassVar = About(
        formula=r"1 - \frac{\sum y p + s}{\sum y + \sum p - \sum y p + s}",
        tasks=_TASKS,
        traits={BOUNDED, SMOOTH},
        estimates=_ESTIMATES,
        strengths=("background that both agree on does not count", "the soft form of the usual metric"),
        weaknesses=("probabilities are not calibrated", "flat where prediction and truth do not meet"),
        uses=("segmentation judged by mean IoU",),
        references=("Jaccard (1912), New Phytologist 11", "Rahman & Wang (2016), ISVC"),
        aliases=("jaccard", "jaccard_loss", "soft_iou"),
        elsewhere=(
            'monai.losses.DiceLoss(jaccard=True): per="sample_class"; 1e-5 in both parts of the ratio',
        ),
    )


class TverskyLoss(OverlapLoss):
    r"""1 - Tversky index: alpha weighs what is predicted but not there, beta what is there but not predicted.

    With both 1/2 it is Dice (its ``smooth`` halved), with both 1 intersection over union. By default a
    missed element costs more than a false alarm.

    Parameters
    ----------
    alpha : weight of false positives
    beta : weight of false negatives
    smooth : added to both parts of the ratio, in elements

    >>> round(float(TverskyLoss(alpha=0.25, beta=0.75).compute([1, 0, 1, 0], [0.9, 0.1, 0.8, 0.2])), 4)
    0.15
    """

    alpha: float = parameter(default=0.3, at_least=0, doc="weight of false positives")
    beta: float = parameter(default=0.7, at_least=0, doc="weight of false negatives")
    smooth: float = smooth_parameter(1e-6)

    @rule
    def value(tp, fp, fn, alpha, beta, smooth):
        return _tversky(tp, fp, fn, alpha, beta, smooth)

    @rule
    def slopes(tp, fp, fn, alpha, beta, smooth):
        return _tversky_slopes(tp, fp, fn, alpha, beta, smooth)

    about: ClassVar = About(
        formula=r"1 - \frac{TP + s}{TP + \alpha FP + \beta FN + s}",
        tasks=_TASKS,
        traits={BOUNDED, SMOOTH},
        estimates=_ESTIMATES,
        strengths=("false alarms and misses can be priced apart",),
        weaknesses=("two weights to choose", "probabilities are not calibrated"),
        uses=("lesions, where a miss is worse than a false alarm",),
        references=("Tversky (1977), Psychological Review 84", "Salehi, Erdogmus & Gholipour (2017), MLMI"),
        elsewhere=(
            'monai.losses.TverskyLoss: the same alpha and beta; per="sample_class"; both 1/2 by default',
            "keras.losses.Tversky: alpha and beta the other way round, whatever its documentation says (3.12); "
            "both 1/2 by default",
            "optax.losses.dice_loss(alpha, beta): logits; a smooth of 1",
            'kornia.losses.TverskyLoss: logits and class indices; per="sample_class"',
        ),
    )


class FocalTverskyLoss(OverlapLoss):
    r"""(1 - Tversky index)^gamma: below 1, gamma spends more on regions that are almost right.

    Above 1 it spends more on regions that are mostly wrong. The paper writes the exponent as 1/gamma
    and takes 4/3, which is 0.75 here. For a perfect prediction the derivative is 0, the least of the
    subgradients there.

    Parameters
    ----------
    gamma : the loss is the Tversky loss to this power
    alpha, beta : weights of false positives and false negatives
    smooth : added to both parts of the ratio, in elements

    >>> round(float(FocalTverskyLoss(gamma=0.5, alpha=0.5, beta=0.5).compute([1, 0], [0.75, 0.25])), 4)
    0.5
    """

    gamma: float = parameter(default=0.75, above=0, doc="exponent of the Tversky loss")
    alpha: float = parameter(default=0.3, at_least=0, doc="weight of false positives")
    beta: float = parameter(default=0.7, at_least=0, doc="weight of false negatives")
    smooth: float = smooth_parameter(1e-6)

    @rule
    def value(tp, fp, fn, gamma, alpha, beta, smooth):
        return _focal(tp, fp, fn, gamma, alpha, beta, smooth)

    @rule
    def slopes(tp, fp, fn, gamma, alpha, beta, smooth):
        missed = _tversky(tp, fp, fn, alpha, beta, smooth)
        perfect = missed == 0.0
        value = _focal(tp, fp, fn, gamma, alpha, beta, smooth)
        factor = where(perfect, 0.0, gamma * value / where(perfect, 1.0, missed))
        of_tp, of_fp, of_fn = _tversky_slopes(tp, fp, fn, alpha, beta, smooth)
        return factor * of_tp, factor * of_fp, factor * of_fn

    about: ClassVar = About(
        formula=r"\left(1 - \frac{TP + s}{TP + \alpha FP + \beta FN + s}\right)^{\gamma}",
        tasks=_TASKS,
        traits={BOUNDED},
        estimates=_ESTIMATES,
        strengths=("regions that are hard to find keep their share of the gradient",),
        weaknesses=(
            "three parameters to choose",
            "below 1 the gradient grows without bound as a region becomes perfect",
        ),
        uses=("small lesions",),
        references=("Abraham & Khan (2019), ISBI",),
    )


class GeneralizedDiceLoss(OverlapLoss):
    r"""Dice over several classes at once, each weighed by its volume to the power of minus ``power``.

    One ratio of sums over all classes (and samples, or of each sample with ``per="sample"``), in which
    a small class counts as much as a large one: power 2 as in the paper, 1 for weights 1/volume, 0 for
    none. Weights are taken beside that of the smallest class, so that ``smooth`` is in its elements; a
    class without any target counts as the smallest does. The weights do not depend on the prediction.

    Parameters
    ----------
    smooth : added to both parts of the ratio, in elements of the smallest class
    power : what power of the volume a class's weight is the reciprocal of

    >>> y, p = [[[1, 1, 1], [0, 0, 1]]], [[[0.75, 0.75, 0.75], [0.0, 0.0, 1.0]]]
    >>> round(float(GeneralizedDiceLoss(smooth=0.0).compute(y, p)), 4)
    0.0323
    """

    smooth: float = smooth_parameter(1e-6)
    power: float = parameter(
        default=2.0, at_least=0, doc="power of the volume that a class's weight is the reciprocal of"
    )

    def check_parameters(self) -> None:
        if "class" in self.per:
            raise ValueError(f"per must be 'all' or 'sample', got {self.per!r}: a term sums over the classes")

    @property
    def volume_power(self) -> float:
        return self.power

    @rule
    def value(tp, fp, fn, smooth):
        return _tversky(tp, fp, fn, 0.5, 0.5, 0.5 * smooth)

    @rule
    def slopes(tp, fp, fn, smooth):
        return _tversky_slopes(tp, fp, fn, 0.5, 0.5, 0.5 * smooth)

    about: ClassVar = About(
        formula=r"1 - \frac{2\sum_c w_c \sum y p + s}{\sum_c w_c \sum (y + p) + s}, \quad w_c = (\sum y_c)^{-2}",
        tasks={"segmentation", "multiclass", "imbalance"},
        traits={BOUNDED, SMOOTH},
        estimates=_ESTIMATES,
        strengths=("classes of very different volume count alike",),
        weaknesses=("a few elements of a tiny class decide the gradient", "needs a class axis"),
        uses=("segmentation of several organs at once",),
        references=("Sudre et al. (2017), DLMIA", "Crum, Camara & Hill (2006), IEEE TMI 25"),
        elsewhere=(
            'monai.losses.GeneralizedDiceLoss(w_type="square"): per="sample"',
            "optax.losses.multiclass_generalized_dice_loss: a weighted mean of the classes' losses, not one ratio",
        ),
    )


class LovaszLoss(LovaszExtension):
    r"""The Lovasz extension of the Jaccard loss: convex in the errors, and equal to 1 - IoU for hard predictions.

    Errors |y - p| are taken in descending order, each times what it adds to the loss of the set of
    elements predicted wrongly so far. ``per="class"`` is the Lovasz-softmax of multi-class
    segmentation, a class that is absent included, at the cost of its largest probability;
    ``kind="hinge"`` takes scores, where an element errs by the positive part of 1 - (2y - 1) z. Targets are 0
    or 1, or class indices. Elements that err alike share what they add as equally as the set function
    allows: the derivative of least size.

    Parameters
    ----------
    kind : "probability", or "hinge" for scores
    smooth : added to both parts of the ratio, in elements

    >>> round(float(LovaszLoss().compute([1, 1, 0, 0], [0.75, 0.5, 0.25, 0.0])), 4)
    0.375
    """

    about: ClassVar = About(
        formula=r"\sum_k m_{\pi_k} \left(\Delta_J(\{\pi_1..\pi_k\}) - \Delta_J(\{\pi_1..\pi_{k-1}\})\right)",
        tasks=_TASKS,
        estimates=_ESTIMATES,
        strengths=("the tight convex surrogate of 1 - IoU in the errors", "no smoothing needed"),
        weaknesses=("sorts all elements", "piecewise linear in the errors: kinks wherever two are equal"),
        uses=("fine-tuning a segmentation network for mean IoU",),
        references=("Berman, Triki & Blaschko (2018), CVPR", "Yu & Blaschko (2015), ICML (hinge)"),
        aliases=("lovasz_softmax", "lovasz_hinge"),
        elsewhere=(
            'kornia.losses.LovaszSoftmaxLoss: logits; per="sample_class", activation="softmax"',
            'kornia.losses.LovaszHingeLoss: kind="hinge", per="sample"',
        ),
    )
