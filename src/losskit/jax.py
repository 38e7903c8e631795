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

import operator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from losskit.engines.jax.derivatives import Numbers, elementwise
from losskit.engines.jax.inputs import working_dtype
from losskit.engines.jax.words import largest
from losskit.loss import LossFunction
from losskit.losses.binary import BinaryCrossEntropy
from losskit.losses.divergence import KLDivergence
from losskit.losses.margin import HingeLoss
from losskit.losses.residual import HuberLoss, LogCoshLoss, MeanSquaredError
from losskit.losses.softmax import CategoricalCrossEntropy, SparseCategoricalCrossEntropy
from losskit.rules import Rules, RuleSet, Term, rule
from losskit.scalar import Scalar, exp, expm1, log, power, scaled, sigmoid, softplus
from losskit.scalar import where as select

__all__ = (
    "convex_kl_divergence", "generalized_kl_divergence", "hinge_loss", "huber_loss", "kl_divergence",
    "kl_divergence_with_log_targets", "l2_loss", "log_cosh", "safe_softmax_cross_entropy",
    "sigmoid_binary_cross_entropy", "sigmoid_focal_loss", "smooth_labels", "softmax_cross_entropy",
    "softmax_cross_entropy_with_integer_labels", "squared_error",
)  # fmt: skip

Array = jax.Array
ArrayLike = Any
Axis = int | tuple[int, ...] | None

_UNREDUCED: dict[str, Any] = {"reduction": "none", "validate": False}
_SQUARED = MeanSquaredError(**_UNREDUCED)
_HALF_SQUARED = 0.5 * _SQUARED
_HUBER = HuberLoss(**_UNREDUCED)
_LOG_COSH = LogCoshLoss(**_UNREDUCED)
_HINGE = HingeLoss(**_UNREDUCED)
_BINARY = BinaryCrossEntropy(from_logits=True, **_UNREDUCED)
_SOFTMAX = CategoricalCrossEntropy(from_logits=True, **_UNREDUCED)
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
    number = _number(delta)
    if number is not None:
        return _each(_HUBER.replace(delta=number), predictions, targets)
    p, d = jnp.asarray(predictions), jnp.asarray(delta)
    y = jnp.zeros_like(p) if targets is None else jnp.asarray(targets)
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
    number = _number(gamma)
    if number is None:
        raise TypeError(
            "gamma must be a number that is known when tracing, got an array; bind it with functools.partial"
        )
    loss = _by_rules(_Focal.rules, (number,), logits, labels)
    if alpha is None:
        return loss
    y, a = jnp.asarray(labels).astype(loss.dtype), jnp.asarray(alpha).astype(loss.dtype)
    return (a * y + (1.0 - a) * (1.0 - y)) * loss


def hinge_loss(predictor_outputs: ArrayLike, targets: ArrayLike) -> Array:
    """max(0, 1 - m) of the margin m = predictor_outputs * targets, with targets -1 and +1.

    The derivative at m = 1 is 0, where optax's is half of what it is below.
    """
    return _each(_HINGE, predictor_outputs, targets)


# ---- classes --------------------------------------------------------------------------------------------------------


def softmax_cross_entropy(
    logits: ArrayLike, labels: ArrayLike, axis: Axis = -1, where: ArrayLike | None = None
) -> Array:
    """-Σ y log softmax(logits) over ``axis``; labels are one-hot or distributions.

    ``where`` has the shape of the logits, and classes that it excludes have no probability; or that
    of the rows. A row of which nothing is left is 0. A logit of -inf is fine where the label is 0.
    """
    z, y, axes = _rows(logits, labels, axis)
    keep, rows = _kept(where, jnp.shape(logits), axes)
    if keep is not None:
        z, y = jnp.where(keep, z, -jnp.inf), jnp.where(keep, y, 0)
    return _asked(_SOFTMAX, y, z, rows)


safe_softmax_cross_entropy = softmax_cross_entropy


def softmax_cross_entropy_with_integer_labels(
    logits: ArrayLike, labels: ArrayLike, axis: int | tuple[int, ...] = -1, where: ArrayLike | None = None
) -> Array:
    """The log-sum-exp of the logits less the label's logit, exact where they are almost equal.

    ``where`` as in ``softmax_cross_entropy``. A label outside 0..classes-1 is an IndexError, or NaN
    under a transform; optax takes -1 for the last class.
    """
    z, _, axes = _rows(logits, None, axis)
    keep, rows = _kept(where, jnp.shape(logits), axes)
    if keep is not None:
        z = jnp.where(keep, z, -jnp.inf)
    return _asked(_SPARSE, _integers(labels), z, rows)


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
    p, y, axes = _rows(log_predictions, targets, axis)
    keep, rows = _kept(where, jnp.shape(log_predictions), axes)
    if keep is not None:
        p, y = jnp.where(keep, p, 0), jnp.where(keep, y, 0)
    return _asked(_KL, y, p, rows, ("targets", "log_predictions"))


def kl_divergence_with_log_targets(
    log_predictions: ArrayLike, log_targets: ArrayLike, axis: Axis = -1, where: ArrayLike | None = None
) -> Array:
    """Σ e^t (t - log_predictions) over ``axis``, with t the logarithm of the target; -inf is a target of 0."""
    return _summed(_OfLogTargets.rules, log_predictions, log_targets, axis, where)


def generalized_kl_divergence(
    log_predictions: ArrayLike, targets: ArrayLike, axis: Axis = -1, where: ArrayLike | None = None
) -> Array:
    """``kl_divergence`` plus Σ (e^log_predictions - targets): at least 0 for whatever need not sum to 1."""
    return _summed(_Generalized.rules, log_predictions, targets, axis, where)


convex_kl_divergence = generalized_kl_divergence


# ---- rules that no class of losskit has -----------------------------------------------------------------------------


class _Focal(Rules):
    """q^gamma times the cross-entropy c of soft labels, q = y (1-p) + (1-y) p the probability missed.

    With a = q'/q and b = q''/q, which are bounded, the slope is q^gamma (gamma a c + c').
    """

    argument = "pair"

    @rule
    def value(y: Scalar, p: Scalar, gamma: Scalar) -> Scalar:
        return power(_missed(y, p), gamma) * _entropy(y, p)

    @rule
    def slope(y: Scalar, p: Scalar, gamma: Scalar) -> Scalar:
        return power(_missed(y, p), gamma) * (
            gamma * scaled(_bend(y, p), _entropy(y, p)) + _entropy_slope(y, p)
        )

    @rule
    def curvature(y: Scalar, p: Scalar, gamma: Scalar) -> Scalar:
        a, one, zero = _bend(y, p), sigmoid(p), sigmoid(-p)
        of_entropy = gamma * scaled(a * ((gamma - 1.0) * a + (zero - one)), _entropy(y, p))
        return power(_missed(y, p), gamma) * (
            of_entropy + 2.0 * gamma * (a * _entropy_slope(y, p)) + one * zero
        )


def _missed(y: Scalar, p: Scalar) -> Scalar:
    return y * sigmoid(-p) + (1.0 - y) * sigmoid(p)


def _bend(y: Scalar, p: Scalar) -> Scalar:
    """The slope of ``_missed`` over itself; 0/0 where it is sure and right."""
    missed = _missed(y, p)
    return (1.0 - 2.0 * y) * select(missed == 0.0, 1.0, sigmoid(p) * sigmoid(-p) / missed)


def _entropy(y: Scalar, p: Scalar) -> Scalar:
    return scaled(y, softplus(-p)) + scaled(1.0 - y, softplus(p))


def _entropy_slope(y: Scalar, p: Scalar) -> Scalar:
    return (1.0 - y) * sigmoid(p) - y * sigmoid(-p)


class _OfLogTargets(Rules):
    """e^y (y - p): both are logarithms."""

    argument = "pair"

    @rule
    def value(y: Scalar, p: Scalar) -> Scalar:
        return scaled(exp(y), y - p)

    @rule
    def slope(y: Scalar, p: Scalar) -> Scalar:
        return select(p == p, -exp(y), p)  # NaN in, NaN out

    @rule
    def curvature(y: Scalar, p: Scalar) -> Scalar:
        return select(p == p, 0.0, p)


class _Generalized(Rules):
    """y (log y - p) + e^p - y, which is y (e^d - 1 - d) of d = p - log y: without cancellation near 0."""

    argument = "pair"

    @rule
    def value(y: Scalar, p: Scalar) -> Scalar:
        d = p - log(y)
        series = d * d * (0.5 + d * (1.0 / 6.0 + d * (1.0 / 24.0 + d * (1.0 / 120.0 + d * (1.0 / 720.0)))))
        return select(y == 0.0, exp(p), y * select(abs(d) < 0.0625, series, expm1(d) - d))

    @rule
    def slope(y: Scalar, p: Scalar) -> Scalar:
        return select(y == 0.0, exp(p), y * expm1(p - log(y)))

    @rule
    def curvature(y: Scalar, p: Scalar) -> Scalar:
        return exp(p)


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


def _summed(
    rules: RuleSet, predictions: ArrayLike, targets: ArrayLike, axis: Axis, where: ArrayLike | None
) -> Array:
    p, y, axes = _rows(predictions, targets, axis)
    keep, rows = _kept(where, jnp.shape(predictions), axes)
    keep = rows[..., None] if keep is None and rows is not None else keep
    if keep is not None:
        p, y = jnp.where(keep, p, 0), jnp.where(keep, y, 0)
    terms = _by_rules(rules, (), p, y)
    return (terms if keep is None else jnp.where(keep, terms, 0.0)).sum(-1)


# ---- shapes ---------------------------------------------------------------------------------------------------------


def _number(x: ArrayLike) -> float | None:
    """A number whose value is known; None for other arrays."""
    return float(x) if jnp.ndim(x) == 0 and not isinstance(x, jax.core.Tracer) else None


def _integers(labels: ArrayLike) -> Array:
    y = jnp.asarray(labels)
    if not jnp.issubdtype(y.dtype, jnp.integer):
        raise TypeError(f"labels must be integers, got {y.dtype}; distributions go to softmax_cross_entropy")
    return y


def _rows(x: ArrayLike, y: ArrayLike | None, axis: Axis) -> tuple[Array, Array, tuple[int, ...]]:
    """Predictions and labels with ``axis``, which may be several axes or all, as the last one."""
    p = jnp.asarray(x)
    axes = _axes(axis, p.ndim)
    y = p if y is None else jnp.broadcast_to(jnp.asarray(y), p.shape)
    return _last(p, axes), _last(y, axes), axes


def _axes(axis: Axis, dimensions: int) -> tuple[int, ...]:
    axes = range(dimensions) if axis is None else axis if isinstance(axis, tuple) else (operator.index(axis),)
    for one in axes:
        if not -dimensions <= one < dimensions:
            raise ValueError(f"axis {one} is out of bounds for predictions with {dimensions} dimensions")
    return tuple(one % dimensions for one in axes)


def _last(x: Array, axes: tuple[int, ...]) -> Array:
    if axes == (x.ndim - 1,):
        return x
    batch = tuple(i for i in range(x.ndim) if i not in axes)
    return x.transpose(batch + axes).reshape(*(x.shape[i] for i in batch), -1)


def _kept(
    where: ArrayLike | None, shape: tuple[int, ...], axes: tuple[int, ...]
) -> tuple[Array | None, Array | None]:
    """``where`` as a mask of elements, or None if it is one of rows, and as a mask of rows."""
    if where is None:
        return None, None
    keep = jnp.asarray(where).astype(bool)
    if keep.ndim != len(shape):  # of the rows
        return None, jnp.broadcast_to(keep, tuple(n for i, n in enumerate(shape) if i not in axes))
    keep = _last(jnp.broadcast_to(keep, shape), axes)
    return keep, keep.any(-1)
