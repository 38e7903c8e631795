"""What a score reads of a data set: which columns, and their rows a batch at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from losskit.errors import InputError, nearest

ROWS = 1 << 20
"""Rows that a thread takes at a time: many, since handing them over costs more than a kernel's call."""

MOST_GROUPS = 100_000
"""A column of more values than this is no grouping: exact sums of each would not fit in memory."""


@dataclass(frozen=True)
class Roles:
    """The columns that hold targets, predictions, weights and groups."""

    true: str
    pred: tuple[str, ...]
    weight: str | None = None
    by: tuple[str, ...] = ()

    @property
    def numbers(self) -> tuple[str, ...]:
        """The columns of numbers, in the order a batch has them."""
        return (self.true, *self.pred, *([] if self.weight is None else [self.weight]))

    def check(self, source: str, present: Sequence[str]) -> None:
        """Raise unless the data set has every column."""
        for name in (*self.numbers, *self.by):
            if name not in present:
                shown = ", ".join(f'"{column}"' for column in present[:40])
                more = f" and {len(present) - 40} more" if len(present) > 40 else ""
                raise InputError(
                    f'{source}: there is no column "{name}".{nearest(name, present)} The columns are: {shown}{more}.'
                )


@dataclass(frozen=True)
class Batch:
    """At most ``ROWS`` rows of a source, one after another."""

    source: str
    first: int
    """How many rows of the source come before."""
    rows: int
    numbers: tuple[Sequence[NDArray[Any]], ...]
    """The columns ``Roles.numbers``, each in one or more pieces of float32 or float64; NaN is an empty cell."""
    groups: tuple[NDArray[np.intp], ...] = ()
    """For each column of ``Roles.by`` the number of every row's group."""

    def place(self, row: int) -> str:
        """Where a row of the batch is, for people."""
        return f"{self.source}, row {self.first + row + 1} of the data"


@dataclass
class Grouping:
    """The groups met so far in a column, numbered in the order they came.

    >>> grouping = Grouping("colour")
    >>> grouping.codes(["red", "blue"], np.array([0, 1, 1])).tolist()
    [0, 1, 1]
    >>> grouping.codes(["blue", "green"], np.array([0, 1])).tolist()
    [1, 2]
    """

    column: str
    names: dict[str, int] = field(default_factory=dict)

    def codes(self, names: Sequence[str], indices: NDArray[Any]) -> NDArray[np.intp]:
        """The groups' numbers of rows that are given as indices into ``names``."""
        known = self.names
        numbers = np.array([known.setdefault(name, len(known)) for name in names], np.intp)
        if len(known) > MOST_GROUPS:
            raise InputError(
                f'"{self.column}" has more than {MOST_GROUPS} different values; group by a column of fewer.'
            )
        codes: NDArray[np.intp] = numbers[indices]
        return codes
