"""Any loss as the objective of a gradient boosting library: exact slopes, and curvatures that are positive.

The rule for the second derivative, row by row. A Newton step of one row is slope / curvature, so where the curvature is
0 or negative (beyond Huber's delta, at an outlier of Cauchy's loss) a positive number has to stand in for it:

- Losses of predictions themselves: the steeper of the slopes at the prediction and as far on the other side of the
  target, divided by the distance (by the median distance, where that is longer). No row then asks to go beyond its
  target, and the parabola lies above a loss that grows ever more slowly: it is the weight of iteratively reweighted
  least squares. It holds wherever the row's own Newton step is longer than that distance, so also in the flat tails of
  convex losses: log-cosh's own curvature ten units from the target is 8e-9, and would ask for a step of 1e8.
- Losses of logits, margins and logarithms: the size of the slope, for a step of 1, a factor e of the odds or of the
  mean. Convex losses keep their own curvature wherever it is positive; for the others the larger of the two holds.
- A row that has neither slope nor curvature, such as one beyond the hinge, is content where it is: it gets the mean
  curvature of the others and so holds the step back. LightGBM counts the rows of a leaf by their curvatures, and
  would refuse to split off rows of curvature 0.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from losskit import catalogue
from losskit.errors import InputError
from losskit.links import is_convex, link_of, on_scores, terms
from losskit.loss import LossFunction
from losskit.numerics import stable_softmax
from losskit.scalar import sigmoid
from losskit.structures import ArrayLoss, RowLoss

Array = NDArray[np.float64]

LEAST = 1e-16
"""The curvature of a row without weight: it has no say, but the libraries divide by sums of curvatures."""

NONE = 1e-30
"""A distance that is none: one over it is near the end of float32, in which the libraries hold curvatures."""


def boosting_objective(loss: LossFunction | str) -> "BoostingObjective":
    """Make a loss the custom objective of LightGBM or XGBoost, native or scikit-learn style.

    Probabilities become logits and positive means their logarithms, since trees add up to any number;
    ``objective.predictions`` turns such raw scores back. The libraries start at 0 under an objective of your own:
    give them ``objective.init_score(y)`` as ``init_score`` (LightGBM) or ``base_margin`` (XGBoost).

    >>> objective = boosting_objective("huber(delta=2)")
    >>> slope, curvature = objective([0.0, 0.0, 0.0], [1.0, -4.0, 8.0])
    >>> slope, curvature
    (array([ 1., -2., 2.]), array([1. , 0.5 , 0.25]))

    ``LGBMRegressor(objective=objective)``, ``lightgbm.train({"objective": objective}, ...)``,
    ``XGBRegressor(objective=objective)`` and ``xgboost.train(..., obj=objective)`` all take it.
    """
    found = catalogue.parse(loss) if isinstance(loss, str) else loss
    if not isinstance(found, LossFunction):
        raise TypeError(f"a loss must be a losskit loss or its text, got {type(found).__name__}")
    scored = on_scores(found)
    link = link_of(scored)
    if isinstance(scored, ArrayLoss) or link is None or link.endswith("probability"):
        raise InputError(
            f"{found!r} cannot be boosted: trees answer one score a row, or one a class, so it takes a loss of"
            " single predictions or of rows of logits."
        )
    return BoostingObjective(scored.replace(reduction="sum"), link)


@dataclass(frozen=True)
class BoostingObjective:
    """A loss as (y_true, raw scores[, sample_weight]) -> (slope, curvature); made by ``boosting_objective``.

    Scores are one a row, or a matrix with one column a class. Then targets are class codes 0, 1, ..., and a loss of
    single predictions takes each class against the rest. Labels 0 and 1 are -1 and +1 to a loss of margins.
    """

    loss: LossFunction
    """The loss of raw scores, added up over the rows."""
    link: str

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> tuple[Array, Array]:
        """Slope and curvature of each score; the native (scores, data set) of both libraries is understood, too."""
        if hasattr(y_pred, "get_label"):
            y_true, y_pred, sample_weight = y_pred.get_label(), y_true, y_pred.get_weight()
        z, y, w = self._arrays(y_true, y_pred, sample_weight)
        slope, curvature = self._derivatives(y, z, w)
        if not np.isfinite(slope).all():
            row = int(np.argwhere(~np.isfinite(slope))[0][0])
            raise InputError(
                f"the slope of {self.loss!r} is not finite in row {row}, where the score is {z[row]}."
            )
        return slope, _content_raised(self._raised(y, z, w, slope, curvature), w)

    def init_score(self, y_true: ArrayLike, sample_weight: ArrayLike | None = None, classes: int = 1) -> Any:
        """The best constant score: a number, or one for each of several classes.

        >>> objective = boosting_objective("binary_cross_entropy")
        >>> round(objective.init_score([0, 0, 0, 1]), 6), round(float(np.log(1 / 3)), 6)
        (-1.098612, -1.098612)
        """
        y = np.asarray(y_true, dtype=np.float64)
        w = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        if self.link == "identity" and is_convex(self.loss):
            return best_constant(self.loss, y, w)
        shape = (len(y), classes) if classes > 1 else (len(y),)
        score = np.full(shape[1:], self._guess(y, w))

        def value_of(score: Any) -> float:
            return self._value(y, np.broadcast_to(score, shape), w)

        value = value_of(score)
        for _ in range(100):
            slope, curvature = self(y, np.broadcast_to(score, shape), w)
            step = slope.sum(axis=0) / curvature.sum(axis=0)
            halved = (score - step / 2.0**k for k in range(30))
            lower = next((candidate for candidate in halved if value_of(candidate) < value), None)
            if lower is None:
                break
            score, before, value = lower, value, value_of(lower)
            if before - value <= 1e-9 * abs(value):
                break
        return score if classes > 1 else float(score)

    def predictions(self, scores: ArrayLike) -> Array:
        """Raw scores as what the loss speaks of: means, probabilities (a row of them for rows of logits).

        >>> boosting_objective("poisson").predictions([0.0]).tolist()
        [1.0]
        """
        z = np.asarray(scores, dtype=np.float64)
        if self.link == "softmax":
            return stable_softmax(z)
        if self.link == "log":
            return np.exp(z)
        return _sigmoid(z) if self.link in ("logit", "sigmoid") else z

    def _arrays(self, y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[Array, Any, Array | None]:
        """Scores, targets as the loss wants them, and weights of the scores' shape or one a row."""
        z = np.asarray(y_pred, dtype=np.float64)
        y = np.asarray(y_true, dtype=np.float64)
        if z.ndim not in (1, 2) or y.shape != z.shape[:1]:
            raise InputError(
                f"scores must be one a row, or a matrix of one column a class, for targets of shape {y.shape},"
                f" not of shape {z.shape}; LightGBM before 4.0 and XGBoost before 2.1 pass a matrix as one long"
                " array: update them."
            )
        w = None if sample_weight is None or not np.size(sample_weight) else np.asarray(sample_weight, float)
        if self.link == "softmax":
            codes = self._codes(y, z)
            shares = any(
                isinstance(part, RowLoss) and part.form.target == "distribution" for part in terms(self.loss)
            )
            return z, np.eye(z.shape[1])[codes] if shares else codes, w
        if z.ndim == 2:
            y = np.eye(z.shape[1])[self._codes(y, z)]
            w = None if w is None else np.repeat(w[:, None], z.shape[1], axis=1)
        return z, np.where(y == 0.0, -1.0, y) if self.link == "margin" else y, w

    def _codes(self, y: Array, z: Array) -> NDArray[np.intp]:
        """Targets as class codes, checked against the number of columns."""
        classes = z.shape[1] if z.ndim == 2 else 0
        wrong = np.flatnonzero(~((y >= 0) & (y < classes) & (y == np.floor(y))))
        if not classes or wrong.size:
            where = f"; row {wrong[0]} has {y[wrong[0]]:g}" if wrong.size else ""
            raise InputError(
                f"{self.loss.name} takes a matrix of scores with one column a class and targets that are class"
                f" codes below their number; the scores have shape {z.shape}{where}."
            )
        return y.astype(np.intp)

    def _derivatives(self, y: Any, z: Array, w: Array | None) -> tuple[Array, Array]:
        """The loss's own slope and curvature by the scores."""
        p = _sigmoid(z) if self.link == "sigmoid" else z
        slope = np.asarray(self.loss.derivative(y, p, sample_weight=w))
        curvature = np.asarray(self.loss.second_derivative(y, p, sample_weight=w))
        if self.link != "sigmoid":
            return slope, curvature
        steep = p * _sigmoid(-z)
        return slope * steep, curvature * steep**2 + slope * steep * (1.0 - 2.0 * p)

    def _raised(self, y: Any, z: Array, w: Array | None, slope: Array, curvature: Array) -> Array:
        """The curvature, or what stands in for it where that is needed; 0 for a row that is content."""
        if self.link != "identity":
            size = np.abs(slope)
            if is_convex(self.loss):
                return np.where(curvature > 0.0, curvature, size)
            return np.asarray(np.fmax(curvature, size))
        distance = np.abs(z - y)
        reach = np.maximum(distance, _median(distance.ravel(), None if w is None else w.ravel()))
        reach = np.where(reach < NONE, 1.0, reach)
        least = np.abs(slope) / reach
        far = ~(least <= curvature * (1.0 + 1e-9))  # a parabola's own step is its distance, up to rounding
        if not far.any():
            return curvature
        # The other side may be outside of the domain: NaN there, which fmax leaves out.
        mirrored = self.loss.replace(validate=False).derivative(y, 2.0 * y - z, sample_weight=w)
        return np.where(far, np.fmax(least, np.abs(mirrored) / reach), curvature)

    def _value(self, y: Array, scores: Array, w: Array | None) -> float:
        z, targets, weight = self._arrays(y, scores, w)
        p = _sigmoid(z) if self.link == "sigmoid" else z
        return float(self.loss.compute(targets, p, sample_weight=weight))

    def _guess(self, y: Array, w: Array | None) -> float:
        """Where to look for the best constant from: the median; the mean's logarithm; no preference."""
        if self.link == "log":
            return float(np.log(max(np.average(y, weights=w), np.finfo(float).tiny)))
        return _median(y, w) if self.link == "identity" else 0.0


def best_constant(loss: LossFunction, y: Array, weight: Array | None = None) -> float:
    """The prediction of least loss among constants, under a convex loss: where its slope changes sign.

    Halving needs no curvature, and no slope's size: a loss that grows exponentially has neither far from its minimum
    that would tell where that is.

    >>> round(best_constant(catalogue.parse("expectile(expectile=0.9)"), np.array([0.0, 1.0, 2.0])), 6)
    1.727273
    """
    low, high = float(y.min()), float(y.max())
    for _ in range(60):
        middle = 0.5 * low + 0.5 * high
        slope = loss.derivative(y, np.full_like(y, middle), sample_weight=weight)
        low, high = (low, middle) if np.sum(slope) > 0.0 else (middle, high)
    return 0.5 * low + 0.5 * high


def _content_raised(curvature: Array, w: Array | None) -> Array:
    """The mean curvature of the others for each row that has none, times its weight."""
    content = ~(curvature > 0.0)
    if content.any():
        shape = curvature.shape
        weight = np.ones(shape) if w is None else np.broadcast_to(w.T, shape[::-1]).T
        others = float(weight[~content].sum())
        mean = float(curvature[~content].sum()) / others if others > 0.0 else 1.0
        curvature = np.where(content, weight * mean, curvature)
    return np.maximum(curvature, LEAST)


def _sigmoid(z: Array) -> Array:
    return np.asarray(sigmoid(z))


def _median(x: Array, w: Array | None) -> float:
    """The median of what has weight."""
    if w is None:
        return float(np.median(x))
    return float(np.quantile(x, 0.5, weights=w, method="inverted_cdf")) if w.any() else 0.0
