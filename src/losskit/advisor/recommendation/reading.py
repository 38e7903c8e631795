"""Recommendations for files: columns of CSV, Parquet and JSON lines, or arrays of .npy and .npz."""

import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from losskit.advisor.data.files import UnreadableError, opened
from losskit.advisor.data.table import load_example
from losskit.advisor.recommendation.advice import answer_to
from losskit.advisor.recommendation.answer import Recommendation
from losskit.advisor.recommendation.arrays import ask_arrays
from losskit.advisor.recommendation.columns import column
from losskit.advisor.recommendation.goals import read_goal
from losskit.advisor.recommendation.question import Names, ask_rows, check_task
from losskit.advisor.recommendation.reading_columns import Columns, of_columns
from losskit.errors import InputError, nearest

ARRAYS = (".npy", ".npz")

SNIFFED = 20_000
"""Rows that tell the types of a text file's columns, at first."""


def recommend_file(
    path: str | os.PathLike[str],
    target: str | None = None,
    prediction: Sequence[str] | str = (),
    weight: str | None = None,
    *,
    task: str | None = None,
    goal: str | None = None,
) -> Recommendation:
    """Recommend losses for a file: ``recommend`` with columns by name, or arrays of a .npz file.

    Only the columns named are read whole. Without predictions, a pilot model is fitted to a sample of the rows
    with all other columns as features.
    """
    check_task(task)
    file = Path(path)
    predictions = [prediction] if isinstance(prediction, str) else list(prediction)
    if file.suffix.lower() in ARRAYS:
        return _of_arrays(file, target, predictions, weight, task, goal)
    if target is None:
        raise InputError(f"{file}: name the column to predict with --target COLUMN.")
    ask = Columns(file, target, predictions, weight, task, read_goal(goal))
    try:
        with opened(file, SNIFFED) as table:
            return of_columns(table, ask)
    except UnreadableError:  # a later row may not fit the first ones
        with opened(file) as table:
            return of_columns(table, ask)


def recommend_example(name: str, *, task: str | None = None, goal: str | None = None) -> Recommendation:
    """Recommend losses for one of the data sets that scikit-learn ships.

    >>> recommend_example("breast-cancer").best.loss.name
    'binary_cross_entropy'
    """
    check_task(task)
    table = load_example(name)
    names = Names(source=table.source, title=table.target, target=f'the target "{table.target}"')
    target = column(table.labels, names.target)
    question = ask_rows(target, None, None, task, read_goal(goal), names)
    columns = dict(zip(table.names, table.features.T, strict=True))
    return answer_to(question, lambda rows: {name: values[rows] for name, values in columns.items()})


def _of_arrays(
    file: Path,
    target: str | None,
    predictions: list[str],
    weight: str | None,
    task: str | None,
    goal: str | None,
) -> Recommendation:
    arrays = _load(file)
    if target is None and len(arrays) == 1:
        target = next(iter(arrays))
    if target is None:
        raise InputError(f"{file}: name the array of targets with --target; it has {_listed(arrays)}.")
    wanted = [target, *predictions, *([weight] if weight else [])]
    for name in wanted:
        if name not in arrays:
            raise InputError(
                f'{file}: there is no array "{name}".{nearest(name, arrays)} It has {_listed(arrays)}.'
            )
    if len(predictions) > 1:
        raise InputError(
            f"{file}: give one array of predictions; of several classes it has a column for each."
        )
    guess = arrays[predictions[0]] if predictions else None
    names = Names.of_file(file, target, predictions, weight)
    weights = arrays[weight] if weight else None
    return answer_to(ask_arrays(arrays[target], guess, weights, task, read_goal(goal), names))


def _load(file: Path) -> dict[str, Any]:
    """The arrays of a file; never a pickle."""
    if not file.is_file():
        beside = [f.name for f in file.parent.iterdir() if f.is_file()] if file.parent.is_dir() else []
        raise InputError(f"{file}: there is no such file.{nearest(file.name, beside)}")
    try:
        with file.open("rb") as stream:
            found = np.load(stream, allow_pickle=False)
            single = isinstance(found, np.ndarray)
            return {file.stem: found} if single else {name: found[name] for name in found.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        pickled = "pickle" in str(error).lower()
        why = (
            "it holds Python objects, which are not loaded: they may run code"
            if pickled
            else "it is damaged or no NumPy file"
        )
        raise InputError(f"{file}: the file cannot be read: {why}.") from None


def _listed(arrays: dict[str, Any]) -> str:
    return ", ".join(f'"{name}" {array.shape}' for name, array in arrays.items())
