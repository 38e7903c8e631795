"""What is to be predicted: the task that a target poses, and the target as numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from losskit.advisor.comparison.candidates import TASKS, candidates
from losskit.advisor.data.cells import word_among_numbers
from losskit.advisor.data.table import MOST_CLASSES, Table
from losskit.advisor.models.adapters import resolve, tasks_of
from losskit.errors import InputError, unknown
from losskit.loss import LossFunction

CLASSIFICATION = frozenset(
    {"binary", "multiclass", "multilabel", "imbalance", "segmentation", "distribution"}
)
"""The tags of a loss that make it fit for classes."""


@dataclass(frozen=True)
class Problem:
    """A task with its target: numbers for regression, else class codes 0, 1, 2, ..."""

    task: str
    y: NDArray[Any]
    labels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def classes(self) -> int:
        """The number of classes; 0 for regression."""
        return len(self.labels)

    @property
    def positive(self) -> str | None:
        """Of two classes the one that average precision looks for."""
        return self.labels[1] if self.task == "binary" else None


def pose(table: Table, task: str | None, losses: Sequence[str | LossFunction], folds: int) -> Problem:
    """Find the task, check that the losses and the number of rows fit it, and code the target."""
    if task is not None and task not in TASKS:
        raise unknown("task", task, TASKS)
    if table.rows < 2 * folds:
        raise InputError(
            f"{table.source}: {table.rows} rows with a target are too few for {folds} folds,"
            f" which need {2 * folds}."
        )
    notes: list[str] = []
    if task is None:
        task, why = _guess(table, losses)
        notes += [why] if why else []
    _must_fit(table, task, losses)
    if task == "regression":
        return Problem(task, _quantity(table), notes=tuple(notes))
    y, labels = _codes(table, task)
    _must_have_rows(table, y, labels, folds)
    return Problem(task, y, labels, tuple(notes))


def _guess(table: Table, losses: Sequence[str | LossFunction]) -> tuple[str, str]:
    """The task that a target looks like, and what to say where it could be another."""
    distinct = np.unique(table.labels)
    if not table.is_numeric:
        return ("binary" if len(distinct) == 2 else "multiclass"), ""
    whole = bool((distinct == np.round(distinct)).all())
    if not whole or len(distinct) > MOST_CLASSES:
        return "regression", ""
    if losses and not any(_fits(loss, "binary") for loss in losses):
        return "regression", ""
    task = "binary" if len(distinct) == 2 else "multiclass"
    if task == "binary":
        return task, ""
    return (
        task,
        f'"{table.target}" has {len(distinct)} whole values, taken as classes;'
        ' the task "regression" would predict the number',
    )


def _fits(loss: str | LossFunction, task: str) -> bool:
    tags = tasks_of(resolve(loss))
    return not tags or ("regression" in tags if task == "regression" else bool(tags & CLASSIFICATION))


def _must_fit(table: Table, task: str, losses: Sequence[str | LossFunction]) -> None:
    """Refuse a loss of another task, naming what would do."""
    for loss in losses:
        if _fits(loss, task):
            continue
        name = loss if isinstance(loss, str) else loss.name
        tags = ", ".join(sorted(tasks_of(resolve(loss))))
        kind = "numbers" if table.is_numeric else f'text such as "{table.labels[0]}"'
        stray = "" if table.is_numeric else word_among_numbers(table.labels.tolist())
        better = ", ".join(candidate.name.partition("(")[0] for candidate in candidates(task))
        raise InputError(
            f'{name} is a loss for {tags}, but the target "{table.target}" is {kind} and the task {task}.'
            f"{stray} Losses for it are: {better}."
        )


def _quantity(table: Table) -> NDArray[np.float64]:
    if table.is_numeric:
        return np.asarray(table.labels, dtype=np.float64)
    for row, label in enumerate(table.labels):
        try:
            float(label)
        except ValueError:
            raise InputError(
                f'{table.source}: the target "{table.target}" is text ("{label}" in row {row + 1} of those'
                " that have one), and regression needs numbers; leave the task out to predict a class."
            ) from None
    return np.array([float(label) for label in table.labels])


def _codes(table: Table, task: str) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    """Class codes in the order of the labels; of two texts the rarer one is second."""
    values, y = np.unique(table.labels, return_inverse=True)
    labels = [f"{v:g}" if table.is_numeric else str(v) for v in values]
    if task == "binary" and len(values) != 2:
        raise InputError(
            f'{table.source}: a binary task needs two classes, "{table.target}" has {len(values)}.'
        )
    if len(values) > max(MOST_CLASSES, len(y) // 10):
        raise InputError(
            f'{table.source}: the target "{table.target}" has {len(values)} different values in'
            f" {len(y)} rows: too many for classes."
            + (
                " Is it a quantity, for the task regression?"
                if table.is_numeric
                else word_among_numbers(labels)
            )
        )
    if len(values) == 2 and not table.is_numeric and (y == 1).sum() > (y == 0).sum():
        y, labels = 1 - y, labels[::-1]
    return y.astype(np.intp), tuple(labels)


def _must_have_rows(table: Table, y: NDArray[np.intp], labels: tuple[str, ...], folds: int) -> None:
    counts = np.bincount(y)
    if counts.min() < folds:
        rare = labels[int(counts.argmin())]
        raise InputError(
            f'{table.source}: the class "{rare}" of "{table.target}" has {counts.min()} rows, and each of'
            f" the {folds} folds needs one: use fewer folds, or drop or merge the class."
        )
