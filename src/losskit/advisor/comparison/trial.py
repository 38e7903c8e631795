"""Train a model with each loss on the same folds; say which is best, and whether by more than noise."""

import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from losskit.advisor.comparison.candidates import (
    Candidate,
    Facts,
    baseline,
    candidates,
    chosen,
    residual_scale,
)
from losskit.advisor.comparison.result import METRICS, Comparison, Score
from losskit.advisor.data.preparation import preparation
from losskit.advisor.data.problem import Problem, pose
from losskit.advisor.data.table import Table, from_columns, load_example, read_file
from losskit.advisor.models.estimators import LossClassifier, LossRegressor
from losskit.errors import InputError, needs, unknown
from losskit.labels import label_of
from losskit.loss import LossFunction

with needs("compare"):
    from sklearn import metrics as measures
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold

MODELS: Mapping[str, Mapping[str, Any]] = {
    "linear": {"hidden": 0, "l2": 1e-3},
    "network": {"hidden": 16, "l2": 3e-2},
}
"""The models to train: hidden units, and a penalty that keeps them from learning the rows by heart."""

Progress = Callable[[int, int, str], None]
"""Called with fits done, fits in all, and the loss that comes next."""


def compare(
    data: Any = None,
    target: Any = None,
    losses: Sequence[str | LossFunction] | str | None = None,
    *,
    example: str | None = None,
    task: str | None = None,
    model: str = "linear",
    folds: int = 5,
    repeats: int | None = None,
    seed: int = 0,
    metric: str | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Answer "which loss should I train with on this data?" by measuring.

    The same model is trained with each loss on the same repeated folds and scored on rows it has not seen, by
    metrics that favour no loss. Imputing, scaling, encoding, and the parameters of a loss that follow from
    the data, such as Huber's delta, come from the training rows of each fold.

    Parameters
    ----------
    data
        path of a CSV, Parquet or JSON-lines file, a DataFrame or mapping of columns, or a matrix
    target
        name of the column to predict; with a matrix, the values to predict
    losses
        losses or their text; the task's baseline joins them, and others until there are three
    example
        instead of data, one of "diabetes", "breast-cancer", "digits", "wine"
    task
        "regression", "binary" or "multiclass"; found from the target when left out
    model
        "linear", or "network" with one hidden layer of 16 units
    folds, repeats, seed
        the cross-validation; the same seed gives the same answer; two repeats up to 10 000 rows, else one
    metric
        what decides, one of the task's metrics; the first of them when left out
    progress
        called before each fit with fits done, fits in all, and the loss that comes next

    Examples
    --------
    >>> result = compare(example="diabetes", losses=["mae"], folds=3, repeats=1)
    >>> result.task, result.rows, len(result.scores) >= 3
    ('regression', 442, True)
    """
    _check_options(model, folds, 1 if repeats is None else repeats, seed)
    asked = [losses] if isinstance(losses, str | LossFunction) else list(losses or ())
    table = _table(data, target, example)
    problem = pose(table, task, asked, folds)
    repeats = repeats or (2 if table.rows <= 10_000 else 1)
    tried = chosen(asked, problem.task) if asked else candidates(problem.task)
    metric = _metric(metric, problem.task)
    trial = _Trial(table, problem, tried, MODELS[model], folds, repeats, seed)
    scores, notes = trial.run(progress)
    sign = METRICS[metric].sign
    scores.sort(key=lambda score: sign * float(score.metrics[metric].mean()))
    return Comparison(
        source=table.source,
        target=table.target,
        task=problem.task,
        rows=table.rows,
        features=len(table.names),
        positive=problem.positive,
        model=model,
        folds=folds,
        repeats=repeats,
        seed=seed,
        metric=metric,
        baseline=label_of(baseline(problem.task).make(Facts())),
        scores=tuple(scores),
        notes=(*table.notes, *problem.notes, *notes),
    )


class _Trial:
    """One comparison under way: every candidate on every fold."""

    def __init__(
        self,
        table: Table,
        problem: Problem,
        tried: list[Candidate],
        options: Mapping[str, Any],
        folds: int,
        repeats: int,
        seed: int,
    ) -> None:
        self.table, self.problem, self.tried = table, problem, tried
        self.options = {**options, "random_state": seed}
        kind = RepeatedKFold if problem.task == "regression" else RepeatedStratifiedKFold
        self.splits = list(
            kind(n_splits=folds, n_repeats=repeats, random_state=seed).split(table.features, problem.y)
        )

    def run(self, progress: Progress | None) -> tuple[list[Score], list[str]]:
        """Fit and score every candidate on every fold; one that cannot be fitted is left out with a note."""
        total = len(self.splits) * len(self.tried)
        found: dict[int, list[dict[str, float]]] = {i: [] for i in range(len(self.tried))}
        failed: dict[int, str] = {}
        slow = dict.fromkeys(found, 0)
        for fold, (X, y, X_test, y_test, facts) in enumerate(self._folds()):
            for i, candidate in enumerate(self.tried):
                if progress:
                    progress(fold * len(self.tried) + i, total, candidate.name)
                if i in failed:
                    continue
                try:
                    row, converged = self._fit(candidate, facts, X, y, X_test, y_test)
                except (ValueError, IndexError, ArithmeticError) as error:
                    failed[i] = self._reason(candidate, error)
                    continue
                found[i].append(row)
                slow[i] += not converged
        if progress:
            progress(total, total, "")
        whole = self._facts(preparation(self.table).fit_transform(self.table.features), self.problem.y)
        scores = [self._score(c, found[i], whole) for i, c in enumerate(self.tried) if i not in failed]
        notes = [f"{self.tried[i].name} left out: {why}" for i, why in failed.items()]
        notes += [
            f"{self.tried[i].name}: {n} of {len(self.splits)} fits stopped before they converged"
            for i, n in slow.items()
            if n and i not in failed
        ]
        return scores, notes

    def _folds(self) -> Iterator[tuple[Any, Any, Any, Any, Facts]]:
        for train, test in self.splits:
            prepared = preparation(self.table)
            X = prepared.fit_transform(self.table.features[train])
            X_test = prepared.transform(self.table.features[test])
            y = self.problem.y
            yield X, y[train], X_test, y[test], self._facts(X, y[train])

    def _facts(self, X: NDArray[np.float64], y: NDArray[Any]) -> Facts:
        if self.problem.task != "regression":
            return Facts(balance=tuple((np.bincount(y, minlength=self.problem.classes) / len(y)).tolist()))
        delta = 1.345 * residual_scale(y)
        fit = _quietly(LossRegressor(f"huber(delta={delta!r})"), X, y)
        return Facts(scale=residual_scale(y - fit.predict(X)))

    def _fit(
        self, candidate: Candidate, facts: Facts, X: Any, y: Any, X_test: Any, y_test: Any
    ) -> tuple[dict[str, float], bool]:
        kind = LossRegressor if self.problem.task == "regression" else LossClassifier
        model = kind(candidate.make(facts), **self.options)
        start = time.perf_counter()
        _quietly(model, X, y)
        seconds = time.perf_counter() - start
        return {**_measure(self.problem, model, X_test, y_test), "seconds": seconds}, bool(model.converged_)

    def _reason(self, candidate: Candidate, error: Exception) -> str:
        why = " ".join(str(error).split())
        if candidate.asked:
            raise InputError(
                f"{self.table.source}: {candidate.name} cannot be trained on the target"
                f' "{self.table.target}": {why}'
            ) from error
        return why

    def _score(self, candidate: Candidate, rows: list[dict[str, float]], facts: Facts) -> Score:
        columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
        seconds = columns.pop("seconds")
        return Score(candidate.make(facts), tuple(candidate.why(facts)), columns, float(np.median(seconds)))


def _quietly(model: Any, X: Any, y: Any) -> Any:
    """Fit a model; that it did not converge is counted, not shown at each fit."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, y)


def _measure(problem: Problem, model: Any, X: Any, y: Any) -> dict[str, float]:
    """The task's metrics on rows that the model has not seen."""
    prediction = model.predict(X)
    if problem.task == "regression":
        if not np.isfinite(prediction).all():
            raise ArithmeticError("the model's predictions are not finite")
        return {
            "median_absolute_error": float(measures.median_absolute_error(y, prediction)),
            "mean_absolute_error": float(measures.mean_absolute_error(y, prediction)),
            "rmse": float(measures.root_mean_squared_error(y, prediction)),
        }
    probability = model.predict_proba(X)
    if not np.isfinite(probability).all():
        raise ArithmeticError("the model's probabilities are not finite")
    scores = {
        "accuracy": float(measures.accuracy_score(y, prediction)),
        "log_loss": float(measures.log_loss(y, probability, labels=np.arange(problem.classes))),
    }
    if problem.task == "binary":
        scores["average_precision"] = float(measures.average_precision_score(y, model.decision_function(X)))
    return scores


def _table(data: Any, target: Any, example: str | None) -> Table:
    """The data in whichever form it came."""
    if example is not None:
        if data is not None:
            raise InputError(f'give either data or the example "{example}", not both.')
        return load_example(example)
    if data is None:
        raise InputError("no data: give a CSV or Parquet file, or an example.")
    if target is None:
        raise InputError("no target: name the column to predict.")
    if isinstance(data, str | os.PathLike):
        return read_file(data, str(target))
    if isinstance(target, str):
        columns = {str(name): data[name] for name in (data.columns if hasattr(data, "columns") else data)}
        return from_columns(columns, target)
    matrix = np.asarray(data)
    if matrix.ndim != 2:
        raise InputError(
            f"the features must be a matrix with one row for each target, not of shape {matrix.shape}."
        )
    return from_columns({**{f"x{i}": matrix[:, i] for i in range(matrix.shape[1])}, "y": target}, "y")


def _metric(metric: str | None, task: str) -> str:
    known = [name for name, about in METRICS.items() if task in about.tasks]
    if metric is None:
        return known[0]
    if metric not in known:
        raise unknown(f"{task} metric", metric, known)
    return metric


def _check_options(model: str, folds: int, repeats: int, seed: int) -> None:
    if model not in MODELS:
        raise unknown("model", model, MODELS)
    for name, value, least in (("folds", folds, 2), ("repeats", repeats, 1), ("seed", seed, 0)):
        if not isinstance(value, int) or value < least:
            raise InputError(f"{name} must be a whole number of at least {least}, got {value!r}.")
