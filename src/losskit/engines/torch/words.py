"""The vocabulary of rules on torch tensors, in one dtype.

Rules are given the prediction's argument detached, so torch differentiates them with respect to the
target only. The words whose derivative torch would make NaN or 0 where a target is 0 have a spelling
here that keeps it.
"""

import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor


def _of_one(on_tensors: Callable[..., Any], on_numbers: Callable[..., float]) -> Callable[..., Any]:
    """A function of a tensor, or of a number such as a parameter."""

    def word(x: Any) -> Any:
        return on_tensors(x) if isinstance(x, Tensor) else on_numbers(x)

    return word


def _sign(x: float) -> float:
    return math.copysign(1.0, x) if x else 0.0


def _log(x: Tensor) -> Tensor:
    zero = x == 0.0
    return torch.where(zero, -math.inf, torch.log(torch.where(zero, 1.0, x)))  # 0 times 1/0 is NaN


def _log1p(x: Tensor) -> Tensor:
    return torch.where(torch.abs(x) < 1e-20, x, torch.log1p(x))  # which errs at subnormal numbers


def _maximum(a: Any, b: Any) -> Any:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return torch.maximum(a, b)
    if isinstance(a, Tensor):
        return torch.clamp(a, min=b)  # NaN stays NaN
    return torch.clamp(b, min=a) if isinstance(b, Tensor) else max(a, b)


def _minimum(a: Any, b: Any) -> Any:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return torch.minimum(a, b)
    if isinstance(a, Tensor):
        return torch.clamp(a, max=b)
    return torch.clamp(b, max=a) if isinstance(b, Tensor) else min(a, b)


def _power(x: Any, a: Any) -> Any:
    if isinstance(x, Tensor) or isinstance(a, Tensor):
        return torch.pow(x + 0.0, a)  # no -0.0: its power -0.5 is -inf to torch, +inf to everybody else
    return math.inf if x > 0.0 and a * math.log(x) > 709.0 else math.pow(x, a)  # which would raise


@cache
def words(dtype: torch.dtype) -> Mapping[str, Any]:
    """The vocabulary for tensors of ``dtype``."""
    largest = torch.finfo(dtype).max

    def where(condition: Any, a: Any, b: Any) -> Any:
        if not isinstance(condition, Tensor):
            return a if condition else b
        if not isinstance(a, Tensor) and not isinstance(b, Tensor):  # or torch takes its default dtype
            a = torch.full((), a, dtype=dtype, device=condition.device)
        return torch.where(condition, a, b)

    def scaled(factor: Any, x: Any) -> Any:
        if not isinstance(factor, Tensor):
            return 0.0 if factor == 0.0 else factor * x
        if not isinstance(x, Tensor):
            return where(factor == 0.0, 0.0, factor * x)
        # Times 0 it is a finite number that stands for x, so that the derivative in the factor is (almost) x.
        return factor * torch.where(factor == 0.0, torch.nan_to_num(x, 0.0, largest, -largest), x)

    return {
        "exp": _of_one(torch.exp, math.exp),
        "expm1": _of_one(torch.expm1, math.expm1),
        "log": _of_one(_log, math.log),
        "log1p": _of_one(_log1p, math.log1p),
        "sqrt": _of_one(torch.sqrt, math.sqrt),
        "tanh": _of_one(torch.tanh, math.tanh),
        "sign": _of_one(torch.sign, _sign),
        "maximum": _maximum,
        "minimum": _minimum,
        "power": _power,
        "where": where,
        "scaled": scaled,
    }
