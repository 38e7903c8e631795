"""What the verbs answer to JAX arrays."""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from losskit.engines.jax import derivatives, rows
from losskit.engines.jax.derivatives import Numbers, finite
from losskit.engines.jax.inputs import Inputs, by_index, inputs_of, labels_of, working_dtype
from losskit.engines.jax.words import Array, largest
from losskit.reduction import Parts
from losskit.registry import Evaluation, Wanted
from losskit.rules import FromDtype
from losskit.structures import ElementwiseLoss, RowLoss

Loss = ElementwiseLoss | RowLoss

# Parts may leave a jitted function, and be added up over devices.
jax.tree_util.register_pytree_node(
    Parts, lambda p: ((p.total, p.weight, p.count), None), lambda _, c: Parts(*c)
)


def evaluate(
    loss: Loss, arguments: tuple[Any, ...], wanted: Wanted, sample_weight: Any, mask: Any, out: Any = None
) -> Evaluation:
    """Value, derivative and second derivative of a loss, as far as wanted; each can be traced."""
    refuse_out(out)
    x = inputs_of(loss, arguments, sample_weight, mask)
    value, derivative, second, whole, weight, count = _answers(loss, wanted, x)
    parts = None
    if wanted.parts:
        known = not any(isinstance(n, jax.core.Tracer) for n in (weight, count))
        parts = Parts(whole, *((float(weight), int(count)) if known else (weight, count)))
    return Evaluation(parts, value, derivative, second)


def refuse_out(out: Any) -> None:
    """JAX arrays cannot be written to."""
    if out is not None:
        raise TypeError(
            f"out must be None beside JAX arrays, which are never written to; got {type(out).__name__}"
        )


@partial(jax.jit, static_argnums=(0, 1))
def _answers(loss: Loss, wanted: Wanted, x: Inputs) -> tuple[Any, ...]:
    """Value, derivative, second derivative, and parts; compiled once a loss, shape and dtype."""
    dtype = jnp.dtype(working_dtype(x.y, x.p))
    value = derivative = second = whole = weight = count = None
    terms_of = partial(_terms, loss, x)
    if wanted.derivative:
        # A half's gradient is narrowed at the end: its largest number does not limit what is yet to be scaled.
        value, pull = jax.vjp(lambda p: reduced(loss, x, terms_of(p)), x.p.astype(dtype))
        derivative = _narrowed(loss, pull(jnp.ones_like(value))[0], x.p.dtype)
    elif wanted.value:
        value = reduced(loss, x, terms_of(x.p))
    if wanted.second:
        second = _narrowed(loss, _second(loss, x), x.p.dtype)
    if wanted.parts:
        terms = terms_of(x.p)
        whole, weight = terms.sum(), weight_of(x, terms.shape, dtype)
        count = terms.size if x.keep is None else x.keep.sum()
    return value, derivative, second, whole, weight, count


def reduced(loss: Loss, x: Inputs, terms: Array) -> Array:
    """The terms, their sum, or their mean."""
    if loss.reduction == "none":
        return terms
    if loss.reduction == "sum":
        return terms.sum()
    weight = weight_of(x, terms.shape, terms.dtype)
    there = weight > 0.0
    if x.bad is not None:
        there = there | x.bad.any()
    mean = mean_of(terms, jnp.where(there, weight, 1.0))
    return jnp.where(there, mean, 0.0 if loss.empty == "zero" else math.nan)


@jax.custom_jvp
def mean_of(terms: Array, weight: Array) -> Array:
    """The sum of terms over their weight, also where only the sum overflows."""
    mean = terms.sum() / weight
    return jax.lax.cond(jnp.isinf(mean), lambda t, w: (t / w).sum(), lambda t, w: mean, terms, weight)  # type: ignore[no-any-return]


@mean_of.defjvp
def _change_of_mean(x: tuple[Array, Array], t: tuple[Array, Array]) -> tuple[Array, Array]:
    mean = mean_of(*x)
    return mean, (t[0] / x[1]).sum() - t[1] * (mean / x[1])


def weight_of(x: Inputs, shape: tuple[int, ...], dtype: Any) -> Array:
    """The total weight."""
    if x.w is not None:
        assert x.keep is not None
        return jnp.where(x.keep, x.w, 0.0).astype(dtype).sum()
    return jnp.asarray(math.prod(shape) if x.keep is None else x.keep.sum(), dtype)


def _numbers(x: Inputs, answer: Any) -> Numbers:
    """What rules are run in; a slope may saturate at the largest number of a narrower answer."""
    dtype = working_dtype(x.y, x.p)
    return Numbers(dtype, min(largest(dtype), largest(answer)))


def _terms(loss: Loss, x: Inputs, p: Array) -> Array:
    """The loss of each term times its weight, differentiable in ``p`` and in what ``x`` holds."""
    numbers = _numbers(x, p.dtype)
    y, p = _ready(loss, x, p)
    if isinstance(loss, ElementwiseLoss):
        terms = derivatives.elementwise(loss.terms, numbers, y, p)
    elif p.size == 0:
        terms = p.sum(-1)
    else:
        terms = rows.function_of(_rows(loss, x, numbers))(p, y)
    return _weighed(x.w, x.keep, terms)


def _second(loss: Loss, x: Inputs) -> Array:
    """The diagonal of the second derivative of the loss, in the axes of the predictions."""
    numbers = _numbers(x, working_dtype(x.y, x.p))
    y, p = _ready(loss, x, x.p)
    shape = p.shape if isinstance(loss, ElementwiseLoss) else p.shape[:-1]
    scale = jnp.ones((), numbers.dtype)
    if loss.reduction == "mean":
        weight = weight_of(x, shape, numbers.dtype)
        scale = jnp.where(weight > 0.0, 1.0 / weight, 0.0)
    if isinstance(loss, ElementwiseLoss):
        return _weighed(x.w, x.keep, scale * derivatives.curvatures(loss.terms, numbers, y, p))
    if p.size == 0:
        return jnp.zeros(x.p.shape, numbers.dtype)
    w, keep = (None if a is None else a[..., None] for a in (x.w, x.keep))
    second = _weighed(w, keep, scale * rows.diagonal(_rows(loss, x, numbers), p, y))
    return jnp.moveaxis(second, -1, loss.form.axis)


def _ready(loss: Loss, x: Inputs, p: Array) -> tuple[Array, Array]:
    """Targets and predictions in the dtype at work, the class axis last; legal where a term does not count."""
    dtype = jnp.dtype(working_dtype(x.y, x.p))
    p = p.astype(dtype)
    keep, bad, y = x.keep, x.bad, x.y
    if isinstance(loss, ElementwiseLoss):
        y = y.astype(dtype)
    else:
        axis = loss.form.axis
        keep, bad = (None if a is None else a[..., None] for a in (keep, bad))
        p = jnp.moveaxis(p, axis, -1)
        if by_index(loss, x.y, x.p):
            y = labels_of(x.y, p.shape[-1])[0]
        else:
            y = jnp.moveaxis(y, axis, -1).astype(dtype)
    if keep is not None:  # selected before anything is computed: not even a NaN touches the answer
        p = jnp.where(keep, p, 0.0)
        y = jnp.where(keep if keep.ndim == y.ndim else keep[..., 0], y, 0)
    if bad is not None:  # added, not selected: the gradient must be NaN as well
        p = p + jnp.where(bad, jnp.nan, 0.0).astype(dtype)
    return y, p


def _rows(loss: RowLoss, x: Inputs, numbers: Numbers) -> rows.Rows:
    form = loss.form
    floor = numbers.tiny if isinstance(form.floor, FromDtype) else form.floor
    terms = loss.terms_for(by_index(loss, x.y, x.p))
    return rows.Rows(terms, form.link, form.class_weights, floor, numbers, form.shift)


def _weighed(w: Array | None, keep: Array | None, terms: Array) -> Array:
    if w is not None:
        terms = terms * w.astype(terms.dtype)
    return terms if keep is None else jnp.where(keep, terms, 0.0)


def _narrowed(loss: Loss, values: Array, dtype: Any) -> Array:
    """``values`` in the predictions' dtype; a saturating slope stops at its largest finite number."""
    if any(term.rules.saturates for term in loss.terms):
        values = finite(values, min(largest(dtype), largest(values.dtype)))
    return values.astype(dtype)
