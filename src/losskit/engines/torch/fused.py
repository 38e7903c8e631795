"""Plain CPU tensors through the fused kernel: the forward pass computes the gradient as well."""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from losskit.engines import memory
from losskit.engines.torch.arrays import as_tensor, ask, narrowed
from losskit.engines.torch.composite import bounds_of, total
from losskit.engines.torch.inputs import HALVES
from losskit.engines.torch.paths import is_batched
from losskit.loss import LossFunction, WeightedSum
from losskit.registry import Evaluation, Wanted
from losskit.structures import RowLoss, RuleLoss

_BOTH, _DERIVATIVE = Wanted(value=True, derivative=True), Wanted(derivative=True)
_OWN = (RuleLoss, WeightedSum)
_FLOAT32 = np.dtype(np.float32)


class Call(NamedTuple):
    """A call of a loss with everything but the predictions."""

    loss: LossFunction
    y: Any
    sample_weight: Any
    mask: Any

    def ask(self, p: Tensor, wanted: Wanted = _BOTH, out: Any = None) -> Evaluation:
        """The kernel's answer."""
        return ask(self.loss, self.y, p, wanted, self.sample_weight, self.mask, out)

    def ask_unrounded(self, p: Tensor, wanted: Wanted = _BOTH) -> Evaluation:
        """The same with the derivative of halves in float32: what they are scaled by may bring them into range."""
        if p.dtype not in HALVES or not isinstance(self.loss, RuleLoss):
            return self.ask(p, wanted)
        return self.ask(p, wanted, memory.empty(p.numel(), _FLOAT32).reshape(p.shape))

    def tensor(self, derivative: Any) -> Tensor:
        """A derivative the kernel answered, as a tensor that is nobody else's."""
        if not isinstance(self.loss, _OWN):  # what a user's own function returns may be kept elsewhere
            derivative = np.array(derivative)
        return as_tensor(derivative)


def saturates(loss: LossFunction) -> bool:
    """Whether slopes of the loss stop at the largest finite number."""
    return isinstance(loss, RuleLoss) and any(term.rules.saturates for term in loss.terms)


class Fused(torch.autograd.Function):
    """Value in the forward pass, with the gradient beside it, unless ``answer`` has the value already."""

    @staticmethod
    def forward(ctx: Any, p: Tensor, call: Call, answer: Evaluation | None) -> Tensor:
        ctx.save_for_backward(p)
        ctx.call, ctx.dtype, ctx.dims, ctx.gradient = call, p.dtype, p.dim(), None
        if answer is None:
            answer = call.ask_unrounded(p)
            ctx.gradient = answer.derivative
        value = as_tensor(answer.value)
        return value if p.is_cpu else value.to(p.device)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        call: Call = ctx.call
        if torch.is_grad_enabled():  # create_graph: the gradient will be differentiated
            return _recorded(call, ctx.saved_tensors[0], grad), None, None
        # Our own reference goes first: were there two, autograd would copy the gradient into .grad.
        derivative, ctx.gradient = ctx.gradient, None
        if derivative is None:  # another backward pass through the same graph: the same kernel, the same bits
            derivative = call.ask_unrounded(ctx.saved_tensors[0], _DERIVATIVE).derivative
        gradient = call.tensor(derivative)
        del derivative
        if not grad.is_cpu:
            gradient = gradient.to(grad.device)
        if is_batched(grad) or type(grad) is not Tensor:
            gradient = gradient * _spread(call, grad, ctx.dims)
        elif grad.dim():
            gradient.mul_(_spread(call, grad, ctx.dims))
        elif grad.item() != 1.0:
            gradient.mul_(grad)
        if gradient.dtype is not ctx.dtype:
            gradient = narrowed(gradient, ctx.dtype, saturates(call.loss))
        return gradient, None, None


def _recorded(call: Call, p: Tensor, grad: Tensor) -> Tensor:
    """The gradient as a function of ``p`` and ``grad``, from the loss as torch operations."""
    value = total(bounds_of(call.loss), (call.y, p), call.sample_weight, call.mask)
    (gradient,) = torch.autograd.grad(value, p, grad.to(value.dtype), create_graph=True)
    return gradient


def _spread(call: Call, grad: Tensor, dims: int) -> Tensor:
    """The incoming gradient, one number a term, against the shape of the predictions."""
    if grad.dim() in (0, dims):
        return grad
    if isinstance(call.loss, RowLoss):
        return grad.unsqueeze(call.loss.form.axis)
    return grad.reshape(grad.shape + (1,) * (dims - grad.dim()))
