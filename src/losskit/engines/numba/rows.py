"""Losses of rows on the CPU: rules inlined in fused, vectorised, threaded passes over the rows.

Short rows of logits are transposed a tile at a time and vectorised across rows, long ones along the
row. Second derivatives come from the reference, a block of rows at a time.
"""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from losskit.engines import memory
from losskit.engines.inputs import Array, check_out
from losskit.engines.numba import pieces, pool
from losskit.engines.numba.row_kernel import TILE, Kernel, kernel_of
from losskit.engines.numba.row_shift import shifted
from losskit.engines.numpy import rows as reference
from losskit.engines.outcome import mean_of_terms, reduced
from losskit.engines.row_inputs import (
    RowInputs,
    check_distributions,
    check_indices,
    put_rows,
    row_inputs,
    rows_of,
    tolerance,
)
from losskit.reduction import Parts
from losskit.registry import Evaluation, Wanted
from losskit.structures import RowLoss

NARROW = 32
"""Up to how many classes rows are short."""
COLUMNS = 400
"""Up to how many classes a tile of columns of matrices fits the cache: they need no transposing."""
BLOCK = 1 << 14
"""Numbers in the long rows that share a partial sum: it fixes the order of additions."""
CHUNK = 2 * pieces.PIECE
"""Numbers that are converted together, where the input's dtype or layout is not the kernel's."""
_ALONE = 30_000  # numbers; below, waking a thread costs more than it saves
_ONE = np.ones(1)


@dataclass(slots=True)
class Work:
    """One call's outputs and how its rows are cut."""

    axes: tuple[int, ...] | None
    """The shape of the predictions for the kernel; None where they are converted first."""
    step: int
    """Rows in a block."""
    narrow: bool
    by_index: bool
    """Whether the loop takes class indices; else they become shares."""
    blocks: int
    check: float
    weight: Array
    each: int
    """1 where each row has its weight, 0 where all have the first."""
    terms: Array
    gradient: Array | None
    totals: Array
    faults: Array


def evaluate(
    loss: RowLoss, arguments: tuple[Any, ...], wanted: Wanted, sample_weight: Any, mask: Any, out: Any = None
) -> Evaluation:
    """Value, derivative and second derivative of a loss, as far as wanted."""
    if wanted.second:
        return reference.evaluate(loss, arguments, wanted, sample_weight, mask, out)
    x = row_inputs(loss, arguments, sample_weight, mask)
    kernel = kernel_of(loss, x.labels is not None, x.dtype if x.shift is None else np.dtype(np.float64))
    if kernel is None:
        return reference.evaluate(loss, arguments, wanted, sample_weight, mask, out)
    shape = arguments[1].shape if type(arguments[1]) is np.ndarray else np.shape(arguments[1])
    gradient = None
    if x.labels is not None and kernel.pairs:
        check_indices(loss, x)
    if wanted.derivative:
        if out is not None:
            check_out(out, shape, x.answer_dtype)
        gradient = out
        if out is None:
            gradient = memory.empty(x.p.size, x.answer_dtype).reshape(shape)
    each_term = wanted.value and loss.reduction == "none"
    terms = np.empty(x.rows if each_term else 0, x.dtype)
    totals = _run(kernel, loss, x, terms, gradient)

    answer = Evaluation(derivative=gradient)
    if wanted.value:
        total = (
            float(totals[0]) if totals.size == 1 else float(totals.sum())
        )  # a reduction takes a microsecond
        answer.parts = Parts(total, x.weight, x.count)
        if each_term:
            answer.value = terms.reshape(x.shape)[()]
        elif loss.reduction == "mean" and math.isinf(total) and x.count > 1:
            terms = np.empty(x.rows, x.dtype)
            _run(kernel, loss, x, terms, None)
            answer.value = x.dtype.type(mean_of_terms(terms, x.weight))
        else:
            answer.value = reduced(loss, answer.parts, x.dtype)
    return answer


def _run(kernel: Kernel, loss: RowLoss, x: RowInputs, terms: Array, gradient: Array | None) -> Array:
    """Run the loop over all blocks, raise for targets or predictions out of their domain; partial sums."""
    in_place = gradient is None or (gradient.dtype == x.dtype and gradient.flags.c_contiguous)
    by_index = x.labels is not None and not kernel.pairs
    in_place &= (by_index or x.labels is None) and x.shift is None
    tiled = by_index and loss.form.link == "softmax"
    work = _cut(loss, x, by_index, terms, gradient, _axes(x, tiled) if in_place else None)
    if work.blocks == 0:
        return work.totals
    threads = pool.get_num_threads() if x.rows * x.classes > _ALONE else 1
    if work.axes is not None:
        p = (x.p if x.ready else np.moveaxis(x.p, -1, x.axis)).reshape(work.axes)
        y = x.y.reshape(work.axes) if x.labels is None else x.labels
        g = None if gradient is None else gradient.reshape(work.axes)
        loop = _bound(kernel, loss, x, work, p, y, g, terms, work.totals, work.faults, work.weight)
        if threads == 1:
            loop(0, work.blocks)
        else:
            pool.run(loop, work.blocks, threads)
    else:
        each = max(1, CHUNK // max(work.step * x.classes, 1))
        chunks = -(-work.blocks // each)
        pool.run(partial(_converted, kernel, loss, x, work, each), chunks, threads)
    if work.faults[0] or (work.blocks > 1 and work.faults.any()):
        _raise(loss, x)
    return work.totals


def _axes(x: RowInputs, tiled: bool) -> tuple[int, ...] | None:
    """The shape in which a kernel takes the predictions as they lie in memory; None where it cannot."""
    if x.ready:
        narrow = tiled and x.classes <= NARROW
        return (x.rows, x.classes, 1) if narrow else (x.rows, x.classes)
    inner = math.prod(x.shape[x.axis :])
    columns = tiled and x.classes <= COLUMNS and inner >= TILE // 4
    lies_so = x.p.dtype == x.dtype and np.moveaxis(x.p, -1, x.axis).flags.c_contiguous
    return (x.rows // inner, x.classes, inner) if columns and lies_so else None


def _cut(
    loss: RowLoss,
    x: RowInputs,
    by_index: bool,
    terms: Array,
    gradient: Array | None,
    axes: tuple[int, ...] | None,
) -> Work:
    """Blocks of rows of about equal size, with their partial sums, weights and tolerance."""
    tiled = by_index and loss.form.link == "softmax"
    narrow = len(axes) == 3 if axes is not None else tiled and x.classes <= NARROW
    step = TILE if narrow else max(1, BLOCK // max(x.classes, 1))
    blocks = -(-x.rows // step)
    if axes is not None and narrow and axes[2] > 1:
        blocks = axes[0] * -(-axes[2] // TILE)
    check = -1.0
    if loss.validate and not tiled:
        check = tolerance(x.p.dtype, x.y.dtype)
    weight, each = _ONE, 0
    if x.w is not None or x.keep is not None:
        weight, each = np.ones(x.rows) if x.w is None else x.w.astype(np.float64), 1
        if x.keep is not None:
            weight[~x.keep] = 0.0
    totals, faults = np.empty((2, blocks))
    return Work(axes, step, narrow, by_index, blocks, check, weight, each, terms, gradient, totals, faults)


def _bound(
    kernel: Kernel, loss: RowLoss, x: RowInputs, work: Work, p: Array, y: Array, g: Array | None,
    terms: Array, totals: Array, faults: Array, weight: Array,
) -> Any:  # fmt: skip
    """The loop for these rows, which lacks only the range of blocks."""
    cw = x.class_weights
    cw_sum = float(x.classes) if cw is None else float(cw.sum())
    start = (p, y, weight, work.each, cw, cw_sum, kernel.numbers)
    scale = x.scale(loss.reduction)
    module = kernel.module
    if loss.form.link != "softmax":
        loop = module.direct if work.by_index else module.direct_shares
        return partial(loop, *start, x.floor, scale, work.step, work.check, terms, g, totals, faults)
    if not work.by_index:
        return partial(module.shares, *start, scale, work.step, work.check, terms, g, totals, faults)
    loop = module.narrow if work.narrow else module.wide
    return partial(loop, *start, scale, work.step, terms, g, totals, faults)


def _converted(
    kernel: Kernel, loss: RowLoss, x: RowInputs, work: Work, each: int, first: int, last: int
) -> None:
    """Chunks first..last-1 of ``each`` blocks, converted to the kernel's dtype and layout and back."""
    gradient = None if work.gradient is None else np.moveaxis(work.gradient, x.axis, -1)
    size = min(each * work.step, x.rows) * x.classes
    P, Y = np.empty((2, size), x.dtype)
    G = np.empty(size, x.dtype if x.shift is None else np.float64)
    for chunk in range(first, last):
        blocks = slice(chunk * each, min(chunk * each + each, work.blocks))
        lo, hi = blocks.start * work.step, min(blocks.stop * work.step, x.rows)
        p = pieces.read(rows_of(x.p, lo, hi), P)
        if x.shift is not None:
            p = shifted(p, x.shift)
        y = _shares(x, lo, hi, Y) if x.labels is None or not work.by_index else x.labels[lo:hi]
        g = None if gradient is None else G[: p.size].reshape(p.shape)
        terms = work.terms[lo:hi]  # empty stays empty
        weight = work.weight[lo:hi] if work.each else work.weight
        totals, faults = work.totals[blocks], work.faults[blocks]
        if work.narrow:
            p, g = p[..., None], None if g is None else g[..., None]
        loop = _bound(kernel, loss, x, work, p, y, g, terms, totals, faults, weight)
        loop(0, blocks.stop - blocks.start)
        if gradient is not None and g is not None:
            _put(g.reshape(hi - lo, x.classes), gradient, lo, hi, kernel.saturates)


def _shares(x: RowInputs, first: int, last: int, scratch: Array) -> Array:
    """Target distributions of some rows; of class indices, 1 at the class."""
    if x.labels is None:
        return pieces.read(rows_of(x.y, first, last), scratch)
    return np.equal.outer(x.labels[first:last], np.arange(x.classes)).astype(x.dtype)


def _put(rows: Array, gradient: Array, first: int, last: int, saturates: bool) -> None:
    """Write rows first..last-1 of the gradient."""
    lie_together = gradient.ndim == 2 or gradient.flags.c_contiguous
    into = rows_of(gradient, first, last) if lie_together else np.empty(rows.shape, gradient.dtype)
    pieces.write(rows, into, saturates)
    if not lie_together:
        put_rows(gradient, first, last, into)


def _raise(loss: RowLoss, x: RowInputs) -> None:
    """A kernel found a fault: look for the first again, and say which."""
    if x.labels is not None:
        check_indices(loss, x)
    if loss.validate:
        step = max(1, CHUNK // x.classes)
        for first in range(0, x.rows, step):
            check_distributions(loss, x, first, min(first + step, x.rows))
