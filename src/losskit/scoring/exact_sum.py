"""Sums of float64 without any rounding: the same for one file or seven, in any order.

A float64 is a whole number of units of 2**-1074, and so is a sum of them. Adding whole numbers rounds nothing, so a sum
of sums is the sum of everything; it is rounded once, when it becomes a float.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from losskit.scoring import exact_kernel as kernel

_UNIT = 1 << 1074
_CARRY_AFTER = 1 << 30
"""Numbers that can be added before a limb may overflow."""


@dataclass(frozen=True)
class ExactSum:
    """The sum of a set of numbers, which merges with ``+``.

    >>> float(ExactSum.of([1e100, 1.0, -1e100]))
    1.0
    >>> float(ExactSum.of([0.1] * 5) + ExactSum.of([0.1] * 5)), sum([0.1] * 10)
    (1.0, 0.9999999999999999)
    """

    units: int = 0
    """In units of the least float64, 2**-1074."""
    special: float = 0.0
    """The sum of what was infinite or NaN."""

    @classmethod
    def of(cls, numbers: Iterable[float] | NDArray[Any]) -> "ExactSum":
        """The sum of an array or list of numbers."""
        sums = ExactSums()
        sums.add(np.ascontiguousarray(numbers, dtype=np.float64).reshape(-1))
        return sums[0]

    def __add__(self, other: "ExactSum") -> "ExactSum":
        if not isinstance(other, ExactSum):
            return NotImplemented
        return ExactSum(self.units + other.units, self.special + other.special)

    def __float__(self) -> float:
        return self / ExactSum(_UNIT)

    def __truediv__(self, weight: "ExactSum") -> float:
        """A weighted total over a positive weight, rounded once; of no weight it is NaN."""
        if self.special or not weight.units:  # NaN is true, too
            return self.special / float(weight) if self.special else math.nan
        try:
            return self.units / weight.units  # Python rounds the quotient of whole numbers correctly
        except OverflowError:
            return math.inf if self.units > 0 else -math.inf  # weights are positive


class ExactSums:
    """Exact sums of groups of numbers, to be added to.

    >>> sums = ExactSums()
    >>> sums.add(np.array([1e20, 1.0, 2.0, -1e20]), np.array([0, 0, 1, 0]))
    >>> float(sums[0]), float(sums[1])
    (1.0, 2.0)
    """

    def __init__(self) -> None:
        self._limbs = np.zeros((1, kernel.LIMBS), np.int64)
        self._special = np.zeros(1)
        self._since_carry = 0

    def add(self, numbers: NDArray[np.float64], groups: NDArray[np.intp] | None = None) -> None:
        """Add numbers to the group that each belongs to; without ``groups`` to group 0."""
        if self._since_carry + numbers.size > _CARRY_AFTER:
            self._carry()
        self._since_carry += numbers.size
        if groups is None:
            self._special[0] += kernel.add_all(numbers, self._limbs[0])
            return
        self._grow(int(groups.max(initial=-1)) + 1)
        kernel.add_by_group(numbers, groups, self._limbs, self._special)

    def add_limbs(self, limbs: NDArray[np.int64], special: float, count: int) -> None:
        """Add to group 0 what a kernel made of so many numbers."""
        if self._since_carry + count > _CARRY_AFTER:
            self._carry()
        self._since_carry += count
        self._limbs[0] += limbs
        self._special[0] += special

    def __getitem__(self, group: int) -> ExactSum:
        if group >= len(self._limbs):
            return ExactSum()
        units = sum(int(limb) << 32 * i for i, limb in enumerate(self._limbs[group]))
        return ExactSum(units, float(self._special[group]))

    def _grow(self, groups: int) -> None:
        have = len(self._limbs)
        if groups > have:
            more = max(groups, 2 * have) - have  # doubled, so that many small steps cost no more than one
            self._limbs = np.concatenate([self._limbs, np.zeros((more, kernel.LIMBS), np.int64)])
            self._special = np.concatenate([self._special, np.zeros(more)])

    def _carry(self) -> None:
        """Leave 32 bits in every limb but the last, which has the sign."""
        for i in range(kernel.LIMBS - 1):
            self._limbs[:, i + 1] += self._limbs[:, i] >> 32
            self._limbs[:, i] &= 0xFFFF_FFFF
        self._since_carry = 0
