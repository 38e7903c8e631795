"""Losses of a few numbers at a time: each rule applied to whole columns of numbers."""

import math
from collections.abc import Iterator
from typing import Any

from losskit.engines.array_formula import Arrays, Fault
from losskit.structures.columns import ColumnLoss, Piece

Shape = tuple[int, ...]

ANY_SCALE = True


def shape(loss: ColumnLoss, *shapes: Shape | None) -> Shape:
    """That of every argument, less the axis that a rule takes at once or is summed along."""
    given = [(n, s) for n, s in zip(loss.arguments, shapes, strict=True) if s is not None]
    (first, common), *others = given
    if loss.apart and loss.reduction != "none" and any(s != common for _, s in others):
        return ()
    for name, other in others:
        if other != common:
            raise ValueError(_differ(loss, first, common, name, other))
    if loss.entries and common[-1:] != (len(loss.entries),):
        raise ValueError(
            f"{first} must have {len(loss.entries)} entries ({', '.join(loss.entries)}) on its last axis, got shape {common}"
        )
    if loss.summed and not common:
        raise ValueError(f"{first} must have an axis to sum along, got a single number")
    return common[:-1] if loss.entries or loss.summed else common


def _differ(loss: ColumnLoss, first: str, common: Shape, name: str, other: Shape) -> str:
    hint = "losskit never broadcasts arrays"
    if loss.apart:
        hint = 'with reduction="mean" or "sum" they may differ'
    elif math.prod(other) == math.prod(common):
        hint = f"reshape {name} to {common}: {hint}"
    return f"{first} and {name} must have the same shape, got {common} and {other}; {hint}"


def faults(xp: Any, loss: ColumnLoss, *arrays: Any) -> Iterator[Fault]:
    """Numbers outside their domain and entries in the wrong order."""
    for name, array in zip(loss.arguments, arrays, strict=True):
        if array is None:
            continue
        if name in loss.domains:
            yield Fault(name, loss.domains[name].outside(array), str(loss.domains[name]))
        if loss.ascending:
            yield _disorder(xp, loss, name, array)


def _disorder(xp: Any, loss: ColumnLoss, name: str, array: Any) -> Fault:
    """Entries that are less than another they should be above."""
    column = {entry: array[..., j] for j, entry in enumerate(loss.entries)}
    wrong = dict.fromkeys(loss.entries, xp.zeros_like(array[..., 0]) > 0.0)
    wrong |= {high: column[low] > column[high] for low, high in loss.ascending}
    expected = " and ".join(f"{low} <= {high}" for low, high in loss.ascending)
    return Fault(name, xp.stack([wrong[entry] for entry in loss.entries], axis=-1), expected)


def terms(xp: Any, loss: ColumnLoss, *arrays: Any) -> Any:
    """The sum of the pieces."""
    values = [_apply(xp, loss, piece, piece.rules.value, arrays) for piece in loss.pieces]
    if loss.summed:
        values = [xp.sum(v, axis=-1, dtype=xp.wide) for v in values]
    elif differ(arrays):
        values = [xp.sum(v, dtype=xp.wide) * share(loss, v.shape) for v in values]
    return sum(values[1:], values[0])


def pullback(xp: Any, loss: ColumnLoss, cotangent: Any, *arrays: Any) -> Arrays:
    """The cotangent times each partial derivative."""
    return _gradients(xp, loss, cotangent, "slopes", arrays)


def diagonal(xp: Any, loss: ColumnLoss, cotangent: Any, *arrays: Any) -> Arrays:
    """The cotangent times each second partial derivative."""
    return _gradients(xp, loss, cotangent, "curvatures", arrays)


def _gradients(xp: Any, loss: ColumnLoss, cotangent: Any, rule: str, arrays: Arrays) -> Arrays:
    gradients: dict[str, Any] = {}
    given = dict(zip(loss.arguments, arrays, strict=True))
    for piece in loss.pieces:
        partials = iter(_apply(xp, loss, piece, getattr(piece.rules, rule), arrays))
        for name in columns_of(loss, piece):
            own = [next(partials) for _ in loss.entries or (name,)]
            if given[name] is None:
                continue
            slope = xp.stack(own, axis=-1) if loss.entries else own[0]
            factor = xp.expand_dims(cotangent, -1) if loss.entries or loss.summed else cotangent
            if differ(arrays):
                factor = factor * share(loss, slope.shape)
            gradients[name] = factor * slope
    return tuple(gradients.get(name) for name in loss.differentiable)


def _apply(xp: Any, loss: ColumnLoss, piece: Piece, rule: Any, arrays: Arrays) -> Any:
    """A rule on the columns of its piece's arguments."""
    given = dict(zip(loss.arguments, arrays, strict=True))
    columns: list[Any] = []
    for name in piece.arguments:
        array = given[name]
        if array is None:
            columns.append(0.0)
        elif loss.entries:
            columns += [array[..., j] for j in range(len(loss.entries))]
        else:
            columns.append(array)
    return xp.rule(rule)(*columns, *piece.parameters)


def columns_of(loss: ColumnLoss, piece: Piece) -> tuple[str, ...]:
    """The differentiable arguments of a piece, in the order of its slopes."""
    return tuple(name for name in piece.arguments if name in loss.differentiable)


def differ(arrays: Arrays) -> bool:
    """Whether the arguments of pieces that are reduced on their own are of different shapes."""
    return len({array.shape for array in arrays if array is not None}) > 1


def share(loss: ColumnLoss, shape: Shape) -> float:
    """What a number counts in the mean or sum of its own argument."""
    return 1.0 / max(math.prod(shape), 1) if loss.reduction == "mean" else 1.0
