"""Boosted trees that learn any loss: LightGBM or XGBoost under ``losskit.boosting_objective``.

The prediction is ``start + spread * trees``: the best constant, and trees that add up numbers near 1 whatever the
unit of the target. Both libraries regularise in units of the curvature, so it is divided by its mean at first: twice
a loss gives the same trees, as it gives the same linear model.
"""

from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from losskit.advisor.models.adapters import adapter_for, resolve
from losskit.advisor.models.model import SMALL
from losskit.boosting import BoostingObjective, boosting_objective
from losskit.errors import needs
from losskit.links import is_convex
from losskit.loss import LossFunction

Array = NDArray[np.float64]
Derivatives = Callable[[Array, Any], tuple[Array, Array]]
"""Raw sums of trees (and the library's data set, unused) to slope and curvature."""

ROUNDS, RATE, DEPTH, LEAF = 150, 0.06, 3, 5
"""Trees, learning rate, depth, and the least of a leaf: rows of mean curvature."""

PARTS = 3
"""A first stage, where there is one, has one part in so many of the trees."""


def _lightgbm(X: Array, derivatives: Derivatives, outputs: int) -> Callable[[Array], Array]:
    with needs("boosting"):
        import lightgbm
    options = {
        "objective": derivatives, "num_class": outputs, "learning_rate": RATE, "max_depth": DEPTH,
        "num_leaves": 2**DEPTH, "min_sum_hessian_in_leaf": LEAF, "min_data_in_leaf": LEAF, "lambda_l2": 1.0,
        "verbosity": -1, "deterministic": True, "force_row_wise": True, "num_threads": _threads(X),
    }  # fmt: skip
    data = lightgbm.Dataset(X, np.zeros(len(X)), params={"verbosity": -1})
    booster = lightgbm.train(options, data, num_boost_round=ROUNDS)
    return lambda rows: np.asarray(booster.predict(rows, raw_score=True))


def _xgboost(X: Array, derivatives: Derivatives, outputs: int) -> Callable[[Array], Array]:
    with needs("boosting"):
        import xgboost
    options = {
        "num_class": outputs if outputs > 1 else 0, "eta": RATE, "max_depth": DEPTH, "min_child_weight": LEAF,
        "lambda": 1.0, "base_score": 0.0, "verbosity": 0, "nthread": _threads(X),
        "disable_default_eval_metric": True,
    }  # fmt: skip
    data = xgboost.DMatrix(X, np.zeros(len(X)))
    booster = xgboost.train(options, data, num_boost_round=ROUNDS, obj=derivatives)
    return lambda rows: np.asarray(booster.predict(xgboost.DMatrix(rows), output_margin=True), np.float64)


def _threads(X: Array) -> int:
    """One for little data, where threads only wait for each other; else 0, which is all there are."""
    return int(X.size < SMALL)


LIBRARIES: Mapping[str, Callable[[Array, Derivatives, int], Callable[[Array], Array]]] = {
    "lightgbm": _lightgbm,
    "xgboost": _xgboost,
}


class _Boosted:
    """What the regressor and the classifier share: the trees."""

    converged_ = True

    def __init__(self, loss: str | LossFunction, library: str) -> None:
        self.loss, self.library = loss, library

    def _grow(self, X: Array, y: NDArray[Any], objective: BoostingObjective, outputs: int) -> None:
        shape = (len(y), outputs) if outputs > 1 else (len(y),)
        spread = _spread(y) if objective.link == "identity" else 1.0
        path = _path(objective, spread)
        start = path[0].init_score(y, classes=outputs)
        if not path[0](y, np.broadcast_to(start, shape))[0].any():
            start = start - 1.0  # off the perceptron's kink, where every row is content
        units: dict[int, float] = {}
        trees = 0

        def derivatives(raw: Array, _: Any) -> tuple[Array, Array]:
            nonlocal trees
            stage = min(trees * PARTS // ROUNDS, len(path) - 1)
            trees += 1
            slope, curvature = path[stage](y, start + spread * raw)
            unit = units.setdefault(stage, float(curvature.mean()) * spread)
            return slope / unit, curvature * (spread / unit)

        grown = LIBRARIES[self.library](X, derivatives, outputs)
        self._scores: Callable[[Array], Array] = lambda rows: start + spread * grown(rows)


class BoostedRegressor(_Boosted):
    """Boosted trees for any regression loss of single predictions."""

    def fit(self, X: Array, y: Array) -> Self:
        """Grow the trees."""
        self._objective = boosting_objective(resolve(self.loss))
        self._grow(X, y, self._objective, 1)
        return self

    def predict(self, X: Array) -> Array:
        """Predict the target of each row."""
        return self._objective.predictions(self._scores(X))


class BoostedClassifier(_Boosted):
    """Boosted trees for any classification loss; classes are the codes 0, 1, ..."""

    def fit(self, X: Array, y: NDArray[np.intp]) -> Self:
        """Grow the trees, and find the temperature of margins."""
        self._adapter = adapter_for(self.loss, int(y.max()) + 1)
        link = {"rows": "softmax", "probability": "sigmoid"}.get(self._adapter.kind, self._adapter.kind)
        objective = BoostingObjective(self._adapter.loss.replace(reduction="sum"), link)
        self._grow(X, y, objective, self._adapter.outputs)
        self._temperature = self._adapter.temperature(self._outputs(X), y, None)
        return self

    def decision_function(self, X: Array) -> Array:
        """The score of the second of two classes, or one score a class."""
        outputs = self._outputs(X)
        if self._adapter.classes > 2:
            return outputs
        return outputs[:, -1] - (outputs[:, 0] if outputs.shape[1] == 2 else 0.0)

    def predict(self, X: Array) -> NDArray[np.intp]:
        """Predict the class of each row."""
        scores = self.decision_function(X)
        return (scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)

    def predict_proba(self, X: Array) -> Array:
        """The probability of each class."""
        return self._adapter.probabilities(self._outputs(X), self._temperature)

    def _outputs(self, X: Array) -> Array:
        scores = self._scores(X)
        return scores if scores.ndim == 2 else scores[:, None]


def _path(objective: BoostingObjective, spread: float) -> list[BoostingObjective]:
    """What to minimise one after the other: a loss of the residual that is not convex starts from a Huber fit."""
    if objective.link != "identity" or is_convex(objective.loss):
        return [objective]
    return [boosting_objective(f"huber(delta={spread!r})"), objective]


def _spread(y: Array) -> float:
    """The robust size of the target's variation: 1.4826 times the median distance from the median."""
    distance = np.abs(y - np.median(y))
    return 1.4826 * float(np.median(distance)) or float(distance.mean()) or 1.0
