"""Losses of a label y in [0, 1] and a probability or its logit.

Each loss has two sets of rules, one a link. From logits no probability is ever formed: with
z = logit(p), -log p is softplus(-z) and -log(1-p) is softplus(z), exact in both tails.
"""

from typing import Any, ClassVar

from losskit.about import CONVEX, PROPER, SMOOTH, About
from losskit.domain import PROBABILITY
from losskit.parameters import Legal, as_number, as_numbers, parameter
from losskit.rules import FromDtype, ParameterValue, Rules, Term, rule, term_of
from losskit.scalar import log, log1p, maximum, power, scaled, sigmoid, softplus, where
from losskit.structures import ElementwiseLoss

_WEIGHT = Legal(at_least=0)


def _pair_of_weights(name: str) -> Any:
    def convert(value: Any) -> tuple[float, ...]:
        weights = as_numbers(name, value, _WEIGHT)
        if len(weights) != 2:
            raise ValueError(f"{name} must be two numbers, of class 0 and class 1; got {value!r}")
        return weights

    return convert


def _alpha(value: Any) -> float | tuple[float, ...]:
    if isinstance(value, (list, tuple)) or hasattr(value, "tolist"):
        return _pair_of_weights("alpha")(value)  # type: ignore[no-any-return]
    return as_number("alpha", value, _WEIGHT)


def _from_logits() -> Any:
    return parameter(default=False, doc="y_pred holds logits instead of probabilities")


def _floor(eps: float | None) -> ParameterValue:
    return FromDtype.SMALLEST_NORMAL if eps is None else eps


def _eps() -> Any:
    return parameter(
        default=None, optional=True, above=0, below=0.5,
        doc="floor of p and of 1 - p inside the logarithm; None: the dtype's smallest normal number",
    )  # fmt: skip


def _log_of_complement(p, floor):
    """log(1 - p) with 1 - p floored; log1p, as 1 - p would lose digits."""
    return maximum(log1p(-p), log(floor))


def _smoothed(y, smoothing):
    """The target moved towards 1/2; _smoothed(1 - y, s) is 1 - _smoothed(y, s) without rounding it twice."""
    return (1.0 - smoothing) * y + 0.5 * smoothing


class LogLossOfProbability(Rules):
    """w1 y (-log p) + w0 (1-y) (-log(1-p)), y smoothed."""

    argument: ClassVar = "pair"
    targets: ClassVar = PROBABILITY
    predictions: ClassVar = PROBABILITY
    saturates: ClassVar = True

    @rule(wide=True)
    def value(y, p, w0, w1, smoothing, floor):
        positive, negative = w1 * _smoothed(y, smoothing), w0 * _smoothed(1.0 - y, smoothing)
        return -positive * log(maximum(p, floor)) - negative * _log_of_complement(p, floor)

    @rule
    def slope(y, p, w0, w1, smoothing, floor):
        positive, negative = w1 * _smoothed(y, smoothing), w0 * _smoothed(1.0 - y, smoothing)
        return negative / maximum(1.0 - p, floor) - positive / maximum(p, floor)

    @rule(wide=True)
    def curvature(y, p, w0, w1, smoothing, floor):
        positive, negative = w1 * _smoothed(y, smoothing), w0 * _smoothed(1.0 - y, smoothing)
        a, b = maximum(1.0 - p, floor), maximum(p, floor)
        return negative / a / a + positive / b / b


class LogLossOfLogit(Rules):
    """y softplus(-z) + (1-y) softplus(z)."""

    argument: ClassVar = "pair"
    targets: ClassVar = PROBABILITY

    @rule
    def value(y, p):
        # softplus(z) is z + softplus(-z), so this is a sum of what is never negative. Not max(z,0) - y z +
        # log1p(e^-|z|): for soft y the first two cancel
        return softplus(-abs(p)) + scaled(where(p > 0.0, 1.0 - y, y), abs(p))

    @rule
    def slope(y, p):
        # not sigmoid(z) - y: at z = 20, y = 1 that is 0.0 in float32 where the truth is -2.06e-9
        return (1.0 - y) * sigmoid(p) - y * sigmoid(-p)

    @rule(wide=True)
    def curvature(y, p):
        return sigmoid(p) * sigmoid(-p)


class WeightedLogLossOfLogit(Rules):
    """w1 y softplus(-z) + w0 (1-y) softplus(z), y smoothed."""

    argument: ClassVar = "pair"
    targets: ClassVar = PROBABILITY

    @rule(wide=True)
    def value(y, p, w0, w1, smoothing):
        positive, negative = w1 * _smoothed(y, smoothing), w0 * _smoothed(1.0 - y, smoothing)
        return scaled(positive, softplus(-p)) + scaled(negative, softplus(p))

    @rule(wide=True)
    def slope(y, p, w0, w1, smoothing):
        return w0 * _smoothed(1.0 - y, smoothing) * sigmoid(p) - w1 * _smoothed(y, smoothing) * sigmoid(-p)

    @rule(wide=True)
    def curvature(y, p, w0, w1, smoothing):
        weight = w0 * _smoothed(1.0 - y, smoothing) + w1 * _smoothed(y, smoothing)
        return weight * (sigmoid(p) * sigmoid(-p))


def _log_loss(from_logits: bool, w0: float, w1: float, smoothing: float, eps: float | None) -> Term:
    if from_logits and (w0, w1, smoothing) == (1.0, 1.0, 0.0):
        return Term(1.0, LogLossOfLogit.rules)
    rules = WeightedLogLossOfLogit.rules if from_logits else LogLossOfProbability.rules
    return term_of(rules, {"w0": w0, "w1": w1, "smoothing": smoothing, "floor": _floor(eps)})


class BinaryCrossEntropy(ElementwiseLoss):
    r"""The log loss of a binary label: -y log p - (1-y) log(1-p), mean over all elements.

    ``pos_weight`` multiplies the term of y, as in torch; ``label_smoothing`` s moves y to
    (1-s) y + s/2, as in Keras. From logits the tails are exact: at a logit of 20 with y = 1 the value
    is 2.06e-9 and the derivative -2.06e-9, in float32 as well.

    >>> round(float(BinaryCrossEntropy().compute([1, 0, 1, 0], [0.9, 0.1, 0.8, 0.2])), 4)
    0.1643
    >>> print(f"{BinaryCrossEntropy(from_logits=True).derivative([1.0], [20.0])[0]:.7e}")
    -2.0611536e-09
    """

    from_logits: bool = _from_logits()
    label_smoothing: float = parameter(default=0.0, at_least=0, at_most=1, doc="share of y replaced by 1/2")
    pos_weight: float = parameter(default=1.0, at_least=0, doc="weight of the positive class")
    eps: float | None = _eps()

    def make_terms(self) -> tuple[Term, ...]:
        return (_log_loss(self.from_logits, 1.0, self.pos_weight, self.label_smoothing, self.eps),)

    def traits(self) -> frozenset[str]:
        plain = (
            self.label_smoothing == 0.0 and self.pos_weight == 1.0 and (self.eps is None or self.from_logits)
        )
        traits: frozenset[str] = self.about.traits
        return traits if plain else traits - {PROPER}

    about: ClassVar = About(
        formula=r"-y\log p - (1-y)\log(1-p)",
        tasks={"binary", "multilabel"},
        traits={CONVEX, SMOOTH, PROPER},
        estimates="the probability of class 1",
        strengths=(
            "calibrated probabilities: it is least at the true ones",
            "strong gradient when confidently wrong",
        ),
        weaknesses=("one mislabelled point can cost without bound", "a rare class contributes little"),
        uses=("binary and multi-label classification",),
        references=("Good (1952), JRSS B 14", "Bishop (2006), Pattern Recognition and Machine Learning, 4.3"),
        aliases=("bce", "log_loss"),
        elsewhere=(
            "torch.nn.BCELoss: the same, but the logarithm stops at -100 and the slope at 1e12",
            "torch.nn.BCEWithLogitsLoss: from logits; in float32 its slope is 0 from a logit of 17 on",
            "keras.losses.BinaryCrossentropy: the same; probabilities are clipped to [1e-7, 1 - 1e-7], where "
            "the slope is 0",
            "optax.sigmoid_binary_cross_entropy: from logits, unreduced",
            "sklearn.metrics.log_loss: the value alone",
        ),
    )


class WeightedCrossEntropy(ElementwiseLoss):
    r"""Binary cross-entropy with a weight for each class.

    A mean divides by the number of elements, not by their class weights.

    >>> loss = WeightedCrossEntropy(class_weights=[1.0, 5.0])
    >>> round(float(loss.compute([1, 0], [0.9, 0.1])), 4)
    0.3161
    """

    class_weights: tuple[float, float] = parameter(
        doc="weights of class 0 and class 1, each at least 0", convert=_pair_of_weights("class_weights")
    )
    from_logits: bool = _from_logits()
    eps: float | None = _eps()

    def make_terms(self) -> tuple[Term, ...]:
        return (_log_loss(self.from_logits, *self.class_weights, 0.0, self.eps),)

    about: ClassVar = About(
        formula=r"-w_1 y\log p - w_0 (1-y)\log(1-p)",
        tasks={"binary", "imbalance"},
        traits={CONVEX, SMOOTH},
        estimates="the probability of class 1 with its odds multiplied by w1/w0",
        strengths=("a rare class can be made to count",),
        weaknesses=("the probabilities are no longer calibrated", "the weights have to be chosen"),
        uses=("imbalanced classes", "costs that differ by class"),
        references=("King & Zeng (2001), Political Analysis 9",),
        aliases=("weighted_bce",),
        elsewhere=(
            "torch.nn.BCEWithLogitsLoss(pos_weight=w1 / w0): from logits, this divided by w0",
            "tf.nn.weighted_cross_entropy_with_logits(pos_weight=w1 / w0): from logits, this divided by w0",
        ),
    )


def _focus(q, nll, gamma):
    """q^gamma nll, where q = 1 - p is the probability missed and nll = -log p."""
    return power(q, gamma) * nll


def _ratio(q, nll):
    """-log(1 - q) / q, which is 1 at q = 0."""
    return where(q == 0.0, 1.0, nll / q)


class FocalOfProbability(Rules):
    """a1 y (1-p)^gamma (-log p) + a0 (1-y) p^gamma (-log(1-p)).

    With q = 1-p and L = -log(p)/q the slope of the first part is -q^gamma (gamma L + 1/p): terms of
    one sign, finite at q = 0 also for gamma < 1, where gamma q^(gamma-1) log p is inf times 0.
    """

    argument: ClassVar = "pair"
    targets: ClassVar = PROBABILITY
    predictions: ClassVar = PROBABILITY
    saturates: ClassVar = True

    @rule(wide=True)
    def value(y, p, a0, a1, gamma, floor):
        positive = _power_of_complement(p, gamma) * -log(maximum(p, floor))
        negative = _focus(p, -_log_of_complement(p, floor), gamma)
        return a1 * y * positive + a0 * (1.0 - y) * negative

    @rule(wide=True)
    def slope(y, p, a0, a1, gamma, floor):
        q = 1.0 - p
        missed = gamma * _ratio(q, -log(maximum(p, floor))) + 1.0 / maximum(p, floor)
        positive = _power_of_complement(p, gamma) * missed
        negative = power(p, gamma) * (
            gamma * _ratio(p, -_log_of_complement(p, floor)) + 1.0 / maximum(q, floor)
        )
        return a0 * (1.0 - y) * negative - a1 * y * positive

    @rule(wide=True)
    def curvature(y, p, a0, a1, gamma, floor):
        q, one, zero = 1.0 - p, maximum(p, floor), maximum(1.0 - p, floor)
        grown, grown_less = _power_of_complement(p, gamma), _power_of_complement(p, gamma - 1.0)
        positive = _focal_curvature(a1 * y, gamma, grown, grown_less, -log(one), q, one)
        nll = -_log_of_complement(p, floor)
        negative = _focal_curvature(
            a0 * (1.0 - y), gamma, power(p, gamma), power(p, gamma - 1.0), nll, p, zero
        )
        return positive + negative


def _power_of_complement(p, gamma):
    """(1 - p)^gamma: what rounding takes from 1 - p would count gamma times."""
    q = 1.0 - p
    return power(q, gamma) * (1.0 + gamma * where(q > 0.0, ((1.0 - q) - p) / q, 0.0))


def _focal_curvature(weight, gamma, grown, grown_less, nll, q, p):
    """weight times the second derivative of q^gamma (-log p), from q^gamma and q^(gamma-1).

    The weight comes first, because 1/p² may overflow on its own.
    """
    inner = scaled(weight * gamma, grown_less) * ((gamma - 1.0) * _ratio(q, nll) + 2.0 / p)
    return inner + scaled(weight, grown) / p / p


class FocalOfLogit(Rules):
    """The same of z = logit(p): p = sigmoid(z), q = sigmoid(-z), -log p = softplus(-z)."""

    argument: ClassVar = "pair"
    targets: ClassVar = PROBABILITY

    @rule(wide=True)
    def value(y, p, a0, a1, gamma):
        return _logit_value(y, p, a0, a1, power(sigmoid(p), gamma), power(sigmoid(-p), gamma))

    @rule(wide=True)
    def slope(y, p, a0, a1, gamma):
        return _logit_slope(y, p, a0, a1, gamma, power(sigmoid(p), gamma), power(sigmoid(-p), gamma))

    @rule(wide=True)
    def curvature(y, p, a0, a1, gamma):
        return _logit_curvature(y, p, a0, a1, gamma, power(sigmoid(p), gamma), power(sigmoid(-p), gamma))


class SquareFocalOfLogit(Rules):
    """The same with gamma = 2, the usual one, where a square is a third of the work of a power."""

    argument: ClassVar = "pair"
    targets: ClassVar = PROBABILITY

    @rule(wide=True)
    def value(y, p, a0, a1):
        return _logit_value(y, p, a0, a1, _square(sigmoid(p)), _square(sigmoid(-p)))

    @rule(wide=True)
    def slope(y, p, a0, a1):
        return _logit_slope(y, p, a0, a1, 2.0, _square(sigmoid(p)), _square(sigmoid(-p)))

    @rule(wide=True)
    def curvature(y, p, a0, a1):
        return _logit_curvature(y, p, a0, a1, 2.0, _square(sigmoid(p)), _square(sigmoid(-p)))


def _square(x):
    return x * x


def _logit_value(y, p, a0, a1, grown_one, grown_zero):
    """Focal loss from p^gamma and (1-p)^gamma."""
    return scaled(a1 * y, grown_zero * softplus(-p)) + scaled(a0 * (1.0 - y), grown_one * softplus(p))


def _logit_slope(y, p, a0, a1, gamma, grown_one, grown_zero):
    one, zero = sigmoid(p), sigmoid(-p)
    positive = grown_zero * (gamma * scaled(one, softplus(-p)) + zero)
    negative = grown_one * (gamma * scaled(zero, softplus(p)) + one)
    return a0 * (1.0 - y) * negative - a1 * y * positive


def _logit_curvature(y, p, a0, a1, gamma, grown_one, grown_zero):
    one, zero = sigmoid(p), sigmoid(-p)
    positive = grown_zero * _bend(one, zero, scaled(one, softplus(-p)), gamma)
    negative = grown_one * _bend(zero, one, scaled(zero, softplus(p)), gamma)
    return a1 * y * positive + a0 * (1.0 - y) * negative


def _bend(p, q, pnll, gamma):
    """The second derivative of q^gamma (-log p) in the logit, over q^gamma; ``pnll`` is -p log p."""
    return gamma * pnll * (gamma * p - q) + (2.0 * gamma + 1.0) * (p * q)


class FocalLoss(ElementwiseLoss):
    r"""Binary cross-entropy with easy examples faded out: -alpha_t (1-p_t)^gamma log p_t, mean over all elements.

    ``alpha`` is one number for both classes or a pair (of class 0, of class 1). torchvision's alpha
    of 0.25 is the pair (0.75, 0.25). A soft label y mixes the two classes' losses. gamma = 0 is
    binary cross-entropy.

    >>> round(float(FocalLoss(alpha=1.0, gamma=2.0).compute([1, 0], [0.9, 0.3])), 6)
    0.016577
    """

    alpha: float | tuple[float, float] = parameter(
        default=1.0, convert=_alpha, doc="weight of both classes, or of class 0 and class 1; at least 0"
    )
    gamma: float = parameter(default=2.0, at_least=0, doc="how fast easy examples fade; 0 is cross-entropy")
    from_logits: bool = _from_logits()
    eps: float | None = _eps()

    def make_terms(self) -> tuple[Term, ...]:
        a0, a1 = self.alpha if isinstance(self.alpha, tuple) else (self.alpha, self.alpha)
        values = {"a0": a0, "a1": a1, "gamma": self.gamma, "floor": _floor(self.eps)}
        if not self.from_logits:
            return (term_of(FocalOfProbability.rules, values),)
        return (term_of(SquareFocalOfLogit.rules if self.gamma == 2.0 else FocalOfLogit.rules, values),)

    about: ClassVar = About(
        formula=r"-\alpha_t\,(1-p_t)^\gamma\log p_t",
        tasks={"binary", "imbalance", "detection", "segmentation"},
        traits={SMOOTH},
        estimates="no calibrated probability for gamma > 0",
        strengths=("the many easy negatives stop drowning the few hard positives",),
        weaknesses=(
            "probabilities are pulled towards 1/2",
            "wrong labels are hard examples and keep their weight",
        ),
        uses=("dense object detection", "strong class imbalance"),
        references=("Lin et al. (2017), Focal Loss for Dense Object Detection, ICCV",),
        elsewhere=(
            "torchvision.ops.sigmoid_focal_loss(alpha=a): from logits, this with alpha=(1 - a, a)",
            "keras.losses.BinaryFocalCrossentropy(alpha=a, apply_class_balancing=True): this with alpha=(1 - a, a)",
            "optax.sigmoid_focal_loss(alpha=a): from logits, this with alpha=(1 - a, a); differs for soft labels",
            "monai.losses.FocalLoss: from logits, (n, classes, *space)",
            "kornia.losses.BinaryFocalLossWithLogits: from logits",
        ),
    )
