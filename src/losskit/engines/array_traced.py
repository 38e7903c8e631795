"""What torch and JAX share of array losses: weights and masks where values may be unknown.

Arrays of unknown values cannot be cut, so terms that do not count are blanked instead: their arguments
are replaced by 1, their results by 0.
"""

from typing import Any, NamedTuple

from losskit.engines.array_formula import Arrays, Fault, Formula, axis_of
from losskit.structures import ArrayLoss


class Weights(NamedTuple):
    """What each term weighs, in the shape of the terms."""

    w: Any = None
    keep: Any = None
    """Where terms count: the mask says yes and the weight is not 0; None where all do."""
    bad: Any = None
    """Where a term that counts can only be NaN."""

    def also_bad(self, more: Any) -> "Weights":
        """With more terms that can only be NaN."""
        return self._replace(bad=more if self.bad is None else self.bad | more)

    def also_only(self, keep: Any) -> "Weights":
        """With fewer terms that count."""
        return self._replace(keep=keep if self.keep is None else self.keep & keep)


def without_terms(
    xp: Any, loss: ArrayLoss, arrays: Arrays, shape: tuple[int, ...], weights: Weights, known: bool
) -> tuple[Arrays, Weights, tuple[int, ...]]:
    """The arguments without the terms that do not count: blanked, or cut where terms depend on each other."""
    keep = weights.keep
    if keep is None:
        return arrays, weights, shape
    axes = [
        None if a is None else axis_of(loss, name, tuple(a.shape), shape)
        for name, a in zip(loss.arguments, arrays, strict=True)
    ]
    if loss.not_separable is None:
        return (
            tuple(_blank(xp, a, axis, shape, keep) for a, axis in zip(arrays, axes, strict=True)),
            weights,
            shape,
        )
    if not known:
        raise NotImplementedError(
            f"a mask, or weights that may be 0, of a {loss.structure} loss cannot be traced: {loss.not_separable}; "
            "leave the rows out of the arguments instead"
        )
    flat = xp.reshape(keep, (-1,))
    cut = tuple(
        a if a is None or axis is None
        else xp.reshape(a, (*a.shape[:axis], -1, *a.shape[axis + len(shape) :]))[(slice(None),) * axis + (flat,)]
        for a, axis in zip(arrays, axes, strict=True)
    )  # fmt: skip
    left = (int(flat.sum()),)
    if weights.w is None:
        return cut, Weights(), left
    bad = None if weights.bad is None else weights.bad[keep]
    return cut, Weights(weights.w[keep], keep[keep], bad), left


def _blank(xp: Any, array: Any, axis: int | None, shape: tuple[int, ...], keep: Any) -> Any:
    if array is None or axis is None:
        return array
    along = xp.reshape(keep, (1,) * axis + shape + (1,) * (array.ndim - axis - len(shape)))
    return xp.where(along, array, xp.ones_like(array))


def without_elements(
    xp: Any, loss: ArrayLoss, arrays: Arrays, shape: tuple[int, ...], inside: Weights, outside: Weights
) -> tuple[Arrays, Arrays, Weights]:
    """The arguments with what does not count blanked, the weights inside of terms, and those of terms."""
    if inside.w is None and inside.keep is None:
        return arrays, (), outside
    weight = xp.ones(inside.keep.shape) if inside.w is None else xp.cast(inside.w, xp.float)
    if inside.keep is not None:
        weight = xp.where(inside.keep, weight, xp.zeros_like(weight))
    if inside.bad is not None:
        weight = xp.where(inside.bad, xp.full_like(weight, float("nan")), weight)
    counts = weight != 0.0
    ready = arrays if loss.weighting == "points" else tuple(blanked(xp, a, counts) for a in arrays)
    something = xp.broadcast_to(xp.any(counts), shape)
    return ready, (weight,), outside.also_only(something)


def blanked(xp: Any, array: Any, counts: Any) -> Any:
    """0 where elements do not count; ``counts`` may lack the axis of the classes, which is 1."""
    if array is None:
        return None
    if array.shape == counts.shape:
        return xp.where(counts, array, xp.zeros_like(array))
    if array.ndim == counts.ndim + 1 and tuple(array.shape[:1]) + tuple(array.shape[2:]) == tuple(
        counts.shape
    ):
        return xp.where(xp.expand_dims(counts, 1), array, xp.zeros_like(array))
    return array


def by_term(xp: Any, loss: ArrayLoss, fault: Fault, shape: tuple[int, ...]) -> Any:
    """Which terms have an illegal value: all, where an argument belongs to no single term."""
    where = fault.where
    axis = axis_of(loss, fault.argument, tuple(where.shape), shape)
    if axis is None or not shape:
        return xp.broadcast_to(xp.any(where), shape)
    others = tuple(i for i in range(where.ndim) if not axis <= i < axis + len(shape))
    return xp.any(where, axis=others) if others else where


def shapes_of(arrays: Arrays) -> tuple[tuple[int, ...] | None, ...]:
    """The arguments' shapes; None of an absent one."""
    return tuple(None if a is None else tuple(a.shape) for a in arrays)


def inner_shape(formula: Formula, loss: ArrayLoss, arrays: Arrays) -> tuple[int, ...]:
    """The shape of the weights inside of terms."""
    return tuple(formula.weight_shape(loss, *shapes_of(arrays)))
