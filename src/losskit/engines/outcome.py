"""From totals to answers: what a verb returns, for the engines on NumPy arrays."""

from typing import Any

import numpy as np

from losskit.engines.inputs import Array
from losskit.loss import LossFunction
from losskit.reduction import Parts

_FITS_FLOAT32 = 3e38


def reduced(loss: LossFunction, parts: Parts, dtype: np.dtype[Any]) -> Any:
    """The scalar of a mean or a sum, in the dtype at work."""
    number = parts.mean(loss.empty) if loss.reduction == "mean" else parts.sum()
    if abs(number) < _FITS_FLOAT32:
        return dtype.type(number)
    with np.errstate(over="ignore"):  # entering it costs more than the rest, so not in the common case
        return dtype.type(number)


def mean_of_terms(terms: Array, weight: float) -> float:
    """The mean of weighted terms whose sum overflows although their mean may not."""
    return float(np.sum(terms.astype(np.float64) / weight))
