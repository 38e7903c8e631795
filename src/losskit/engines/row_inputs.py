"""What the verbs of a loss of rows accept, checked once: targets, predictions, weights and masks.

Nothing large is copied here. An array of another dtype or layout than the kernels want is handed on
as it is, and brought to their form a block of rows at a time.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from losskit.domain import PROBABILITY, Interval
from losskit.engines.inputs import (
    _HALF,
    _NATIVE,
    Array,
    Inputs,
    add_weights,
    as_floats,
    index_text,
    working_dtype,
)
from losskit.rules import FromDtype, Term
from losskit.structures import RowForm, RowLoss

_SMALLEST = {dtype: float(np.finfo(dtype).tiny) for dtype in _NATIVE}
_NOT_POSITIVE = Interval(high=0.0)


@dataclass(slots=True)
class RowInputs(Inputs):
    """Rows of predictions with a target, a weight and a place in the mask each.

    ``p`` and ``y`` (a distribution) are views with the class axis last; ``labels`` (class indices) is
    contiguous.
    """

    labels: Array | None = None
    rows: int = 0
    classes: int = 0
    axis: int = -1
    terms: tuple[Term, ...] = ()
    class_weights: Array | None = None
    shift: Array | None = None
    floor: float = 0.0
    ready: bool = False
    """Whether ``p`` (and ``y``) are contiguous and of the dtype at work."""

    def active(self) -> Array | None:
        """Where rows count: neither masked, nor ignored, nor without weight; None where all do."""
        if self.w is None:
            return self.keep
        return np.asarray(self.w != 0.0 if self.keep is None else self.keep & (self.w != 0.0))


def rows_of(view: Array, first: int, last: int) -> Array:
    """Some rows of an array of any number of leading axes, as a matrix; a view where that is possible."""
    if view.ndim == 2:
        return view[first:last]
    if view.ndim == 1:
        return view.reshape(1, -1)[first:last]
    if view.flags.c_contiguous:
        return view.reshape(-1, view.shape[-1])[first:last]
    return view[np.unravel_index(np.arange(first, last), view.shape[:-1])]


def put_rows(view: Array, first: int, last: int, values: Array) -> None:
    """Write rows first..last-1 of an array with any number of leading axes."""
    if view.ndim == 2:
        view[first:last] = values
    elif view.ndim == 1:
        view[...] = values.reshape(view.shape)
    else:
        view[np.unravel_index(np.arange(first, last), view.shape[:-1])] = values


def row_inputs(loss: RowLoss, arguments: tuple[Any, ...], sample_weight: Any, mask: Any) -> RowInputs:
    """The inputs of a loss of rows; class indices are not yet checked against the number of classes."""
    form = loss.form
    y, p = arguments
    if type(p) is not np.ndarray or p.dtype not in _NATIVE:
        (p,) = as_floats((loss.arguments[1],), p)
    axis = _axis(loss, p, form.axis)
    last = axis == p.ndim - 1
    shape = p.shape[:-1] if last else p.shape[:axis] + p.shape[axis + 1 :]
    classes = p.shape[axis]
    y = np.asarray(y)
    by_index = _by_index(loss, form.target, y.shape, p.shape, shape, axis)
    if by_index:
        working = p.dtype if p.dtype in _NATIVE else working_dtype(p.dtype)
    else:
        (y, _) = as_floats(loss.arguments, y, p)
        working = working_dtype(y.dtype, p.dtype)
    rows = p.size // classes if classes else int(np.prod(shape))
    x = RowInputs(
        y, p, shape, working, p.dtype, weight=rows, count=rows, rows=rows, classes=classes, axis=axis,
        terms=loss.terms_for(by_index), class_weights=_class_weights(form, p.shape, classes),
        shift=_each_class("class_priors", form.shift, form, p.shape, classes),
        floor=_SMALLEST[working] if isinstance(form.floor, FromDtype) else form.floor,
    )  # fmt: skip
    if not last:
        x.p = np.moveaxis(p, axis, -1)
        x.y = y if by_index else np.moveaxis(y, axis, -1)
    if sample_weight is not None or mask is not None:
        add_weights(loss, x, shape, sample_weight, mask)
    if by_index:
        x.y, x.labels = x.p[..., :0], _labels(loss, x, y)
        if form.ignore_index is not None:
            _ignore(x, form.ignore_index)
    if rows and not classes:
        raise ValueError(f"{loss.arguments[1]} of shape {p.shape} has no classes on axis {form.axis}")
    x.ready = last and p.dtype == working and p.flags.c_contiguous and x.shift is None
    if x.ready and not by_index:
        x.ready = y.dtype == working and y.flags.c_contiguous
    return x


def _axis(loss: RowLoss, p: Array, axis: int) -> int:
    if not -p.ndim <= axis < p.ndim:
        raise ValueError(
            f"{loss.arguments[1]} must have an axis {axis} for the classes, got shape {p.shape}; "
            "a row of class scores has at least one dimension"
        )
    return axis % p.ndim


def _by_index(
    loss: RowLoss, target: str, true: tuple[int, ...], pred: tuple[int, ...], rows: tuple[int, ...], axis: int
) -> bool:
    """Whether targets are class indices; an error that names both shapes where they fit neither way."""
    if target != "distribution" and true == rows:
        return True
    if target != "index" and true == pred:
        return False
    t, p = loss.arguments
    index = f"class indices of shape {rows}, {p}'s less its class axis {axis}"
    shares = f"a distribution over the classes, of {p}'s shape {pred}"
    expected = {"index": index, "distribution": shares, "either": f"{index}, or {shares}"}[target]
    hint = _hint(loss, true, pred, rows, axis)
    raise ValueError(f"{t} must be {expected}; got {t} of shape {true} and {p} of shape {pred}{hint}")


def _hint(
    loss: RowLoss, true: tuple[int, ...], pred: tuple[int, ...], rows: tuple[int, ...], axis: int
) -> str:
    t = loss.arguments[0]
    if true == rows:
        return f"; indices become a distribution with numpy.eye({pred[axis]})[{t}]"
    if true == pred and pred[axis] != 1:
        return f"; one-hot targets become indices with {t}.argmax({loss.form.axis})"
    if int(np.prod(true)) == int(np.prod(rows)):
        return f"; pass {t}.reshape({rows if len(rows) != 1 else rows[0]})"
    return ""


def _class_weights(form: RowForm, shape: tuple[int, ...], classes: int) -> Array | None:
    return _each_class("class_weights", form.class_weights, form, shape, classes)


def _each_class(
    name: str, numbers: tuple[float, ...] | None, form: RowForm, shape: tuple[int, ...], classes: int
) -> Array | None:
    """Numbers that a loss has for each class, as an array."""
    if numbers is None:
        return None
    if len(numbers) != classes:
        raise ValueError(
            f"{name} has {len(numbers)} numbers, but y_pred of shape {shape} has {classes} classes on axis {form.axis}"
        )
    return np.array(numbers)


def _labels(loss: RowLoss, x: RowInputs, y: Array) -> Array:
    """Class indices as int64, contiguous."""
    if y.dtype == np.int64 and y.flags.c_contiguous:  # the common case
        return y if y.ndim == 1 else y.reshape(-1)
    if y.dtype.kind in "iub" and y.dtype != np.uint64:
        return np.ascontiguousarray(y, dtype=np.int64).reshape(-1)
    name = loss.arguments[0]
    if y.dtype == np.uint64:
        return np.minimum(y, np.uint64(2**63 - 1)).astype(np.int64).reshape(-1)
    if y.dtype.kind != "f" and y.dtype.name not in _HALF:
        raise TypeError(f"{name} must be class indices, integers; got dtype {y.dtype}")
    flat = y.astype(np.float64).reshape(-1)
    whole = np.floor(flat) == flat
    wrong = ~whole & np.isfinite(flat) | ~np.isfinite(flat)
    active = x.active()
    if active is not None:
        wrong &= active
    if wrong.any():
        position = int(np.argmax(wrong))
        raise TypeError(
            f"{name} must be class indices, whole numbers; got {flat[position]} of dtype {y.dtype} at "
            f"{position_text(x, position)}"
        )
    return np.where(np.isfinite(flat) & whole, np.clip(flat, -(2.0**62), 2.0**62), -1.0).astype(np.int64)


def _ignore(x: RowInputs, ignored: int) -> None:
    """Take the rows with the ignored index out, and out of the denominator."""
    assert x.labels is not None
    present = x.labels != ignored
    keep = present if x.keep is None else x.keep & present
    if keep is present and present.all():
        return
    x.keep = keep
    if x.w is None:
        x.count = int(np.count_nonzero(keep))
        x.weight = float(x.count)
    else:
        x.count = int(np.count_nonzero(keep & (x.w != 0.0)))
        x.weight = float(x.w[keep].sum(dtype=np.float64))


def position_text(x: RowInputs, row: int, column: int | None = None) -> str:
    """Where a row, or a number of it, lies in the array that was passed."""
    where = [int(i) for i in np.unravel_index(row, x.shape)] if x.shape else []
    if column is not None:
        where.insert(x.axis, column)
    return index_text(tuple(where))


def check_indices(loss: RowLoss, x: RowInputs) -> None:
    """Raise IndexError for the first class index outside 0..classes-1 in a row that counts."""
    assert x.labels is not None
    wrong = (x.labels < 0) | (x.labels >= x.classes)
    active = x.active()
    if active is not None:
        wrong &= active
    if wrong.any():
        position = int(np.argmax(wrong))
        raise IndexError(
            f"{loss.arguments[0]} must be in 0..{x.classes - 1}, the classes of {loss.arguments[1]}; got "
            f"{x.labels[position]} at {position_text(x, position)}"
        )


def tolerance(*dtypes: np.dtype[Any]) -> float:
    """How far the sum of a distribution may be from 1: a half has no more than three digits."""
    return 3e-2 if any(d.name in _HALF for d in dtypes) else 1e-3


def check_distributions(loss: RowLoss, x: RowInputs, first: int = 0, last: int | None = None) -> None:
    """Raise ValueError for the first row that counts and is no distribution, among rows first..last-1."""
    last = x.rows if last is None else last
    t, p = loss.arguments
    if x.labels is None:
        _check(x, t, x.y, first, last, logarithms=False)
    if loss.form.link != "softmax":
        _check(x, p, x.p, first, last, logarithms=loss.form.link == "log_probability")


def _check(x: RowInputs, name: str, view: Array, first: int, last: int, logarithms: bool) -> None:
    values = rows_of(view, first, last).astype(np.float64)
    active = x.active()
    counts = np.ones(len(values), np.bool_) if active is None else active[first:last]
    domain = _NOT_POSITIVE if logarithms else PROBABILITY
    kind = "log-probabilities, at most 0" if logarithms else f"probabilities {domain}"
    limit = tolerance(view.dtype)
    # A rounded log-probability of almost 1 may lie a little above 0.
    outside = (domain.outside(values - limit if logarithms else values)) & counts[:, None]
    hint = "; for logits pass from_logits=True" if name == "y_pred" else ""
    if outside.any():
        row, column = (int(i) for i in np.argwhere(outside)[0])
        raise ValueError(
            f"{name} must be {kind}, got {values[row, column]} at {position_text(x, first + row, column)}{hint}"
        )
    with np.errstate(all="ignore"):
        sums = (np.exp(values) if logarithms else values).sum(axis=1)
    wrong = (np.abs(sums - 1.0) > limit) & counts
    if wrong.any():
        row = int(np.argmax(wrong))
        what = "exponentials" if logarithms else "rows"
        raise ValueError(
            f"{name} must be distributions whose {what} sum to 1 (to {limit:g}), got a sum of {sums[row]:.6g} at row "
            f"{position_text(x, first + row)}{hint}"
        )
