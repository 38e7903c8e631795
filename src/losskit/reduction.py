"""(total, weight, count): what a loss over any set of terms comes to, and how sets merge.

A mean of means is wrong when micro-batches, ranks or files differ in size or weight; the mean of the
merged parts is right. See Chan, Golub & LeVeque (1979) for the same idea applied to variances.
"""

import math
from dataclasses import dataclass
from typing import Any, Protocol

REDUCTIONS = ("mean", "sum", "none")
EMPTY = ("zero", "nan")


class Mergeable(Protocol):
    """What a loss comes to over a set of terms, and merges with ``+``: ``Parts``, or the sums of a ratio."""

    @property
    def total(self) -> float: ...
    @property
    def weight(self) -> float: ...
    @property
    def count(self) -> int: ...
    def __add__(self, other: Any) -> Any: ...
    def __radd__(self, other: Any) -> Any: ...
    def sum(self) -> float: ...
    def mean(self, empty: str = "zero") -> float: ...


@dataclass(frozen=True)
class Parts:
    """The sum of w * loss, the sum of w, and the number of terms, of a set of terms.

    >>> (Parts(6.0, 2.0, 2) + Parts(9.0, 1.0, 1)).mean()
    5.0
    """

    total: float = 0.0
    weight: float = 0.0
    count: int = 0

    def __add__(self, other: "Parts") -> "Parts":
        if not isinstance(other, Parts):
            return NotImplemented
        return Parts(self.total + other.total, self.weight + other.weight, self.count + other.count)

    def __radd__(self, other: object) -> "Parts":
        return self if other == 0 else NotImplemented  # sum(parts) starts at 0

    def sum(self) -> float:
        """The total."""
        return self.total

    def mean(self, empty: str = "zero") -> float:
        """The weighted mean; of the empty set 0.0, or NaN with ``empty="nan"``."""
        if self.weight == 0.0:
            return 0.0 if empty == "zero" else math.nan
        return self.total / self.weight
