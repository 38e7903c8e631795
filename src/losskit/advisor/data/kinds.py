"""What a data file is by its first bytes and its name, and what is wrong with one, in one sentence."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from losskit.errors import InputError, nearest

EMPTY_CELLS = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "?")
"""What an empty cell of a CSV file may look like."""

NO_ROWS = "the file has a header but no rows; it needs rows of data to learn from."

_PACKED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")  # gzip, zstd
_WIDE = (b"\xff\xfe", b"\xfe\xff")  # UTF-16


def beginning(file: Path) -> bytes:
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


def kind_of(file: Path, start: bytes) -> str:
    """Parquet, JSON or CSV: by the content first and the name second."""
    suffix = file.suffix.lower()
    if start[:4] == b"PAR1" or suffix in {".parquet", ".pq"}:
        return "Parquet"
    if suffix in {".json", ".jsonl", ".ndjson"}:
        return "JSON"
    if b"\0" in start and not start.startswith(_PACKED) and not is_wide(start):
        raise InputError(f"{file}: the file is binary, neither text (CSV, JSON lines) nor Parquet.")
    return "CSV"


def is_wide(start: bytes) -> bool:
    """Whether text is UTF-16."""
    return start.startswith(_WIDE)


def as_pattern(file: Path) -> str:
    """A path as DuckDB, which takes it for a glob, finds it."""
    return re.sub(r"([\[*?])", r"[\1]", str(file))


def quoted(name: str) -> str:
    """A column's name in SQL.

    >>> quoted("price")
    '"price"'
    """
    return '"' + name.replace('"', '""') + '"'


def check_header(
    file: Path, start: bytes, names: Sequence[str], database: Any, encoding: str = "utf-8"
) -> None:
    """Refuse a CSV file in whose header DuckDB found no columns, or one name twice, and said nothing."""
    delimiter = next((mark for mark in ",;\t|" if mark in names[0]), "")
    if len(names) == 1 and delimiter and not start.startswith(_PACKED):
        _check_width(file, delimiter, encoding)
    stems = {match[1].lower() for name in names if (match := re.fullmatch(r"(.+)_\d+", name))}
    if stems & {name.lower() for name in names}:  # what DuckDB makes of "y" and "y" is "y" and "y_1"
        rows = f"read_csv(?, header=false, all_varchar=true, encoding='{encoding}')"
        header = database.sql(f"FROM {rows}", params=[as_pattern(file)]).limit(1).fetchall()[0]
        cells = [str(cell).lower() for cell in header if cell]
        twice = next((name for name in names if cells.count(name.lower()) > 1), None)
        if twice is not None:
            raise InputError(
                f'{file}: two columns are named "{twice}" (capitals make no difference); rename one of them.'
            )


def _check_width(file: Path, delimiter: str, encoding: str) -> None:
    with file.open(newline="", encoding=encoding, errors="replace") as stream:
        reader = csv.reader(stream, delimiter=delimiter)
        width = len(next(reader))
        for row in reader:
            if row and len(row) != width:
                raise InputError(
                    f"{file}: line {reader.line_num} has {len(row)} cells, and the header has {width}."
                )


def cause_of(error: Exception) -> str:
    """One sentence of DuckDB's, which often has thirty lines, without its heading; of a CSV file, line and cause."""
    text = re.sub(r"^(\w+ )*Error: ", "", str(error).strip())
    if "not utf-8" in text.lower():
        return "it is not UTF-8 text; save it as UTF-8"
    line = re.search(r"CSV Error on Line: (\d+)", text)
    cell = re.search(r'converting column "(.*)"\. Could not convert string "(.*)" to', text)
    if line and cell:
        return f'line {line[1]} has "{cell[2]}" in column "{cell[1]}", which is no number'
    lines = [part.strip() for part in text.splitlines() if part.strip() and "Original Line" not in part]
    shown = f"line {line[1]}: {' '.join(lines[1:2])}" if line else lines[0] if lines else "it is damaged"
    return shown[:300].rstrip(".:")
