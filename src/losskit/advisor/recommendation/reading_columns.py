"""Questions from columns of CSV, Parquet and JSON-lines files, by DuckDB."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from losskit.advisor.data.cells import masked, word_among_numbers
from losskit.advisor.data.files import OpenFile
from losskit.advisor.data.kinds import NO_ROWS, quoted
from losskit.advisor.recommendation.advice import answer_to
from losskit.advisor.recommendation.answer import Recommendation
from losskit.advisor.recommendation.columns import Column
from losskit.advisor.recommendation.goals import Goal
from losskit.advisor.recommendation.pilot import Features
from losskit.advisor.recommendation.question import Names, ask_rows
from losskit.advisor.recommendation.statistics import Numbers
from losskit.errors import InputError, nearest

ROW = "losskit_row"
"""A column of our own beside those of a file."""

MOST_LEVELS = 10_000
"""Texts that a target may consist of; more are no classes."""


@dataclass(frozen=True)
class Columns:
    """What is asked of a file of columns."""

    file: Path
    target: str
    predictions: list[str]
    weight: str | None
    task: str | None
    goal: Goal | None

    @property
    def named(self) -> list[str]:
        """Every column that is asked for by name."""
        return [self.target, *self.predictions, *([self.weight] if self.weight else [])]

    @property
    def names(self) -> Names:
        """What they are called where something is wrong with them."""
        return Names.of_file(self.file, self.target, self.predictions, self.weight)


def of_columns(table: OpenFile, ask: Columns) -> Recommendation:
    """The answer for columns of an open file."""
    for name in ask.named:
        _must_have(table, ask.file, name)
    if ask.target in ask.named[1:]:
        raise InputError(
            f'{ask.file}: "{ask.target}" is the target; it cannot be its own prediction or weight.'
        )
    if not table.relation.limit(1).fetchall():
        raise InputError(f"{ask.file}: {NO_ROWS}")
    others = [] if ask.predictions else [name for name in table.relation.columns if name not in ask.named]
    if not table.is_binary:
        table = _parsed_once(table, ask.named + others)
    labels = _target(table, ask.target, ask.names)
    columns = [_numbers(table, name, ask.file) for name in ask.predictions]
    guess = None if not columns else columns[0] if len(columns) == 1 else np.column_stack(columns)
    weights = _numbers(table, ask.weight, ask.file) if ask.weight else None
    question = ask_rows(labels, guess, weights, ask.task, ask.goal, ask.names)
    found = answer_to(question, _by_rows(table, others) if others else None)
    return dataclasses.replace(found, notes=(*table.notes, *found.notes))


def _parsed_once(table: OpenFile, names: list[str]) -> OpenFile:
    """Columns of a text file as a table, so that DuckDB does not parse the file anew for each."""
    wanted = ", ".join(quoted(name) for name in dict.fromkeys(names))
    table.relation.project(wanted).create("losskit_rows")
    return dataclasses.replace(table, relation=table.database.table("losskit_rows"))


def _must_have(table: OpenFile, file: Path, name: str) -> None:
    if name in table.types and (table.relation is None or name not in table.relation.columns):
        raise InputError(
            f'{file}: the column "{name}" is {table.types[name].lower()[:40]}, neither numbers nor text.'
        )
    if name not in table.types:
        listed = ", ".join(f'"{known}"' for known in list(table.types)[:40])
        raise InputError(
            f'{file}: there is no column "{name}".{nearest(name, table.types)} The columns are: {listed}.'
        )


def _target(table: OpenFile, name: str, names: Names) -> Column:
    """A column with its texts coded by DuckDB, which is much quicker at it than Python."""
    if table.types[name].startswith(("DATE", "TIME")):
        raise InputError(
            f"{names.target} is dates; turn them into a number first, such as days since the first of them."
        )
    column = table.relation.project(quoted(name))
    if str(column.types[0]) != "VARCHAR":
        return Column(_filled(column, name))
    texts = column.distinct().filter(f"{quoted(name)} != ''").order(quoted(name))
    levels = [row[0] for row in texts.limit(MOST_LEVELS).fetchall()]
    if len(levels) == MOST_LEVELS:
        # where numbers and a word are sorted as texts, the word may be beyond the first of them
        words = texts.filter(f"TRY_CAST({quoted(name)} AS DOUBLE) IS NULL").limit(1).fetchall()
        why = word_among_numbers([*levels, *(word for (word,) in words)])
        raise InputError(
            f"{names.target} has {MOST_LEVELS:,} different texts or more: too many for classes.{why}"
        )
    if not levels:
        raise InputError(f"{names.target} has no value in any row: every cell is empty.")
    listed = ", ".join("'" + level.replace("'", "''") + "'" for level in levels)
    table.database.execute(f"CREATE TYPE losskit_level AS ENUM ({listed})")
    codes = column.project(f"CAST(enum_code(TRY_CAST({quoted(name)} AS losskit_level)) AS DOUBLE) AS code")
    return Column(_filled(codes, "code"), tuple(levels))


def _filled(relation: Any, name: str) -> Numbers:
    """The only column of a relation as float64, NaN where a cell is empty."""
    column = relation.fetchnumpy()[name]
    return np.ma.filled(np.ma.asarray(column).astype(np.float64), np.nan)


def _numbers(table: OpenFile, name: str, file: Path) -> Numbers:
    column = table.relation.project(quoted(name))
    if table.types[name].startswith(("DATE", "TIME")):
        raise InputError(f'{file}: the column "{name}" is dates; it must be numbers.')
    if str(column.types[0]) != "DOUBLE":
        example = column.filter(f"{quoted(name)} IS NOT NULL").limit(1).fetchall()
        such = f' such as "{example[0][0]}"' if example else ""
        raise InputError(f'{file}: the column "{name}" is text{such}; it must be numbers.')
    return _filled(column, name)


def _by_rows(table: OpenFile, names: list[str]) -> Features:
    """The other columns, of the rows asked for."""

    def features(rows: NDArray[np.intp]) -> dict[str, Any]:
        listed = ", ".join(quoted(name) for name in names)
        numbered = table.relation.project(f"{listed}, row_number() OVER () - 1 AS {ROW}")
        wanted, place = np.unique(rows, return_inverse=True)
        found = numbered.filter(f"{ROW} IN ({', '.join(map(str, wanted))})").order(ROW).fetchnumpy()
        return {name: masked(found[name])[place] for name in names}

    return features
