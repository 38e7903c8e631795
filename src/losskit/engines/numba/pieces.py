"""Pieces of arrays of any dtype and stride as kernels take them, and their answers in the predictions' dtype.

Nothing large is converted whole: a thread works on one piece of each array at a time, in scratch that it
uses again for the next. (Fresh memory of this size would come from the system, page by page, each time.)
"""

from typing import Any

import numpy as np

from losskit.engines.inputs import Array, narrowed
from losskit.engines.numba import halves

PIECE = 1 << 15
"""Numbers that are converted together."""


def is_half(dtype: np.dtype[Any]) -> bool:
    """Whether numbers have 16 bits, in the order in which a kernel reads them."""
    return dtype.name in halves.LARGEST and dtype.isnative


def read(piece: Array, scratch: Array) -> Array:
    """A piece, contiguous and of the dtype of ``scratch``, where it is put unless it is both already."""
    if piece.dtype is scratch.dtype and piece.flags.c_contiguous:
        return piece
    into = scratch[: piece.size].reshape(piece.shape)
    if is_half(piece.dtype) and into.dtype == np.float32:
        halves.widened(piece, into)
    else:
        with np.errstate(over="ignore"):
            np.copyto(into, piece, casting="unsafe")
    return into


def write(values: Array, into: Array, saturates: bool) -> None:
    """Put a kernel's answer where it belongs; a saturating slope stops at the largest finite number."""
    if values.dtype != np.float32 or not is_half(into.dtype) or not into.flags.c_contiguous:
        into[...] = narrowed(values, into.dtype, saturates)
        return
    if saturates:
        largest = np.float32(halves.LARGEST[into.dtype.name])
        np.clip(values, -largest, largest, out=values)
    halves.halved(values, into)
