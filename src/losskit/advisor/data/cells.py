"""Cells of a column, from whatever library: numbers with NaN, or text with None, where a cell is empty."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def masked(column: Any) -> Any:
    """A column of any library as a masked array."""
    if hasattr(column, "isna"):  # pandas, whose missing values compare with nothing
        return np.ma.masked_array(np.asarray(column), mask=np.asarray(column.isna()))
    return np.ma.asarray(column)


def numbers_of(column: Any) -> NDArray[np.float64] | None:
    """A column as float64 with NaN for empty cells, or None where it holds text."""
    data = np.ma.asarray(column)
    if data.dtype.kind in "fiu":
        return np.ma.filled(data.astype(np.float64), np.nan)
    if data.dtype.kind == "M":
        days = np.asarray(data.filled(np.datetime64("NaT")), dtype="datetime64[s]")
        return np.where(np.isnat(days), np.nan, days.astype(np.int64) / 86400.0)
    if data.dtype.kind != "O":
        return None
    found = cells(data)
    if all(
        cell is None or (isinstance(cell, int | float | np.number) and not isinstance(cell, bool))
        for cell in found
    ):
        return np.array([np.nan if cell is None else float(cell) for cell in found])
    return None


def cells(column: Any) -> list[Any]:
    """A column as Python objects, with None for empty cells."""
    data = np.ma.asarray(column)
    return [None if empty else cell for cell, empty in zip(data.data, np.ma.getmaskarray(data), strict=True)]


def text_of(column: Any) -> NDArray[np.object_]:
    """A column as strings, with None for empty cells."""
    data = cells(column)
    return np.array(
        [None if cell is None or cell != cell or str(cell) == "" else str(cell) for cell in data], object
    )


def word_among_numbers(texts: Sequence[str]) -> str:
    """A sentence that names a text which keeps a column from being numbers, where most of its texts are; or nothing.

    >>> word_among_numbers(["1", "2.5", "n.a.", "3"])
    ' Most of it is numbers, but "n.a." is none: correct it, or leave such a cell empty.'
    """
    words = [text for text in texts if not _is_number(text)]
    if not words or 2 * len(words) > len(texts):
        return ""
    return f' Most of it is numbers, but "{words[0][:40]}" is none: correct it, or leave such a cell empty.'


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
