"""What the verbs answer to torch tensors, for losses of every structure."""

import copy
from typing import Any

import torch
from torch import Tensor

from losskit.engines.shared import shared_of
from losskit.engines.torch import composite
from losskit.engines.torch.arrays import as_array, as_tensor, bfloat16, narrowed
from losskit.engines.torch.fused import Call, Fused, saturates
from losskit.engines.torch.inputs import HALVES, beside, predictions
from losskit.engines.torch.paths import is_fusible, is_known
from losskit.engines.torch.reductions import count_of, reduced, weight_of
from losskit.loss import LossFunction, WeightedSum
from losskit.reduction import Parts
from losskit.registry import Evaluation, Wanted, evaluator
from losskit.structures import RuleLoss

_VALUE = Wanted(value=True)


def evaluate(
    loss: LossFunction,
    arguments: tuple[Any, ...],
    wanted: Wanted,
    sample_weight: Any,
    mask: Any,
    out: Any = None,
) -> Evaluation:
    """Value, derivative and second derivative of a loss, as far as wanted; the value is differentiable."""
    if isinstance(loss, WeightedSum):
        if shared_of(loss, arguments) is not None and not (wanted.second or wanted.parts):
            y, p = predictions(loss, arguments)
            if is_fusible(p, y, sample_weight, mask):
                return _fused(loss, y, p, wanted, sample_weight, mask, out)
        return _sum(loss, arguments, wanted, sample_weight, mask, out)
    y, p = predictions(loss, arguments)
    if out is not None:
        check_out(out, p)
    if is_fusible(p, y, sample_weight, mask):
        answer = _fused(loss, y, p, wanted, sample_weight, mask, out)
    elif not isinstance(loss, RuleLoss):
        answer = _by_hand(loss, y, p, wanted, sample_weight, mask)
    else:
        answer = _composite(loss, (y, p), wanted, sample_weight, mask)
    if out is not None and answer.derivative is not None and answer.derivative is not out:
        answer.derivative = out.copy_(answer.derivative)
    return answer


def _fused(
    loss: LossFunction, y: Any, p: Tensor, wanted: Wanted, sample_weight: Any, mask: Any, out: Any = None
) -> Evaluation:
    """Through the kernel."""
    call = Call(loss, y, sample_weight, mask)
    needed = p.requires_grad and torch.is_grad_enabled()
    if needed and wanted == _VALUE:
        return Evaluation(value=Fused.apply(p, call, None))  # type: ignore[no-untyped-call]
    if wanted.parts:
        call = call._replace(loss=summed(loss))
    kernel_out = out if out is not None and is_fusible(out) and _is_written_in_place(loss, p) else None
    raw = call.ask(p, wanted, None if kernel_out is None else as_array(kernel_out, halves=True))
    answer = Evaluation()
    if wanted.value:
        answer.value = (
            Fused.apply(p, call, raw) if needed else as_tensor(raw.value).to(p.device)  # type: ignore[no-untyped-call]
        )
    if wanted.parts and raw.parts is not None:
        answer.parts = Parts(answer.value, raw.parts.weight, raw.parts.count)
    if wanted.derivative:
        answer.derivative = kernel_out if kernel_out is not None else _answer(call, raw.derivative, p)
    if wanted.second:
        answer.second = _answer(call, raw.second, p)
    return answer


def _is_written_in_place(loss: LossFunction, p: Tensor) -> bool:
    """Whether the kernel's derivative has the dtype of the predictions."""
    if p.dtype not in HALVES:
        return True
    return isinstance(loss, RuleLoss) and (p.dtype is torch.float16 or bfloat16 is not None)


def _answer(call: Call, derivative: Any, p: Tensor) -> Tensor:
    return narrowed(call.tensor(derivative), p.dtype, saturates(call.loss)).to(p.device)


def _by_hand(
    loss: LossFunction, y: Any, p: Tensor, wanted: Wanted, sample_weight: Any, mask: Any
) -> Evaluation:
    """What works on arrays only: tensors are copied to the host for it."""
    if isinstance(y, Tensor) and y.requires_grad and torch.is_grad_enabled():
        raise TypeError(
            f"{loss.arguments[0]} requires a gradient, but {type(loss).__name__} is written by hand and has a "
            f"derivative for {loss.arguments[1]} only: pass {loss.arguments[0]}.detach()"
        )
    y = beside(loss.arguments[0], y, p, loss.arguments[1])
    if not is_fusible(p, y, sample_weight, mask, anywhere=True):
        composite.bounds_of(loss)  # which says why not
    return _fused(loss, y, p, wanted, sample_weight, mask)


def _composite(
    loss: LossFunction, arguments: tuple[Any, Tensor], wanted: Wanted, sample_weight: Any, mask: Any
) -> Evaluation:
    """As torch operations."""
    bounds = composite.bounds_of(loss)
    y, p = arguments
    point = composite.prepared(bounds, arguments, sample_weight, mask, None)
    answer = Evaluation()
    if wanted.value:
        terms = composite.terms_of(point)
        if wanted.parts:
            whole = reduced(terms, point.weights, "sum", loss.empty).to(point.dtype)
            weight, count = (
                weight_of(point.weights, terms),
                count_of(point.weights, terms),
            )
            if is_known(*(x for x in (weight, count) if isinstance(x, Tensor))):
                weight, count = float(weight), int(count)
            answer.parts = Parts(whole, weight, count)  # type: ignore[arg-type]
        answer.value = reduced(terms, point.weights, loss.reduction, loss.empty).to(point.dtype)
    if wanted.derivative:

        def value_of(q: Tensor) -> Tensor:
            return composite.total(bounds, (y, q), sample_weight, mask).sum()

        answer.derivative = torch.func.grad(value_of)(p)
    if wanted.second:
        answer.second = narrowed(composite.curvatures(point), p.dtype, saturates(loss))
    return answer


def _sum(
    loss: WeightedSum, arguments: tuple[Any, ...], wanted: Wanted, sample_weight: Any, mask: Any, out: Any
) -> Evaluation:
    """The weighted sum of what the terms answer; parts of a sum do not merge, so there are none."""
    answers = [
        (
            k,
            evaluator(term.structure, "torch")(
                term, arguments, wanted._replace(parts=False), sample_weight, mask
            ),
        )
        for k, term in loss.summands
    ]
    total = Evaluation()
    for name, asked in (
        ("value", wanted.value),
        ("derivative", wanted.derivative),
        ("second", wanted.second),
    ):
        if asked:
            setattr(total, name, _added([(k, getattr(answer, name)) for k, answer in answers]))
    if out is not None and wanted.derivative:
        written(total.derivative, out)
        total.derivative = out
    return total


def written(derivative: Any, out: Any) -> None:
    """Put derivatives into the tensors that were given for them."""
    outs = out if isinstance(out, tuple) else (out,)
    results = derivative if isinstance(derivative, tuple) else (derivative,)
    for one, result in zip(outs, results, strict=True):
        check_out(one, result)
        one.copy_(result)


def _added(weighted: list[tuple[float, Any]]) -> Any:
    if isinstance(weighted[0][1], tuple):  # a derivative in each of several arguments
        return tuple(_added([(k, xs[i]) for k, xs in weighted]) for i in range(len(weighted[0][1])))
    if len({x.shape for _, x in weighted}) > 1:
        shapes = " and ".join(str(tuple(x.shape)) for _, x in weighted)
        raise ValueError(f"the losses of a sum answer with different shapes, {shapes}; reduce them first")
    (k, first), *rest = weighted
    total = first * k
    for k, x in rest:
        total = total + k * x
    return total


def summed(loss: LossFunction) -> Any:
    """The same loss with the reduction "sum"."""
    return loss if loss.reduction == "sum" else _changed(loss, "reduction", "sum")


def _changed(loss: LossFunction, name: str, value: Any) -> Any:
    """The loss with one of the parameters that every loss has, made once and past its constructor.

    A loss written by hand need not take it there.
    """
    known: dict[Any, LossFunction] = loss.__dict__.setdefault("_changed", {})
    if name not in known:
        other = known[name] = copy.copy(loss)
        other.__dict__[name] = value
        if isinstance(loss, WeightedSum):
            other.__dict__["summands"] = tuple((k, _changed(term, name, value)) for k, term in loss.summands)
    return known[name]


def check_out(out: Any, p: Tensor) -> None:
    """Raise unless ``out`` can take the derivative."""
    if not isinstance(out, Tensor):
        raise TypeError(f"out must be a torch tensor, got {type(out).__name__}")
    if out.shape != p.shape or out.dtype != p.dtype or out.device != p.device or out.requires_grad:
        needs = ", requiring a gradient" if out.requires_grad else ""
        raise ValueError(
            f"out must be of shape {tuple(p.shape)}, dtype {p.dtype}, on {p.device} and without a gradient; got shape "
            f"{tuple(out.shape)}, dtype {out.dtype}, on {out.device}{needs}"
        )
