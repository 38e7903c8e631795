"""Robust statistics: what a few wild values cannot move."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from losskit.advisor.data.scale import residual_scale

Numbers = NDArray[np.float64]

FAR = 5.0
"""Robust deviations beyond which a value counts as an outlier: of Gaussian ones, 6 in 10 million do."""

GAUSSIAN_TAIL = 3.4488
"""The distance of the 1 % quantiles over that of the quartiles, for a Gaussian."""

MOST = 200_000
"""Rows that statistics are taken from, at most; a share of 1 % is then known to 0.02 %."""


@dataclass(frozen=True)
class Spread:
    """How numbers lie about their centre."""

    count: int
    mean: float
    median: float
    deviation: float
    """Standard deviation."""
    scale: float
    """Robust standard deviation: 1.4826 times the median distance from the median."""
    beyond: float
    """The share further than ``FAR`` robust deviations from the median."""
    tail: float
    """How far the 1 % quantiles lie apart, beside the quartiles: 1 for a Gaussian, 1.7 for Student's t with 3."""
    skew: float
    """By the 10 %, 50 % and 90 % quantiles, between -1 and 1; 0 for what is symmetric."""

    @property
    def is_skewed(self) -> bool:
        """Whether the skew is plain, and more than so many numbers have by chance."""
        return bool(abs(self.skew) > max(0.25, 5 / self.count**0.5))

    @property
    def shift(self) -> float:
        """The mean less the median, in robust deviations."""
        return (self.mean - self.median) / self.scale


def robust_scale(x: Numbers) -> float:
    """The robust standard deviation; the plain one where more than half of the values are all but the same.

    >>> robust_scale(np.array([0.0, 1e-30, 0.0, 2.0])) > 0.8
    True
    """
    scale, deviation = residual_scale(x), float(x.std())
    return scale if scale > 1e-9 * deviation else deviation


def spread(x: Numbers) -> Spread:
    """Measure how numbers lie about their centre.

    >>> spread(np.array([-2.0, -1.0, 0.0, 1.0, 2.0, 1e6])).beyond
    0.16666666666666666
    """
    q = np.quantile(x, [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99])
    scale = robust_scale(x)
    box, wide = q[4] - q[2], q[5] - q[1]
    return Spread(
        count=x.size,
        mean=float(x.mean()),
        median=float(q[3]),
        deviation=float(x.std()),
        scale=scale,
        beyond=float(np.mean(np.abs(x - q[3]) > FAR * scale)),
        tail=float((q[6] - q[0]) / box / GAUSSIAN_TAIL) if box > 0 else 1.0,
        skew=float((q[5] + q[1] - 2 * q[3]) / wide) if wide > 0 else 0.0,
    )


def ranks(x: Numbers) -> Numbers:
    """The rank of each number; equal ones share theirs.

    >>> ranks(np.array([3.0, 1.0, 3.0])).tolist()
    [1.5, 0.0, 1.5]
    """
    _, place, count = np.unique(x, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count + 1) / 2)[place]


def drawn(weight: Numbers | None, rows: int, most: int = MOST, seed: int = 0) -> NDArray[np.intp] | None:
    """Rows to take statistics from: all (None), ``most`` of them at random, or in proportion to their weights.

    Weighted rows are drawn systematically, as many as their weights are worth (Kish 1965), so that unequal
    weights leave less evidence than as many equal ones.

    >>> drawn(np.array([1.0, 0.0, 1.0]), 3).tolist()
    [0, 2]
    """
    generator = np.random.default_rng(seed)
    if weight is None:
        return None if rows <= most else np.sort(generator.choice(rows, most, replace=False))
    share = weight / weight.sum()
    worth = max(1, min(most, round(1.0 / float((share * share).sum()))))
    steps = (np.arange(worth) + 0.5) / worth
    found = np.searchsorted(np.cumsum(share), steps * (1 - 1e-12))
    return np.minimum(found, rows - 1)


def standardised(residuals: Numbers, prediction: Numbers, bins: int = 20) -> Numbers:
    """Residuals in units of the robust scale among rows with a like prediction.

    Where the spread follows the prediction, residuals together look heavy-tailed although each has Gaussian noise.
    """
    order = np.argsort(prediction, kind="stable")
    result = np.empty_like(residuals)
    for rows in np.array_split(order, max(1, min(bins, residuals.size // 25))):
        result[rows] = (residuals[rows] - np.median(residuals[rows])) / robust_scale(residuals[rows])
    return result
