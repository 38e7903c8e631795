"""Read a data set: a CSV, Parquet or JSON-lines file, a mapping of columns, or an example of scikit-learn's.

A table is a target and a matrix of features. Numbers, dates and booleans become float64 columns; text
becomes codes into its sorted categories; an empty cell is NaN in both. Nothing here looks at the target to
make a feature, so nothing can leak; imputing, scaling and one-hot encoding are left to the pipeline.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from losskit.advisor.data.cells import masked, numbers_of, text_of
from losskit.advisor.data.files import opened
from losskit.advisor.data.kinds import NO_ROWS
from losskit.errors import InputError, nearest, needs, unknown

EXAMPLES = ("diabetes", "breast-cancer", "digits", "wine")
"""The real data sets that scikit-learn ships."""


MOST_CLASSES = 20
"""Whole numbers with more distinct values than this are a quantity, not labels."""


Feature = tuple[NDArray[np.float64], tuple[str, ...] | None]
"""A column's numbers, or its codes and the categories that they stand for."""


@dataclass(frozen=True)
class Table:
    """A data set with the target set apart; rows without a target are gone."""

    source: str
    target: str
    labels: NDArray[Any]
    """The target: float64 numbers, or text and booleans as strings."""
    features: NDArray[np.float64]
    names: tuple[str, ...]
    """One name a feature."""
    categories: tuple[tuple[str, ...] | None, ...]
    """Per feature: None for a number, else the categories that its codes 0, 1, 2, ... stand for."""
    notes: tuple[str, ...] = ()
    """What was left out, and why."""

    @property
    def rows(self) -> int:
        """The number of rows that have a target."""
        return len(self.labels)

    @property
    def is_numeric(self) -> bool:
        """Whether the target is numbers."""
        return bool(self.labels.dtype.kind == "f")


def read_file(path: str | os.PathLike[str], target: str) -> Table:
    """Read a CSV, Parquet or JSON-lines file with DuckDB and set the column ``target`` apart."""
    file = Path(path)
    with opened(file) as source:
        columns = source.relation.fetchnumpy() if source.relation else {}
        dates = [name for name, kind in source.types.items() if kind.startswith(("DATE", "TIMESTAMP"))]
    if not columns or not len(next(iter(columns.values()))):
        raise InputError(f"{file}: {NO_ROWS}")
    return from_columns(columns, target, source=str(file), notes=(*source.notes, *_of_dates(dates)))


def from_columns(
    columns: Mapping[str, Any], target: str, source: str = "the data", notes: Sequence[str] = ()
) -> Table:
    """Make a table of a mapping from names to columns of equal length (a DataFrame will do).

    >>> columns = {"size": [1, 2, 3], "colour": ["red", None, "blue"], "price": [3.0, 5.0, 8.0]}
    >>> table = from_columns(columns, "price")
    >>> table.names, table.categories
    (('size', 'colour'), (None, ('blue', 'red')))
    """
    arrays = {str(name): masked(column) for name, column in columns.items()}
    if target not in arrays:
        raise InputError(
            f'{source}: there is no column "{target}".{nearest(target, arrays)}'
            f" The columns are: {_listed(list(arrays))}."
        )
    dates = [name for name, column in arrays.items() if column.dtype.kind == "M"]
    labels, present = _target(arrays[target], target, source)
    dropped = int((~present).sum())
    said = [*notes, *_of_dates(dates)]
    if dropped:
        said.append(f'{dropped} row{"s" * (dropped > 1)} without a value in "{target}" left out')
    kept, useless = _features(arrays, target, present, source)
    said += [f"left out, for {reason}: {_listed(which, 6)}" for reason, which in useless.items()]
    if not kept:
        why = f" ({'; '.join(said)})" if said else ""
        raise InputError(f'{source}: no column is left to predict "{target}" from{why}.')
    matrix = np.column_stack([values for values, _ in kept.values()])
    categories = tuple(levels for _, levels in kept.values())
    return Table(source, target, labels[present], matrix, tuple(kept), categories, tuple(said))


def load_example(name: str) -> Table:
    """Load one of the real data sets that scikit-learn ships: no download.

    >>> load_example("diabetes").rows
    442
    """
    if name not in EXAMPLES:
        raise unknown("example", name, EXAMPLES)
    with needs("compare"):
        from sklearn import datasets
    bunch = getattr(datasets, f"load_{name.replace('-', '_')}")()
    columns: dict[str, Any] = {str(n): bunch.data[:, i] for i, n in enumerate(bunch.feature_names)}
    target = (
        "progression"
        if name == "diabetes"
        else {"breast-cancer": "tumour", "wine": "cultivar"}.get(name, "digit")
    )
    names = np.asarray(getattr(bunch, "target_names", []), dtype=str).astype(object)
    columns[target] = names[bunch.target] if len(names) else bunch.target
    return from_columns(columns, target, source=f"{name} (shipped with scikit-learn)")


def _target(column: Any, name: str, source: str) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The target and which rows have one; an error where nothing can be learnt from it."""
    if np.ndim(column) != 1:
        raise InputError(
            f'{source}: the target "{name}" must be one column, not an array of shape {np.shape(column)}.'
        )
    numbers = numbers_of(column)
    labels: NDArray[Any] = text_of(column) if numbers is None else numbers
    present = np.array([label is not None for label in labels]) if numbers is None else ~np.isnan(numbers)
    if not present.any():
        raise InputError(f'{source}: the target "{name}" has no value in any of its {len(labels)} rows.')
    if numbers is not None and np.isinf(numbers).any():
        row = int(np.flatnonzero(np.isinf(numbers))[0])
        raise InputError(
            f'{source}: the target "{name}" is infinite ({numbers[row]:g}) in row {row + 1} of the data;'
            " remove the row or correct the value."
        )
    known = labels[present]
    if len(set(known.tolist())) == 1:
        value = f'"{known[0]}"' if numbers is None else f"{known[0]:g}"
        raise InputError(f'{source}: the target "{name}" is {value} in every row: there is nothing to learn.')
    if numbers is None:
        labels = np.array([label if label is not None else "" for label in labels], object)
    return labels, present


def _features(
    arrays: Mapping[str, Any], target: str, present: NDArray[np.bool_], source: str
) -> tuple[dict[str, Feature], dict[str, list[str]]]:
    """Every column but the target, of the rows that have one; and the useless ones by the reason why."""
    kept: dict[str, Feature] = {}
    useless: dict[str, list[str]] = {}
    for name, column in arrays.items():
        if name == target:
            continue
        if len(column) != len(present):
            raise InputError(
                f'{source}: column "{name}" has {len(column)} rows, "{target}" has {len(present)}.'
            )
        feature = _feature(column[present])
        reason = _useless(*feature)
        if reason:
            useless.setdefault(reason, []).append(name)
        else:
            kept[name] = feature
    return kept, useless


def _feature(column: Any) -> Feature:
    """A feature as float64: numbers (NaN for empty or infinite), or codes into the categories returned."""
    numbers = numbers_of(column)
    if numbers is not None:
        return np.where(np.isfinite(numbers), numbers, np.nan), None
    text = text_of(column)
    levels = sorted({cell for cell in text if cell is not None})
    code = {level: float(i) for i, level in enumerate(levels)}
    return np.array([np.nan if cell is None else code[cell] for cell in text]), tuple(levels)


def _of_dates(names: Sequence[str]) -> list[str]:
    """A note on the columns of dates."""
    return [f"dates taken as days since 1970: {_listed(names, 6)}"] if names else []


def _useless(values: NDArray[np.float64], levels: tuple[str, ...] | None) -> str:
    """Why a feature can tell nothing, or nothing."""
    known = values[~np.isnan(values)]
    if not known.size:
        return "every cell is empty"
    if known.size == values.size and (known == known[0]).all():
        return "every row has the same value"
    if levels is not None and len(levels) > 20 and len(levels) > 0.9 * known.size:
        return "nearly every row has a text of its own"
    return ""


def _listed(names: Sequence[str], most: int = 40) -> str:
    """Names for an error message: not more than a few lines of them."""
    shown = ", ".join(f'"{name}"' for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
