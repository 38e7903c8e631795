"""Parts of overlap losses: what merges is the sums over a region, not their ratio."""

import math
from dataclasses import dataclass

import numpy as np

from losskit.engines.formulas.ratios import class_sums, regions
from losskit.engines.inputs import Array
from losskit.engines.numpy.array_words import xp
from losskit.structures.overlap import OverlapLoss


@dataclass(frozen=True, eq=False)
class RegionSums:
    """tp, fp and fn of each class over a set of elements; ``+`` merges sets, and the loss is that of the whole.

    >>> import losskit as lk
    >>> loss, y, p = lk.DiceLoss(smooth=0), [1.0, 0.0, 1.0], [0.5, 0.5, 1.0]
    >>> merged = loss.parts(y[:1], p[:1]) + loss.parts(y[1:], p[1:])
    >>> merged.mean() == float(loss.compute(y, p)) == 0.25
    True
    """

    loss: OverlapLoss
    sums: tuple[Array, Array, Array]
    elements: float
    """The weight of all elements."""

    def __add__(self, other: "RegionSums") -> "RegionSums":
        if not isinstance(other, RegionSums):
            return NotImplemented
        if other.loss != self.loss:
            raise ValueError(f"only parts of one loss merge, got those of {self.loss!r} and {other.loss!r}")
        (tp, fp, fn), (tp2, fp2, fn2) = self.sums, other.sums
        if tp.shape != tp2.shape:
            raise ValueError(f"parts of {tp.shape[1]} classes do not merge with parts of {tp2.shape[1]}")
        return RegionSums(self.loss, (tp + tp2, fp + fp2, fn + fn2), self.elements + other.elements)

    def __radd__(self, other: object) -> "RegionSums":
        return self if other == 0 else NotImplemented  # sum(parts) starts at 0

    @property
    def terms(self) -> Array:
        """The loss of each region: one, or one a class."""
        sums, _, own = regions(xp, self.loss, self.sums)
        value: Array = xp.rule(self.loss.value)(*sums, *self.loss.rule_parameters) * own
        return np.ravel(value)

    @property
    def count(self) -> int:
        """The number of regions; 0 where no element counts."""
        return self.terms.size if self.elements > 0.0 else 0

    @property
    def weight(self) -> float:
        """The same: regions weigh 1 each."""
        return float(self.count)

    @property
    def total(self) -> float:
        """The sum of the loss over the regions."""
        return float(self.terms.sum()) if self.count else 0.0

    def sum(self) -> float:
        """The total."""
        return self.total

    def mean(self, empty: str = "zero") -> float:
        """The mean over the regions; of the empty set 0.0, or NaN with ``empty="nan"``."""
        if self.count == 0:
            return 0.0 if empty == "zero" else math.nan
        return self.total / self.count


def parts(loss: OverlapLoss, *arrays: Array | None) -> RegionSums:
    """The sums of one batch."""
    return RegionSums(loss, *class_sums(xp, loss, *arrays))
