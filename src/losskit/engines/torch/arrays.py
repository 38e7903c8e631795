"""Tensors as NumPy arrays over the same memory, and back."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from losskit.engines.torch.inputs import HALVES
from losskit.loss import LossFunction
from losskit.registry import Evaluation, Wanted, evaluator


def as_array(x: Any) -> Any:
    """A tensor's memory as an array; halves as float32, in which they are computed. No tensor, no change."""
    if not isinstance(x, Tensor):
        return x
    if x.requires_grad:
        x = x.detach()
    if x.dtype in HALVES:
        x = x.float()
    return (x if x.is_cpu else x.cpu()).numpy()


def as_tensor(x: Any) -> Tensor:
    """An array's memory as a tensor, or a number as a tensor of no dimensions."""
    return torch.from_numpy(x if isinstance(x, np.ndarray) else np.asarray(x))


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
    arguments = as_array(y), as_array(p)
    return evaluator(loss.structure)(loss, arguments, wanted, as_array(sample_weight), as_array(mask), out)
