"""What a comparison measures on rows that a model has not seen: scikit-learn's metrics, and a calibration error."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from losskit.errors import needs, unknown
from losskit.loss import LossFunction

with needs("compare"):
    from sklearn import metrics as measures

BINS = 15
"""Bins of equal width over [0, 1] for the calibration error."""


@dataclass(frozen=True)
class Outcome:
    """The truth about some rows, and what a model said of them."""

    truth: NDArray[Any]
    prediction: NDArray[Any]
    probability: NDArray[np.float64] | None = None
    """Of classification: one row of class probabilities each."""
    score: NDArray[np.float64] | None = None
    """Of classification: what orders the rows of two classes."""


@dataclass(frozen=True)
class Metric:
    """How a metric is named for people, which tasks it belongs to, which way is better, and how it is measured."""

    title: str
    tasks: frozenset[str]
    sign: int
    """+1 where less is better, -1 where more is."""
    measure: Callable[[Outcome], float]


def calibration_error(truth: NDArray[Any], probability: NDArray[np.float64]) -> float:
    """Expected calibration error of the predicted class (Guo et al. 2017), in 15 bins of equal width.

    Rows are binned by the probability of their predicted class; the gaps between a bin's mean probability and its
    accuracy are averaged, each bin by its share of the rows.

    >>> calibration_error(np.array([0, 1]), np.array([[0.75, 0.25], [0.75, 0.25]]))
    0.25
    """
    sure = probability.max(axis=1)
    right = probability.argmax(axis=1) == truth
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, weights=sure - right, minlength=BINS)
    return float(np.abs(gaps).sum() / len(truth))


def _of_prediction(measure: Callable[..., float]) -> Callable[[Outcome], float]:
    return lambda outcome: float(measure(outcome.truth, outcome.prediction))


def _of_score(measure: Callable[..., float]) -> Callable[[Outcome], float]:
    return lambda outcome: float(measure(outcome.truth, outcome.score))


def _log_loss(outcome: Outcome) -> float:
    probability = np.asarray(outcome.probability)
    return float(measures.log_loss(outcome.truth, probability, labels=np.arange(probability.shape[1])))


def _calibration(outcome: Outcome) -> float:
    return calibration_error(outcome.truth, np.asarray(outcome.probability))


_NUMBERS, _TWO, _CLASSES = (
    frozenset({"regression"}),
    frozenset({"binary"}),
    frozenset({"binary", "multiclass"}),
)

METRICS: Mapping[str, Metric] = {
    "median_absolute_error": Metric(
        "median absolute error", _NUMBERS, 1, _of_prediction(measures.median_absolute_error)
    ),
    "mean_absolute_error": Metric(
        "mean absolute error", _NUMBERS, 1, _of_prediction(measures.mean_absolute_error)
    ),
    "rmse": Metric("root mean squared error", _NUMBERS, 1, _of_prediction(measures.root_mean_squared_error)),
    "average_precision": Metric("average precision", _TWO, -1, _of_score(measures.average_precision_score)),
    "accuracy": Metric("accuracy", _CLASSES, -1, _of_prediction(measures.accuracy_score)),
    "log_loss": Metric("log loss", _CLASSES, 1, _log_loss),
    "roc_auc": Metric("area under the ROC curve", _TWO, -1, _of_score(measures.roc_auc_score)),
    "balanced_accuracy": Metric(
        "balanced accuracy", _CLASSES, -1, _of_prediction(measures.balanced_accuracy_score)
    ),
    "calibration_error": Metric("calibration error", _CLASSES, 1, _calibration),
}
"""Every metric but pinball losses; the first of a task's decides unless another is asked for."""


def metric_named(name: str) -> Metric:
    """A metric by its name; ``pinball_0.9`` is the pinball loss of the quantile 0.9.

    >>> metric_named("pinball_0.9").title
    'pinball loss at 0.9'
    """
    quantile = _quantile_in(name)
    if quantile is None:
        return METRICS[name]

    def pinball(outcome: Outcome) -> float:
        return float(measures.mean_pinball_loss(outcome.truth, outcome.prediction, alpha=quantile))

    return Metric(f"pinball loss at {quantile:g}", _NUMBERS, 1, pinball)


def metrics_for(task: str, losses: Sequence[LossFunction], asked: str | None) -> tuple[str, ...]:
    """The names of a task's metrics, the one that decides first.

    A loss that aims at a quantile other than the median brings the pinball loss there. Where all do that are asked
    for, and at the same one, it decides: the error in the middle says nothing about them.

    >>> import losskit as lk
    >>> metrics_for("regression", [lk.QuantileLoss(0.9)], None)[:2]
    ('pinball_0.9', 'median_absolute_error')
    """
    known = [name for name, metric in METRICS.items() if task in metric.tasks]
    if task == "regression":
        aims = [loss.parameters().get("quantile", 0.5) for loss in losses]
        pinballs = [f"pinball_{quantile:g}" for quantile in sorted({*aims} - {0.5})]
        known = pinballs + known if len(set(aims)) == 1 else known + pinballs
        if asked is not None and _quantile_in(asked) is not None and asked not in known:
            known.append(asked)
    first = known[0] if asked is None else asked
    if first not in known:
        raise unknown(f"{task} metric", first, known)
    return (first, *(name for name in known if name != first))


def measure(names: Sequence[str], task: str, model: Any, X: Any, y: Any) -> dict[str, float]:
    """The metrics of a fitted model on rows that it has not seen."""
    prediction = model.predict(X)
    if task == "regression":
        outcome = Outcome(y, prediction)
        shown = prediction
    else:
        probability = model.predict_proba(X)
        score = model.decision_function(X) if task == "binary" else None
        outcome = Outcome(y, prediction, probability, score)
        shown = probability
    if not np.isfinite(shown).all():
        raise ArithmeticError("the model's predictions are not finite")
    return {name: metric_named(name).measure(outcome) for name in names}


def _quantile_in(name: str) -> float | None:
    """The quantile of a pinball loss's name."""
    found = re.fullmatch(r"pinball_(0?\.\d+)", name)
    return float(found[1]) if found and 0.0 < float(found[1]) < 1.0 else None
