"""Read a data set: a CSV, Parquet or JSON-lines file, a mapping of columns, or an example of scikit-learn's.

A table is a target and a matrix of features. Numbers, dates and booleans become float64 columns; text
becomes codes into its sorted categories; an empty cell is NaN in both. Nothing here looks at the target to
make a feature, so nothing can leak; imputing, scaling and one-hot encoding are left to the pipeline.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from losskit.errors import InputError, nearest, needs, unknown

EXAMPLES = ("diabetes", "breast-cancer", "digits", "wine")
"""The real data sets that scikit-learn ships."""

EMPTY_CELLS = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "?")
"""What an empty cell of a CSV file may look like."""


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
    columns, notes = _columns_of(file, _beginning(file))
    if not columns or not len(next(iter(columns.values()))):
        raise InputError(f"{file}: the file has a header but no rows; it needs rows of data to learn from.")
    return from_columns(columns, target, source=str(file), notes=notes)


def from_columns(
    columns: Mapping[str, Any], target: str, source: str = "the data", notes: Sequence[str] = ()
) -> Table:
    """Make a table of a mapping from names to columns of equal length (a DataFrame will do).

    >>> columns = {"size": [1, 2, 3], "colour": ["red", None, "blue"], "price": [3.0, 5.0, 8.0]}
    >>> table = from_columns(columns, "price")
    >>> table.names, table.categories
    (('size', 'colour'), (None, ('blue', 'red')))
    """
    arrays = {str(name): _masked(column) for name, column in columns.items()}
    if target not in arrays:
        raise InputError(
            f'{source}: there is no column "{target}".{nearest(target, arrays)}'
            f" The columns are: {_listed(list(arrays))}."
        )
    labels, present = _target(arrays[target], target, source)
    dropped = int((~present).sum())
    said = [*notes, *([f'{dropped} rows without a value in "{target}" left out'] if dropped else [])]
    useless: dict[str, list[str]] = {}
    names: list[str] = []
    features: list[NDArray[np.float64]] = []
    categories: list[tuple[str, ...] | None] = []
    for name, column in arrays.items():
        if name == target:
            continue
        if len(column) != len(present):
            raise InputError(
                f'{source}: column "{name}" has {len(column)} rows, "{target}" has {len(present)}.'
            )
        values, levels = _feature(column[present])
        reason = _useless(values, levels)
        if reason:
            useless.setdefault(reason, []).append(name)
            continue
        names.append(name)
        features.append(values)
        categories.append(levels)
    said += [f"left out, for {reason}: {_listed(which, 6)}" for reason, which in useless.items()]
    if not names:
        why = f" ({'; '.join(said)})" if said else ""
        raise InputError(f'{source}: no column is left to predict "{target}" from{why}.')
    matrix = np.column_stack(features)
    return Table(source, target, labels[present], matrix, tuple(names), tuple(categories), tuple(said))


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


def _beginning(file: Path) -> bytes:
    """The first bytes of a file; an error that offers the nearest name beside it where there are none."""
    if file.is_dir():
        raise InputError(f"{file} is a folder; give the path of a CSV or Parquet file in it.")
    if not file.exists():
        beside = [f.name for f in file.parent.iterdir() if f.is_file()] if file.parent.is_dir() else []
        raise InputError(f"{file}: there is no such file.{nearest(file.name, beside)}")
    try:
        with file.open("rb") as stream:
            start = stream.read(65536)
    except OSError as error:
        raise InputError(f"{file}: the file cannot be read: {error.strerror or error}.") from None
    if not start.strip():
        raise InputError(f"{file}: the file is empty; it needs a header and rows of data.")
    return start


def _columns_of(file: Path, start: bytes) -> tuple[dict[str, Any], list[str]]:
    """Every column of a file as a masked NumPy array: float64 for numbers, objects for text."""
    with needs("compare"):
        import duckdb
    options: dict[str, Any] = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    pattern = re.sub(r"([\[*?])", r"[\1]", str(file))  # DuckDB reads a path as a glob
    notes: list[str] = []
    with duckdb.connect(config=options) as database:
        try:
            try:
                relation = database.sql(f"FROM {_reader(file, start)}", params=[pattern])
            except duckdb.Error as error:
                if "not utf-8" not in str(error).lower():
                    raise
                relation = database.sql(f"FROM {_reader(file, start, 'latin-1')}", params=[pattern])
                notes.append("the file is not UTF-8: read as Latin-1")
            parts = [
                _as_column(name, str(kind))
                for name, kind in zip(relation.columns, relation.types, strict=True)
            ]
            notes += [f'column "{name}" left out: {why}' for name, sql, why in parts if not sql]
            kept = [sql for _, sql, _ in parts if sql]
            columns: dict[str, Any] = relation.project(", ".join(kept)).fetchnumpy() if kept else {}
        except duckdb.Error as error:
            raise _unreadable(file, error) from None
    return columns, notes


def _reader(file: Path, start: bytes, encoding: str = "utf-8") -> str:
    """DuckDB's table function for a file, by its content first and its name second."""
    kind = file.suffix.lower()
    if start[:4] == b"PAR1" or kind in {".parquet", ".pq"}:
        return "read_parquet(?)"
    if kind in {".json", ".jsonl", ".ndjson"}:
        return "read_json(?, sample_size=-1)"
    packed = start[:2] == b"\x1f\x8b" or start[:4] == b"\x28\xb5\x2f\xfd"
    wide = start[:2] in (b"\xff\xfe", b"\xfe\xff")
    if b"\0" in start and not packed and not wide:
        raise InputError(f"{file}: the file is binary, neither text (CSV, JSON lines) nor Parquet.")
    empty = ", ".join(f"'{cell}'" for cell in EMPTY_CELLS)
    kinds = "'BIGINT', 'DOUBLE', 'DATE', 'TIMESTAMP', 'VARCHAR'"  # no BOOLEAN: "no" shall stay "no"
    encoding = "utf-16" if wide else encoding
    return f"read_csv(?, sample_size=-1, nullstr=[{empty}], encoding='{encoding}', auto_type_candidates=[{kinds}])"


def _unreadable(file: Path, error: Exception) -> InputError:
    """One sentence of DuckDB's, which often has thirty lines, without its own heading."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    first = re.sub(r"^(\w+ )*Error: ", "", lines[0]) if lines else type(error).__name__
    first = first.replace(f'"{file}"', "it").replace(f"'{file}'", "it")
    return InputError(f"{file}: the file cannot be read as {_kind(file)}: {first[:300].rstrip('.:')}.")


def _kind(file: Path) -> str:
    suffix = file.suffix.lower()
    return "Parquet" if suffix in {".parquet", ".pq"} else "JSON" if "js" in suffix else "CSV"


def _as_column(name: str, kind: str) -> tuple[str, str, str]:
    """A column's name, the SQL that makes it a number or text ("" for neither), and why not."""
    quoted = '"' + name.replace('"', '""') + '"'
    number = r"(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL.*|REAL)$"
    if re.match(number, kind):
        return name, f"CAST({quoted} AS DOUBLE) AS {quoted}", ""
    if kind.startswith(("DATE", "TIMESTAMP")):
        return name, f"CAST(epoch({quoted}) / 86400 AS DOUBLE) AS {quoted}", ""
    if kind in {"VARCHAR", "BOOLEAN", "UUID"} or kind.startswith(("ENUM", "TIME", "INTERVAL", "JSON")):
        return name, f"CAST({quoted} AS VARCHAR) AS {quoted}", ""
    return name, "", f"its cells are {kind.lower()[:40]}, not numbers or text"


def _masked(column: Any) -> Any:
    """A column of any library as a masked array."""
    if hasattr(column, "isna"):  # pandas, whose missing values compare with nothing
        return np.ma.masked_array(np.asarray(column), mask=np.asarray(column.isna()))
    return np.ma.asarray(column)


def _numbers(column: Any) -> NDArray[np.float64] | None:
    """A column as float64 with NaN for empty cells, or None where it holds text."""
    data = np.ma.asarray(column)
    if data.dtype.kind in "fiu":
        return np.ma.filled(data.astype(np.float64), np.nan)
    if data.dtype.kind == "M":
        days = np.asarray(data.filled(np.datetime64("NaT")), dtype="datetime64[s]")
        return np.where(np.isnat(days), np.nan, days.astype(np.int64) / 86400.0)
    if data.dtype.kind != "O":
        return None
    cells = _cells(data)
    if all(
        cell is None or (isinstance(cell, int | float | np.number) and not isinstance(cell, bool))
        for cell in cells
    ):
        return np.array([np.nan if cell is None else float(cell) for cell in cells])
    return None


def _cells(column: Any) -> list[Any]:
    """A column as Python objects, with None for empty cells."""
    data = np.ma.asarray(column)
    return [None if empty else cell for cell, empty in zip(data.data, np.ma.getmaskarray(data), strict=True)]


def _text(column: Any) -> NDArray[np.object_]:
    """A column as strings, with None for empty cells."""
    data = _cells(column)
    return np.array(
        [None if cell is None or cell != cell or str(cell) == "" else str(cell) for cell in data], object
    )


def _target(column: Any, name: str, source: str) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The target and which rows have one; an error where nothing can be learnt from it."""
    if np.ndim(column) != 1:
        raise InputError(
            f'{source}: the target "{name}" must be one column, not an array of shape {np.shape(column)}.'
        )
    numbers = _numbers(column)
    labels: NDArray[Any] = _text(column) if numbers is None else numbers
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


def _feature(column: Any) -> tuple[NDArray[np.float64], tuple[str, ...] | None]:
    """A feature as float64: numbers (NaN for empty or infinite), or codes into the categories returned."""
    numbers = _numbers(column)
    if numbers is not None:
        return np.where(np.isfinite(numbers), numbers, np.nan), None
    text = _text(column)
    levels = sorted({cell for cell in text if cell is not None})
    code = {level: float(i) for i, level in enumerate(levels)}
    return np.array([np.nan if cell is None else code[cell] for cell in text]), tuple(levels)


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
