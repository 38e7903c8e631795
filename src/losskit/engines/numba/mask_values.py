"""The values of masks, read by all threads: integers made floats of, and a first look at what is legal."""

from typing import Any

import numpy as np

from losskit.engines import memory
from losskit.engines.formulas.masks import layout
from losskit.engines.inputs import Array
from losskit.engines.numba import pool
from losskit.engines.numba.mask_values_loop import count_outside
from losskit.structures.overlap import MaskLoss

_BLOCK = 1 << 15  # elements, which one thread has read before another would have been woken
_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def prepared(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments, integer targets in the dtype of the predictions where both are large arrays."""
    y, p = arguments
    arrays = type(y) is np.ndarray and type(p) is np.ndarray
    if not arrays or y.dtype.kind not in "biu" or p.dtype not in _FLOATS:
        return arguments
    if y.size <= _BLOCK or not y.flags.c_contiguous:
        return arguments
    source, target = y.reshape(-1), memory.empty(y.size, p.dtype)

    def run(first: int, last: int) -> None:
        part = slice(first * _BLOCK, last * _BLOCK)
        np.copyto(target[part], source[part], casting="unsafe")

    pool.run(run, -(-y.size // _BLOCK), pool.get_num_threads())
    return target.reshape(y.shape), p


def legal(loss: MaskLoss, y: Array, p: Array, weight: Array | None = None) -> bool:
    """Whether a look without an array of its own finds nothing wrong; else it is for the formula to say what is."""
    axes = layout(loss, y.shape, p.shape)
    ignored = np.nan if loss.ignore_index is None else loss.ignore_index
    if axes.by_index:
        fine = _within(y, axes.classes - 1, True, ignored)
    else:
        fine = not loss.validate or _within(y, 1, loss.hard, ignored)
    if fine and loss.validate and loss.link == "probability":
        fine = _within(p, 1, False, np.nan)
    return fine


def _within(values: Array, most: int, whole: bool, ignored: float) -> bool:
    """Whether all values are from 0 to ``most``, and whole numbers if asked, or what is ignored."""
    flat, wrong = values.reshape(-1), []

    def run(first: int, last: int) -> None:
        part = flat[first * _BLOCK : last * _BLOCK]
        wrong.append(count_outside(part, most, whole, flat.dtype.type(ignored)))

    pool.run(run, -(-flat.size // _BLOCK), pool.get_num_threads() if flat.size > _BLOCK else 1)
    return not any(wrong)
