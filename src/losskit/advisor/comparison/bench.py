"""One fit: a model trained with a candidate on some rows, and what it measures on others."""

import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from losskit.advisor.comparison.candidates import Candidate, Facts
from losskit.advisor.comparison.metrics import measure, metric_named
from losskit.advisor.comparison.plan import Plan
from losskit.advisor.comparison.tuning import tunable, tuned
from losskit.advisor.data.preparation import preparation
from losskit.advisor.data.problem import Problem
from losskit.advisor.data.scale import residual_scale
from losskit.advisor.data.table import Table
from losskit.advisor.models.choices import CHOICES
from losskit.advisor.models.estimators import LossRegressor
from losskit.errors import needs
from losskit.loss import LossFunction

with needs("compare"):
    from sklearn.exceptions import ConvergenceWarning

FAILURES = (ValueError, IndexError, ArithmeticError)
"""What a fit raises where a loss does not suit the data."""


@dataclass(frozen=True)
class Rows:
    """Rows ready for a model, and the facts of those to train on."""

    X: NDArray[np.float64]
    y: NDArray[Any]
    facts: Facts
    X_test: NDArray[np.float64]
    y_test: NDArray[Any]


class Bench:
    """What all fits of a comparison share: data, task and plan."""

    def __init__(self, table: Table, problem: Problem, plan: Plan) -> None:
        self.table, self.problem, self.plan = table, problem, plan
        self.sign = metric_named(plan.metrics[0]).sign

    def rows(self, train: Any, test: Any) -> Rows:
        """Imputing, scaling, encoding and the facts come from the rows to train on."""
        prepared = preparation(self.table)
        X = prepared.fit_transform(self.table.features[train])
        X_test = prepared.transform(self.table.features[test])
        y = self.problem.y
        return Rows(X, y[train], self._facts(X, y[train]), X_test, y[test])

    def loss(self, candidate: Candidate, model: str, rows: Rows) -> LossFunction:
        """The candidate's loss for some rows to train on, tuned by inner folds of them if the plan says so."""
        loss = candidate.make(rows.facts)
        if not self.plan.tune:
            return loss

        def decides(loss: LossFunction, X: Any, y: Any, X_test: Any, y_test: Any) -> float:
            fitted, _ = self._fitted(loss, model, self.plan.seed, X, y)
            first = self.plan.metrics[:1]
            return measure(first, self.problem.task, fitted, X_test, y_test)[first[0]]

        return tuned(loss, rows.facts, rows.X, rows.y, decides, self.sign, self.plan.seed)

    def record(self, candidate: Candidate, model: str, rows: Rows) -> dict[str, Any]:
        """A candidate's metrics on the test rows, one number for each seed; plain data, for the journal."""
        try:
            loss = self.loss(candidate, model, rows)
            seeds = self.plan.seeds if CHOICES[model].random else 1
            fits = [self._fitted(loss, model, self.plan.seed + k, rows.X, rows.y) for k in range(seeds)]
            found = [
                measure(self.plan.metrics, self.problem.task, fitted, rows.X_test, rows.y_test)
                for fitted, _ in fits
            ]
        except FAILURES as error:
            return {"failed": " ".join(str(error).split())}
        return {
            "metrics": {name: [values[name] for values in found] for name in self.plan.metrics},
            "seconds": [seconds for _, seconds in fits],
            "unconverged": sum(not fitted.converged_ for fitted, _ in fits),
            "tuned": self._value(loss),
        }

    def _value(self, loss: LossFunction) -> Any:
        """The tuned parameter's value; None where nothing is tuned."""
        name = tunable(loss) if self.plan.tune else None
        return None if name is None else loss.parameters()[name]

    def _fitted(self, loss: LossFunction, model: str, seed: int, X: Any, y: Any) -> tuple[Any, float]:
        """A fitted model and the seconds it took."""
        estimator = CHOICES[model].make(self.problem.task, loss, seed)
        start = time.perf_counter()
        return _quietly(estimator, X, y), time.perf_counter() - start

    def _facts(self, X: NDArray[np.float64], y: NDArray[Any]) -> Facts:
        if self.problem.task != "regression":
            return Facts(balance=tuple((np.bincount(y, minlength=self.problem.classes) / len(y)).tolist()))
        delta = 1.345 * residual_scale(y)
        fit = _quietly(LossRegressor(f"huber(delta={delta!r})"), X, y)
        return Facts(scale=residual_scale(y - fit.predict(X)))


def _quietly(model: Any, X: Any, y: Any) -> Any:
    """Fit a model; that it did not converge is counted, not shown at each fit."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, y)
