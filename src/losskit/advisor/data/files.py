"""Open a data file: CSV, Parquet or JSON lines, whatever its name, encoding and compression."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from losskit.errors import InputError, nearest, needs

EMPTY_CELLS = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "?")
"""What an empty cell of a CSV file may look like."""


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
    start = _beginning(file)
    with needs("compare"):
        import duckdb
    options: dict[str, Any] = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    pattern = re.sub(r"([\[*?])", r"[\1]", str(file))  # DuckDB reads a path as a glob
    notes: list[str] = []
    with duckdb.connect(config=options) as database:
        try:
            try:
                relation = database.sql(f"FROM {_reader(file, start, sample)}", params=[pattern])
            except duckdb.Error as error:
                if "not utf-8" not in str(error).lower():
                    raise
                relation = database.sql(f"FROM {_reader(file, start, sample, 'latin-1')}", params=[pattern])
                notes.append("the file is not UTF-8: read as Latin-1")
            types = {str(n): str(t) for n, t in zip(relation.columns, relation.types, strict=True)}
            parts = [_as_column(name, kind) for name, kind in types.items()]
            notes += [f'column "{name}" left out: {why}' for name, sql, why in parts if not sql]
            kept = [sql for _, sql, _ in parts if sql]
            readable = relation.project(", ".join(kept)) if kept else None
            yield OpenFile(database, readable, types, tuple(notes), _is_parquet(file, start))
        except duckdb.Error as error:
            raise _unreadable(file, error) from None


def quoted(name: str) -> str:
    """A column's name in SQL.

    >>> quoted("price")
    '"price"'
    """
    return '"' + name.replace('"', '""') + '"'


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


def _is_parquet(file: Path, start: bytes) -> bool:
    return start[:4] == b"PAR1" or file.suffix.lower() in {".parquet", ".pq"}


def _reader(file: Path, start: bytes, sample: int, encoding: str = "utf-8") -> str:
    """DuckDB's table function for a file, by its content first and its name second."""
    kind = file.suffix.lower()
    if _is_parquet(file, start):
        return "read_parquet(?)"
    if kind in {".json", ".jsonl", ".ndjson"}:
        return f"read_json(?, sample_size={sample})"
    packed = start[:2] == b"\x1f\x8b" or start[:4] == b"\x28\xb5\x2f\xfd"
    wide = start[:2] in (b"\xff\xfe", b"\xfe\xff")
    if b"\0" in start and not packed and not wide:
        raise InputError(f"{file}: the file is binary, neither text (CSV, JSON lines) nor Parquet.")
    empty = ", ".join(f"'{cell}'" for cell in EMPTY_CELLS)
    kinds = "'BIGINT', 'DOUBLE', 'DATE', 'TIMESTAMP', 'VARCHAR'"  # no BOOLEAN: "no" shall stay "no"
    encoding = "utf-16" if wide else encoding
    return f"read_csv(?, sample_size={sample}, nullstr=[{empty}], encoding='{encoding}', auto_type_candidates=[{kinds}])"


def _unreadable(file: Path, error: Exception) -> UnreadableError:
    """One sentence of DuckDB's, which often has thirty lines, without its own heading."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    first = re.sub(r"^(\w+ )*Error: ", "", lines[0]) if lines else type(error).__name__
    first = first.replace(f'"{file}"', "it").replace(f"'{file}'", "it")
    return UnreadableError(f"{file}: the file cannot be read as {_kind(file)}: {first[:300].rstrip('.:')}.")


def _kind(file: Path) -> str:
    suffix = file.suffix.lower()
    return "Parquet" if suffix in {".parquet", ".pq"} else "JSON" if "js" in suffix else "CSV"


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
