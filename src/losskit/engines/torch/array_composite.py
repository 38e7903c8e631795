"""Array losses as torch operations: the path for compilers, transforms, other devices and second derivatives.

Around the detached arguments q, with d = p - q, which is 0 and carries the derivative,

    terms(q) + J d,    where <c, J d> = sum_k <d_k, (pullback_k(p; c) + pullback_k(q; c)) / 2>,

has the derivative that the formula's pullback is, and as second derivative that of the pullback.
"""

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from losskit.engines.array_formula import Arrays, Fault, Formula, axis_of, formula_of, given
from losskit.engines.array_inputs import fault_error
from losskit.engines.torch import reductions
from losskit.engines.torch.array_words import array_words
from losskit.engines.torch.inputs import Weights, beside, weights_of
from losskit.engines.torch.paths import is_known
from losskit.structures import ArrayLoss


class ArrayPoint(NamedTuple):
    """The arguments of an array loss, ready for its formula."""

    loss: ArrayLoss
    formula: Formula
    xp: Any
    arrays: Arrays
    inner: Arrays
    shape: tuple[int, ...]
    """Of the terms."""
    weights: Weights


def like_of(loss: ArrayLoss, arguments: Arrays) -> Tensor:
    """The tensor whose device the others must be on."""
    tensors = [a for a in arguments if isinstance(a, Tensor)]
    floats = [a for a in tensors if a.is_floating_point()]
    if not floats:
        raise TypeError(f"{loss.differentiable[0]} must be a tensor of floats, got dtype {tensors[0].dtype}")
    return floats[0]


def tensors_of(loss: ArrayLoss, arguments: Arrays) -> Arrays:
    """The arguments as tensors on one device, indices as int64; numbers as tensors of the first one's shape."""
    like = like_of(loss, arguments)
    ready: list[Any] = []
    for name, argument in zip(loss.arguments, arguments, strict=True):
        if argument is None:
            ready.append(None)
            continue
        if isinstance(argument, bool | int | float):
            argument = torch.full(like.shape, float(argument), dtype=like.dtype, device=like.device)
        x = beside(name, argument, like, "the other arguments")
        if x.is_complex() or x.layout is not torch.strided:
            raise TypeError(
                f"{name} must be a dense tensor of real numbers, got {x.dtype}, layout {x.layout}"
            )
        if name in loss.indices:
            if x.is_floating_point():
                raise TypeError(f"{name} must be integers, got dtype {x.dtype}; pass {name}.long()")
            ready.append(x.to(torch.int64))
        else:
            ready.append(x if x.is_floating_point() else x.to(like.dtype))
    return tuple(ready)


def prepared(loss: ArrayLoss, arguments: Arrays, sample_weight: Any, mask: Any) -> ArrayPoint:
    """Check the arguments and make them safe to work on."""
    arrays = tensors_of(loss, arguments)
    like = like_of(loss, arrays)
    floats = [a for a in arrays if a is not None and a.is_floating_point()]
    dtype = torch.float64 if any(a.dtype is torch.float64 for a in floats) else torch.float32
    formula = formula_of(loss)
    shapes = tuple(None if a is None else tuple(a.shape) for a in arrays)
    shape = formula.shape(loss, *shapes)
    arrays = tuple(a if a is None or not a.is_floating_point() else a.to(dtype) for a in arrays)
    inner: Arrays = ()
    if loss.weighting == "terms":
        weights = weights_of(torch.Size(shape), like, "the other arguments", sample_weight, mask)
        arrays, weights, shape = _only(loss, arrays, shape, weights)
    else:
        arrays, inner, weights = _inner(loss, formula, arrays, shapes, shape, like, sample_weight, mask)
    point = ArrayPoint(loss, formula, array_words(dtype, like.device), arrays, inner, shape, weights)
    return _checked(point)


def _only(
    loss: ArrayLoss, arrays: Arrays, shape: tuple[int, ...], weights: Weights
) -> tuple[Arrays, Weights, tuple[int, ...]]:
    """Take the terms that do not count out of the arguments; where they cannot be counted, blank them."""
    keep = weights.keep
    if keep is None:
        return arrays, weights, shape
    axes = [
        None if a is None else axis_of(loss, name, tuple(a.shape), shape)
        for name, a in zip(loss.arguments, arrays, strict=True)
    ]
    if loss.not_separable is None:
        blanked = [
            a
            if a is None or axis is None
            else torch.where(
                keep.reshape((1,) * axis + shape + (1,) * (a.dim() - axis - len(shape))),
                a,
                torch.ones_like(a),
            )
            for a, axis in zip(arrays, axes, strict=True)
        ]
        return tuple(blanked), weights, shape
    if not is_known(keep):
        raise NotImplementedError(
            f"a mask, or weights that may be 0, of a {loss.structure} loss cannot be traced: {loss.not_separable}; "
            "leave the rows out of the arguments instead"
        )
    cut = [
        a
        if a is None or axis is None
        else a.flatten(axis, axis + len(shape) - 1)[(slice(None),) * axis + (keep.reshape(-1),)]
        for a, axis in zip(arrays, axes, strict=True)
    ]
    left = (int(keep.sum()),)
    if weights.w is None:
        return tuple(cut), Weights(None, None, None), left
    bad = None if weights.bad is None else weights.bad[keep]
    return tuple(cut), Weights(weights.w[keep], torch.ones_like(keep[keep]), bad), left


def _inner(
    loss: ArrayLoss, formula: Formula, arrays: Arrays, shapes: Any, shape: tuple[int, ...], like: Tensor,
    sample_weight: Any, mask: Any,
) -> tuple[Arrays, Arrays, Weights]:  # fmt: skip
    """Weights of elements, or of the items that exist, with what does not count blanked."""
    if sample_weight is None and mask is None:
        return arrays, (), Weights(None, None, None)
    elements = loss.weighting == "elements"
    over = torch.Size(formula.weight_shape(loss, *shapes))
    other = "the other arguments"
    inside = weights_of(over, like, other, sample_weight if elements else None, mask)
    outside = weights_of(torch.Size(shape), like, other, None if elements else sample_weight, None)
    if inside.w is None and inside.keep is None:
        return arrays, (), outside
    dtype = next(a.dtype for a in arrays if a is not None and a.is_floating_point())
    weight = torch.ones(over, dtype=dtype, device=like.device) if inside.w is None else inside.w.to(dtype)
    if inside.keep is not None:
        weight = torch.where(inside.keep, weight, 0.0)
    if inside.bad is not None:
        weight = torch.where(inside.bad, math.nan, weight)
    blank = tuple(_blanked(a, weight != 0.0) for a in arrays)
    nothing = ~(weight != 0.0).any()
    there = Weights(
        outside.w, (~nothing).expand(shape) if outside.keep is None else outside.keep & ~nothing, outside.bad
    )
    return blank, (weight,), there


def _blanked(array: Any, keep: Tensor) -> Any:
    if array is None:
        return None
    if array.shape == keep.shape:
        return torch.where(keep, array, torch.zeros_like(array))
    if array.dim() == keep.dim() + 1 and array.shape[:1] + array.shape[2:] == keep.shape:
        return torch.where(keep.unsqueeze(1), array, torch.zeros_like(array))
    return array


def _checked(point: ArrayPoint) -> ArrayPoint:
    """Raise for values that are not legal, where they can be looked at; else make their terms NaN."""
    loss, weights = point.loss, point.weights
    bad = weights.bad
    detached = tuple(a if a is None else a.detach() for a in (*point.arrays, *point.inner))
    for fault in point.formula.faults(point.xp, loss, *detached):
        if not (fault.index or loss.validate):
            continue
        if is_known(fault.where) and (loss.validate or fault.where.is_cpu):
            if bool(fault.where.any()):
                raise fault_error(fault, _number(point, fault))
            continue
        bad = _also(bad, _by_term(point, fault))
    present = point.formula.present(point.xp, loss, *detached)
    if present is not None:
        weights = weights._replace(keep=present if weights.keep is None else weights.keep & present)
    if weights.bad is not None and is_known(weights.bad) and bool(weights.bad.any()):
        raise ValueError("sample_weight must be finite and at least 0")
    return point._replace(weights=weights._replace(bad=bad))


def _number(point: ArrayPoint, fault: Fault) -> Any:
    return point.arrays[point.loss.arguments.index(fault.argument)].detach().cpu().numpy()


def _by_term(point: ArrayPoint, fault: Fault) -> Tensor:
    """Where terms have an illegal value: in any, where an argument belongs to no single term."""
    where: Tensor = fault.where
    axis = axis_of(point.loss, fault.argument, tuple(where.shape), point.shape)
    if axis is None or not point.shape:
        return where.any().expand(point.shape)
    others = tuple(i for i in range(where.dim()) if not axis <= i < axis + len(point.shape))
    return where.any(dim=others) if others else where


def _also(bad: Tensor | None, more: Tensor) -> Tensor:
    return more if bad is None else bad | more


def terms_of(point: ArrayPoint) -> Tensor:
    """The loss of each term, without its weight, with the pullback's derivatives."""
    call = _Call(point)
    value: Tensor = point.formula.terms(point.xp, point.loss, *call.at(call.still))
    if not call.d:
        return value
    one = torch.ones(point.shape, dtype=value.dtype, device=value.device)
    carried: Tensor = torch.func.grad(call.change)(one)  # linear in the cotangent
    return value + carried.to(value.dtype)


def total_of(point: ArrayPoint, cotangent: Tensor) -> Tensor:
    """sum_i cotangent_i terms_i, with the pullback's derivatives."""
    call = _Call(point)
    value: Tensor = point.formula.terms(point.xp, point.loss, *call.at(call.still))
    whole = torch.where(cotangent != 0.0, cotangent * value, 0.0).sum(dtype=point.xp.wide)
    return whole + call.change(cotangent) if call.d else whole


class _Call:
    """The arguments of a point, detached, and what they move by."""

    def __init__(self, point: ArrayPoint) -> None:
        self.point = point
        self.names = given(point.loss, point.arrays)
        self.numbers = [point.loss.arguments.index(n) for n in self.names]
        self.moving = [point.arrays[i] for i in self.numbers]
        self.still = [x.detach() for x in self.moving]
        self.d = [
            torch.where(torch.isinf(q), 0.0, p - q) for p, q in zip(self.moving, self.still, strict=True)
        ]

    def at(self, moving: list[Tensor]) -> Arrays:
        """All arguments, with the differentiable ones replaced."""
        arrays = list(self.point.arrays)
        for i, x in zip(self.numbers, moving, strict=True):
            arrays[i] = x
        return (*arrays, *self.point.inner)

    def change(self, cotangent: Tensor) -> Tensor:
        """<cotangent, J d>."""
        point = self.point
        here = point.formula.pullback(point.xp, point.loss, cotangent, *self.at(self.moving))
        there = point.formula.pullback(point.xp, point.loss, cotangent, *self.at(self.still))
        passed = [(g, h) for g, h in zip(here, there, strict=True) if g is not None]
        change = torch.zeros((), dtype=point.xp.wide, device=cotangent.device)
        for d, (g, h) in zip(self.d, passed, strict=True):
            change = change + (d * _finite(0.5 * g + 0.5 * h)).sum(dtype=point.xp.wide)
        return change


def _finite(x: Tensor) -> Tensor:
    """What may be multiplied by 0."""
    largest = torch.finfo(x.dtype).max
    return torch.clamp(x, -largest, largest)


def loss_of(point: ArrayPoint, num_items: Any = None) -> Tensor:
    """The loss, reduced as it says, with ``num_items`` as a mean's denominator."""
    loss, weights, dtype = point.loss, point.weights, point.xp.float
    if loss.reduction == "none":
        return reductions.weighed(terms_of(point), weights)
    whole = total_of(point, cotangent_of(point))
    if loss.reduction == "sum":
        return whole.to(dtype)
    divisor = weight_of(point) if num_items is None else num_items
    return reductions.divided(whole, divisor, loss.empty).to(dtype)


def cotangent_of(point: ArrayPoint) -> Tensor:
    """What each term is multiplied by in the total."""
    one = torch.ones(point.shape, dtype=point.xp.float, device=like_of(point.loss, point.arrays).device)
    return reductions.weighed(one, point.weights)


def weight_of(point: ArrayPoint) -> Any:
    """The total weight: a number where it is the number of terms."""
    if point.weights.keep is None:
        return math.prod(point.shape)
    return reductions.weight_of(point.weights, cotangent_of(point))


def count_of(point: ArrayPoint) -> Any:
    """The number of terms that count."""
    return math.prod(point.shape) if point.weights.keep is None else point.weights.keep.sum()


def make_ready(loss: ArrayLoss) -> None:
    """Bind the loss's rules to torch, beforehand: a compiler can trace what is bound, but not the binding."""
    if hasattr(type(loss), "example"):
        arrays = loss.example(np.random.default_rng(0), 2)
        devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
        for dtype, device in itertools.product((torch.float32, torch.float64), devices):
            tensors = [None if a is None else torch.as_tensor(a, device=device) for a in arrays]
            moved = tuple(t.to(dtype) if t is not None and t.is_floating_point() else t for t in tensors)
            with torch.no_grad():
                loss_of(prepared(loss, moved, None, None))
