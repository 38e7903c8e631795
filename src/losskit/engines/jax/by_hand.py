"""Losses written by hand on JAX arrays: their NumPy functions, called back from traced code.

What is concrete is handed over at once; under a transform JAX calls back when it runs, one batch
element at a time under vmap. The first derivative is the one written by hand; there is no second one
to differentiate further, and none in the targets.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from losskit.engines.jax.derivatives import is_zero
from losskit.engines.jax.evaluate import refuse_out
from losskit.engines.jax.inputs import arrays_of, working_dtype
from losskit.loss import LossFunction
from losskit.registry import Evaluation, Wanted, evaluator

_ASKED = {"value": Wanted(value=True), "derivative": Wanted(derivative=True), "second": Wanted(second=True)}


def evaluate(
    loss: LossFunction,
    arguments: tuple[Any, ...],
    wanted: Wanted,
    sample_weight: Any,
    mask: Any,
    out: Any = None,
) -> Evaluation:
    """Value, derivative and second derivative of a loss written by hand, as far as wanted."""
    refuse_out(out)
    inputs = (*arrays_of(loss, arguments), sample_weight, mask)
    if not any(isinstance(x, jax.core.Tracer) for x in inputs):
        host = evaluator(loss.structure)(loss, _on_host(*inputs[:2]), wanted, *_on_host(*inputs[2:]))
        return Evaluation(
            host.parts,
            *(None if x is None else jnp.asarray(x) for x in (host.value, host.derivative, host.second)),
        )
    if wanted.parts:
        raise NotImplementedError(
            f"{type(loss).__name__} is written by hand: its parts are worked out in NumPy, outside of transforms"
        )
    return Evaluation(
        value=_value(loss, inputs) if wanted.value else None,
        derivative=_called(loss, "derivative", inputs) if wanted.derivative else None,
        second=_called(loss, "second", inputs) if wanted.second else None,
    )


def _value(loss: LossFunction, inputs: tuple[Any, ...]) -> Any:
    @jax.custom_jvp
    def value(y: Any, p: Any, w: Any, keep: Any) -> Any:
        return _called(loss, "value", (y, p, w, keep))

    def rule(x: Any, t: Any) -> tuple[Any, Any]:
        if not is_zero(t[0]) or not all(is_zero(a) for a in t[2:] if a is not None):
            raise TypeError(
                f"{type(loss).__name__} is written by hand and has a derivative for {loss.arguments[1]} only: pass the "
                "others through jax.lax.stop_gradient"
            )
        answer = value(*x)
        change = t[1] * _called(loss, "derivative", x)
        return answer, change.sum(tuple(range(answer.ndim, change.ndim))).astype(answer.dtype)

    value.defjvp(rule, symbolic_zeros=True)
    return value(*inputs)


def _called(loss: LossFunction, name: str, inputs: tuple[Any, ...]) -> Any:
    y, p, w, keep = inputs
    shape = p.shape if name != "value" else p.shape[:1] if loss.reduction == "none" else ()
    answer = jax.ShapeDtypeStruct(shape, working_dtype(y, p) if name == "value" else p.dtype)  # type: ignore[no-untyped-call]

    def call(y: Any, p: Any, w: Any, keep: Any) -> Any:
        host = evaluator(loss.structure)(loss, _on_host(y, p), _ASKED[name], *_on_host(w, keep))
        return np.asarray(getattr(host, name), answer.dtype)

    return jax.pure_callback(call, answer, y, p, w, keep, vmap_method="sequential")


def _on_host(*arrays: Any) -> tuple[Any, ...]:
    return tuple(None if x is None else np.asarray(x) for x in arrays)
