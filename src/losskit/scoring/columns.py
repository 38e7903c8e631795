"""Columns in memory as batches of rows."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from losskit.errors import InputError
from losskit.scoring.roles import ROWS, Batch, Grouping, Roles

SOURCE = "the data"


def column_batches(
    columns: Mapping[str, Any], roles: Roles, groupings: Sequence[Grouping]
) -> Iterator[Batch]:
    """The rows of a mapping from names to columns; a DataFrame is given as ``dict(frame)``."""
    roles.check(SOURCE, [str(name) for name in columns])
    numbers = [_numbers(name, columns[name]) for name in roles.numbers]
    codes = [_codes(columns[name], grouping) for name, grouping in zip(roles.by, groupings, strict=True)]
    lengths = {name: len(c) for name, c in zip((*roles.numbers, *roles.by), (*numbers, *codes), strict=True)}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f'"{name}" has {length}' for name, length in lengths.items())
        raise InputError(f"{SOURCE}: the columns differ in their number of rows: {shown}.")
    size = len(numbers[0])
    for first in range(0, size, ROWS):
        rows = slice(first, min(first + ROWS, size))
        pieces = tuple([column[rows]] for column in numbers)
        yield Batch(SOURCE, first, rows.stop - first, pieces, tuple(column[rows] for column in codes))


def _numbers(name: str, column: Any) -> NDArray[Any]:
    """A column in float32 or float64, with NaN for what is missing."""
    data = np.ma.asarray(column)
    if hasattr(column, "isna"):  # pandas, whose missing values are of many kinds
        data = np.ma.masked_array(np.asarray(column), mask=np.asarray(column.isna()))
    if data.ndim != 1:
        raise InputError(f'{SOURCE}: column "{name}" must have one axis, not the shape {data.shape}.')
    try:
        if data.dtype.kind not in "biufO":
            raise TypeError
        wide = data.astype(np.float32 if data.dtype == np.float32 else np.float64)
    except (TypeError, ValueError):
        raise InputError(f'{SOURCE}: column "{name}" holds {data.dtype}, not numbers.') from None
    numbers: NDArray[Any] = np.ma.filled(wide, np.nan)
    return numbers


def _codes(column: Any, grouping: Grouping) -> NDArray[np.intp]:
    """The groups' numbers; what is missing belongs to the group without a name."""
    data = np.asarray(column)
    missing = np.asarray(column.isna()) if hasattr(column, "isna") else np.zeros(len(data), bool)
    names = ["" if m or cell is None else str(cell) for cell, m in zip(data.tolist(), missing, strict=True)]
    distinct, indices = np.unique(np.array(names, dtype=str), return_inverse=True)
    return grouping.codes(distinct.tolist(), indices)
