"""A quick pilot model: predictions for rows it has not seen, so that the advice can speak of residuals."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from losskit.advisor.data.table import Table, from_columns
from losskit.advisor.recommendation.profiles import COUNT, NONNEGATIVE, POSITIVE
from losskit.advisor.recommendation.quantities import gamma_gain, kind_of
from losskit.advisor.recommendation.question import Question
from losskit.advisor.recommendation.statistics import Numbers, drawn
from losskit.errors import InputError, needs

MOST_FITTED = 4000
"""Rows that the pilot model is fitted to, at most."""

FOLDS = 3


@dataclass(frozen=True)
class Fitted:
    """Targets of a sample of rows, and what models that have not seen them predict."""

    y: NDArray[Any]
    prediction: Numbers


Features = Callable[[NDArray[np.intp]], dict[str, Any]]
"""Features by name, of the rows asked for, in their order."""


def fit_pilot(question: Question, features: Features) -> tuple[Fitted | None, str]:
    """Cross-validated predictions for a sample of the rows, and a note; nothing where a pilot cannot be fitted."""
    chosen = drawn(question.weight, len(question.y), MOST_FITTED)
    chosen = np.arange(len(question.y)) if chosen is None else chosen
    y = question.y[chosen]
    rows = np.bincount(y, minlength=len(question.labels)).min() if question.labels else y.size
    if rows < 2 * FOLDS:
        return None, f"too few rows for a pilot model of {FOLDS} folds"
    place = "\0target"  # no column of a file is called so
    sample = features(chosen if question.kept is None else np.flatnonzero(question.kept)[chosen])
    try:
        table = from_columns({**sample, place: y.astype(np.float64)}, place)
    except InputError:
        return None, "no feature tells anything, so there are no residuals to judge by"
    model, name = _model(question, y.astype(np.float64))
    prediction = _predicted(model, table, y, question)
    if prediction is None:
        return None, f"{name} could not be fitted, so there are no residuals to judge by"
    kind = "probabilities" if question.labels else "residuals"
    count = f"{len(table.names)} feature{'s' if len(table.names) > 1 else ''}"
    return Fitted(y, prediction), (
        f"{kind} are those of {name} on {count}, cross-validated on {y.size:,} rows; your own model's are better"
    )


def _predicted(model: Any, table: Table, y: NDArray[Any], question: Question) -> Numbers | None:
    """What the model predicts for rows that it has not seen; None where it cannot be fitted."""
    with needs("compare"):
        from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
        from sklearn.pipeline import make_pipeline
        from threadpoolctl import threadpool_limits

        from losskit.advisor.data.preparation import preparation
    folds = (StratifiedKFold if question.labels else KFold)(FOLDS, shuffle=True, random_state=0)
    method = "predict_proba" if question.labels else "predict"
    pipeline = make_pipeline(preparation(table), model)
    with warnings.catch_warnings(), threadpool_limits(1):  # a sample is too small to share out
        warnings.simplefilter("ignore")  # a pilot that has not quite converged is good enough
        try:
            found = cross_val_predict(pipeline, table.features, y, cv=folds, method=method)
        except ValueError:
            return None
    return np.asarray(found, dtype=np.float64) if np.isfinite(found).all() else None


def _model(question: Question, y: Numbers) -> tuple[Any, str]:
    """A model that suits the kind of target without believing in the size of its noise."""
    with needs("compare"):
        from sklearn import linear_model
    if question.labels:
        return linear_model.LogisticRegression(C=1.0, max_iter=200), "a logistic regression"
    kind = kind_of(y)
    relative = kind == POSITIVE and gamma_gain(y) > 2 and y.std() > 0.3 * y.mean()
    if relative or kind in (COUNT, NONNEGATIVE):
        poisson = linear_model.PoissonRegressor(alpha=1e-3, solver="newton-cholesky")
        return poisson, "a regression of the mean with a log link"
    return linear_model.HuberRegressor(max_iter=200, alpha=1e-3), "a Huber regression"
