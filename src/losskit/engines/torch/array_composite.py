"""Array losses as torch operations: the path for compilers, transforms, other devices and second derivatives.

Around the detached arguments q, with d = p - q, which is 0 and carries the derivative,

    terms(q) + J d,    where <c, J d> = sum_k <d_k, (pullback_k(p; c) + pullback_k(q; c)) / 2>,

has the derivative that the formula's pullback is, and as second derivative that of the pullback. A compiler finds
that both pullbacks are the same numbers.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from losskit.engines.array_formula import Arrays, Formula, axis_of, formula_of, given
from losskit.engines.array_inputs import fault_error
from losskit.engines.array_traced import (
    Weights,
    by_term,
    inner_shape,
    shapes_of,
    without_elements,
    without_terms,
)
from losskit.engines.torch import reductions
from losskit.engines.torch.array_operator import make_known
from losskit.engines.torch.array_words import array_words
from losskit.engines.torch.inputs import beside, weights_of
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
    dtype: torch.dtype
    """Of the answers; ``xp`` may work in a wider one."""


def like_of(loss: ArrayLoss, arguments: Arrays) -> Tensor:
    """The tensor whose device the others must be on."""
    tensors = [a for a in arguments if isinstance(a, Tensor)]
    floats = [a for a in tensors if a.is_floating_point()]
    if not floats:
        raise TypeError(f"{loss.differentiable[0]} must be a tensor of floats, got dtype {tensors[0].dtype}")
    return floats[0]


def tensors_of(loss: ArrayLoss, arguments: Arrays) -> Arrays:
    """The arguments as tensors on one device, indices as int64, other integers as they are where they have no
    derivative; numbers as tensors of the first one's shape."""
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
        elif x.is_floating_point() or name not in loss.differentiable:
            ready.append(x)
        else:
            ready.append(x.to(like.dtype))
    return tuple(ready)


def prepared(loss: ArrayLoss, arguments: Arrays, sample_weight: Any, mask: Any) -> ArrayPoint:
    """Check the arguments and make them safe to work on."""
    arrays = tensors_of(loss, arguments)
    like = like_of(loss, arrays)
    double = any(a is not None and a.dtype is torch.float64 for a in arrays)
    dtype = torch.float64 if double else torch.float32
    formula = formula_of(loss)
    shapes = shapes_of(arrays)
    shape = formula.shape(loss, *shapes)
    working = reductions.wide_dtype(like) if formula.in_double(loss, *shapes) else dtype
    xp = array_words(working, like.device)
    arrays = tuple(
        a if a is None or name in loss.indices else a.to(xp.float)
        for name, a in zip(loss.arguments, arrays, strict=True)
    )
    inner: Arrays = ()
    if loss.weighting == "terms":
        weights = _weights(shape, like, sample_weight, mask)
        known = weights.keep is None or is_known(weights.keep)
        arrays, weights, shape = without_terms(xp, loss, arrays, shape, weights, known)
    else:
        elements = loss.weighting != "items"
        inside = _weights(inner_shape(formula, loss, arrays), like, sample_weight if elements else None, mask)
        outside = _weights(shape, like, None if elements else sample_weight, None)
        arrays, inner, weights = without_elements(xp, loss, arrays, shape, inside, outside)
    return _checked(ArrayPoint(loss, formula, xp, arrays, inner, shape, weights, dtype))


def _weights(shape: tuple[int, ...], like: Tensor, sample_weight: Any, mask: Any) -> Weights:
    weights = weights_of(torch.Size(shape), like, "the other arguments", sample_weight, mask)
    if weights.bad is not None and is_known(weights.bad):
        if bool(weights.bad.any()):
            raise ValueError("sample_weight must be finite and at least 0")
        weights = weights._replace(bad=None)
    return weights


def _checked(point: ArrayPoint) -> ArrayPoint:
    """Raise for values that are not legal, where they can be looked at; else make their terms NaN."""
    loss, weights = point.loss, point.weights
    detached = tuple(a if a is None else a.detach() for a in (*point.arrays, *point.inner))
    for fault in point.formula.faults(point.xp, loss, *detached):
        if not (fault.index or loss.validate):
            continue
        if not is_known(fault.where) or not (loss.validate or fault.where.is_cpu):
            weights = weights.also_bad(by_term(point.xp, loss, fault, point.shape))
        elif bool(fault.where.any()):
            array = point.arrays[loss.arguments.index(fault.argument)]
            shown = array.to(point.dtype) if array.is_floating_point() else array
            raise fault_error(replace(fault, where=fault.where.cpu()), shown.detach().cpu().numpy())
    present = point.formula.present(point.xp, loss, *detached)
    return point._replace(weights=weights if present is None else weights.also_only(present))


def terms_of(point: ArrayPoint) -> Tensor:
    """The loss of each term, without its weight, with the pullback's derivatives."""
    call = _Call(point)
    value: Tensor = point.formula.terms(point.xp, point.loss, *call.at(call.still))
    return value + call.change_of_terms().to(value.dtype) if call.d else value


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

    def at(self, moving: Sequence[Tensor]) -> Arrays:
        """All arguments, with the differentiable ones replaced."""
        arrays = list(self.point.arrays)
        for i, x in zip(self.numbers, moving, strict=True):
            arrays[i] = x
        return (*arrays, *self.point.inner)

    def change(self, cotangent: Tensor) -> Tensor:
        """<cotangent, J d>."""
        change = torch.zeros((), dtype=self.point.xp.wide, device=cotangent.device)
        for moved in self._moved(cotangent):
            change = change + moved.sum(dtype=self.point.xp.wide)
        return change

    def change_of_terms(self) -> Tensor:
        """J d: the sums of what each term's own numbers move it by."""
        loss, shape = self.point.loss, self.point.shape
        one = torch.ones(shape, dtype=self.point.xp.float, device=self.d[0].device)
        found = [axis_of(loss, n, tuple(d.shape), shape) for n, d in zip(self.names, self.d, strict=True)]
        axes = [axis for axis in found if axis is not None]
        if loss.weighting != "terms" or loss.not_separable is not None or len(axes) < len(found):
            # Terms share numbers. <c, J d> is linear in c: its gradient is the same at a c so small that no slope overflows.
            shared: Tensor = torch.func.grad(self.change)(self.point.xp.finfo_tiny**0.5 * one)
            return shared
        change = torch.zeros_like(one)
        for axis, moved in zip(axes, self._moved(one), strict=True):
            others = [i for i in range(moved.dim()) if not axis <= i < axis + len(shape)]
            change = change + (moved.sum(others) if others else moved)
        return change

    def _moved(self, cotangent: Tensor) -> Iterator[Tensor]:
        """What each number of each differentiable argument moves <cotangent, J d> by."""
        point = self.point

        def slopes(*moving: Tensor) -> Arrays:
            found = point.formula.pullback(point.xp, point.loss, cotangent, *self.at(moving))
            return tuple(g for g in found if g is not None)

        if point.formula.any_scale:
            vjp: Any = torch.func.vjp
            there, pull = vjp(slopes, *self.still)
            here = slopes(*map(_held, self.moving, self.still, pull(tuple(map(torch.zeros_like, there)))))
        else:
            here, there = slopes(*self.moving), slopes(*self.still)
        for d, g, h in zip(self.d, here, there, strict=True):
            yield _times(d, 0.5 * g + 0.5 * h)


def _held(p: Tensor, q: Tensor, bend: Tensor) -> Tensor:
    """``p``, held still at ``q`` where the second derivative overflows: what that adds to the first, ``bend``, is 0
    times it, and would be NaN."""
    return torch.where(torch.isnan(bend), q, p)


def _times(d: Tensor, slope: Tensor) -> Tensor:
    """d slope, of a d of 0. An infinite slope is the product of two finite numbers: 0 times either is 0, and as the
    derivative in d they are infinite again."""
    largest = torch.finfo(slope.dtype).max
    moved = d * torch.clamp(slope, -largest, largest)
    return torch.where(torch.isinf(slope), largest * moved, moved)


def loss_of(point: ArrayPoint, num_items: Any = None) -> Tensor:
    """The loss, reduced as it says, with ``num_items`` as a mean's denominator."""
    loss, weights, dtype = point.loss, point.weights, point.dtype
    if loss.reduction == "none":
        return reductions.weighed(terms_of(point), weights).to(dtype)
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
    make_known(loss)
    if hasattr(type(loss), "example"):
        arrays = loss.example(np.random.default_rng(0), 2)
        devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
        for dtype, device in itertools.product((torch.float32, torch.float64), devices):
            tensors = [None if a is None else torch.as_tensor(a, device=device) for a in arrays]
            moved = tuple(t.to(dtype) if t is not None and t.is_floating_point() else t for t in tensors)
            with torch.no_grad():
                loss_of(prepared(loss, moved, None, None))
