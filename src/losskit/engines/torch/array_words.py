"""The vocabulary of array formulas on torch tensors, in one dtype on one device.

The names and meanings are NumPy's (``losskit.engines.numpy.array_words``).
"""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from losskit import scalar
from losskit.engines.torch.words import words
from losskit.rules import bind

Axis = int | tuple[int, ...] | None


def _all_axes(x: Tensor, axis: Axis) -> tuple[int, ...]:
    return tuple(range(x.dim())) if axis is None else axis if isinstance(axis, tuple) else (axis,)


def _sum(x: Tensor, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    return torch.sum(x, _all_axes(x, axis), keepdim=keepdims, dtype=dtype)


def _mean(x: Tensor, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    return torch.mean(x, _all_axes(x, axis), keepdim=keepdims, dtype=dtype)


def _max(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    return torch.amax(x, _all_axes(x, axis), keepdim=keepdims)


def _min(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    return torch.amin(x, _all_axes(x, axis), keepdim=keepdims)


def _any(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    return torch.any(x, dim=_all_axes(x, axis), keepdim=keepdims)


def _all(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    return torch.all(x, dim=_all_axes(x, axis), keepdim=keepdims)


def _prod(x: Tensor, axis: int = -1, keepdims: bool = False) -> Tensor:
    return torch.prod(x, axis, keepdim=keepdims)


def _argmax(x: Tensor, axis: int = -1, keepdims: bool = False) -> Tensor:
    return torch.argmax(x, axis, keepdim=keepdims)


def _argmin(x: Tensor, axis: int = -1, keepdims: bool = False) -> Tensor:
    return torch.argmin(x, axis, keepdim=keepdims)


def _sort(x: Tensor, axis: int = -1) -> Tensor:
    return torch.sort(x, dim=axis, stable=True).values


def _argsort(x: Tensor, axis: int = -1, stable: bool = True) -> Tensor:
    return torch.argsort(x, dim=axis, stable=stable)


def _take_along_axis(x: Tensor, indices: Tensor, axis: int = -1) -> Tensor:
    return torch.take_along_dim(x, indices, dim=axis)


def _take(x: Tensor, indices: Any, axis: int = 0) -> Tensor:
    axis %= x.dim()
    return x[(slice(None),) * axis + (indices,)]


def _cumsum(x: Tensor, axis: int = -1, dtype: Any = None) -> Tensor:
    return torch.cumsum(x, axis, dtype=dtype)


def _flip(x: Tensor, axis: Axis = None) -> Tensor:
    return torch.flip(x, _all_axes(x, axis))


def _roll(x: Tensor, shift: int, axis: int = -1) -> Tensor:
    return torch.roll(x, shift, axis)


def _pad(x: Tensor, width: Sequence[tuple[int, int]], constant_values: float = 0.0) -> Tensor:
    flat = [n for pair in reversed(list(width)) for n in pair]
    return torch.nn.functional.pad(x, flat, value=constant_values)


def _clip(x: Tensor, low: Any, high: Any) -> Tensor:
    return torch.clamp(x, low, high)


def _squeeze(x: Tensor, axis: int) -> Tensor:
    return torch.squeeze(x, axis)


def _searchsorted(a: Tensor, v: Tensor, side: str = "left") -> Tensor:
    return torch.searchsorted(a, v.contiguous(), right=side == "right")


def _cast(x: Tensor, dtype: torch.dtype) -> Tensor:
    return x.to(dtype)


def _stop(x: Tensor) -> Tensor:
    return x.detach()


def _rounded(x: Tensor) -> Tensor:
    return x


def _log_sum_exp(x: Tensor, axis: int = -1, keepdims: bool = False) -> Tensor:
    return torch.logsumexp(x, axis, keepdim=keepdims)


def _softmax(x: Tensor, axis: int = -1) -> Tensor:
    return torch.softmax(x, axis)


def _stack(xs: Sequence[Tensor], axis: int = 0) -> Tensor:
    return torch.stack(list(xs), axis)


def _concatenate(xs: Sequence[Tensor], axis: int = 0) -> Tensor:
    return torch.cat(list(xs), axis)


def _scan(step: Callable[[Any, Any], tuple[Any, Any]], state: Any, xs: Any) -> tuple[Any, Any]:
    several = isinstance(xs, tuple)
    ys = []
    for i in range(xs[0].shape[0] if several else xs.shape[0]):
        state, y = step(state, tuple(x[i] for x in xs) if several else xs[i])
        ys.append(y)
    if isinstance(ys[0], tuple):
        return state, tuple(torch.stack(list(column)) for column in zip(*ys, strict=True))
    return state, None if ys[0] is None else torch.stack(ys)


_PLAIN = {
    "abs": torch.abs, "all": _all, "any": _any, "argmax": _argmax, "argmin": _argmin, "argsort": _argsort,
    "broadcast_to": torch.broadcast_to, "cast": _cast, "clip": _clip, "concatenate": _concatenate, "cos": torch.cos,
    "cumsum": _cumsum, "expand_dims": torch.unsqueeze, "flip": _flip, "floor": torch.floor, "isfinite": torch.isfinite,
    "isinf": torch.isinf, "isnan": torch.isnan, "log_sum_exp": _log_sum_exp, "logical_and": torch.logical_and,
    "logical_not": torch.logical_not, "logical_or": torch.logical_or, "matmul": torch.matmul, "max": _max, "mean": _mean,
    "min": _min, "moveaxis": torch.movedim, "ones_like": torch.ones_like, "pad": _pad, "pow": torch.pow,
    "prod": _prod, "reshape": torch.reshape, "roll": _roll, "rounded": _rounded, "scan": _scan,
    "searchsorted": _searchsorted, "sin": torch.sin,
    "softmax": _softmax, "sort": _sort, "square": torch.square, "squeeze": _squeeze, "stack": _stack, "stop": _stop,
    "sum": _sum, "swapaxes": torch.swapaxes, "take": _take, "take_along_axis": _take_along_axis,
    "zeros_like": torch.zeros_like,
}  # fmt: skip
_SCALAR = (
    "exp",
    "expm1",
    "log",
    "log1p",
    "maximum",
    "minimum",
    "power",
    "sign",
    "sqrt",
    "tanh",
    "where",
)


_known: dict[Any, SimpleNamespace] = {}  # a plain dict: a compiler can trace a look into it


def array_words(dtype: torch.dtype, device: torch.device) -> SimpleNamespace:
    """The vocabulary for tensors of ``dtype`` on ``device``."""
    key = dtype, device
    if key not in _known:
        _known[key] = _array_words(dtype, device)
    return _known[key]


def _array_words(dtype: torch.dtype, device: torch.device) -> SimpleNamespace:
    vocabulary = words(dtype)
    bound: dict[Any, Any] = {}

    def rule(function: Callable[..., Any]) -> Callable[..., Any]:
        if function not in bound:
            bound[function] = bind(function, vocabulary)
        return bound[function]  # type: ignore[no-any-return]

    def full_like(x: Tensor, value: float) -> Tensor:
        return torch.full_like(x, value)

    def array(values: Any, dtype: torch.dtype = dtype) -> Tensor:
        return torch.tensor(values, dtype=dtype, device=device)

    def arange(*bounds: int) -> Tensor:
        return torch.arange(*bounds, device=device)

    def one_hot(indices: Tensor, n: int) -> Tensor:
        return (indices.unsqueeze(-1) == torch.arange(n, device=device)).to(dtype)

    info = torch.finfo(dtype)
    return SimpleNamespace(
        **_PLAIN, **{name: vocabulary[name] for name in _SCALAR}, rule=rule, full_like=full_like, array=array,
        arange=arange,
        one_hot=one_hot, sigmoid=bind(scalar.sigmoid, vocabulary), softplus=bind(scalar.softplus, vocabulary),
        zeros=lambda shape, dtype=dtype: torch.zeros(shape, dtype=dtype, device=device),
        ones=lambda shape, dtype=dtype: torch.ones(shape, dtype=dtype, device=device),
        full=lambda shape, value: torch.full(shape, value, dtype=dtype, device=device),
        eye=lambda n: torch.eye(n, dtype=dtype, device=device),
        float=dtype, wide=torch.float32 if device.type == "mps" else torch.float64, index=torch.int64,
        finfo_tiny=info.tiny, finfo_max=info.max, finfo_eps=info.eps,
    )  # fmt: skip
