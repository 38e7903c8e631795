"""What the verbs of an array loss accept, checked once and brought to the form that formulas want."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from losskit.engines.array_formula import Fault, Formula, axis_of
from losskit.engines.array_traced import blanked
from losskit.engines.inputs import Array, Inputs, add_weights, as_floats, index_text, working_dtype
from losskit.engines.numpy.array_words import xp
from losskit.structures import ArrayLoss

_NO_ARRAY = np.empty(0)


@dataclass(slots=True)
class ArrayInputs(Inputs):
    """The arguments of an array loss; ``shape``, ``w``, ``weight`` and ``count`` are those of its terms.

    ``arrays`` hold the terms that count and no others.
    """

    arrays: tuple[Array | None, ...] = ()
    answers: tuple[tuple[int, tuple[int, ...], Any], ...] = ()
    """Of each differentiable argument that was passed: which it is, its shape and its dtype."""
    axes: tuple[int | None, ...] = ()
    """Where the axes of the terms begin in each argument."""
    active: Array | None = None
    """Which terms count, flat; None where all do."""
    inner: tuple[Array, ...] = field(default=())
    """The weights of elements or items, where the structure takes them and there are any."""

    def terms(self) -> tuple[int, ...]:
        """The shape of the terms that count."""
        return self.shape if self.active is None else (int(np.count_nonzero(self.active)),)

    def weights(self) -> Array:
        """One weight for each term that counts, in float64."""
        if self.w is None:
            return np.broadcast_to(np.float64(1.0), self.terms())
        w = self.w if self.active is None else self.w[self.active]
        return w.astype(np.float64).reshape(self.terms())


def array_inputs(
    loss: ArrayLoss, formula: Formula, arguments: tuple[Any, ...], sample_weight: Any, mask: Any
) -> ArrayInputs:
    """The inputs of an array loss; values are not yet checked."""
    arrays, dtypes = _converted(loss, arguments)
    shapes = tuple(None if a is None else a.shape for a in arrays)
    shape = formula.shape(loss, *shapes)
    size = int(np.prod(shape))
    working = working_dtype(*(d for d in dtypes if d is not None))
    numbers = (loss.arguments.index(name) for name in loss.differentiable)
    answers = tuple((i, a.shape, dtypes[i]) for i in numbers if (a := arrays[i]) is not None)
    x = ArrayInputs(
        _NO_ARRAY, _NO_ARRAY, shape, working, None, weight=size, count=size, arrays=arrays, answers=answers,
        axes=tuple(None if s is None else axis_of(loss, n, s, shape) for n, s in zip(loss.arguments, shapes, strict=True)),
    )  # fmt: skip
    x.arrays = tuple(_ready(a, loss.arguments[i] in loss.indices, working) for i, a in enumerate(arrays))
    if loss.weighting == "terms":
        add_weights(loss, x, shape, sample_weight, mask)
    elif sample_weight is not None or mask is not None:
        _add_inner(loss, x, formula.weight_shape(loss, *shapes), sample_weight, mask)
    if x.w is not None or x.keep is not None:
        _cut(x)
    return x


def _converted(
    loss: ArrayLoss, arguments: tuple[Any, ...]
) -> tuple[tuple[Array | None, ...], tuple[np.dtype[Any] | None, ...]]:
    """The arguments as arrays, and the dtypes of those that are floats."""
    arrays: list[Array | None] = [None] * len(arguments)
    floats = [
        i
        for i, (n, a) in enumerate(zip(loss.arguments, arguments, strict=True))
        if n not in loss.indices and a is not None
    ]
    converted = as_floats(tuple(loss.arguments[i] for i in floats), *(arguments[i] for i in floats))
    for i, array in zip(floats, converted, strict=True):
        arrays[i] = array
    for i, (name, argument) in enumerate(zip(loss.arguments, arguments, strict=True)):
        if name in loss.indices and argument is not None:
            arrays[i] = as_indices(name, argument)
    return tuple(arrays), tuple(
        a.dtype if i in floats and a is not None else None for i, a in enumerate(arrays)
    )


def as_indices(name: str, argument: Any) -> Array:
    """Integers as int64; floats that are whole numbers will do."""
    array = np.asarray(argument)
    if array.dtype == np.uint64:
        return np.asarray(np.minimum(array, np.uint64(2**63 - 1)), np.int64)
    if array.dtype.kind in "iub":
        return np.asarray(array, np.int64)
    if array.size == 0:
        return array.astype(np.int64)
    if array.dtype.kind != "f":
        raise TypeError(f"{name} must be integers, got dtype {array.dtype}")
    wrong = ~(np.floor(array) == array) | (np.abs(array) >= 2.0**62)
    if wrong.any():
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise TypeError(
            f"{name} must be whole numbers, got {array[where]} of dtype {array.dtype} at {index_text(where)}"
        )
    return array.astype(np.int64)


def _ready(array: Array | None, is_index: bool, dtype: np.dtype[Any]) -> Array | None:
    """Contiguous and of the dtype at work; not np.ascontiguousarray, which makes (1,) of ()."""
    return None if array is None else np.asarray(array, array.dtype if is_index else dtype, order="C")


def _add_inner(
    loss: ArrayLoss, x: ArrayInputs, shape: tuple[int, ...], sample_weight: Any, mask: Any
) -> None:
    """Weights of the elements, or the items that exist and a weight a term; what does not count is blanked."""
    elements = loss.weighting != "items"
    inside = Inputs(_NO_ARRAY, _NO_ARRAY, shape, x.dtype, None)
    add_weights(loss, inside, shape, sample_weight if elements else None, mask)
    if not elements:
        add_weights(loss, x, x.shape, sample_weight, None)
    if inside.w is None and inside.keep is None:
        return
    weight = np.ones(shape, x.dtype) if inside.w is None else inside.w.reshape(shape).copy()
    if inside.keep is not None:
        weight[~inside.keep.reshape(shape)] = 0.0
    x.inner = (weight,)
    out = weight == 0.0
    if out.any():
        if loss.weighting != "points":
            x.arrays = tuple(blanked(xp, a, ~out) for a in x.arrays)
        if out.all():
            x.count, x.weight = 0, 0.0


def _cut(x: ArrayInputs) -> None:
    """Leave the terms out that do not count: masked ones and those of weight 0."""
    active = np.ones(int(np.prod(x.shape)), np.bool_) if x.keep is None else x.keep.reshape(-1).copy()
    if x.w is not None:
        active &= x.w != 0.0
    if active.all():
        return
    x.active = active
    x.arrays = tuple(
        a if a is None or axis is None else take_terms(a, axis, len(x.shape), active)
        for a, axis in zip(x.arrays, x.axes, strict=True)
    )
    x.inner = tuple(take_terms(a, 0, len(x.shape), active) for a in x.inner)


def take_terms(array: Array, axis: int, axes: int, active: Array) -> Array:
    """The active terms of an array whose axes ``axis``, ... are those of the terms, as one axis."""
    flat = array.reshape((*array.shape[:axis], -1, *array.shape[axis + axes :]))
    return np.ascontiguousarray(np.compress(active, flat, axis=axis))


def put_terms(values: Array, axis: int, shape: tuple[int, ...], axes: int, active: Array) -> Array:
    """An array of ``shape`` with the active terms' values, and 0 in the others."""
    whole = np.zeros((*shape[:axis], active.size, *shape[axis + axes :]), values.dtype)
    whole[(slice(None),) * axis + (active,)] = values
    return whole.reshape(shape)


def check_faults(loss: ArrayLoss, x: ArrayInputs, faults: Iterable[Fault]) -> None:
    """Raise for the first value that is not legal."""
    for fault in faults:
        if (fault.index or loss.validate) and np.any(fault.where):
            number = loss.arguments.index(fault.argument)
            raise fault_error(fault, x.arrays[number], lambda place, i=number: original(x, i, place))


def fault_error(
    fault: Fault, array: Any, place_of: Callable[..., tuple[int, ...]] = lambda at: at
) -> Exception:
    """What to raise for a fault in ``array``, whose positions were elsewhere in the argument as passed."""
    at = tuple(int(i) for i in np.argwhere(np.asarray(fault.where))[0])
    error = IndexError if fault.index else ValueError
    return error(
        f"{fault.argument} must be {fault.expected}, got {_shown(array[at])} at {index_text(place_of(at))}"
    )


def original(x: ArrayInputs, number: int, position: tuple[int, ...]) -> tuple[int, ...]:
    """Where a value of a cut argument lies in the one that was passed."""
    axis = x.axes[number]
    if x.active is None or axis is None:
        return position
    term = int(np.flatnonzero(x.active)[position[axis]])
    return (*position[:axis], *(int(i) for i in np.unravel_index(term, x.shape)), *position[axis + 1 :])


def _shown(value: Any) -> str:
    return np.array2string(value, threshold=8) if np.ndim(value) else str(value)
