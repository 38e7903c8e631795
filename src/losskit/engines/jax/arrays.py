"""Array losses on JAX arrays: the formula on jax.numpy, with its pullback as the derivative.

A formula's terms have as derivative the transpose of its pullback, which is linear in the cotangent.
So jit, grad, vmap, jvp and hessian work; second derivatives are JAX's of the pullback.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from losskit.engines.array_formula import Arrays, formula_of, given
from losskit.engines.array_inputs import fault_error
from losskit.engines.array_traced import (
    Weights,
    by_term,
    inner_shape,
    shapes_of,
    without_elements,
    without_terms,
)
from losskit.engines.jax.array_words import array_words
from losskit.engines.jax.derivatives import is_zero
from losskit.engines.jax.evaluate import mean_of, refuse_out
from losskit.engines.jax.inputs import as_array, no_weight, weights_of
from losskit.engines.jax.words import Array
from losskit.reduction import Parts
from losskit.registry import Evaluation, Wanted, evaluator
from losskit.structures import ArrayLoss


class ArrayPoint(NamedTuple):
    """The arguments of an array loss, ready for its formula; a pytree for jit."""

    arrays: Arrays
    inner: Arrays
    weights: Weights


def evaluate(
    loss: ArrayLoss, arguments: Arrays, wanted: Wanted, sample_weight: Any, mask: Any, out: Any = None
) -> Evaluation:
    """Value, derivative and second derivative of a loss, as far as wanted; but the last, each can be traced."""
    refuse_out(out)
    arrays = arrays_of(loss, arguments)
    if wanted.parts and loss.merges_sums:
        return _on_host(loss, arrays, wanted, sample_weight, mask)
    point, shape = prepared(loss, arrays, sample_weight, mask)
    value, whole, weight, count = _answers(loss, wanted, shape, point)
    answer = Evaluation(value=value)
    if wanted.parts:
        known = not any(isinstance(n, jax.core.Tracer) for n in (weight, count))
        answer.parts = Parts(whole, *((float(weight), int(count)) if known else (weight, count)))
    if wanted.derivative:
        w = None if sample_weight is None else as_array("sample_weight", sample_weight)
        answer.derivative = _derivative(loss, arrays, w, None if mask is None else as_array("mask", mask))
    if wanted.second:
        answer.second = _second(loss, arrays, sample_weight, mask)
    return answer


def arrays_of(loss: ArrayLoss, arguments: Arrays) -> Arrays:
    """The arguments as JAX arrays; numbers as arrays of the first one's shape."""
    first = next(a for a in arguments if hasattr(a, "shape"))
    arrays: list[Any] = []
    for name, argument in zip(loss.arguments, arguments, strict=True):
        if argument is None:
            arrays.append(None)
            continue
        if isinstance(argument, bool | int | float):
            argument = np.full(first.shape, float(argument), first.dtype)
        x = as_array(name, argument)
        whole = jnp.issubdtype(x.dtype, jnp.integer) or x.dtype == bool
        if not whole and not jnp.issubdtype(x.dtype, jnp.floating):
            raise TypeError(f"{name} must be an array of numbers, got dtype {x.dtype}")
        if name in loss.indices and not whole:
            raise TypeError(f"{name} must be integers, got dtype {x.dtype}; pass {name}.astype(int)")
        arrays.append(x)
    kinds = [a.dtype for a in arrays if a is not None and jnp.issubdtype(a.dtype, jnp.floating)]
    other = kinds[-1] if kinds else jnp.result_type(float)
    return tuple(
        a if a is None or n in loss.indices or jnp.issubdtype(a.dtype, jnp.floating) else a.astype(other)
        for n, a in zip(loss.arguments, arrays, strict=True)
    )


def _working_dtype(arrays: Arrays) -> str:
    return "float64" if any(a is not None and a.dtype == jnp.float64 for a in arrays) else "float32"


def prepared(
    loss: ArrayLoss, arrays: Arrays, sample_weight: Any, mask: Any
) -> tuple[ArrayPoint, tuple[int, ...]]:
    """Check the arguments and make them safe to work on; with the shape of the terms."""
    formula, dtype = formula_of(loss), _working_dtype(arrays)
    xp = array_words(dtype)
    shape = formula.shape(loss, *shapes_of(arrays))
    arrays = tuple(
        a if a is None or n in loss.indices else a.astype(dtype)
        for n, a in zip(loss.arguments, arrays, strict=True)
    )
    inner: Arrays = ()
    if loss.weighting == "terms":
        weights = _weights(shape, sample_weight, mask)
        known = not isinstance(weights.keep, jax.core.Tracer)
        arrays, weights, shape = without_terms(xp, loss, arrays, shape, weights, known)
    else:
        elements = loss.weighting != "items"
        inside = _weights(inner_shape(formula, loss, arrays), sample_weight if elements else None, mask)
        outside = _weights(shape, None if elements else sample_weight, None)
        arrays, inner, weights = without_elements(xp, loss, arrays, shape, inside, outside)
    still = tuple(None if a is None else jax.lax.stop_gradient(a) for a in (*arrays, *inner))
    for fault in formula.faults(xp, loss, *still):
        if not (fault.index or loss.validate):
            continue
        if isinstance(fault.where, jax.core.Tracer):
            weights = weights.also_bad(by_term(xp, loss, fault, shape))
        elif np.asarray(fault.where).any():
            raise fault_error(fault, np.asarray(arrays[loss.arguments.index(fault.argument)]))
    present = formula.present(xp, loss, *still)
    return ArrayPoint(arrays, inner, weights if present is None else weights.also_only(present)), shape


def _weights(shape: tuple[int, ...], sample_weight: Any, mask: Any) -> Weights:
    w, keep = weights_of(shape, sample_weight, mask)
    if w is None:
        return Weights(None, keep, None)
    bad = no_weight(w, keep)
    if isinstance(bad, jax.core.Tracer):
        return Weights(w, keep, bad)
    if np.asarray(bad).any():
        raise ValueError("sample_weight must be finite and at least 0")
    return Weights(w, keep, None)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _answers(loss: ArrayLoss, wanted: Wanted, shape: tuple[int, ...], point: ArrayPoint) -> tuple[Any, ...]:
    """Value and parts; compiled once a loss, shape and dtype."""
    value = whole = weight = count = None
    if wanted.value or wanted.parts:
        terms = _weighed(point.weights, terms_of(loss, point))
        value = _reduced(loss, point.weights, terms) if wanted.value else None
        if wanted.parts:
            keep = point.weights.keep
            whole, weight = terms.sum(), _weight(point.weights, shape, terms.dtype)
            count = math.prod(shape) if keep is None else keep.sum()
    return value, whole, weight, count


def terms_of(loss: ArrayLoss, point: ArrayPoint) -> Array:
    """The loss of each term, without its weight, with the pullback's derivatives."""
    formula, xp = formula_of(loss), array_words(_working_dtype(point.arrays))
    moving = tuple(loss.arguments.index(name) for name in given(loss, point.arrays))

    @jax.custom_jvp
    def terms(arrays: Arrays, inner: Arrays) -> Array:
        answer: Array = formula.terms(xp, loss, *arrays, *inner).astype(xp.float)
        return answer

    def change(x: tuple[Arrays, Arrays], t: tuple[Arrays, Arrays]) -> tuple[Array, Array]:
        arrays, inner = x
        value = terms(arrays, inner)
        _refuse_others(loss, t[0], moving)
        dots = tuple(_dot(t[0][i], arrays[i]) for i in moving)

        def pull(cotangent: Array) -> Arrays:
            gradients = formula.pullback(xp, loss, cotangent, *arrays, *inner)
            passed = [g for g in gradients if g is not None]
            return tuple(g.astype(arrays[i].dtype) for g, i in zip(passed, moving, strict=True))

        (moved,) = jax.linear_transpose(pull, value)(dots)
        return value, moved

    terms.defjvp(change, symbolic_zeros=True)
    return terms(point.arrays, point.inner)


def _dot(tangent: Any, like: Array) -> Array:
    return jnp.zeros_like(like) if is_zero(tangent) else tangent


def _refuse_others(loss: ArrayLoss, tangents: Arrays, moving: tuple[int, ...]) -> None:
    for i, (name, t) in enumerate(zip(loss.arguments, tangents, strict=True)):
        if i not in moving and t is not None and not is_zero(t) and t.dtype != jax.dtypes.float0:
            raise TypeError(
                f"{type(loss).__name__} has no derivative in {name}: pass jax.lax.stop_gradient({name})"
            )


def _weighed(weights: Weights, terms: Array) -> Array:
    if weights.bad is not None:
        terms = terms * jnp.where(weights.bad, jnp.nan, 1.0).astype(terms.dtype)
    if weights.w is not None:
        terms = terms * weights.w.astype(terms.dtype)
    return terms if weights.keep is None else jnp.where(weights.keep, terms, 0.0)


def _weight(weights: Weights, shape: tuple[int, ...], dtype: Any) -> Array:
    if weights.w is not None:
        return jnp.where(weights.keep, weights.w, 0.0).astype(dtype).sum()
    return jnp.asarray(math.prod(shape) if weights.keep is None else weights.keep.sum(), dtype)


def _reduced(loss: ArrayLoss, weights: Weights, terms: Array) -> Array:
    if loss.reduction == "none":
        return terms
    if loss.reduction == "sum":
        return terms.sum()
    weight = _weight(weights, terms.shape, terms.dtype)
    there = weight > 0.0
    if weights.bad is not None:
        there = there | weights.bad.any()
    mean = mean_of(terms, jnp.where(there, weight, 1.0))
    return jnp.where(there, mean, 0.0 if loss.empty == "zero" else math.nan)


def _value_of(loss: ArrayLoss, arrays: Arrays, sample_weight: Any, mask: Any) -> Callable[..., Array]:
    """The loss as a function of its differentiable arguments."""
    numbers = [loss.arguments.index(name) for name in given(loss, arrays)]

    def value(*moving: Array) -> Array:
        arguments = list(arrays)
        for i, x in zip(numbers, moving, strict=True):
            arguments[i] = x
        point, _ = prepared(loss, tuple(arguments), sample_weight, mask)
        return _reduced(loss, point.weights, _weighed(point.weights, terms_of(loss, point)))

    return value


@partial(jax.jit, static_argnums=0)
def _derivative(loss: ArrayLoss, arrays: Arrays, sample_weight: Any, mask: Any) -> Any:
    """Compiled once a loss, shape and dtype; the arguments have been checked, which traced code cannot do."""
    moving = tuple(arrays[loss.arguments.index(name)] for name in given(loss, arrays))
    value, pull = jax.vjp(_value_of(loss, arrays, sample_weight, mask), *moving)
    found = pull(jnp.ones_like(value))
    return found[0] if len(found) == 1 else found


def _second(loss: ArrayLoss, arrays: Arrays, sample_weight: Any, mask: Any) -> Any:
    """The diagonal of the second derivative: worked out by the engine on NumPy arrays."""
    second = _on_host(loss, arrays, Wanted(second=True), sample_weight, mask).second
    return jax.tree.map(jnp.asarray, second)


def _on_host(loss: ArrayLoss, arrays: Arrays, wanted: Wanted, sample_weight: Any, mask: Any) -> Evaluation:
    """What the engine on NumPy arrays answers."""
    given = (*arrays, sample_weight, mask)
    if any(isinstance(a, jax.core.Tracer) for a in given):
        verb = "parts" if wanted.parts else "second_derivative"
        raise NotImplementedError(
            f"{verb} of {type(loss).__name__} cannot be traced; call it outside of jit, grad and vmap"
        )
    *host, w, keep = (None if a is None else np.asarray(a) for a in given)
    return evaluator(loss.structure)(loss, tuple(host), wanted, w, keep)
