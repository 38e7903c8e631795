"""Open a data file: CSV, Parquet or JSON lines, whatever its name, encoding and compression."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from losskit.advisor.data.kinds import (
    EMPTY_CELLS,
    as_pattern,
    beginning,
    cause_of,
    check_header,
    is_wide,
    kind_of,
    quoted,
)
from losskit.errors import InputError, needs

ALL_ROWS = -1


class UnreadableError(InputError):
    """A file that is not what its name or its first rows promise."""


@dataclass(frozen=True)
class OpenFile:
    """A file while DuckDB reads it: its columns as numbers or text, and what there is to say of them."""

    database: Any
    relation: Any
    """Every column that is numbers or text, under its own name."""
    types: dict[str, str]
    """DuckDB's type of each column, those left out as well."""
    notes: tuple[str, ...]
    is_binary: bool
    """Whether it is Parquet, of which columns can be read one by one."""


@contextmanager
def opened(file: Path, sample: int = ALL_ROWS) -> Iterator[OpenFile]:
    """Open a file with DuckDB; what DuckDB says against it, then or later, is an UnreadableError.

    The types of a text file's columns are told by the first ``sample`` rows: quicker than by all, but a later
    row that does not fit is then an error.
    """
    start = beginning(file)
    kind = kind_of(file, start)
    with needs("compare"):
        import duckdb
    options: dict[str, Any] = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    encoding = "utf-16" if is_wide(start) else "utf-8"
    notes: list[str] = []
    with duckdb.connect(config=options) as database:

        def read() -> Any:
            return database.sql(f"FROM {_reader(kind, sample, encoding)}", params=[as_pattern(file)])

        try:
            try:
                relation = read()
            except duckdb.Error as error:
                if "not utf-8" not in str(error).lower():
                    raise
                encoding = "latin-1"
                relation = read()
                notes.append("the file is not UTF-8: read as Latin-1")
            if kind == "CSV":
                check_header(file, start, relation.columns, database, encoding)
            types = {str(n): str(t) for n, t in zip(relation.columns, relation.types, strict=True)}
            parts = [_as_column(name, of) for name, of in types.items()]
            notes += [f'column "{name}" left out: {why}' for name, sql, why in parts if not sql]
            kept = [sql for _, sql, _ in parts if sql]
            readable = relation.project(", ".join(kept)) if kept else None
            yield OpenFile(database, readable, types, tuple(notes), kind == "Parquet")
        except duckdb.Error as error:
            raise UnreadableError(f"{file}: the file cannot be read as {kind}: {cause_of(error)}.") from None


def _reader(kind: str, sample: int, encoding: str) -> str:
    """DuckDB's table function for a kind of file."""
    if kind == "Parquet":
        return "read_parquet(?)"
    if kind == "JSON":
        return f"read_json(?, sample_size={sample})"
    empty = ", ".join(f"'{cell}'" for cell in EMPTY_CELLS)
    kinds = "'BIGINT', 'DOUBLE', 'DATE', 'TIMESTAMP', 'VARCHAR'"  # no BOOLEAN: "no" shall stay "no"
    return f"read_csv(?, sample_size={sample}, nullstr=[{empty}], encoding='{encoding}', auto_type_candidates=[{kinds}])"


def _as_column(name: str, kind: str) -> tuple[str, str, str]:
    """A column's name, the SQL that makes it a number or text ("" for neither), and why not."""
    number = r"(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL.*|REAL)$"
    if re.match(number, kind):
        return name, f"CAST({quoted(name)} AS DOUBLE) AS {quoted(name)}", ""
    if kind.startswith(("DATE", "TIMESTAMP")):
        return name, f"CAST(epoch({quoted(name)}) / 86400 AS DOUBLE) AS {quoted(name)}", ""
    if kind in {"VARCHAR", "BOOLEAN", "UUID"} or kind.startswith(("ENUM", "TIME", "INTERVAL", "JSON")):
        return name, f"CAST({quoted(name)} AS VARCHAR) AS {quoted(name)}", ""
    return name, "", f"its cells are {kind.lower()[:40]}, not numbers or text"
