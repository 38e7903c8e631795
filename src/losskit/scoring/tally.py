"""Exact totals of losses over rows, in all and by group: what merges over batches, threads, files and machines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from losskit.errors import InputError
from losskit.scoring.exact_kernel import widen
from losskit.scoring.exact_sum import ExactSum, ExactSums
from losskit.scoring.fused import FusedKernel, fused_kernel
from losskit.scoring.roles import ROWS, Batch, Grouping, Roles
from losskit.scoring.terms import Numbers, ScoredLoss


@dataclass(frozen=True)
class Totals:
    """Rows, their weight, and the weighted total of each loss; totals of other rows are added with ``+``."""

    rows: int
    weight: ExactSum
    losses: tuple[ExactSum, ...]

    def __add__(self, other: "Totals") -> "Totals":
        losses = tuple(a + b for a, b in zip(self.losses, other.losses, strict=True))
        return Totals(self.rows + other.rows, self.weight + other.weight, losses)


@dataclass(frozen=True)
class Counted:
    """All that is known of some rows of a data set; merged with ``+``."""

    all: Totals
    by: tuple[Mapping[str, Totals], ...] = ()
    """For each grouping the totals of its groups."""
    empty: int = 0
    """Rows left out, since a cell they need is empty."""
    weightless: int = 0
    """Rows left out, since their weight is 0."""

    def __add__(self, other: "Counted") -> "Counted":
        return Counted(
            self.all + other.all,
            tuple(_merged(a, b) for a, b in zip(self.by, other.by, strict=True)),
            self.empty + other.empty,
            self.weightless + other.weightless,
        )


def _merged(a: Mapping[str, Totals], b: Mapping[str, Totals]) -> Mapping[str, Totals]:
    return {
        name: a[name] + b[name] if name in a and name in b else a.get(name) or b[name] for name in {**a, **b}
    }


class _Groups:
    """The totals of the groups of one grouping, while they grow; without groups there is group 0 alone."""

    def __init__(self, losses: int, weighted: bool) -> None:
        self._rows = np.zeros(0, np.int64)
        self._weight = ExactSums() if weighted else None
        self._losses = [ExactSums() for _ in range(losses)]

    def add_rows(self, groups: NDArray[np.intp] | None, weight: Numbers | None, rows: int) -> None:
        counts = np.array([rows]) if groups is None else np.bincount(groups)
        size = max(len(counts), len(self._rows))
        self._rows = np.pad(self._rows, (0, size - len(self._rows)))
        self._rows[: len(counts)] += counts
        if self._weight is not None and weight is not None:
            self._weight.add(weight, groups)

    def add_terms(self, loss: int, terms: Numbers, groups: NDArray[np.intp] | None) -> None:
        self._losses[loss].add(terms, groups)

    def add_limbs(self, limbs: NDArray[np.int64], special: Numbers, rows: int) -> None:
        self.add_rows(None, None, rows)
        for sums, of_loss, not_finite in zip(self._losses, limbs, special, strict=True):
            sums.add_limbs(of_loss, float(not_finite), rows)

    def totals(self, group: int) -> Totals:
        rows = int(self._rows[group]) if group < len(self._rows) else 0
        weight = ExactSum.of([rows]) if self._weight is None else self._weight[group]
        return Totals(rows, weight, tuple(sums[group] for sums in self._losses))


class Tally:
    """What one thread has counted so far."""

    def __init__(self, losses: Sequence[ScoredLoss], roles: Roles) -> None:
        self.losses, self.roles = losses, roles
        weighted = roles.weight is not None
        self._groups = [_Groups(len(losses), weighted) for _ in range(1 + len(roles.by))]
        self._empty = self._weightless = 0
        fusible = not weighted and not roles.by and len(roles.pred) == 1
        self._fused = fused_kernel([loss.terms_of for loss in losses]) if fusible else None
        self._buffers = np.empty((len(roles.numbers), ROWS))

    def add(self, batch: Batch) -> None:
        """Count a batch; an error for the first row that cannot be scored, which names it."""
        if self._fused is None or not self._add_fused(self._fused, batch):
            self._add_with_care(batch)

    def _add_fused(self, kernel: FusedKernel, batch: Batch) -> bool:
        """Count a batch without looking at rows; False, and nothing counted, where that cannot be done."""
        sums = kernel.sums(*batch.numbers)
        if sums is None:
            return False
        self._groups[0].add_limbs(*sums, batch.rows)
        return True

    def _add_with_care(self, batch: Batch) -> None:
        columns = self._buffers[:, : batch.rows]
        finite = [_widened(pieces, out) for pieces, out in zip(batch.numbers, columns, strict=True)]
        groups: list[NDArray[np.intp] | None] = [None, *batch.groups]
        kept = None
        if not all(finite) or self.roles.weight is not None:
            kept = self._kept(batch, columns)
        if kept is not None:
            columns = columns[:, kept]
            groups = [None if codes is None else codes[kept] for codes in groups]
        weight = None if self.roles.weight is None else columns[-1]
        true, pred = columns[0], tuple(columns[1 : 1 + len(self.roles.pred)])
        for loss, scored in enumerate(self.losses):
            try:
                terms = scored.terms(true, pred)
            except (ValueError, IndexError, TypeError) as error:
                row, why = scored.first_refused(true, pred, error)
                place = batch.place(row if kept is None else int(kept[row]))
                raise InputError(
                    f"{place}: {scored.label}: {_in_columns(why, scored, self.roles)}."
                ) from None
            if weight is not None:
                terms = terms * weight
            for totals, codes in zip(self._groups, groups, strict=True):
                totals.add_terms(loss, terms, codes)
        for totals, codes in zip(self._groups, groups, strict=True):
            totals.add_rows(codes, weight, len(true))

    def counted(self, groupings: Sequence[Grouping]) -> Counted:
        """The totals so far."""
        by = tuple(
            {name: totals for name, i in grouping.names.items() if (totals := groups.totals(i)).rows}
            for grouping, groups in zip(groupings, self._groups[1:], strict=True)
        )
        return Counted(self._groups[0].totals(0), by, self._empty, self._weightless)

    def _kept(self, batch: Batch, columns: Numbers) -> NDArray[np.intp] | None:
        """The rows with something to score, None for all; an error for what no score can be made of."""
        there = ~np.isnan(columns).any(axis=0)
        self._empty += int((~there).sum())
        if self.roles.weight is not None:
            negative = there & (columns[-1] < 0.0)
            if negative.any():
                row = int(np.argmax(negative))
                raise InputError(
                    f'{batch.place(row)}: the weight "{self.roles.weight}" is {columns[-1, row]:g};'
                    " weights are at least 0."
                )
            self._weightless += int((there & (columns[-1] == 0.0)).sum())
            there &= columns[-1] != 0.0
        infinite = np.isinf(columns) & there
        if infinite.any():
            row = int(np.argmax(infinite.any(axis=0)))
            column = int(np.argmax(infinite[:, row]))
            raise InputError(
                f'{batch.place(row)}: "{self.roles.numbers[column]}" is infinite'
                f" ({columns[column, row]:g}); remove the row or correct the value."
            )
        return None if there.all() else np.flatnonzero(there)


def _widened(pieces: Sequence[NDArray[Any]], out: Numbers) -> bool:
    """Put the pieces of a column one after another into float64; whether all numbers are finite."""
    finite, first = True, 0
    for piece in pieces:
        finite &= widen(piece, out[first : first + len(piece)])
        first += len(piece)
    return finite


def _in_columns(message: str, scored: ScoredLoss, roles: Roles) -> str:
    """A loss's message about its arguments as one about columns."""
    for argument, column in zip(scored.terms_of.arguments, (roles.true, *roles.pred), strict=False):
        message = message.replace(argument, f'"{column}"')
    return message
