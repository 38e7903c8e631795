"""Train a model with each loss on the same folds; say which is best, and whether by more than noise."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from losskit.advisor.comparison.bench import Bench
from losskit.advisor.comparison.campaign import Campaign, Progress
from losskit.advisor.comparison.candidates import candidates, chosen
from losskit.advisor.comparison.journal import Journal
from losskit.advisor.comparison.metrics import metric_named, metrics_for
from losskit.advisor.comparison.plan import Plan, check_numbers
from losskit.advisor.comparison.result import Comparison
from losskit.advisor.data.problem import pose
from losskit.advisor.data.table import Table, from_columns, load_example, read_file
from losskit.advisor.models.adapters import resolve
from losskit.advisor.models.choices import chosen_models
from losskit.errors import InputError
from losskit.loss import LossFunction

MANY = 10_000
"""Rows from which on the folds are not repeated: they tell enough."""


def compare(
    data: Any = None,
    target: Any = None,
    losses: Sequence[str | LossFunction] | str | None = None,
    *,
    example: str | None = None,
    task: str | None = None,
    model: str | Sequence[str] = "linear",
    folds: int = 5,
    repeats: int | None = None,
    seed: int = 0,
    seeds: int = 1,
    tune: bool = False,
    metric: str | None = None,
    keep: bool = False,
    resume: bool = False,
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
        losses or their text; the task's baseline joins them, and others until there are three; a robust loss that
        is only named, such as "huber", gets its scale from the data
    example
        instead of data, one of "diabetes", "breast-cancer", "digits", "wine"
    task
        "regression", "binary" or "multiclass"; found from the target when left out
    model
        "linear", "network" (one hidden layer of 16 units), "lightgbm" or "xgboost"; or several of them
    folds, repeats, seed
        the cross-validation; the same seed gives the same answer; two repeats up to 10 000 rows, else one
    seeds
        starts of a network on each fold; its metrics are their means
    tune
        choose Huber's delta, focal's gamma and their like by three inner folds of each fold's training rows
    metric
        what decides, one of the task's metrics, or "pinball_0.9" for a quantile; the first when left out
    keep
        write each finished fit to the user's cache until all are done
    resume
        go on from the fits that an interrupted run with the same options has kept
    progress
        called before each fit with fits done, fits in all, and the loss that comes next

    Examples
    --------
    >>> result = compare(example="diabetes", losses=["mae"], folds=3, repeats=1)
    >>> result.task, result.rows, len(result.scores) >= 3
    ('regression', 442, True)
    """
    check_numbers(folds=(folds, 2), repeats=(repeats or 1, 1), seed=(seed, 0), seeds=(seeds, 1))
    models = chosen_models(model if isinstance(model, str) else tuple(model))
    asked = [losses] if isinstance(losses, str | LossFunction) else list(losses or ())
    table = _table(data, target, example)
    problem = pose(table, task, asked, folds)
    tried = chosen(asked, problem.task) if asked else candidates(problem.task)
    metrics = metrics_for(problem.task, [resolve(loss) for loss in asked], metric)
    plan = Plan(models, folds, repeats or (2 if table.rows <= MANY else 1), seed, seeds, tune, metrics)
    campaign = Campaign(Bench(table, problem, plan), tried)
    journal = Journal.on_disk(campaign.identity(), table, resume) if keep or resume else Journal()
    scores, notes = campaign.run(journal, progress)
    sign = metric_named(metrics[0]).sign
    scores.sort(key=lambda score: sign * float(score.metrics[metrics[0]].mean()))
    return Comparison(
        source=table.source,
        target=table.target,
        task=problem.task,
        rows=table.rows,
        features=len(table.names),
        positive=problem.positive,
        plan=plan,
        baseline=campaign.baseline,
        scores=tuple(scores),
        notes=(*table.notes, *problem.notes, *notes),
    )


def _table(data: Any, target: Any, example: str | None) -> Table:
    """The data in whichever form it came."""
    if example is not None:
        if data is not None:
            raise InputError(f'give either data or the example "{example}", not both.')
        if target is not None:
            raise InputError(f'the example "{example}" has its own target; leave the target out.')
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
