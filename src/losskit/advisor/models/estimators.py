"""scikit-learn estimators that learn a linear model or a small network with any losskit loss."""

import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from losskit.advisor.models.adapters import Adapter, adapter_for, resolve
from losskit.advisor.models.model import Model, minimise, threads_for
from losskit.advisor.models.paths import (
    Path,
    classification_paths,
    divided,
    regression_paths,
    steepness,
)
from losskit.boosting import best_constant
from losskit.errors import needs
from losskit.links import is_convex, is_of_log
from losskit.loss import LossFunction

with needs("compare"):
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data


class _LossEstimator(BaseEstimator):  # type: ignore[misc,unused-ignore]
    """What the regressor and the classifier share: parameters, the optimiser, and what a fit leaves."""

    loss: str | LossFunction
    hidden: int
    l2: float
    max_iter: int
    tol: float
    random_state: Any

    def _check_options(self) -> None:
        """Options as scikit-learn wants it: checked in fit, not in the constructor."""
        for name, least, kind in (
            ("hidden", 0, int),
            ("l2", 0, float),
            ("max_iter", 1, int),
            ("tol", 0, float),
        ):
            value = getattr(self, name)
            if (
                not isinstance(value, int | float | np.number)
                or value < least
                or (kind is int and value != int(value))
            ):
                raise ValueError(
                    f"{name} must be {'an integer' if kind is int else 'a number'} >= {least}, got {value!r}"
                )

    def _minimise(self, X: NDArray[np.float64], outputs: int, paths: list[Path]) -> None:
        """Walk the paths one after the other: each step starts from where the last one stopped.

        A path's last step is the loss itself; how steep that is at the path's start divides all of them.
        """
        model = Model(X.shape[1], int(self.hidden), outputs)
        parameters = model.start(check_random_state(self.random_state))
        used = 0
        with threads_for(X.size * max(1, self.hidden, outputs)):
            for path in paths:
                scale = steepness(path[-1], model.outputs_of(parameters, X))
                for objective in path:
                    last = objective is path[-1]  # the others only lead there
                    tol, most = (self.tol, self.max_iter) if last else (1e-4, 1 + self.max_iter // 5)
                    fit = minimise(model, X, divided(objective, scale), parameters, self.l2, most, tol)
                    parameters, used = fit.parameters, used + fit.iterations
        if not fit.converged:
            warnings.warn(
                f"{type(self).__name__} stopped after max_iter={self.max_iter} iterations before it"
                " converged; scale the features or raise max_iter",
                ConvergenceWarning,
                stacklevel=3,
            )
        self.model_, self.parameters_, self.n_iter_ = model, parameters, used
        self.objective_, self.converged_ = fit.value, fit.converged

    def _outputs(self, X: ArrayLike) -> NDArray[np.float64]:
        check_is_fitted(self)
        matrix = validate_data(self, X, dtype=np.float64, reset=False)
        return self.model_.outputs_of(self.parameters_, matrix)


class LossRegressor(RegressorMixin, _LossEstimator):  # type: ignore[misc,unused-ignore]
    """A linear model, or a network with one hidden tanh layer, that minimises any regression loss.

    The objective is ``loss(y, prediction) / s + l2/2 * |weights|^2``; intercepts are not penalised.

    The target is never rescaled, so a loss's own scale (Huber's ``delta``) is in the units of ``y``. It is
    the model's output that is scaled: ``prediction = c + spread(y) * f(x)``, where ``c`` is the best constant
    of a convex loss, else the median. The loss is divided by ``s``, how steep it is at the start, so ``l2``
    means the same under every loss and in every unit: twice a loss gives the same model. A loss that is not
    convex starts from the fit of a Huber loss. Features should be scaled first.

    Parameters
    ----------
    loss
        a loss, or text for ``losskit.parse``
    hidden
        units of the hidden layer; 0 is a linear model
    l2
        penalty on the squared weights
    max_iter, tol
        when to stop: iterations, and the largest slope and relative gain that are left
    random_state
        seeds the hidden layer's first weights

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(10.0)
    >>> y = 3 * x + 2
    >>> y[9] = 1000  # an outlier
    >>> model = LossRegressor("mae", l2=0).fit(x[:, None], y)
    >>> bool(abs(model.coef_[0] - 3) < 1e-3)
    True
    """

    def __init__(
        self,
        loss: str | LossFunction = "mse",
        *,
        hidden: int = 0,
        l2: float = 1e-3,
        max_iter: int = 1000,
        tol: float = 1e-6,
        random_state: Any = None,
    ) -> None:
        self.loss = loss
        self.hidden = hidden
        self.l2 = l2
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the model to the rows of X and the target y; a row of weight 2 counts as two rows."""
        self._check_options()
        matrix, target = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        target = np.asarray(target, dtype=np.float64)
        weight = (
            None if sample_weight is None else _check_sample_weight(sample_weight, matrix, dtype=np.float64)
        )
        self.loss_ = resolve(self.loss)
        self._exponential = is_of_log(self.loss_)
        centre, spread = _centre_and_spread(target, weight)
        if self._exponential:
            centre, spread = float(np.log(max(np.average(target, weights=weight), 1e-12))), 1.0
        elif is_convex(self.loss_):
            # not the median: a loss that grows exponentially is so steep there that, divided by that, nothing is left
            centre = best_constant(self.loss_, target, weight)
        self._minimise(matrix, 1, regression_paths(self.loss_, target, weight, centre, spread))
        self._centre, self._spread = centre, spread
        if not self.hidden:
            W, b = self.model_.split(self.parameters_)
            self.coef_, self.intercept_ = spread * W[:, 0], centre + spread * float(b[0])
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Predict the target in its own units."""
        outputs = self._outputs(X)[:, 0]
        prediction = self._centre + self._spread * outputs
        return np.exp(prediction) if self._exponential else prediction


class LossClassifier(ClassifierMixin, _LossEstimator):  # type: ignore[misc,unused-ignore]
    """A linear model, or a network with one hidden tanh layer, that minimises any classification loss.

    A softmax loss gets one logit a class; a loss of one logit, one probability or one margin gets one
    output for two classes, and one against the rest for each of more. Losses of probabilities are fed
    logits where they have that form. ``predict_proba`` is the softmax or sigmoid of the logits; a margin is
    no log-odds, so it is first multiplied by the factor of least log loss on the training rows.

    The parameters are those of :class:`LossRegressor`; ``loss="auto"`` is the cross-entropy.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    >>> LossClassifier("hinge").fit(x, ["no", "no", "yes", "yes"]).predict(x).tolist()
    ['no', 'no', 'yes', 'yes']
    """

    def __init__(
        self,
        loss: str | LossFunction = "auto",
        *,
        hidden: int = 0,
        l2: float = 1e-3,
        max_iter: int = 1000,
        tol: float = 1e-6,
        random_state: Any = None,
    ) -> None:
        self.loss = loss
        self.hidden = hidden
        self.l2 = l2
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the model to the rows of X and their classes y; a row of weight 2 counts as two rows."""
        self._check_options()
        matrix, labels = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(labels)
        weight = (
            None if sample_weight is None else _check_sample_weight(sample_weight, matrix, dtype=np.float64)
        )
        present = labels if weight is None else labels[weight > 0]
        self.classes_ = np.unique(present)
        if len(self.classes_) < 2:
            raise ValueError(
                f"a classifier needs two classes or more; y has only one class: {list(self.classes_)}"
            )
        if weight is not None:
            matrix, labels, weight = matrix[weight > 0], present, weight[weight > 0]
        codes = np.searchsorted(self.classes_, labels)
        self.adapter_: Adapter = adapter_for(self.loss, len(self.classes_))
        self.loss_ = self.adapter_.loss
        self._minimise(matrix, self.adapter_.outputs, classification_paths(self.adapter_, codes, weight))
        self.temperature_ = self.adapter_.temperature(self._outputs(matrix), codes, weight)
        if not self.hidden:
            W, b = self.model_.split(self.parameters_)
            self.coef_, self.intercept_ = W.T, b
        return self

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """The score of the second of two classes, or one score a class: the largest is predicted."""
        outputs = self._outputs(X)
        if len(self.classes_) > 2:
            return outputs
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs[:, 1] - outputs[:, 0]

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict the class of each row."""
        scores = self.decision_function(X)
        best = (scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)
        return np.asarray(self.classes_[best])

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """The probability of each class, one row for each row of X."""
        outputs = self._outputs(X)
        return self.adapter_.probabilities(outputs, self.temperature_)


def _centre_and_spread(y: NDArray[np.float64], weight: NDArray[np.float64] | None) -> tuple[float, float]:
    """Weighted median, and 1.4826 times the median distance from it: robust, and deaf to repeated rows."""
    centre = _weighted_median(y, weight)
    distance = np.abs(y - centre)
    spread = 1.4826 * _weighted_median(distance, weight)
    return centre, spread or float(np.average(distance, weights=weight)) or 1.0


def _weighted_median(x: NDArray[np.float64], weight: NDArray[np.float64] | None) -> float:
    """The smallest value with half of the weight at or below it."""
    order = np.argsort(x)
    sums = np.cumsum(np.ones(len(x)) if weight is None else weight[order])
    return float(x[order][np.searchsorted(sums, 0.5 * sums[-1] * (1 - 1e-12))])
