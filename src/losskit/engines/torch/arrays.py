"""Tensors as NumPy arrays over the same memory, and back."""

import contextlib
from typing import Any

import numpy as np
import torch
from torch import Tensor

from losskit.engines.torch.inputs import HALVES
from losskit.loss import LossFunction
from losskit.registry import Evaluation, Wanted, evaluator
from losskit.structures import RuleLoss

bfloat16: Any = None
"""NumPy's name for it; it comes with losskit[torch], and without it bfloat16 is converted whole."""
with contextlib.suppress(ImportError):
    from ml_dtypes import bfloat16


def as_array(x: Any, halves: bool = False) -> Any:
    """A tensor's memory as an array. No tensor, no change.

    Halves become float32, in which they are computed, unless ``halves`` says that the engine does so itself.
    """
    if not isinstance(x, Tensor):
        return x
    if x.requires_grad:
        x = x.detach()
    if x.dtype in HALVES:
        if not halves or (x.dtype is torch.bfloat16 and bfloat16 is None):
            x = x.float()
        elif x.dtype is torch.bfloat16:
            return x.cpu().view(torch.int16).numpy().view(bfloat16)
    return (x if x.is_cpu else x.cpu()).numpy()


def as_tensor(x: Any) -> Tensor:
    """An array's memory as a tensor, or a number as a tensor of no dimensions."""
    if not isinstance(x, np.ndarray):
        x = np.asarray(x)
    if x.dtype.name == "bfloat16":
        return torch.from_numpy(x.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(x)


def narrowed(x: Tensor, dtype: torch.dtype, saturates: bool) -> Tensor:
    """``x`` in ``dtype``; a saturating slope stops at its largest finite number."""
    if x.dtype is dtype:
        return x
    if saturates:
        largest = torch.finfo(dtype).max
        x = torch.where(torch.isinf(x), x, torch.clamp(x, -largest, largest))
    return x.to(dtype)


def ask(
    loss: LossFunction, y: Any, p: Any, wanted: Wanted, sample_weight: Any, mask: Any, out: Any = None
) -> Evaluation:
    """What the engine on arrays answers."""
    halves = isinstance(loss, RuleLoss)  # whose kernels convert them block by block
    arguments = as_array(y, halves), as_array(p, halves)
    weights = sample_weight, mask
    if sample_weight is not None or mask is not None:
        weights = as_array(sample_weight), as_array(mask)
    return evaluator(loss.structure)(loss, arguments, wanted, *weights, out)
