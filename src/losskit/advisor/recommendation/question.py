"""What is asked, checked: a task, a target coded for it, and predictions and weights of the same rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from losskit.advisor.data.cells import word_among_numbers
from losskit.advisor.data.table import MOST_CLASSES
from losskit.advisor.recommendation.columns import LEAST, Column, check_finite, first
from losskit.advisor.recommendation.goals import Goal
from losskit.advisor.recommendation.statistics import Numbers
from losskit.errors import InputError, unknown

TASKS = ("regression", "binary", "multiclass", "ordinal", "distribution", "segmentation", "similarity")
OF_CLASSES = ("binary", "multiclass", "ordinal")
OF_ROWS = ("regression", *OF_CLASSES)


@dataclass(frozen=True)
class Names:
    """What the data and the arguments are called."""

    source: str = "the data"
    title: str = "y_true"
    """The target in a heading; the others are for what is wrong with them."""
    target: str = "y_true"
    prediction: str = "y_pred"
    weight: str = "sample_weight"

    @classmethod
    def of_file(cls, file: Path, target: str, predictions: Sequence[str], weight: str | None) -> "Names":
        """The names of columns or arrays of a file."""
        return cls(
            source=str(file),
            title=target,
            target=f'{file}: the target "{target}"',
            prediction=f"{file}: the prediction " + ", ".join(f'"{name}"' for name in predictions),
            weight=f'{file}: the weight "{weight}"',
        )


@dataclass(frozen=True)
class Question:
    """A task and its data; rows without a target, a prediction or a weight are gone."""

    task: str
    names: Names
    y: NDArray[Any]
    labels: tuple[str, ...] = ()
    prediction: Numbers | None = None
    """For classes one column of probabilities a class."""
    weight: Numbers | None = None
    kept: NDArray[np.bool_] | None = None
    """Which of the rows given are here; None for all."""
    goal: Goal | None = None
    notes: tuple[str, ...] = ()

    @property
    def dropped(self) -> int:
        """How many rows are gone."""
        return 0 if self.kept is None else int((~self.kept).sum())


def ask_rows(
    target: Column,
    prediction: Numbers | None,
    weight: Numbers | None,
    task: str | None,
    goal: Goal | None,
    names: Names,
) -> Question:
    """The question that a column of targets poses."""
    kept = _complete(target.values, prediction, weight, names)
    y = target.values[kept]
    prediction = None if prediction is None else prediction[kept]
    weight = None if weight is None else weight[kept]
    _must_vary(y, target, names)
    notes: list[str] = []
    if task is None:
        task, why = _guess(y, target, prediction, goal)
        notes += [why] if why else []
    _must_fit(task, target, goal, names)
    if task == "regression":
        if prediction is not None and prediction.ndim != 1:
            raise InputError(
                f"{names.prediction} has shape {prediction.shape}; for a quantity it must be one number a row."
            )
        return Question(task, names, y, (), prediction, weight, kept, goal, tuple(notes))
    codes, labels = _codes(y, target, task, prediction, names)
    if prediction is not None:
        prediction, said = _probabilities(prediction, labels, names)
        notes += said
    return Question(task, names, codes, labels, prediction, weight, kept, goal, tuple(notes))


def _complete(
    y: Numbers, prediction: Numbers | None, weight: Numbers | None, names: Names
) -> NDArray[np.bool_]:
    """The rows where nothing is missing; a row of weight 0 is the same as absent."""
    kept = ~np.isnan(y)
    if not kept.any():
        raise InputError(f"{names.target} has no value in any of its {y.size} rows.")
    check_finite(y, names.target)
    for other, name in ((prediction, names.prediction), (weight, names.weight)):
        if other is None:
            continue
        if len(other) != len(y):
            raise InputError(
                f"{name} has {len(other)} rows, {names.target} has {len(y)}; they must have as many."
            )
        check_finite(other, name)
        kept &= ~np.isnan(other if other.ndim == 1 else other.sum(axis=1))
    if weight is not None:
        if (weight < 0).any():
            row = first(weight < 0)
            raise InputError(
                f"{names.weight} is negative ({weight[row]:g}) in row {row + 1}; weights are at least 0."
            )
        kept &= weight > 0
    if not kept.any():
        raise InputError(f"{names.target}: no row has a target, a prediction and a weight above 0 together.")
    return np.asarray(kept)


def _must_vary(y: Numbers, target: Column, names: Names) -> None:
    if (y == y[0]).all():
        value = f"{y[0]:g}" if target.levels is None else f'"{target.levels[int(y[0])]}"'
        raise InputError(f"{names.target} is {value} in every row: there is nothing to learn.")
    if np.ptp(y) < LEAST:
        raise InputError(
            f"{names.target} differs by less than {LEAST:g}, whose square vanishes; measure it in a smaller unit."
        )


def _guess(y: Numbers, target: Column, prediction: Numbers | None, goal: Goal | None) -> tuple[str, str]:
    """The task that a column looks like, and what to say where it could be another."""
    if target.levels is not None:
        return ("binary" if np.unique(y).size == 2 else "multiclass"), ""
    if goal is not None and not goal.for_classes:
        return "regression", ""
    if not (y == np.round(y)).all():
        return "regression", ""
    values, counts = np.unique(y, return_counts=True)
    if values.size == 2:
        return "binary", ""
    if prediction is not None and prediction.ndim == 2:
        return "multiclass", ""
    of_numbers = prediction is not None or values.size > MOST_CLASSES
    if of_numbers:
        return "regression", ""
    if _fades(values, counts):
        return (
            "regression",
            f'{values.size} whole values that fade out, taken as counts; the task "multiclass" would predict classes',
        )
    return (
        "multiclass",
        f'{values.size} whole values, taken as classes; the task "regression" would predict the number, "ordinal" the order',
    )


def _fades(values: Numbers, counts: NDArray[np.intp]) -> bool:
    """Whether whole numbers thin out upwards as counts do: eight or more, from 0 or 1 on, the highest rare."""
    return bool(values.size >= 8 and values[0] in (0, 1) and counts[-1] < 0.1 * counts.max())


def _must_fit(task: str, target: Column, goal: Goal | None, names: Names) -> None:
    """Refuse a task that the target or the goal cannot have."""
    if task not in OF_ROWS:
        raise InputError(
            f"the task {task} needs arrays of its own; {names.target} is one column. See losskit recommend --help."
        )
    if task == "regression" and target.levels is not None:
        raise InputError(
            f'{names.target} is text such as "{target.levels[0]}", and regression needs numbers;'
            " leave the task out to predict a class."
        )
    if goal is not None and goal.for_classes != (task != "regression"):
        kind = "classes" if goal.for_classes else "quantities"
        raise InputError(
            f'the goal "{goal.said or goal.name}" is one for {kind}, and {names.target} poses the task {task}.'
        )


def _codes(
    y: Numbers, target: Column, task: str, prediction: Numbers | None, names: Names
) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    """Class codes in the order of the labels; of two texts the rarer one is second."""
    values, codes = np.unique(y, return_inverse=True)
    width = prediction.shape[1] if prediction is not None and prediction.ndim == 2 else 0
    if target.levels is None and width > values.size and set(values) <= set(range(width)):
        return y.astype(np.intp), tuple(str(i) for i in range(width))
    if target.levels is None:
        labels = [f"{v:g}" for v in values]
    else:
        labels = [target.levels[int(v)] for v in values]
    if task == "binary" and values.size != 2:
        raise InputError(f"{names.target}: a binary task needs two classes, and there are {values.size}.")
    if values.size > max(MOST_CLASSES, y.size // 10):
        raise InputError(
            f"{names.target} has {values.size} different values in {y.size} rows: too many for classes."
            + (
                " Is it a quantity, for the task regression?"
                if target.levels is None
                else word_among_numbers(labels)
            )
        )
    if values.size == 2 and target.levels is not None and 2 * codes.sum() > codes.size:
        codes, labels = 1 - codes, labels[::-1]
    return codes.astype(np.intp), tuple(labels)


def _probabilities(prediction: Numbers, labels: Sequence[str], names: Names) -> tuple[Numbers, list[str]]:
    """Predictions for classes as one probability a class; what is outside of [0, 1] is taken as logits."""
    if prediction.ndim == 1 and len(labels) > 2:
        raise InputError(
            f"{names.prediction} has one number a row, and {len(labels)} classes need a probability each:"
            f" give an array of shape ({len(prediction)}, {len(labels)}), or as many columns."
        )
    if prediction.ndim == 2 and prediction.shape[1] != len(labels):
        raise InputError(
            f"{names.prediction} has {prediction.shape[1]} columns, and {names.target} has {len(labels)} classes:"
            f" {', '.join(labels[:8])}{', ...' if len(labels) > 8 else ''}."
        )
    if prediction.ndim == 1:
        if prediction.min() >= 0 and prediction.max() <= 1:
            return np.column_stack([1 - prediction, prediction]), [
                f'predictions taken as the probability of "{labels[1]}"'
            ]
        logits = np.column_stack([np.zeros_like(prediction), prediction])
        return softmax(logits), [f'predictions outside of [0, 1], taken as logits of "{labels[1]}"']
    if are_distributions(prediction):
        return prediction, []
    return softmax(prediction), ["predictions that are no probabilities, taken as logits"]


def are_distributions(rows: Numbers) -> bool:
    """Whether rows are at least 0 and sum to 1."""
    return bool(np.nanmin(rows) >= 0 and (np.abs(np.nansum(rows, axis=1) - 1) < 1e-3).all())


def softmax(logits: Numbers) -> Numbers:
    """Probabilities of logits."""
    from losskit.numerics import stable_softmax

    return np.asarray(stable_softmax(logits))


def check_task(task: str | None) -> None:
    """Refuse a task that does not exist."""
    if task is not None and task not in TASKS:
        raise unknown("task", task, TASKS)
