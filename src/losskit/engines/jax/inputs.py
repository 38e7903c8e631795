"""What the verbs accept of JAX arrays: shapes and types checked at once, values where they can be looked at.

Values of concrete arrays are checked as in NumPy. Under a transform they are unknown: what is outside
a loss's domain is marked then, and the answers there are NaN. A class index out of range is never read.
"""

import numbers
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from losskit.domain import PROBABILITY
from losskit.engines.inputs import shape_error
from losskit.engines.jax.words import Array
from losskit.engines.row_inputs import _axis, _by_index, _class_weights
from losskit.loss import LossFunction
from losskit.registry import Wanted, evaluator
from losskit.structures import ElementwiseLoss, RowLoss

_FLOATS = ("float16", "bfloat16", "float32", "float64")
_HALF = ("float16", "bfloat16")


class Inputs(NamedTuple):
    """Targets, predictions, weights and mask of a call, as they came; a pytree for jit."""

    y: Array
    p: Array
    w: Array | None
    keep: Array | None
    """Where terms count: the mask says yes and the weight is not 0; None where all do."""
    bad: Array | None
    """Where a term has values outside the domain, as far as nobody could be told."""


def inputs_of(
    loss: ElementwiseLoss | RowLoss, arguments: tuple[Any, ...], sample_weight: Any, mask: Any
) -> Inputs:
    """Check a call's arguments."""
    y, p = arrays_of(loss, arguments)
    if isinstance(loss, RowLoss):
        y, shape, axis = _row_shapes(loss, y, p)
    else:
        shape, axis = p.shape, None
        if y.shape != shape:
            raise shape_error(loss, y.shape, shape)
    w, keep = weights_of(shape, sample_weight, mask)
    if isinstance(loss, RowLoss) and loss.form.ignore_index is not None and by_index(loss, y, p):
        present = y != loss.form.ignore_index
        keep = present if keep is None else keep & present
    bad: Array | None = None
    for found in _found(loss, y, p, w, keep, axis):
        if isinstance(found, jax.core.Tracer) or not _may_look(loss, found):
            bad = found if bad is None else bad | found
        elif np.asarray(found).any():  # not found.any(): under jit that is traced, even of what is known
            _explain(loss, y, p, sample_weight, mask)
    return Inputs(y, p, w, keep, bad)


def _may_look(loss: LossFunction, found: Array) -> bool:
    """Off the host, looking makes it wait: validate=False spares that, and an index out of range is then NaN."""
    return loss.validate or all(device.platform == "cpu" for device in found.devices())


def arrays_of(loss: LossFunction, arguments: tuple[Any, ...]) -> tuple[Array, Array]:
    """Targets and predictions as JAX arrays; a number is repeated."""
    t, name = loss.arguments
    y, p = arguments
    if _is_number(p):
        p = jnp.full(jnp.shape(y), p, y.dtype if jnp.issubdtype(y.dtype, jnp.floating) else None)
    p = as_array(name, p)
    if p.dtype.name not in _FLOATS:
        raise TypeError(
            f"{name} must be an array of float16, bfloat16, float32 or float64, got {p.dtype}; pass {name}.astype(float)"
        )
    if _is_number(y):
        y = jnp.full(p.shape, y, p.dtype)
    y = as_array(t, y)
    if y.dtype.name not in _FLOATS and not jnp.issubdtype(y.dtype, jnp.integer) and y.dtype != bool:
        raise TypeError(f"{t} must be an array of numbers, got dtype {y.dtype}")
    return y, p


def _is_number(x: Any) -> bool:
    return isinstance(x, numbers.Real) and not isinstance(x, np.ndarray | np.generic)


def as_array(name: str, x: Any) -> Array:
    if not isinstance(x, jax.Array | np.ndarray | np.generic | numbers.Real | list | tuple):
        raise TypeError(
            f"{name} must be a JAX or NumPy array beside a JAX array, got {type(x).__name__}: pass "
            f"jax.numpy.asarray({name})"
        )
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(x)):
        return jnp.asarray(x)
    with jax.ensure_compile_time_eval():  # what is known stays known, be it inside a transform
        return jnp.asarray(x if isinstance(x, jax.Array) else _without_wrapping(x))


def _without_wrapping(x: Any) -> Any:
    """Integers too large for JAX's, which would come out as others, as floats."""
    whole = np.asarray(x)
    if whole.dtype.kind not in "iu" or whole.size == 0:
        return x
    bounds = jnp.iinfo(jax.dtypes.canonicalize_dtype(whole.dtype))  # type: ignore[no-untyped-call]
    return x if bounds.min <= whole.min() and whole.max() <= bounds.max else whole.astype(np.float64)


def working_dtype(y: Array, p: Array) -> str:
    """float64 if any is, else float32: halves are computed and summed in float32."""
    return "float64" if "float64" in (y.dtype.name, p.dtype.name) else "float32"


def by_index(loss: RowLoss, y: Array, p: Array) -> bool:
    """Whether targets are class indices; they are told from distributions by shape."""
    return y.ndim < p.ndim or loss.form.target == "index"


def _row_shapes(loss: RowLoss, y: Array, p: Array) -> tuple[Array, tuple[int, ...], int]:
    form = loss.form
    axis = _axis(loss, p, form.axis)  # type: ignore[arg-type]
    shape = p.shape[:axis] + p.shape[axis + 1 :]
    _by_index(loss, form.target, y.shape, p.shape, shape, axis)
    _class_weights(form, p.shape, p.shape[axis])
    if p.shape[axis] == 0 and int(np.prod(shape)):
        raise ValueError(f"{loss.arguments[1]} of shape {p.shape} has no classes on axis {form.axis}")
    return y, shape, axis


def weights_of(shape: tuple[int, ...], sample_weight: Any, mask: Any) -> tuple[Array | None, Array | None]:
    """Sample weights and mask against terms of ``shape``."""
    w = keep = None
    if mask is not None:
        keep = as_array("mask", mask)
        if keep.dtype != bool:
            raise TypeError(f"mask must be boolean (True keeps an element), got dtype {keep.dtype}")
        keep = _spread("mask", keep, shape)
    if sample_weight is not None:
        w = as_array("sample_weight", sample_weight)
        if jnp.issubdtype(w.dtype, jnp.complexfloating):
            raise TypeError(f"sample_weight must be numbers, got dtype {w.dtype}")
        w = _spread("sample_weight", w if jnp.issubdtype(w.dtype, jnp.floating) else w.astype(float), shape)
        keep = w != 0.0 if keep is None else keep & (w != 0.0)
    return w, keep


def _spread(name: str, x: Array, shape: tuple[int, ...]) -> Array:
    """One value a term, from one value a term, a row or in all."""
    if x.shape != shape[: x.ndim]:
        raise ValueError(
            f"{name} must have the shape of the terms, {shape}, or of a leading part of it; got {x.shape}"
        )
    return jnp.broadcast_to(x.reshape(x.shape + (1,) * (len(shape) - x.ndim)), shape)


def labels_of(y: Array, classes: int) -> tuple[Array, Array]:
    """Class indices that are safe to use, and where one is none."""
    wide = (
        y
        if y.dtype.itemsize >= 4
        else y.astype(jnp.float32 if jnp.issubdtype(y.dtype, jnp.floating) else jnp.int32)
    )
    outside = (wide < 0) | (wide >= classes)
    if jnp.issubdtype(y.dtype, jnp.floating):
        outside = outside | (jnp.floor(wide) != wide)
    return jnp.where(outside, 0, wide).astype(jnp.int32), outside


def _found(
    loss: ElementwiseLoss | RowLoss, y: Array, p: Array, w: Array | None, keep: Array | None, axis: int | None
) -> list[Array]:
    """Where terms that count have a value that is not legal, one array for each thing that can be wrong."""
    wrong: list[Array] = []
    if w is not None:
        wrong.append(_looked_at(no_weight, w, keep))
    if isinstance(loss, ElementwiseLoss):
        for x, domains in ((y, _domains(loss, "targets")), (p, _domains(loss, "predictions"))):
            if domains and loss.validate:
                wrong.append(_looked_at(_outside, x, keep, domains))
        return wrong
    assert axis is not None
    indices = by_index(loss, y, p)
    if indices:
        wrong.append(_looked_at(_no_index, y, keep, p.shape[axis]))
    if loss.validate:
        half = any(x.dtype.name in _HALF for x in (y, p))
        if not indices:
            wrong.append(_looked_at(_no_distribution, y, keep, axis, False, half))
        if loss.form.link != "softmax":
            wrong.append(
                _looked_at(_no_distribution, p, keep, axis, loss.form.link == "log_probability", half)
            )
    return wrong


def _domains(loss: ElementwiseLoss, side: str) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(d for term in loss.terms if (d := getattr(term.rules, side)) is not None))


def _looked_at(question: Callable[..., Array], x: Array, keep: Array | None, *facts: Any) -> Array:
    """The answer to a question about values: at once where they are known, be it inside a transform."""
    if isinstance(x, jax.core.Tracer) or isinstance(keep, jax.core.Tracer):
        return question(x, keep, *facts)
    with jax.ensure_compile_time_eval():
        return question(x, keep, *facts)


def _jitted(question: Callable[..., Array]) -> Callable[..., Array]:
    """A question compiled, once for all losses; what follows x and keep are facts, no arrays."""
    compiled = jax.jit(question, static_argnums=tuple(range(2, question.__code__.co_argcount)))

    def ask(x: Array, keep: Array | None, *facts: Any) -> Array:
        wrong: Array = compiled(jax.lax.stop_gradient(x), keep, *facts)
        return wrong if keep is None else wrong & keep

    return ask


@_jitted
def no_weight(w: Array, keep: Array | None) -> Array:
    return ~((w >= 0.0) & jnp.isfinite(w))


@_jitted
def _outside(x: Array, keep: Array | None, domains: tuple[Any, ...]) -> Array:
    outside = jnp.zeros(x.shape, bool)
    for domain in domains:
        outside = outside | domain.outside(x)
    return outside


@_jitted
def _no_index(y: Array, keep: Array | None, classes: int) -> Array:
    return labels_of(y, classes)[1]


@_jitted
def _no_distribution(x: Array, keep: Array | None, axis: int, logarithms: bool, half: bool) -> Array:
    limit = 3e-2 if half else 1e-3
    wide = jnp.moveaxis(x, axis, -1)
    wide = wide.astype(jnp.float64 if x.dtype == jnp.float64 else jnp.float32)
    outside = wide > limit if logarithms else PROBABILITY.outside(wide)
    sums = (jnp.exp(wide) if logarithms else wide).sum(-1)
    return outside.any(-1) | (jnp.abs(sums - 1.0) > limit)


def _explain(loss: ElementwiseLoss | RowLoss, y: Array, p: Array, sample_weight: Any, mask: Any) -> None:
    """Let the NumPy reference raise its error; what is not known here is legal there."""
    arguments = _known(y, 1.0), _known(p, 0.5)
    if isinstance(loss, RowLoss):
        axis = loss.form.axis
        uniform = 1.0 / p.shape[axis]
        p_value = {"softmax": 0.0, "probability": uniform, "log_probability": np.log(uniform)}[loss.form.link]
        arguments = _known(y, 0 if by_index(loss, y, p) else uniform), _known(p, p_value)
    w = None if sample_weight is None else _known(sample_weight, 1.0)
    keep = None if mask is None else _known(mask, True)
    evaluator(loss.structure, "numpy")(loss, arguments, Wanted(value=True), w, keep)


def _known(x: Any, legal: Any) -> Any:
    return np.full(x.shape, legal) if isinstance(x, jax.core.Tracer) else np.asarray(x)
