"""The answer of a scoring: a number for each loss, in all and by group."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from losskit.labels import finite, number


@dataclass(frozen=True)
class Score:
    """How many rows were scored, and what each loss comes to on them."""

    rows: int
    losses: Mapping[str, float]


@dataclass(frozen=True)
class Scores:
    """The scores of a data set; ``by`` has those of each group of each column that rows were grouped by."""

    rows: int
    losses: Mapping[str, float]
    by: Mapping[str, Mapping[str, Score]] = field(default_factory=dict)
    dropped: int = 0
    """Rows left out."""
    notes: tuple[str, ...] = ()
    """Which rows were left out, and why."""

    def to_dict(self) -> dict[str, Any]:
        """The scores as plain data, ready for JSON; a number that is not finite is None.

        >>> Scores(2, {"huber": 0.5}).to_dict()
        {'rows': 2, 'losses': {'huber': 0.5}, 'by': {}, 'dropped': 0, 'notes': []}
        """
        by = {
            column: {name: {"rows": group.rows, **_plain(group.losses)} for name, group in groups.items()}
            for column, groups in self.by.items()
        }
        return {
            "rows": self.rows,
            "losses": _plain(self.losses),
            "by": by,
            "dropped": self.dropped,
            "notes": list(self.notes),
        }

    def table(self) -> list[list[str]]:
        """Rows of text for people: a heading, all rows, then a line a group."""
        lines = [["", "rows", *self.losses], ["all", *_cells(self.rows, self.losses)]]
        for column, groups in self.by.items():
            lines += [[f"{column} = {name}", *_cells(g.rows, g.losses)] for name, g in groups.items()]
        return lines

    def __str__(self) -> str:
        """
        >>> print(Scores(2, {"huber": 0.5}))
             rows     huber
        all     2  0.500000
        """
        table = self.table()
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [
            "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in table
        ]
        return "\n".join([*lines, *(f"Note: {note}." for note in self.notes)])


def _plain(losses: Mapping[str, float]) -> dict[str, float | None]:
    return {name: finite(value) for name, value in losses.items()}


def _cells(rows: int, losses: Mapping[str, float]) -> list[str]:
    return [str(rows), *(number(value, 6) for value in losses.values())]
