"""Which of the two paths a call takes: the fused kernel or torch operations."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

_PLAIN = (Tensor, torch.nn.Parameter)
_FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
_unpack_dual: Any = forward_ad.unpack_dual
_is_compiling = torch.compiler.is_compiling
_tracing_state = torch._C._get_tracing_state
_interpreters = torch._C._functorch.peek_interpreter_stack
_dispatch_modes = torch._C._len_torch_dispatch_stack
_is_wrapped = torch._C._functorch.is_functorch_wrapped_tensor
_is_batched = torch._C._functorch.is_batchedtensor
_is_batched_gradient = torch._C._functorch.is_legacy_batchedtensor


def is_traced() -> bool:
    """Whether a compiler or a transform is at work, to which values may be unknown."""
    return (
        _is_compiling()
        or _interpreters() is not None
        or _dispatch_modes() > 0
        or _tracing_state() is not None
    )


def is_fusible(p: Any, *others: Any, anywhere: bool = False) -> bool:
    """Whether a kernel may read these as arrays, and only ``p`` needs a gradient.

    That is: eager, plain tensors on the CPU (or ``anywhere``), no transform at work. What is no tensor is fine.
    """
    if is_traced() or not is_plain(p, anywhere):
        return False
    for t in others:
        if isinstance(t, Tensor) and (
            not is_plain(t, anywhere) or (t.requires_grad and torch.is_grad_enabled())
        ):
            return False
    return True


def is_plain(t: Any, anywhere: bool) -> bool:
    return (
        type(t) in _PLAIN
        and (t.is_cpu or (anywhere and not t.is_meta))
        and (t.dtype in _FLOATS or not (t.dtype.is_floating_point or t.dtype.is_complex))
        and t.layout is torch.strided
        and not (t.is_neg() or _is_wrapped(t) or _is_batched_gradient(t))
        and (forward_ad._current_level < 0 or _unpack_dual(t).tangent is None)
    )


def is_batched(t: Tensor) -> bool:
    """Whether it stands for many tensors: in vmap, or in a backward pass with ``is_grads_batched``."""
    return bool(_is_batched(t) or _is_batched_gradient(t))


def is_known(*tensors: Tensor | None) -> bool:
    """Whether the values can be looked at, so that bad ones can be refused."""
    return not is_traced() and not any(t is not None and (t.is_meta or is_batched(t)) for t in tensors)
