"""The vocabulary of array formulas in NumPy: its own names, and a few that every framework spells its way.

Formulas are written once, in these words, and run here in float64 as the reference.
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from losskit import scalar
from losskit.engines.inputs import Array

NAMES = (
    "abs", "all", "any", "arange", "argmax", "argmin", "argsort", "broadcast_to", "clip", "concatenate", "cos", "cumsum",
    "exp", "expand_dims", "expm1", "eye", "flip", "floor", "full", "full_like", "isfinite", "isinf", "isnan", "log", "log1p",
    "logical_and", "logical_not", "logical_or", "matmul", "max", "maximum", "mean", "min", "minimum", "moveaxis", "ones",
    "ones_like", "pad", "pow", "power", "prod", "reshape", "roll", "searchsorted", "sign", "sin", "sort", "sqrt", "square",
    "squeeze", "stack", "sum", "swapaxes", "take", "take_along_axis", "tanh", "where", "zeros", "zeros_like",
)  # fmt: skip
"""The words that mean what NumPy means by them; the others are defined below."""


def cast(x: Array, dtype: Any) -> Array:
    """``x`` in another dtype."""
    return np.asarray(x, dtype)


def array(values: Any, dtype: Any = np.float64) -> Array:
    """Numbers, such as a parameter's, as an array."""
    return np.asarray(values, dtype)


def stop(x: Any) -> Any:
    """``x`` as a constant, to whoever differentiates."""
    return x


def rounded(x: Any) -> Any:
    """``x`` as it is in its dtype: a compiler may not merge the product it is with the sum it enters."""
    return x


def scan(step: Callable[[Any, Any], tuple[Any, Any]], state: Any, xs: Any) -> tuple[Any, Any]:
    """``step(state, x)`` -> (state, y) along the first axis of ``xs``, an array or a tuple of them; the ys stacked."""
    ys = []
    several = isinstance(xs, tuple)
    for i in range(len(xs[0]) if several else len(xs)):
        state, y = step(state, tuple(x[i] for x in xs) if several else xs[i])
        ys.append(y)
    if isinstance(ys[0], tuple):
        return state, tuple(np.stack(column) for column in zip(*ys, strict=True))
    return state, None if ys[0] is None else np.stack(ys)


def log_sum_exp(x: Array, axis: Any = -1, keepdims: bool = False) -> Array:
    """log(sum(exp(x))): of nothing but -inf, -inf."""
    largest = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    finite = np.where(np.isfinite(largest), largest, 0.0)
    with np.errstate(divide="ignore"):
        total = np.log(np.sum(np.exp(x - finite), axis=axis, keepdims=True)) + finite
    return np.asarray(total if keepdims else np.squeeze(total, axis=axis))


def softmax(x: Array, axis: int = -1) -> Array:
    """exp(x) as shares of its sum."""
    powers = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return np.asarray(powers / powers.sum(axis=axis, keepdims=True))


def one_hot(indices: Array, n: int) -> Array:
    """1 at each index along a new last axis, 0 elsewhere."""
    return np.asarray(np.expand_dims(indices, -1) == np.arange(n), np.float64)


def rule(function: Callable[..., Any]) -> Callable[..., Any]:
    """A scalar rule on arrays: the words it is written in are NumPy's."""
    return function


xp = SimpleNamespace(
    **{name: getattr(np, name) for name in NAMES},
    array=array, cast=cast, stop=stop, rounded=rounded, scan=scan, log_sum_exp=log_sum_exp, softmax=softmax,
    one_hot=one_hot, rule=rule, sigmoid=scalar.sigmoid, softplus=scalar.softplus,
    float=np.float64, wide=np.float64, index=np.int64,
    finfo_tiny=float(np.finfo(np.float64).tiny), finfo_max=float(np.finfo(np.float64).max),
    finfo_eps=float(np.finfo(np.float64).eps),
)  # fmt: skip
"""The words, for formulas."""
