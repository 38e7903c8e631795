"""Score predictions: one pass over files or columns of any size, several losses at once."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from losskit.errors import InputError, unknown
from losskit.loss import LossFunction
from losskit.scoring.cluster import count_on_ray
from losskit.scoring.columns import column_batches
from losskit.scoring.counting import count, count_files
from losskit.scoring.files import Progress
from losskit.scoring.roles import Grouping, Roles
from losskit.scoring.scores import Score, Scores
from losskit.scoring.tally import Counted, Totals
from losskit.scoring.terms import ScoredLoss

ENGINES = ("local", "ray")

Data = str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | Mapping[str, Any]
Names = str | Sequence[str]


def score(
    data: Data,
    *,
    true: str = "y_true",
    pred: Names = "y_pred",
    losses: str | LossFunction | Sequence[str | LossFunction],
    by: Names = (),
    weight: str | None = None,
    progress: Progress | None = None,
    engine: str = "local",
) -> Scores:
    """Score the predictions of a file, of several files as one data set, or of columns by name.

    Terms are computed in float64 and their sums are exact: a score is the same to the last bit for one
    file or seven, in any order, on any number of threads. Files may be larger than memory. Rows with an
    empty cell or of weight 0 are left out and counted.

    true, pred, weight : the columns' names; several predictions for a loss that takes several, such as
        one for each class
    losses : losses, or their texts, such as ``["huber(delta=2)", "mae"]``
    by : columns to group by, each for itself
    progress : called with (bytes done, bytes in all, rows read), on another thread
    engine : "local", or "ray" for a task a file on a Ray cluster

    >>> data = {"price": [1.0, 2.0, 4.0], "guess": [1.5, 2.0, 1.0], "town": ["A", "A", "B"]}
    >>> print(score(data, true="price", pred="guess", losses=["mae", "mse"], by="town"))
              rows       mae       mse
    all          3   1.16667   3.08333
    town = A     2  0.250000  0.125000
    town = B     1   3.00000   9.00000
    """
    roles = Roles(true, _names(pred), weight, _names(by))
    if not roles.pred:
        raise InputError("name at least one column of predictions.")
    scored = _scored(losses, roles)
    return _answer(_counted(data, scored, roles, progress, engine), scored, roles)


def _scored(
    losses: str | LossFunction | Sequence[str | LossFunction], roles: Roles
) -> tuple[ScoredLoss, ...]:
    given = [losses] if isinstance(losses, str | LossFunction) else losses
    scored = tuple(ScoredLoss.of(loss, roles) for loss in given)
    labels = [loss.label for loss in scored]
    if not labels or len(set(labels)) < len(labels):
        raise InputError(f"name each loss to score once; got {', '.join(labels) or 'none'}.")
    return scored


def _counted(
    data: Data, losses: Sequence[ScoredLoss], roles: Roles, progress: Progress | None, engine: str
) -> Counted:
    if engine not in ENGINES:
        raise unknown("engine", engine, ENGINES)
    if isinstance(data, Mapping):
        if engine != "local":
            raise InputError(f'the engine "{engine}" scores files; columns in memory are scored without it.')
        groupings = [Grouping(column) for column in roles.by]
        return count(column_batches(data, roles, groupings), losses, roles, groupings)
    paths = [data] if isinstance(data, str | os.PathLike) else list(data)
    if not paths:
        raise InputError("no data: name at least one file.")
    if engine == "ray":
        return count_on_ray(paths, losses, roles)
    return count_files(paths, losses, roles, progress)


def _names(given: Names) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _answer(counted: Counted, losses: Sequence[ScoredLoss], roles: Roles) -> Scores:
    notes = []
    if counted.empty:
        notes.append(f"{_rows(counted.empty)} left out: a cell of {_quoted(roles.numbers)} is empty")
    if counted.weightless:
        notes.append(f"{_rows(counted.weightless)} of weight 0 left out")
    if not counted.all.rows:
        why = f": {'; '.join(notes)}" if notes else ""
        raise InputError(f"there is no row to score{why}.")
    by = {
        column: {name: Score(groups[name].rows, _values(groups[name], losses)) for name in sorted(groups)}
        for column, groups in zip(roles.by, counted.by, strict=True)
    }
    dropped = counted.empty + counted.weightless
    return Scores(counted.all.rows, _values(counted.all, losses), by, dropped, tuple(notes))


def _values(totals: Totals, losses: Sequence[ScoredLoss]) -> dict[str, float]:
    return {
        loss.label: total / totals.weight if loss.mean else float(total)
        for loss, total in zip(losses, totals.losses, strict=True)
    }


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _quoted(names: Sequence[str]) -> str:
    return " or ".join(f'"{name}"' for name in dict.fromkeys(names))
