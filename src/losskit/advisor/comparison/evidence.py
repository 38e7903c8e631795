"""How sure a difference between two models is, when both were scored on the same folds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from losskit.errors import needs

with needs("compare"):
    from scipy import stats


@dataclass(frozen=True)
class Difference:
    """The mean of paired differences, its 95 % interval, and the chance of one so large from noise alone.

    The interval leaves 0 out exactly where the chance is below 5 %.
    """

    mean: float
    low: float
    high: float
    p_value: float


def corrected_t_test(first: ArrayLike, second: ArrayLike, test_share: float, tests: int = 1) -> Difference:
    """Test ``first - second``, scores of two models on the same folds, against no difference.

    Folds share training rows, so their differences are not independent and the ordinary paired t-test finds
    differences where there are none. Nadeau and Bengio (2003) add test rows / training rows to the 1/n of the
    variance; Bouckaert and Frank (2004) extend it to repeated folds.

    ``test_share`` is the share of the rows that is tested in one fold, 1/5 for five folds. ``tests`` is how
    many such tests are made together: p-value and interval are widened so that noise alone makes any of
    them look like a difference in less than 5 % of cases (Bonferroni).

    >>> corrected_t_test([3.0, 4.0, 3.5], [2.0, 2.5, 2.4], test_share=1 / 3).p_value < 0.05
    True
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    d = a - b
    n, mean = d.size, float(d.mean())
    error = float(np.sqrt((1.0 / n + test_share / (1.0 - test_share)) * d.var(ddof=1)))
    if error <= 1e-12 * float(np.abs([a, b]).max()):  # the same on every fold, but for rounding
        return Difference(mean, mean, mean, 1.0 if abs(mean) <= error else 0.0)
    reach = float(stats.t.isf(0.025 / tests, n - 1)) * error
    p = float(2.0 * stats.t.sf(abs(mean) / error, n - 1))
    return Difference(mean, mean - reach, mean + reach, min(1.0, tests * p))
