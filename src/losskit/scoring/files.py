"""Files as batches of rows: CSV, Parquet and JSON lines, streamed by DuckDB."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from losskit.advisor.data.kinds import (
    EMPTY_CELLS,
    as_pattern,
    beginning,
    cause_of,
    check_header,
    kind_of,
    quoted,
)
from losskit.engines.numba import pool
from losskit.errors import InputError, needs
from losskit.scoring.roles import ROWS, Batch, Grouping, Roles

Progress = Callable[[float, float, int], None]
"""progress(bytes done, bytes in all, rows read)"""

_PIECE = 1 << 16
"""Rows of a record batch. The memory of larger ones goes back to the system after each: fresh pages every time cost as
much as decoding."""

_CONFIG: dict[str, Any] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "memory_limit": "512MB",
}
_SETTINGS = {
    "streaming_buffer_size": "'64MB'",  # DuckDB reads on while a batch is scored, and seldom has to wait
    "enable_progress_bar_print": "false",
}
_NUMBER = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL.*|BOOLEAN)$")


@dataclass(frozen=True)
class DataFile:
    """A file, and how it was when reading began."""

    path: Path
    kind: str
    start: bytes
    """Its first bytes."""
    state: tuple[int, int, int]
    """Inode, size and time of the last change."""

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> "DataFile":
        """The file of a path; an error where there is none, or nothing in it."""
        file = Path(path)
        start = beginning(file)
        return cls(file, kind_of(file, start), start, _state(file))

    @property
    def size(self) -> int:
        """Bytes."""
        return self.state[1]

    def check_unchanged(self) -> None:
        """Raise where the file is not what it was when reading began: the score would be of neither."""
        try:
            now = _state(self.path)
        except OSError:
            now = None
        if now != self.state:
            raise InputError(
                f"{self.path}: the file changed while it was being read; score it when nothing writes to it."
            )


def batches_of(
    paths: Sequence[str | os.PathLike[str]],
    roles: Roles,
    groupings: Sequence[Grouping],
    progress: Progress | None = None,
) -> Iterator[Batch]:
    """The rows of all files, in order."""
    files = [DataFile.open(path) for path in paths]
    total, done, rows = sum(file.size for file in files), 0, 0
    for file in files:
        for batch, share in _rows_of(file, roles, groupings, watched=progress is not None):
            rows += batch.rows
            if progress is not None:
                progress(done + share * file.size, total, rows)
            yield batch
        done += file.size


def _rows_of(
    file: DataFile, roles: Roles, groupings: Sequence[Grouping], watched: bool
) -> Iterator[tuple[Batch, float]]:
    """The batches of a file, each with the share of the file that has been read."""
    with needs("score"):
        import duckdb
        import pyarrow  # noqa: F401 - DuckDB hands over record batches with it
    with duckdb.connect(config={**_CONFIG, "threads": pool.get_num_threads()}) as database:
        for setting, value in _SETTINGS.items():
            database.execute(f"SET {setting} = {value}")
        if watched:  # which costs a little
            database.execute("SET enable_progress_bar = true")
        with _explained(file):
            reader = _select(database, file, roles).to_arrow_reader(_PIECE)
        first = 0
        while True:
            with _explained(file):
                pieces = list(islice(reader, ROWS // _PIECE))
            if not pieces:
                break
            batch = _as_batch(pieces, file, first, roles, groupings)
            yield batch, max(database.query_progress(), 0.0) / 100.0 if watched else 0.0
            first += batch.rows
    file.check_unchanged()


def _select(database: Any, file: DataFile, roles: Roles) -> Any:
    """The columns that are needed, as a lazy relation."""
    pattern = as_pattern(file.path)
    reader, numbers = "read_parquet(?)", roles.numbers
    if file.kind == "JSON":
        reader = "read_json(?)"
    if file.kind == "CSV":
        # every column is text but those of numbers, so that no cell decides the type of others
        head = "read_csv(?, header=true, all_varchar=true)"
        present = database.sql(f"FROM {head}", params=[pattern]).columns
        check_header(file.path, file.start, present, database)
        roles.check(str(file.path), present)
        empty = ", ".join(map(_text, EMPTY_CELLS))
        types = ", ".join(f"{_text(name)}: 'DOUBLE'" for name in dict.fromkeys(numbers))
        reader = f"read_csv(?, header=true, nullstr=[{empty}], auto_type_candidates=['VARCHAR'], types={{{types}}})"
    relation = database.sql(f"FROM {reader}", params=[pattern])
    roles.check(str(file.path), relation.columns)
    kinds = dict(zip(relation.columns, map(str, relation.types), strict=True))
    columns = [_number(file, name, kinds[name]) for name in numbers]
    columns += [f"COALESCE(CAST({quoted(name)} AS VARCHAR), '')" for name in roles.by]
    return relation.project(", ".join(f"{column} AS c{i}" for i, column in enumerate(columns)))


def _number(file: DataFile, name: str, kind: str) -> str:
    """The SQL of a column of numbers."""
    if not _NUMBER.match(kind):
        held = "text" if kind == "VARCHAR" else kind.lower()[:40]
        raise InputError(
            f'{file.path}: column "{name}" holds {held}, not numbers; labels are numbers, too: 0 and 1, -1 and +1,'
            " or class indices 0, 1, 2, ..."
        )
    return quoted(name) if kind in ("FLOAT", "DOUBLE") else f"CAST({quoted(name)} AS DOUBLE)"


def _as_batch(
    pieces: Sequence[Any], file: DataFile, first: int, roles: Roles, groupings: Sequence[Grouping]
) -> Batch:
    """Record batches as one batch."""
    columns = list(zip(*(piece.columns for piece in pieces), strict=True))
    count = len(roles.numbers)
    numbers = tuple([c.to_numpy(zero_copy_only=False) for c in column] for column in columns[:count])
    groups = tuple(map(_codes, groupings, columns[count:]))
    return Batch(str(file.path), first, sum(piece.num_rows for piece in pieces), numbers, groups)


def _codes(grouping: Grouping, column: Sequence[Any]) -> NDArray[np.intp]:
    encoded = [piece.dictionary_encode() for piece in column]
    return np.concatenate(
        [grouping.codes(piece.dictionary.to_pylist(), piece.indices.to_numpy()) for piece in encoded]
    )


@contextmanager
def _explained(file: DataFile) -> Iterator[None]:
    """Turn what DuckDB says of a file it cannot read into one sentence; through Arrow it says it by OSError."""
    import duckdb

    try:
        yield
    except (duckdb.Error, OSError) as error:
        file.check_unchanged()
        raise InputError(f"{file.path}: the file cannot be read as {file.kind}: {cause_of(error)}.") from None


def _state(file: Path) -> tuple[int, int, int]:
    status = file.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
