"""Arguments as columns of numbers: what they may be, and what is refused in which words."""

import datetime
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from losskit.advisor.data.cells import masked, numbers_of, text_of
from losskit.advisor.recommendation.statistics import Numbers
from losskit.errors import InputError

LARGEST, LEAST = 1e100, 1e-100
"""Numbers of a larger size, or that differ by less, have squares that overflow or vanish."""


@dataclass(frozen=True)
class Column:
    """Numbers, or codes into levels; NaN where a cell is empty."""

    values: Numbers
    levels: tuple[str, ...] | None = None


def as_array(values: Any, name: str) -> Any:
    """An argument as a masked array, with the shape it came in."""
    try:
        found = masked(values.detach().cpu() if hasattr(values, "detach") else values)
    except ValueError:
        raise InputError(f"{name} has rows of different lengths, which make no array.") from None
    if found.dtype.kind == "c":
        raise InputError(f"{name} is complex; give real numbers or classes.")
    if found.dtype.kind in "mM" or _holds_dates(found):
        raise InputError(
            f"{name} is dates; turn them into a number first, such as days since the first of them."
        )
    return found


def column(values: Any, name: str) -> Column:
    """A column of numbers or labels.

    >>> column(["red", None, "blue"], "y_true").levels
    ('blue', 'red')
    """
    found = as_array(values, name)
    if found.ndim != 1:
        fix = f"; flatten it with {name}.ravel()" if found.ndim == 2 and found.shape[1] == 1 else ""
        raise InputError(f"{name} has shape {found.shape}, and one value a row is needed{fix}.")
    if not found.size:
        raise InputError(f"{name} is empty.")
    numbers = numbers_of(found)
    if numbers is not None:
        return Column(numbers)
    cells = text_of(found)
    present = np.array([cell is not None for cell in cells])
    if not present.any():
        return Column(np.full(cells.size, np.nan))
    levels, codes = np.unique(cells[present].astype(str), return_inverse=True)
    coded = np.full(cells.size, np.nan)
    coded[present] = codes
    return Column(coded, tuple(levels.tolist()))


def numbers(values: Any, name: str, dimensions: tuple[int, ...] = (1,)) -> Numbers:
    """An argument that must be numbers."""
    found = as_array(values, name)
    if found.ndim not in dimensions:
        fix = f"; flatten it with {name}.ravel()" if found.ndim == 2 and found.shape[1] == 1 else ""
        raise InputError(f"{name} has shape {found.shape}, which is not one number a row{fix}.")
    if found.dtype.kind == "b":
        return np.asarray(found.filled(False), dtype=np.float64)
    result = numbers_of(found.ravel())
    if result is None:
        cell = next((c for c in found.ravel().tolist() if isinstance(c, str)), None)
        raise InputError(f"{name} is text{f' such as {cell!r}' if cell else ''}; it must be numbers.")
    return result.reshape(found.shape)


def check_finite(values: Numbers, name: str) -> None:
    """Refuse infinities; NaN is an empty cell."""
    wild = np.isinf(values)
    if wild.any():
        row = first(wild)
        raise InputError(
            f"{name} is infinite ({values[row] if values.ndim == 1 else np.inf:g}) in row {row + 1};"
            " remove the row or correct the value."
        )
    if values.size and np.nanmax(np.abs(values), initial=0.0) > LARGEST:
        raise InputError(
            f"{name} has values beyond {LARGEST:g}, whose squares overflow; measure it in a larger unit."
        )


def first(where: NDArray[np.bool_]) -> int:
    """The first row in which something holds."""
    return int(np.argwhere(where)[0][0])


def _holds_dates(found: Any) -> bool:
    if found.dtype.kind != "O":
        return False
    cell = next((c for c in found.ravel().tolist() if c is not None), None)
    return isinstance(cell, datetime.date | datetime.time | datetime.timedelta)
