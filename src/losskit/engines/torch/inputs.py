"""Tensors in: what the verbs accept of them, and what it takes to work on them as torch operations."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from losskit.engines.array_traced import Weights
from losskit.loss import LossFunction

HALVES = (torch.float16, torch.bfloat16)


def predictions(loss: LossFunction, arguments: tuple[Any, ...]) -> tuple[Any, Tensor]:
    """The target as it came and the prediction as a tensor of floats; a number is repeated."""
    y, p = arguments
    if not isinstance(p, Tensor):
        p = _repeated(loss, p, y)
    if p.dtype not in (torch.float32, torch.float64, *HALVES):
        raise TypeError(
            f"{loss.arguments[1]} must be a tensor of float16, bfloat16, float32 or float64, got {p.dtype}; pass "
            f"{loss.arguments[1]}.float()"
        )
    if p.layout is not torch.strided:
        name = loss.arguments[1]
        raise TypeError(f"{name} must be a dense tensor, got layout {p.layout}; pass {name}.to_dense()")
    return y, p


def _repeated(loss: LossFunction, p: Any, y: Tensor) -> Tensor:
    if isinstance(p, bool | int | float) and not isinstance(p, np.generic):
        dtype = y.dtype if y.is_floating_point() else torch.get_default_dtype()
        return torch.full(y.shape, float(p), dtype=dtype, device=y.device)
    t, name = loss.arguments
    raise TypeError(
        f"{t} is a torch tensor, but {name} is {_kind(p)}: pass torch.as_tensor({name}), or {t}.numpy() for an "
        "answer in NumPy"
    )


def beside(name: str, x: Any, p: Tensor, other: str) -> Tensor:
    """``x`` as a tensor on the device of ``p``; only what is in the host's memory anyway is moved there."""
    if isinstance(x, Tensor):
        if x.device != p.device:
            raise ValueError(
                f"{name} is on {x.device}, {other} on {p.device}: pass {name}.to({other}.device)"
            )
        return x
    if isinstance(x, bool | int | float | list | tuple):
        return torch.as_tensor(np.asarray(x), device=p.device)
    if not isinstance(x, np.ndarray | np.generic):
        raise TypeError(
            f"{name} must be a torch tensor or a NumPy array beside a torch tensor, got {_kind(x)}"
        )
    if p.device.type != "cpu":
        raise ValueError(
            f"{name} is a NumPy array, {other} is on {p.device}: pass torch.as_tensor({name}).to({other}.device)"
        )
    return torch.as_tensor(x if x.dtype.isnative else x.astype(x.dtype.newbyteorder("=")))


def _kind(x: Any) -> str:
    name = type(x).__name__
    return (
        "a NumPy array" if isinstance(x, np.ndarray) else f"a{'n' if name[0] in 'aeiouAEIOU' else ''} {name}"
    )


def working_dtype(y: Tensor | None, p: Tensor) -> torch.dtype:
    """float64 if any is, else float32: halves are computed and summed in float32."""
    double = p.dtype is torch.float64 or (y is not None and y.dtype is torch.float64)
    return torch.float64 if double else torch.float32


def weights_of(shape: torch.Size, p: Tensor, other: str, sample_weight: Any, mask: Any) -> Weights:
    """Sample weights and mask against terms of ``shape``."""
    w = keep = bad = None
    if mask is not None:
        keep = beside("mask", mask, p, other)
        if keep.dtype is not torch.bool:
            raise TypeError(f"mask must be boolean (True keeps an element), got dtype {keep.dtype}")
        keep = _spread("mask", keep, shape)
    if sample_weight is not None:
        w = beside("sample_weight", sample_weight, p, other)
        if w.is_complex():
            raise TypeError(f"sample_weight must be numbers, got dtype {w.dtype}")
        w = _spread("sample_weight", w if w.is_floating_point() else w.to(torch.float64), shape)
        bad = ~((w >= 0.0) & torch.isfinite(w))
        if keep is not None:
            bad = bad & keep
        present = w != 0.0
        keep = present if keep is None else keep & present
    return Weights(w, keep, bad)


def _spread(name: str, x: Tensor, shape: torch.Size) -> Tensor:
    """One value a term, from one value a term, a row or in all."""
    if x.shape == shape:
        return x
    if x.shape != shape[: x.dim()]:
        raise ValueError(
            f"{name} must have the shape of the terms, {tuple(shape)}, or of a leading part of it; "
            f"got {tuple(x.shape)}"
        )
    return x.reshape(x.shape + (1,) * (len(shape) - x.dim())).expand(shape)
