"""The losses of optax, under its names and with its signatures: predictions first, unreduced.

>>> import jax.numpy as jnp
>>> import losskit.jax as losses
>>> print(f"{losses.softmax_cross_entropy_with_integer_labels(jnp.array([20.0, 0.0]), jnp.array(0)):.7e}")
2.0611537e-09

Every function can be jitted, vmapped and differentiated twice, and its first two derivatives are
exact. Labels may be broadcast to the predictions' shape, but never the other way round. They are not
checked, as in optax, but for class indices: one out of range is an error, or NaN under a transform.
Half-precision input is computed in float32 and so are the answers; gradients have the input's dtype.

The losses themselves, as classes with weights, masks and reductions, take JAX arrays as well:
``losskit.HuberLoss()(y_true, y_pred)``.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from losskit.engines.jax.derivatives import Numbers, elementwise
from losskit.engines.jax.inputs import working_dtype
from losskit.engines.jax.words import largest
from losskit.jax.features import perceptual_loss, style_loss
from losskit.jax.lattice import ctc_loss as ctc_loss
from losskit.jax.lists import ranking_softmax_loss as ranking_softmax_loss
from losskit.jax.pairs import cosine_distance as cosine_distance
from losskit.jax.pairs import cosine_similarity as cosine_similarity
from losskit.jax.pairs import triplet_margin_loss as triplet_margin_loss
from losskit.jax.penalties import gradient_penalty, r1_penalty
from losskit.jax.rules import Focal, Generalized, OfLogTargets
from losskit.jax.shapes import Array, ArrayLike, Axis, integers, kept, number_of, rows_of
from losskit.loss import LossFunction
from losskit.losses.binary import BinaryCrossEntropy
from losskit.losses.divergence import KLDivergence
from losskit.losses.margin import HingeLoss, ModifiedHuberLoss, PerceptronLoss
from losskit.losses.residual import HuberLoss, LogCoshLoss, MeanSquaredError
from losskit.losses.softmax import CategoricalCrossEntropy, SparseCategoricalCrossEntropy
from losskit.losses.softmax_kin import PolyLoss
from losskit.rules import RuleSet, Term

OPTAX = (
    "convex_kl_divergence", "cosine_distance", "cosine_similarity", "ctc_loss", "generalized_kl_divergence",
    "hinge_loss", "huber_loss", "kl_divergence", "kl_divergence_with_log_targets", "l2_loss", "log_cosh",
    "perceptron_loss", "poly_loss_cross_entropy", "ranking_softmax_loss", "safe_softmax_cross_entropy",
    "sigmoid_binary_cross_entropy", "sigmoid_focal_loss", "smooth_labels", "softmax_cross_entropy",
    "softmax_cross_entropy_with_integer_labels", "sparsemax_loss", "squared_error", "triplet_margin_loss",
)  # fmt: skip
"""The functions with optax's names, signatures and meaning."""

__all__ = (*OPTAX, "gradient_penalty", "perceptual_loss", "r1_penalty", "style_loss")  # pyright: ignore

_UNREDUCED: dict[str, Any] = {"reduction": "none", "validate": False}
_SQUARED = MeanSquaredError(**_UNREDUCED)
_HALF_SQUARED = 0.5 * _SQUARED
_HUBER = HuberLoss(**_UNREDUCED)
_LOG_COSH = LogCoshLoss(**_UNREDUCED)
_HINGE = HingeLoss(**_UNREDUCED)
_PERCEPTRON = PerceptronLoss(**_UNREDUCED)
_SPARSEMAX = 0.25 * ModifiedHuberLoss(**_UNREDUCED)
_BINARY = BinaryCrossEntropy(from_logits=True, **_UNREDUCED)
_SOFTMAX = CategoricalCrossEntropy(from_logits=True, **_UNREDUCED)
_POLY = PolyLoss(from_logits=True, **_UNREDUCED)
_SPARSE = SparseCategoricalCrossEntropy(from_logits=True, **_UNREDUCED)
_KL = KLDivergence(log_input=True, **_UNREDUCED)


def _each(loss: LossFunction, predictions: ArrayLike, targets: ArrayLike | None) -> Array:
    """A loss of each element; targets are broadcast to the predictions, and are 0 where there are none."""
    p = jnp.asarray(predictions)
    y = jnp.zeros_like(p) if targets is None else jnp.broadcast_to(jnp.asarray(targets), p.shape)
    return _asked(loss, y, p, names=("targets", "predictions"))


def _asked(
    loss: LossFunction,
    y: Array,
    p: Array,
    mask: Array | None = None,
    names: tuple[str, str] = ("labels", "logits"),
) -> Array:
    """What a loss answers; its errors name the arguments as they are called here."""
    try:
        answer: Array = loss(y, p, mask=mask)
    except (IndexError, TypeError, ValueError) as error:
        message = str(error).replace("y_true", names[0]).replace("y_pred", names[1])
        raise type(error)(message) from None
    return answer


def _by_rules(
    rules: RuleSet, parameters: tuple[float, ...], predictions: ArrayLike, targets: ArrayLike
) -> Array:
    """A loss of each element, by rules."""
    p = jnp.asarray(predictions)
    y = jnp.broadcast_to(jnp.asarray(targets), p.shape)
    if not jnp.issubdtype(p.dtype, jnp.floating):
        raise TypeError(f"predictions must be floating, got {p.dtype}; pass predictions.astype(float)")
    y = y if jnp.issubdtype(y.dtype, jnp.floating) else y.astype(p.dtype)
    loss: Array = _compiled(Term(1.0, rules, parameters), y, p)
    return loss


@partial(jax.jit, static_argnums=0)
def _compiled(term: Term, y: Array, p: Array) -> Array:
    dtype = working_dtype(y, p)
    return elementwise((term,), Numbers(dtype, largest(dtype)), y.astype(dtype), p.astype(dtype))


def _known(name: str, value: ArrayLike) -> float:
    number = number_of(value)
    if number is None:
        raise TypeError(
            f"{name} must be a number that is known when tracing, got an array; bind it with functools.partial"
        )
    return number


def _of_rows(
    loss: LossFunction, logits: ArrayLike, labels: ArrayLike, axis: Axis, where: ArrayLike | None
) -> Array:
    """A loss of rows of logits and their distributions."""
    z, y, axes = rows_of(logits, labels, axis)
    keep, rows = kept(where, jnp.shape(logits), axes)
    if keep is not None:
        z, y = jnp.where(keep, z, -jnp.inf), jnp.where(keep, y, 0)
    return _asked(loss, y, z, rows)


def _summed(
    rules: RuleSet, predictions: ArrayLike, targets: ArrayLike, axis: Axis, where: ArrayLike | None
) -> Array:
    p, y, axes = rows_of(predictions, targets, axis)
    keep, rows = kept(where, jnp.shape(predictions), axes)
    keep = rows[..., None] if keep is None and rows is not None else keep
    if keep is not None:
        p, y = jnp.where(keep, p, 0), jnp.where(keep, y, 0)
    terms = _by_rules(rules, (), p, y)
    return (terms if keep is None else jnp.where(keep, terms, 0.0)).sum(-1)


# ---- regression -----------------------------------------------------------------------------------------------------


def squared_error(predictions: ArrayLike, targets: ArrayLike | None = None) -> Array:
    """(predictions - targets)², not halved."""
    return _each(_SQUARED, predictions, targets)


def l2_loss(predictions: ArrayLike, targets: ArrayLike | None = None) -> Array:
    """Half the squared error."""
    return _each(_HALF_SQUARED, predictions, targets)


def huber_loss(predictions: ArrayLike, targets: ArrayLike | None = None, *, delta: ArrayLike = 1.0) -> Array:
    """r²/2 where |r| <= delta, else delta(|r| - delta/2); ``delta`` may be an array, and traced.

    The second derivative at |r| = delta is 1, where optax's is 1/4.
    """
    number = number_of(delta)
    if number is not None:
        return _each(_HUBER.replace(delta=number), predictions, targets)
    p, d = jnp.asarray(predictions), jnp.asarray(delta)
    y = jnp.zeros_like(p) if targets is None else jnp.broadcast_to(jnp.asarray(targets), p.shape)
    return d * d * _each(_HUBER, (p - y) / d, None)


def log_cosh(predictions: ArrayLike, targets: ArrayLike | None = None) -> Array:
    """log cosh r, with all its digits near 0: 5e-9 at 1e-4, where optax's is 0 in float32."""
    return _each(_LOG_COSH, predictions, targets)


# ---- binary classification ------------------------------------------------------------------------------------------


def sigmoid_binary_cross_entropy(logits: ArrayLike, labels: ArrayLike) -> Array:
    """-y log p - (1-y) log(1-p) of p = sigmoid(logits)."""
    return _each(_BINARY, logits, labels)


def sigmoid_focal_loss(
    logits: ArrayLike, labels: ArrayLike, *, alpha: ArrayLike | None = None, gamma: ArrayLike = 2.0
) -> Array:
    """Binary cross-entropy times (1 - p_t)^gamma, p_t = y p + (1-y) (1-p), for soft labels as well.

    ``alpha`` weighs class 1 and 1 - alpha class 0; it may be an array. ``gamma`` is a number.
    ``losskit.FocalLoss`` differs for soft labels: it mixes the two classes' losses.
    """
    loss = _by_rules(Focal.rules, (_known("gamma", gamma),), logits, labels)
    if alpha is None:
        return loss
    y, a = jnp.asarray(labels).astype(loss.dtype), jnp.asarray(alpha).astype(loss.dtype)
    return (a * y + (1.0 - a) * (1.0 - y)) * loss


def hinge_loss(predictor_outputs: ArrayLike, targets: ArrayLike) -> Array:
    """max(0, 1 - m) of the margin m = predictor_outputs * targets, with targets -1 and +1.

    The derivative at m = 1 is 0, where optax's is half of what it is below.
    """
    return _each(_HINGE, predictor_outputs, targets)


def perceptron_loss(predictor_outputs: ArrayLike, targets: ArrayLike) -> Array:
    """max(0, -m) of the margin m = predictor_outputs * targets, with targets -1 and +1.

    The derivative at m = 0 is 0, where optax's is half of what it is below.
    """
    return _each(_PERCEPTRON, predictor_outputs, targets)


def sparsemax_loss(logits: ArrayLike, labels: ArrayLike) -> Array:
    """The binary sparsemax loss, with labels 0 and 1: a quarter of the modified Huber loss."""
    return _each(_SPARSEMAX, logits, jnp.where(jnp.asarray(labels) != 0, 1, -1))


# ---- classes --------------------------------------------------------------------------------------------------------


def softmax_cross_entropy(
    logits: ArrayLike, labels: ArrayLike, axis: Axis = -1, where: ArrayLike | None = None
) -> Array:
    """-Σ y log softmax(logits) over ``axis``; labels are one-hot or distributions.

    ``where`` has the shape of the logits, and classes that it excludes have no probability; or that
    of the rows. A row of which nothing is left is 0. A logit of -inf is fine where the label is 0.
    """
    return _of_rows(_SOFTMAX, logits, labels, axis, where)


safe_softmax_cross_entropy = softmax_cross_entropy


def poly_loss_cross_entropy(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    epsilon: ArrayLike = 2.0,
    axis: Axis = -1,
    where: ArrayLike | None = None,
) -> Array:
    """``softmax_cross_entropy`` plus epsilon Σ y (1 - softmax(logits)); ``epsilon`` is a number of at least -1."""
    return _of_rows(_POLY.replace(epsilon=_known("epsilon", epsilon)), logits, labels, axis, where)


def softmax_cross_entropy_with_integer_labels(
    logits: ArrayLike, labels: ArrayLike, axis: int | tuple[int, ...] = -1, where: ArrayLike | None = None
) -> Array:
    """The log-sum-exp of the logits less the label's logit, exact where they are almost equal.

    ``where`` as in ``softmax_cross_entropy``. A label outside 0..classes-1 is an IndexError, or NaN
    under a transform; optax takes -1 for the last class.
    """
    z, _, axes = rows_of(logits, None, axis)
    keep, rows = kept(where, jnp.shape(logits), axes)
    if keep is not None:
        z = jnp.where(keep, z, -jnp.inf)
    return _asked(_SPARSE, integers(labels), z, rows)


def smooth_labels(
    labels: ArrayLike, alpha: ArrayLike, *, axis: Axis = -1, where: ArrayLike | None = None
) -> Array:
    """(1 - alpha) labels + alpha / classes, the classes being those that ``where`` includes."""
    y = jnp.asarray(labels)
    if not jnp.issubdtype(y.dtype, jnp.floating):
        raise TypeError(
            f"labels must be floating, one-hot or a distribution, got {y.dtype}; pass labels.astype(float)"
        )
    classes = jnp.size(y, axis) if where is None else jnp.sum(jnp.asarray(where), axis, keepdims=True)
    return jnp.asarray((1.0 - alpha) * y + alpha / classes)


# ---- divergences ----------------------------------------------------------------------------------------------------


def kl_divergence(
    log_predictions: ArrayLike, targets: ArrayLike, axis: Axis = -1, where: ArrayLike | None = None
) -> Array:
    """Σ y (log y - log_predictions) over ``axis``, where 0 log 0 = 0: also beside a log-prediction of -inf."""
    p, y, axes = rows_of(log_predictions, targets, axis)
    keep, rows = kept(where, jnp.shape(log_predictions), axes)
    if keep is not None:
        p, y = jnp.where(keep, p, 0), jnp.where(keep, y, 0)
    return _asked(_KL, y, p, rows, ("targets", "log_predictions"))


def kl_divergence_with_log_targets(
    log_predictions: ArrayLike, log_targets: ArrayLike, axis: Axis = -1, where: ArrayLike | None = None
) -> Array:
    """Σ e^t (t - log_predictions) over ``axis``, with t the logarithm of the target; -inf is a target of 0."""
    return _summed(OfLogTargets.rules, log_predictions, log_targets, axis, where)


def generalized_kl_divergence(
    log_predictions: ArrayLike, targets: ArrayLike, axis: Axis = -1, where: ArrayLike | None = None
) -> Array:
    """``kl_divergence`` plus Σ (e^log_predictions - targets): at least 0 for whatever need not sum to 1."""
    return _summed(Generalized.rules, log_predictions, targets, axis, where)


convex_kl_divergence = generalized_kl_divergence
