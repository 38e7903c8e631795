"""Losses of pairs of vectors: scalar rules of how far apart the two vectors of a pair are."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from losskit.domain import Domain
from losskit.rules import RuleFunction
from losskit.structures.arrays import ArrayLoss
from losskit.structures.numbers import numbers_of

MEASURES = {"distance": 1, "cosine": 2}
"""What a pair of vectors is reduced to, and to how many numbers."""


@dataclass(frozen=True)
class PairRules:
    """What a loss is of its measures: the label, if there is one, then the measures, then parameters.

    - measure "distance": a pair is its Euclidean distance s. Its slopes are two numbers, a and b: the
      gradient in the first vector is a (x1 - x2) + b (x1 - x2) / s, in the second the negative of that.
    - measure "cosine": a pair is its cosine c and the gap 1 - c, each with all its digits. Its slope is
      the derivative in c.
    """

    measure: str
    value: RuleFunction
    slopes: RuleFunction
    """The slopes of all pairs, as one tuple."""


class PairLoss(ArrayLoss):
    """A loss of vectors on the last axis, the first of which is paired with each of the others.

    A subclass names its vectors in ``differentiable``, and its label in ``arguments`` if it has one,
    and writes the rules ``value`` and ``slopes`` (see ``PairRules``), or answers ``pair_rules`` where
    they depend on a parameter.

    >>> from losskit.rules import rule
    >>> class Spread(PairLoss):
    ...     arguments = differentiable = ("x1", "x2")
    ...     @rule
    ...     def value(s):
    ...         return -s
    ...     @rule
    ...     def slopes(s):
    ...         return 0.0, -1.0
    >>> float(Spread().compute([[3.0, 0.0]], [[0.0, 4.0]]))
    -5.0
    """

    structure: ClassVar[str] = "pairs"
    arguments: ClassVar[tuple[str, ...]] = ("x1", "x2")
    differentiable: ClassVar[tuple[str, ...]] = ("x1", "x2")
    measure: ClassVar[str] = "distance"
    targets: ClassVar[Domain | None] = None
    """The legal labels."""
    distances: ClassVar[str | None] = None
    """The argument that holds distances instead of vectors where the last one is left out."""

    def pair_rules(self) -> PairRules:
        """The rules that the class itself holds."""
        cls: Any = type(self)
        return PairRules(self.measure, cls.value, cls.slopes)

    @cached_property
    def rules(self) -> PairRules:
        """What ``pair_rules`` answers."""
        return self.pair_rules()

    @cached_property
    def numbers(self) -> tuple[float, ...]:
        """The values of the parameters that the rules take, in their order."""
        labels = len(self.arguments) - len(self.differentiable)
        pairs = len(self.differentiable) - 1
        return numbers_of(self, self.rules.value, labels + pairs * MEASURES[self.rules.measure])
