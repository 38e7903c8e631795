"""From terms to answers on torch tensors: weights, sums and means."""

import math
from typing import Any

import torch
from torch import Tensor

from losskit.engines.array_traced import Weights


def weighed(terms: Tensor, weights: Weights) -> Tensor:
    """w * terms, and 0 where there is no weight or the mask says no."""
    if weights.bad is not None:
        terms = terms * torch.where(weights.bad, math.nan, 1.0).to(terms.dtype)
    if weights.w is not None:
        terms = terms * weights.w.to(terms.dtype)
    return terms if weights.keep is None else torch.where(weights.keep, terms, 0.0)


def weight_of(weights: Weights, terms: Tensor) -> Any:
    """The total weight: a number where it is the number of terms, else a tensor."""
    w, keep, _ = weights
    if keep is None:
        return terms.numel()
    if w is None:
        return keep.sum().to(wide_dtype(terms))
    return torch.where(keep, w, 0.0).sum(dtype=wide_dtype(terms))


def count_of(weights: Weights, terms: Tensor) -> Any:
    """The number of terms that count."""
    return terms.numel() if weights.keep is None else weights.keep.sum()


def reduced(terms: Tensor, weights: Weights, reduction: str, empty: str, num_items: Any = None) -> Tensor:
    """The terms, their sum, or their mean."""
    if reduction == "none":
        return terms
    whole = terms.sum(dtype=wide_dtype(terms))
    if reduction == "sum":
        return whole
    return divided(whole, weight_of(weights, terms) if num_items is None else num_items, empty)


def divided(total: Tensor, weight: Any, empty: str) -> Tensor:
    """A mean, from the total and what it is to be divided by; of nothing, what ``empty`` says."""
    nothing = 0.0 if empty == "zero" else math.nan
    if not isinstance(weight, Tensor):
        return total / weight if weight else total * 0.0 + nothing
    there = weight != 0.0
    return torch.where(there, total / torch.where(there, weight, 1.0), nothing).to(total.dtype)


def wide_dtype(x: Tensor) -> torch.dtype:
    """What sums are kept in: double precision, where the device has it."""
    return torch.float32 if x.device.type == "mps" else torch.float64
