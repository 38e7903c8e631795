"""Which loss for this data, without training: measure, examine, rank."""

from typing import Any

import numpy as np

from losskit.advisor.data.cells import masked
from losskit.advisor.recommendation.answer import Recommendation
from losskit.advisor.recommendation.arrays import ask_arrays
from losskit.advisor.recommendation.check import examined
from losskit.advisor.recommendation.classes import measure_classes, measure_distributions
from losskit.advisor.recommendation.embeddings import measure_embeddings
from losskit.advisor.recommendation.goals import read_goal
from losskit.advisor.recommendation.masks import measure_masks
from losskit.advisor.recommendation.pilot import Features, Fitted, fit_pilot
from losskit.advisor.recommendation.profiles import Profile
from losskit.advisor.recommendation.quantities import measure_quantity
from losskit.advisor.recommendation.question import OF_ROWS, Names, Question, check_task
from losskit.advisor.recommendation.ranking import ranked
from losskit.advisor.recommendation.statistics import MOST, drawn
from losskit.errors import InputError


def recommend(
    y_true: Any,
    y_pred: Any = None,
    *,
    sample_weight: Any = None,
    features: Any = None,
    task: str | None = None,
    goal: str | None = None,
) -> Recommendation:
    """Recommend losses for data: a ranked list with parameters set from the data, and the evidence in numbers.

    Nothing is trained but, where there are ``features`` and no ``y_pred``, a quick pilot model on a sample of
    the rows: what a loss has to cope with are the residuals, and they need predictions. ``lk.compare`` trains
    with each loss and measures.

    Parameters
    ----------
    y_true
        one value a row, numbers or class labels (empty ones are left out and counted); rows that are
        distributions over classes; masks of whole numbers, (height, width) or (images, height, width, ...)
    y_pred
        predictions of the same rows: numbers; for classes the probability of the second, or one column a class
        (probabilities or logits); for masks the probability of foreground; or the embeddings of labels ``y_true``
    sample_weight
        one a row, at least 0
    features
        a DataFrame, a mapping of columns or a matrix, to predict from where there is no ``y_pred``
    task
        "regression", "binary", "multiclass", "ordinal", "distribution", "segmentation" or "similarity"; found
        from the data when left out
    goal
        what a prediction shall be, where it is not the usual: "mean", "median", "spread" (mean and variance),
        "quantile:0.9", "expectile:0.9", "cost:4:1" (1 too little costs as much as 4 too much), "probability"
        or "balanced" (each class counts the same)

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y_pred = rng.normal(size=1000)
    >>> answer = recommend(y_pred + rng.standard_t(1.5, size=1000), y_pred)
    >>> answer.best.loss.name
    'cauchy'
    >>> recommend(rng.poisson(3.0, size=500)).best.code
    'lk.PoissonLoss(log_input=True)'
    """
    check_task(task)
    question = ask_arrays(y_true, y_pred, sample_weight, task, read_goal(goal), Names())
    return answer_to(question, None if features is None else _by_rows(features, len(y_true)))


def answer_to(question: Question, features: Features | None = None) -> Recommendation:
    """Answer a question: fit a pilot model where that helps, measure, examine, rank."""
    fitted, notes = None, list(question.notes)
    if features is not None and question.prediction is None:
        fitted, note = fit_pilot(question, features)
        notes.append(note)
    profile = _measured(question, fitted)
    measured = question.task == "regression" or question.prediction is not None
    if measured and profile.rows > MOST and question.task in OF_ROWS:
        notes.append(f"spreads, tails and probabilities are judged by {MOST:,} rows drawn at random")
    findings = examined(profile)
    return Recommendation(profile, tuple(ranked(profile, findings)), tuple(findings), tuple(notes))


def _by_rows(features: Any, rows: int) -> Features:
    """Features of any form as a function from rows to columns by name."""
    if hasattr(features, "columns"):  # a DataFrame
        features = {str(name): features[name] for name in features.columns}
    elif not hasattr(features, "keys"):
        matrix = np.asarray(features)
        if matrix.ndim != 2:
            raise InputError(
                f"features must be a matrix with one row for each target, not of shape {matrix.shape}."
            )
        features = {f"x{i}": matrix[:, i] for i in range(matrix.shape[1])}
    columns = {str(name): masked(values) for name, values in features.items()}
    for name, values in columns.items():
        if len(values) != rows:
            raise InputError(f'the feature "{name}" has {len(values)} rows, y_true has {rows}.')
    return lambda chosen: {name: values[chosen] for name, values in columns.items()}


def _measured(question: Question, fitted: Fitted | None) -> Profile:
    common: dict[str, Any] = {
        "task": question.task,
        "source": question.names.source,
        "target": question.names.title,
        "rows": len(question.y),
        "dropped": question.dropped,
        "goal": question.goal,
    }
    if question.task == "segmentation":
        return measure_masks(question.y, question.prediction, **common)
    if question.task == "similarity":
        assert question.prediction is not None  # _ask_embeddings has seen to it
        return measure_embeddings(question.y, question.prediction, **common)
    if question.task == "distribution":
        return measure_distributions(question.y, question.weight, **common)
    pair = None if fitted is None else (fitted.y, fitted.prediction)
    if fitted is None and question.prediction is not None:
        rows = drawn(question.weight, len(question.y))
        chosen = slice(None) if rows is None else rows
        pair = question.y[chosen], question.prediction[chosen]
    if question.task == "regression":
        return measure_quantity(question.y, pair, question.weight, **common)
    return measure_classes(question.y, question.labels, pair, question.weight, **common)
