"""Hinges of the gaps between a row's scores and that of its target, as array operations."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from losskit.engines.array_formula import Fault
from losskit.structures.gaps import GapLoss


def shape(loss: GapLoss, y: tuple[int, ...], z: tuple[int, ...]) -> tuple[int, ...]:
    """One term a row."""
    if not z or y != z[:-1]:
        hint = "; one-hot targets become indices with y_true.argmax(-1)" if y == z and z else ""
        raise ValueError(
            f"y_true must be class indices of the shape of y_pred (..., classes) less its last axis; got y_true of "
            f"shape {y} and y_pred of shape {z}{hint}"
        )
    if z[-1] == 0 and 0 not in y:
        raise ValueError(f"y_pred of shape {z} has no classes on its last axis")
    if loss.class_weights is not None and len(loss.class_weights) != z[-1]:
        raise ValueError(
            f"class_weights has {len(loss.class_weights)} numbers, but y_pred of shape {z} has {z[-1]} classes"
        )
    return y


def faults(xp: Any, loss: GapLoss, y: Any, z: Any) -> Iterator[Fault]:
    """Class indices out of range."""
    outside = (y < 0) | (y >= z.shape[-1])
    if loss.ignore_index is not None:
        outside = outside & (y != loss.ignore_index)
    yield Fault("y_true", outside, f"in 0..{z.shape[-1] - 1}, the classes of y_pred", index=True)


def present(xp: Any, loss: GapLoss, y: Any, z: Any) -> Any:
    """Rows that are not ignored."""
    return None if loss.ignore_index is None else y != loss.ignore_index


class Hinges(NamedTuple):
    """What a row costs: the hinges that count, how much each counts, and the weight of the row."""

    hinge: Any
    counts: Any
    own: Any
    """True in the column of the target."""
    weight: Any


def _hinges(xp: Any, loss: GapLoss, y: Any, z: Any) -> Hinges:
    index = xp.clip(y, 0, z.shape[-1] - 1)
    own = xp.one_hot(index, z.shape[-1]) != 0.0
    score = xp.take_along_axis(z, xp.expand_dims(index, -1), axis=-1)
    hinge = xp.where(own, 0.0, xp.maximum(loss.margin + (z - score), 0.0))
    counts = xp.where(own, 0.0, xp.ones_like(z))
    if loss.largest_only:  # those that are largest share the slope: the subgradient of least size
        tied = ~own & (hinge == xp.max(hinge, axis=-1, keepdims=True))
        ties = xp.sum(xp.where(tied, counts, 0.0), axis=-1, keepdims=True)
        counts = xp.where(tied, counts / xp.maximum(ties, 1.0), 0.0)
    weight = xp.ones_like(score)
    if loss.class_weights is not None:
        weight = xp.expand_dims(xp.take(xp.array(loss.class_weights), index, axis=0), -1)
    return Hinges(hinge, counts, own, weight)


def terms(xp: Any, loss: GapLoss, y: Any, z: Any) -> Any:
    """The cost of each row."""
    hinge, _, _, weight = _hinges(xp, loss, y, z)
    each = hinge * hinge if loss.squared else hinge
    cost = xp.max(each, axis=-1) if loss.largest_only else xp.sum(each, axis=-1)
    return weight[..., 0] * cost


def pullback(xp: Any, loss: GapLoss, cotangent: Any, y: Any, z: Any) -> tuple[Any]:
    """The derivative with respect to the scores."""
    hinge, counts, own, weight = _hinges(xp, loss, y, z)
    slope = 2.0 * hinge if loss.squared else xp.sign(hinge)
    slope = slope * counts * weight
    whole = xp.sum(slope, axis=-1, keepdims=True)
    return (xp.expand_dims(cotangent, -1) * xp.where(own, -whole, slope),)


def diagonal(xp: Any, loss: GapLoss, cotangent: Any, y: Any, z: Any) -> tuple[Any]:
    """The diagonal of the second derivative, 0 but for squares; where several are largest, of their mean."""
    hinge, counts, own, weight = _hinges(xp, loss, y, z)
    if not loss.squared:
        return (0.0 * z,)
    bend = 2.0 * xp.sign(hinge) * counts
    whole = xp.sum(bend, axis=-1, keepdims=True)
    return (xp.expand_dims(cotangent, -1) * weight * xp.where(own, whole, bend),)
