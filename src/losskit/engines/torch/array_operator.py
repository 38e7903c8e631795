"""Recursive array losses in compiled graphs: the kernel as an operator that a compiler does not look into.

A compiler would unroll the recursion of CTC or the iterations of Sinkhorn step by step, which takes
minutes. An operator stays whole, and since it runs on values it still refuses bad ones.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from losskit.engines.array_formula import Arrays, formula_of
from losskit.engines.torch.arrays import as_array, as_tensor, narrowed
from losskit.registry import Wanted, evaluator
from losskit.structures import ArrayLoss

_VALUE, _BOTH, _DERIVATIVE = Wanted(value=True), Wanted(value=True, derivative=True), Wanted(derivative=True)

_known: list[ArrayLoss] = []
"""Losses by number: what an operator takes are tensors and numbers, no objects."""


def make_known(loss: ArrayLoss) -> None:
    """Give a loss its number, beforehand: a compiler reads what is there, but cannot trace the giving."""
    if loss.recursive and "_operator_number" not in loss.__dict__:
        loss.__dict__["_operator_number"] = len(_known)
        _known.append(loss)


def is_operable(loss: ArrayLoss, tensors: Arrays, sample_weight: Any, mask: Any) -> bool:
    """Whether the operator takes this call: in a compiled graph, on CPU tensors, of a loss that has a number."""
    return (
        torch.compiler.is_compiling()
        and "_operator_number" in loss.__dict__
        and all(t is None or t.is_cpu for t in tensors)
        and all(t is None or (isinstance(t, Tensor) and t.is_cpu) for t in (sample_weight, mask))
    )


def value_of(loss: ArrayLoss, tensors: Arrays, sample_weight: Any, mask: Any) -> Tensor:
    """The loss, differentiable."""
    found: list[Tensor] = _array_loss(*_given(loss, tensors), sample_weight, mask)
    return found[0]


def derivatives_of(loss: ArrayLoss, tensors: Arrays, sample_weight: Any, mask: Any) -> Any:
    """The derivative in each differentiable argument."""
    found: list[Tensor] = _array_derivative(*_given(loss, tensors), sample_weight, mask, None)
    return found[0] if len(found) == 1 else tuple(found)


def _given(loss: ArrayLoss, tensors: Arrays) -> tuple[int, list[int], list[Tensor]]:
    """A loss's number, the places of the arguments that were passed, and these: no operator differentiates lists
    with None in them."""
    places = [i for i, t in enumerate(tensors) if t is not None]
    return loss.__dict__["_operator_number"], places, [tensors[i] for i in places]


def _moving(loss: ArrayLoss, places: Sequence[int]) -> list[int]:
    """Which of the tensors have a derivative, in its order."""
    return [
        places.index(loss.arguments.index(n))
        for n in loss.differentiable
        if loss.arguments.index(n) in places
    ]


def _ask(
    number: int, places: Sequence[int], tensors: Sequence[Tensor], wanted: Wanted, *options: Tensor | None
) -> tuple[Any, list[Tensor]]:
    """Value, and derivatives in the dtypes of their arguments, as far as wanted."""
    loss = _known[number]
    arrays: list[Any] = [None] * len(loss.arguments)
    for i, tensor in zip(places, tensors, strict=True):
        arrays[i] = as_array(tensor)
    sample_weight, mask, upstream = (as_array(x) for x in options)
    answer = evaluator(loss.structure)(
        loss, tuple(arrays), wanted, sample_weight, mask, None, upstream=upstream
    )
    if not wanted.derivative:
        return answer.value, []
    found = answer.derivative if isinstance(answer.derivative, tuple) else (answer.derivative,)
    return answer.value, [
        narrowed(as_tensor(np.asarray(slope)), tensors[i].dtype, saturates=False)
        for slope, i in zip(found, _moving(loss, places), strict=True)
    ]


@torch.library.custom_op("losskit::array_loss", mutates_args=())
def _array_loss(
    number: int, places: list[int], tensors: list[Tensor], sample_weight: Tensor | None, mask: Tensor | None
) -> list[Tensor]:
    """The value; behind it the derivatives, where it is one number."""
    wanted = _VALUE if _known[number].reduction == "none" else _BOTH
    value, slopes = _ask(number, places, tensors, wanted, sample_weight, mask, None)
    return [as_tensor(np.asarray(value)), *slopes]


@torch.library.custom_op("losskit::array_derivative", mutates_args=())
def _array_derivative(
    number: int, places: list[int], tensors: list[Tensor], sample_weight: Tensor | None, mask: Tensor | None,
    upstream: Tensor | None,
) -> list[Tensor]:  # fmt: skip
    """The derivatives, each term's times ``upstream``."""
    return _ask(number, places, tensors, _DERIVATIVE, sample_weight, mask, upstream)[1]


@_array_loss.register_fake
def _(number: int, places: list[int], tensors: list[Tensor], sample_weight: Any, mask: Any) -> list[Tensor]:
    loss = _known[number]
    dtype = torch.float64 if any(t.dtype is torch.float64 for t in tensors) else torch.float32
    if loss.reduction != "none":
        moving = (tensors[i] for i in _moving(loss, places))
        return [tensors[0].new_empty((), dtype=dtype), *(torch.empty_like(x) for x in moving)]
    shapes: list[Any] = [None] * len(loss.arguments)
    for i, tensor in zip(places, tensors, strict=True):
        shapes[i] = tuple(tensor.shape)
    return [tensors[0].new_empty(formula_of(loss).shape(loss, *shapes), dtype=dtype)]


@_array_derivative.register_fake
def _(
    number: int, places: list[int], tensors: list[Tensor], sample_weight: Any, mask: Any, upstream: Any
) -> list[Tensor]:
    return [torch.empty_like(tensors[i]) for i in _moving(_known[number], places)]


def _save(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    ctx.number, ctx.places, tensors, *options = inputs
    ctx.ready = len(output) > 1
    ctx.save_for_backward(*(output[1:] if ctx.ready else (*tensors, *options)))


def _backward(ctx: Any, grads: list[Tensor]) -> tuple[Any, ...]:
    if ctx.ready:
        slopes = [slope * grads[0].to(slope.dtype) for slope in ctx.saved_tensors]
    else:
        *tensors, sample_weight, mask = ctx.saved_tensors
        slopes = _array_derivative(ctx.number, ctx.places, tensors, sample_weight, mask, grads[0])
    answers: list[Tensor | None] = [None] * len(ctx.places)
    for slope, i in zip(slopes, _moving(_known[ctx.number], ctx.places), strict=True):
        answers[i] = slope
    return None, None, answers, None, None


_array_loss.register_autograd(_backward, setup_context=_save)
