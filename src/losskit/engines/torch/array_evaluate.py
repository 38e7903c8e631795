"""What the verbs answer to torch tensors, for losses of whole arrays."""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from losskit.engines.array_formula import Arrays, given
from losskit.engines.torch import array_composite as composite
from losskit.engines.torch import array_operator as operator
from losskit.engines.torch.arrays import as_array, as_tensor, narrowed
from losskit.engines.torch.evaluate import check_out, summed, written
from losskit.engines.torch.paths import is_batched, is_known, is_plain, is_traced
from losskit.reduction import Parts
from losskit.registry import Evaluation, Wanted, evaluator
from losskit.structures import ArrayLoss

_VALUE = Wanted(value=True)
_BOTH = Wanted(value=True, derivative=True)
_DERIVATIVE = Wanted(derivative=True)


def evaluate(
    loss: ArrayLoss, arguments: Arrays, wanted: Wanted, sample_weight: Any, mask: Any, out: Any = None
) -> Evaluation:
    """Value, derivative and second derivative of a loss, as far as wanted; the value is differentiable."""
    tensors = composite.tensors_of(loss, arguments)
    moving = _moving(loss, tensors)
    _check_outs(out, moving)
    if wanted.parts and loss.merges_sums:
        return _on_host(loss, tensors, wanted, sample_weight, mask)  # numbers, without a gradient
    if operator.is_operable(loss, tensors, sample_weight, mask) and not (wanted.parts or wanted.second):
        return _operated(loss, tensors, wanted, sample_weight, mask)
    if _fusible(loss, tensors, sample_weight, mask):
        answer = _fused(_Call(loss, tensors, sample_weight, mask), wanted, moving)
    else:
        answer = _composite(loss, tensors, wanted, sample_weight, mask)
    if out is not None and answer.derivative is not None:
        written(answer.derivative, out)
        answer.derivative = out
    return answer


def _moving(loss: ArrayLoss, tensors: Arrays) -> list[Tensor]:
    """The arguments that have a derivative, of those passed."""
    return [tensors[loss.arguments.index(name)] for name in given(loss, tensors)]


def _check_outs(out: Any, moving: list[Tensor]) -> None:
    if out is None:
        return
    outs = out if isinstance(out, tuple) else (out,)
    if len(outs) != len(moving):
        raise ValueError(f"out must be a tuple of {len(moving)} tensors, one a derivative; got {len(outs)}")
    for one, x in zip(outs, moving, strict=True):
        check_out(one, x)


def _fusible(loss: ArrayLoss, tensors: Arrays, sample_weight: Any, mask: Any) -> bool:
    """Whether a kernel may read these as arrays: eager, plain CPU tensors, and gradients only where there are some."""
    others = [t for t in (*tensors, sample_weight, mask) if isinstance(t, Tensor)]
    if is_traced() or not all(is_plain(t, anywhere=False) for t in others):
        return False
    for name, t in zip(
        (*loss.arguments, "sample_weight", "mask"), (*tensors, sample_weight, mask), strict=True
    ):
        needed = isinstance(t, Tensor) and t.requires_grad and torch.is_grad_enabled()
        if needed and name not in loss.differentiable:
            raise TypeError(
                f"{name} requires a gradient, but {type(loss).__name__} has a derivative for "
                f"{' and '.join(loss.differentiable)} only: pass {name}.detach()"
            )
    return True


class _Call(NamedTuple):
    """A call of a loss."""

    loss: ArrayLoss
    tensors: Arrays
    sample_weight: Any
    mask: Any

    def ask(self, wanted: Wanted, upstream: Any = None) -> Evaluation:
        """The kernel's answer."""
        arrays = tuple(map(as_array, self.tensors))
        weights = as_array(self.sample_weight), as_array(self.mask)
        answer: Evaluation = evaluator(self.loss.structure)(
            self.loss, arrays, wanted, *weights, None, upstream=as_array(upstream)
        )
        return answer

    def gradients(self, derivative: Any) -> list[Tensor]:
        """Derivatives the kernel answered, as tensors in the dtypes of their arguments."""
        several = derivative if isinstance(derivative, tuple) else (derivative,)
        return [
            narrowed(as_tensor(np.asarray(g)), x.dtype, saturates=False)
            for g, x in zip(several, _moving(self.loss, self.tensors), strict=True)
        ]


def _operated(loss: ArrayLoss, tensors: Arrays, wanted: Wanted, sample_weight: Any, mask: Any) -> Evaluation:
    """Through the kernel, inside of a compiled graph."""
    call = loss, tensors, sample_weight, mask
    return Evaluation(
        value=operator.value_of(*call) if wanted.value else None,
        derivative=operator.derivatives_of(*call) if wanted.derivative else None,
    )


def _fused(call: _Call, wanted: Wanted, moving: list[Tensor]) -> Evaluation:
    """Through the kernel."""
    needed = torch.is_grad_enabled() and any(x.requires_grad for x in moving)
    if needed and wanted == _VALUE:
        return Evaluation(value=FusedArrays.apply(call, None, *moving))  # type: ignore[no-untyped-call]
    if wanted.parts:
        call = call._replace(loss=summed(call.loss))
    raw = call.ask(wanted)
    answer = Evaluation()
    if wanted.value:
        answer.value = FusedArrays.apply(call, raw, *moving) if needed else as_tensor(raw.value)  # type: ignore[no-untyped-call]
    if wanted.parts and raw.parts is not None:
        answer.parts = Parts(answer.value, raw.parts.weight, raw.parts.count)
    for name, asked in (("derivative", wanted.derivative), ("second", wanted.second)):
        if asked:
            gradients = call.gradients(getattr(raw, name))
            setattr(answer, name, gradients[0] if len(gradients) == 1 else tuple(gradients))
    return answer


class FusedArrays(torch.autograd.Function):
    """Value in the forward pass, with the gradients beside it, unless ``answer`` has the value already."""

    @staticmethod
    def forward(ctx: Any, call: _Call, answer: Evaluation | None, *moving: Tensor) -> Tensor:
        loss = call.loss
        still = tuple(t.detach() if isinstance(t, Tensor) else t for t in call.tensors)
        ctx.save_for_backward(*moving)
        ctx.call, ctx.gradients = call._replace(tensors=still), None
        if answer is None:
            answer = ctx.call.ask(_VALUE if loss.reduction == "none" else _BOTH)
            ctx.gradients = answer.derivative
        return as_tensor(answer.value)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        call: _Call = ctx.call
        if torch.is_grad_enabled() or is_batched(grad) or type(grad) is not Tensor:
            return None, None, *_recorded(call, ctx.saved_tensors, grad)
        # Our own reference goes first: were there two, autograd would copy the gradients into .grad.
        derivative, ctx.gradients = ctx.gradients, None
        if grad.dim():
            gradients = call.gradients(call.ask(_DERIVATIVE, upstream=grad).derivative)
        else:
            gradients = call.gradients(call.ask(_DERIVATIVE).derivative if derivative is None else derivative)
            if grad.item() != 1.0:
                gradients = [g.mul_(grad.to(g.dtype)) for g in gradients]
        return None, None, *gradients


def _recorded(call: _Call, moving: tuple[Tensor, ...], grad: Tensor) -> list[Any]:
    """The gradients as functions of the arguments and of ``grad``, from the loss as torch operations."""
    loss = call.loss
    tensors = list(call.tensors)
    wanted = [x.requires_grad for x in moving]
    with torch.enable_grad():
        for name, x in zip(given(loss, call.tensors), moving, strict=True):
            tensors[loss.arguments.index(name)] = x
        value = composite.loss_of(composite.prepared(loss, tuple(tensors), call.sample_weight, call.mask))
        found = torch.autograd.grad(
            value, [x for x, w in zip(moving, wanted, strict=True) if w], grad.to(value.dtype),
            create_graph=torch.is_grad_enabled(), is_grads_batched=False, allow_unused=True,
        )  # fmt: skip
    left = iter(found)
    return [next(left) if w else None for w in wanted]


def _composite(loss: ArrayLoss, tensors: Arrays, wanted: Wanted, sample_weight: Any, mask: Any) -> Evaluation:
    """As torch operations."""
    point = composite.prepared(loss, tensors, sample_weight, mask)
    answer = Evaluation()
    if wanted.value:
        answer.value = composite.loss_of(point)
    if wanted.parts:
        weight, count = composite.weight_of(point), composite.count_of(point)
        if is_known(*(x for x in (weight, count) if isinstance(x, Tensor))):
            weight, count = float(weight), int(count)
        whole = composite.total_of(point, composite.cotangent_of(point)).to(point.dtype)
        answer.parts = Parts(whole, weight, count)  # type: ignore[arg-type]
    if wanted.derivative:
        answer.derivative = _gradients(loss, tensors, sample_weight, mask)
    if wanted.second:
        second = _on_host(loss, tensors, Wanted(second=True), sample_weight, mask).second
        found = [
            narrowed(as_tensor(np.asarray(g)), x.dtype, saturates=False).to(x.device)
            for g, x in zip(
                second if isinstance(second, tuple) else (second,), _moving(loss, tensors), strict=True
            )
        ]
        answer.second = found[0] if len(found) == 1 else tuple(found)
    return answer


def _on_host(loss: ArrayLoss, tensors: Arrays, wanted: Wanted, sample_weight: Any, mask: Any) -> Evaluation:
    """What the engine on NumPy arrays answers."""
    given = (*tensors, sample_weight, mask)
    if is_traced() or not all(is_known(t) for t in given if isinstance(t, Tensor)):
        verb = "parts" if wanted.parts else "second_derivative"
        raise NotImplementedError(
            f"{verb} of {type(loss).__name__} cannot be traced; call it outside of compiled or transformed code"
        )
    *host, w, keep = (t.detach().cpu() if isinstance(t, Tensor) else t for t in given)
    return _Call(loss, tuple(host), w, keep).ask(wanted)


def _gradients(loss: ArrayLoss, tensors: Arrays, sample_weight: Any, mask: Any) -> Any:
    """The derivative in each differentiable argument."""
    numbers = [loss.arguments.index(name) for name in given(loss, tensors)]

    def value_of(*moving: Tensor) -> Tensor:
        arguments = list(tensors)
        for i, x in zip(numbers, moving, strict=True):
            arguments[i] = x
        return composite.loss_of(composite.prepared(loss, tuple(arguments), sample_weight, mask)).sum()

    found = torch.func.grad(value_of, tuple(range(len(numbers))))(*(tensors[i] for i in numbers))
    return found[0] if len(found) == 1 else found
