"""The question that arrays pose, by their shapes: columns, distributions, masks, or embeddings with labels."""

from typing import Any

import numpy as np

from losskit.advisor.recommendation.columns import Column, as_array, check_finite, column, numbers
from losskit.advisor.recommendation.goals import Goal
from losskit.advisor.recommendation.masks import counted
from losskit.advisor.recommendation.question import Names, Question, are_distributions, ask_rows
from losskit.errors import InputError

MOST_VALUES = 256
"""Classes of pixels that a mask may have."""


def ask_arrays(
    y_true: Any, y_pred: Any, weight: Any, task: str | None, goal: Goal | None, names: Names
) -> Question:
    """The question that arrays pose, by their shapes."""
    target = as_array(y_true, names.target)
    several = target.ndim >= 2 and target.shape[-1] != 1
    if several and (task == "distribution" or (task is None and target.ndim == 2 and _rows_sum_to_1(target))):
        _has_no_goal(goal, names)
        return _ask_distributions(target, y_pred, weight, names)
    if several and task in (None, "segmentation"):
        _has_no_goal(goal, names)
        return _ask_masks(target, y_pred, weight, names)
    labels = column(target, names.target)
    prediction = None if y_pred is None else numbers(y_pred, names.prediction, (1, 2))
    if task == "similarity" or (
        task is None and prediction is not None and _are_embeddings(labels.values, prediction)
    ):
        _has_no_goal(goal, names)
        return _ask_embeddings(labels.values, prediction, weight, names)
    weights = None if weight is None else numbers(weight, names.weight)
    return ask_rows(labels, prediction, weights, task, goal, names)


def _has_no_goal(goal: Goal | None, names: Names) -> None:
    if goal is not None:
        raise InputError(
            f'the goal "{goal.said}" is one for numbers or classes, one a row, and {names.target} is neither.'
        )


def _rows_sum_to_1(target: Any) -> bool:
    return bool(
        target.dtype.kind in "fiub" and are_distributions(np.ma.filled(target.astype(np.float64), np.nan))
    )


def _ask_distributions(target: Any, y_pred: Any, weight: Any, names: Names) -> Question:
    rows = numbers(target, names.target, (2,))
    if not are_distributions(rows):
        raise InputError(f"{names.target}: the rows of a distribution are at least 0 and sum to 1.")
    weights = None if weight is None else numbers(weight, names.weight)
    if ((rows == 0) | (rows == 1)).all():
        prediction = None if y_pred is None else numbers(y_pred, names.prediction, (2,))
        return ask_rows(
            Column(rows.argmax(axis=1).astype(float)), prediction, weights, "multiclass", None, names
        )
    return Question("distribution", names, rows, weight=weights)


def _ask_masks(target: Any, y_pred: Any, weight: Any, names: Names) -> Question:
    if target.dtype.kind not in "biu":
        raise InputError(
            f"{names.target} of shape {target.shape} is {target.dtype}; masks are whole numbers or booleans, and a"
            " quantity is one number a row: ask for each column by itself."
        )
    if weight is not None:
        raise InputError(f"{names.weight} is one number a row; masks have none.")
    masks = np.asarray(target.filled(0))
    values, _ = counted(masks)
    if values[0] < 0:
        raise InputError(
            f"{names.target} has the class {values[0]}; masks have classes from 0, the background."
        )
    if len(values) == 1:
        raise InputError(f"{names.target} is {values[0]} everywhere: there is nothing to learn.")
    if len(values) > MOST_VALUES:
        raise InputError(
            f"{names.target} has {len(values)} different values: an image, not a mask of classes?"
        )
    void = len(values) > 2 and values[-1] == 255
    notes = ("255 often marks pixels to ignore; here it is taken as a class",) if void else ()
    prediction = None
    if y_pred is not None:
        prediction = numbers(y_pred, names.prediction, tuple(range(2, 8)))
        if prediction.shape != masks.shape:
            raise InputError(
                f"{names.prediction} has shape {prediction.shape}, {names.target} has {masks.shape}:"
                " give the probability of foreground for each pixel."
            )
        check_finite(prediction, names.prediction)
    return Question("segmentation", names, masks, prediction=prediction, notes=notes)


def _are_embeddings(labels: np.ndarray[Any, Any], prediction: np.ndarray[Any, Any]) -> bool:
    """Whether the columns are vectors of labels rather than numbers for classes."""
    if prediction.ndim != 2 or are_distributions(prediction):
        return False
    known = labels[~np.isnan(labels)]
    return bool((known == np.round(known)).all()) and prediction.shape[1] != np.unique(known).size


def _ask_embeddings(labels: Any, vectors: Any, weight: Any, names: Names) -> Question:
    if vectors is None or vectors.ndim != 2:
        raise InputError(
            f"{names.prediction} must be the embeddings, one row for each label in {names.target}."
        )
    if weight is not None:
        raise InputError(
            f"{names.weight}: the losses of embeddings compare rows, which have no weights here."
        )
    if len(vectors) != len(labels):
        raise InputError(
            f"{names.prediction} has {len(vectors)} rows, {names.target} has {len(labels)}; they must have as many."
        )
    check_finite(vectors, names.prediction)
    kept = ~np.isnan(labels) & ~np.isnan(vectors).any(axis=1)
    values, codes = np.unique(labels[kept], return_inverse=True)
    if values.size < 2 or values.size == codes.size:
        what = "one label in all rows" if values.size < 2 else "no two rows with the same label"
        raise InputError(
            f"{names.target} has {what}: embeddings are learnt from rows that are alike and rows that are not."
        )
    return Question("similarity", names, codes.astype(np.intp), prediction=vectors[kept], kept=kept)
