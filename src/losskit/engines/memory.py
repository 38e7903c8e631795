"""Memory for large answers that stays warm from one call to the next.

The first touch of fresh pages costs more than a cheap loss does: the kernel has to find and clear
them. A training loop drops each gradient before it asks for the next, so the pages of a dropped one
are kept and handed out again. Meanwhile they are marked as free (MADV_FREE): the system may take them
back whenever it needs memory, so keeping them costs nobody anything.
"""

import contextlib
import mmap
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from losskit.engines.inputs import Array

_LARGE = 1 << 20
_KEPT_AT_MOST = 4
_CAN_KEEP = hasattr(mmap, "MADV_FREE")


class _Lent(threading.local):
    """Arrays of the caller's, for the answers of one call."""

    arrays: tuple[Array, ...] = ()


_lent = _Lent()
_free: list[mmap.mmap] = []  # append and pop are atomic, so any thread may use it


def empty(size: int, dtype: np.dtype[Any]) -> Array:
    """An uninitialised array of one dimension, like ``np.empty``."""
    count = size * dtype.itemsize
    if count < _LARGE:
        return np.empty(size, dtype)
    for array in _lent.arrays:
        if array.size == size and array.dtype == dtype:
            _lent.arrays = tuple(a for a in _lent.arrays if a is not array)
            return array.reshape(-1)
    if not _CAN_KEEP:
        return np.empty(size, dtype)
    return np.frombuffer(np.asarray(_Block(_pages(count), count)), dtype)


@contextlib.contextmanager
def lent(arrays: Iterable[Array]) -> Iterator[None]:
    """Inside a ``with`` block ``empty`` hands out these contiguous arrays, each once, before any other memory.

    So an answer may come to lie where the caller wants it, without every kernel having to be told; whoever lends
    has to look whether it did.
    """
    _lent.arrays = tuple(arrays)
    try:
        yield
    finally:
        _lent.arrays = ()


class _Block:
    """Pages on loan to an array, which holds this object; they come back when the array is gone."""

    def __init__(self, pages: mmap.mmap, count: int) -> None:
        self.pages = pages
        memory = np.frombuffer(pages, np.uint8, count)
        self.__array_interface__ = memory.__array_interface__

    def __del__(self) -> None:
        if len(_free) < _KEPT_AT_MOST:
            self.pages.madvise(mmap.MADV_FREE)
            _free.append(self.pages)


def _pages(count: int) -> mmap.mmap:
    """Pages for ``count`` bytes: kept ones of about that size, else fresh ones."""
    for _ in range(len(_free)):
        try:
            pages = _free.pop(0)
        except IndexError:  # another thread was faster
            break
        if count <= len(pages) <= count + count // 4:
            return pages
        if len(_free) >= _KEPT_AT_MOST - 1:
            continue  # the oldest of too many goes back to the system
        _free.append(pages)
    pages = mmap.mmap(-1, count, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)  # MADV_FREE wants private
    if hasattr(mmap, "MADV_HUGEPAGE"):
        pages.madvise(mmap.MADV_HUGEPAGE)
    return pages
