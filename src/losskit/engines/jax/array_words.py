"""The vocabulary of array formulas on JAX arrays, in one dtype.

The names and meanings are NumPy's (``losskit.engines.numpy.array_words``), and so are jax.numpy's.
"""

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from losskit import scalar
from losskit.engines.jax.words import (
    WORDS,
    Array,
    Operand,
    bare,
    expm1,
    largest,
    log1p,
    opaque,
    smallest_normal,
    tanh,
)
from losskit.engines.numpy.array_words import NAMES
from losskit.rules import bind


@cache
def _rule(function: Callable[..., Any]) -> Callable[..., Any]:
    """A scalar rule on arrays, which keep their arithmetic as it is written."""
    bound = bind(function, WORDS)

    def on_arrays(*arguments: Any) -> Any:
        wrapped = (Operand(a) if isinstance(a, jax.Array) else a for a in arguments)
        answer = bound(*wrapped)
        return tuple(map(bare, answer)) if isinstance(answer, tuple) else bare(answer)

    return on_arrays


def _scan(step: Callable[[Any, Any], tuple[Any, Any]], state: Any, xs: Any) -> tuple[Any, Any]:
    return jax.lax.scan(step, state, xs)


def _cast(x: Array, dtype: Any) -> Array:
    return x.astype(dtype)


def _log_sum_exp(x: Array, axis: int = -1, keepdims: bool = False) -> Array:
    return jax.nn.logsumexp(x, axis=axis, keepdims=keepdims)


def _softmax(x: Array, axis: int = -1) -> Array:
    return jax.nn.softmax(x, axis=axis)


@cache
def array_words(dtype: str) -> SimpleNamespace:
    """The vocabulary for arrays of ``dtype``."""
    kind: Any = jnp.dtype(dtype)
    own = {
        "array": lambda values, dtype=kind: jnp.asarray(values, dtype), "expm1": expm1, "log1p": log1p, "tanh": tanh,
        "cast": _cast, "stop": jax.lax.stop_gradient, "rounded": opaque, "scan": _scan, "log_sum_exp": _log_sum_exp,
        "softmax": _softmax,
        "one_hot": lambda indices, n: (indices[..., None] == jnp.arange(n)).astype(kind), "rule": _rule,
        "sigmoid": _rule(scalar.sigmoid), "softplus": _rule(scalar.softplus),
        "zeros": lambda shape, dtype=kind: jnp.zeros(shape, dtype), "ones": lambda shape, dtype=kind: jnp.ones(shape, dtype),
        "full": lambda shape, value: jnp.full(shape, value, kind), "eye": lambda n: jnp.eye(n, dtype=kind),
        "float": kind, "wide": jax.dtypes.canonicalize_dtype(np.float64), "index": jax.dtypes.canonicalize_dtype(np.int64),
        "finfo_tiny": smallest_normal(kind), "finfo_max": largest(kind), "finfo_eps": float(jnp.finfo(kind).eps),  # type: ignore[no-untyped-call]
    }  # fmt: skip
    return SimpleNamespace(**{name: getattr(jnp, name) for name in NAMES} | own)
