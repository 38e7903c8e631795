"""A loss's parameters chosen by inner folds: which values to try, and the one that measures best.

What is tuned says how a loss weighs errors: a scale in units of the target, focal's gamma, the smoothing of labels.
What says which quantity is estimated (a quantile, class weights, Tweedie's power) stays as it is.
"""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from losskit.advisor.comparison.candidates import Facts, rounded
from losskit.errors import needs
from losskit.loss import LossFunction
from losskit.structures import ResidualLoss

with needs("compare"):
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import KFold, StratifiedKFold

INNER = 3
"""Inner folds."""

SCALES = ("delta", "scale", "beta", "epsilon")
"""Parameters of losses of the residual in units of the target: tried as multiples of the residuals' scale."""

MULTIPLES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)

VALUES: Mapping[str, tuple[float, ...]] = {
    "gamma": (0.5, 1.0, 2.0, 3.0, 5.0),
    "smoothing": (0.01, 0.03, 0.1, 0.2),
}
"""Parameters without a unit, with the values to try."""


def tunable(loss: LossFunction) -> str | None:
    """The parameter of a loss that is tuned; None where it has none, and for a sum of losses.

    >>> import losskit as lk
    >>> tunable(lk.HuberLoss()), tunable(lk.QuantileLoss(0.9))
    ('delta', None)
    """
    if loss.weighted_terms() != ((1.0, loss),):
        return None
    known = (*VALUES, *SCALES) if isinstance(loss, ResidualLoss) else tuple(VALUES)
    return next((name for name in known if name in loss.parameters()), None)


def grid(loss: LossFunction, facts: Facts) -> list[LossFunction]:
    """The loss as it is, and with each other value of what is tuned.

    >>> import losskit as lk
    >>> [loss.delta for loss in grid(lk.HuberLoss(1.5), Facts(scale=2.0))]
    [1.5, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0]
    """
    name = tunable(loss)
    if name is None:
        return [loss]
    values = VALUES.get(name) or [rounded(multiple * facts.scale) for multiple in MULTIPLES]
    return list(dict.fromkeys([loss, *(loss.replace(**{name: value}) for value in values)]))


Measure = Callable[[LossFunction, Any, Any, Any, Any], float]
"""Loss, training rows and targets, test rows and targets to the metric that decides."""


def tuned(
    loss: LossFunction, facts: Facts, X: NDArray[Any], y: NDArray[Any], measure: Measure, sign: int, seed: int
) -> LossFunction:
    """The loss of the grid whose mean metric over the inner folds is best; the first of equals."""
    tried = grid(loss, facts)
    if len(tried) == 1:
        return loss
    kind = KFold if y.dtype.kind == "f" else StratifiedKFold
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        # A rare class may have fewer rows than there are inner folds; some of them then go without it.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        splits = list(kind(INNER, shuffle=True, random_state=seed).split(X, y))
    return min(tried, key=lambda variant: _mean(variant, splits, X, y, measure, sign))


def _mean(variant: LossFunction, splits: Any, X: Any, y: Any, measure: Measure, sign: int) -> float:
    """The metric's mean over the inner folds, less is better; infinite where a fit fails."""
    try:
        return sign * float(np.mean([measure(variant, X[a], y[a], X[b], y[b]) for a, b in splits]))
    except (ValueError, IndexError, ArithmeticError):
        return np.inf
