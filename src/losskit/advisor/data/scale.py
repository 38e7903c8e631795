"""The robust scale of numbers."""

import numpy as np
from numpy.typing import NDArray


def residual_scale(residuals: NDArray[np.float64]) -> float:
    """Robust standard deviation: 1.4826 times the median distance from the median; 1 where there is none.

    >>> round(residual_scale(np.array([-1.0, 0.0, 1.0, 1e9])), 4)
    1.4826
    """
    spread = 1.4826 * float(np.median(np.abs(residuals - np.median(residuals))))
    return spread or float(np.std(residuals)) or 1.0
