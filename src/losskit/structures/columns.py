"""Losses of a few numbers at a time: one from each argument, or the entries of its last axis."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, ClassVar

from losskit.domain import Domain
from losskit.rules import RuleFunction
from losskit.structures.arrays import ArrayLoss


@dataclass(frozen=True)
class ColumnRules:
    """Value and derivatives of one formula of a few numbers."""

    name: str
    value: RuleFunction
    slopes: RuleFunction
    """The partial derivatives, a tuple: one for each number of a differentiable argument, in order."""
    curvatures: RuleFunction
    """Likewise the second ones, of each number with itself."""
    parameters: tuple[str, ...]
    """What the rules take after the numbers, by name."""


@dataclass(frozen=True)
class Piece:
    """Rules with their parameters' values, and the arguments whose numbers they take."""

    rules: ColumnRules
    arguments: tuple[str, ...]
    parameters: tuple[float, ...] = ()


class ColumnLoss(ArrayLoss):
    """A loss of a few numbers: rules take one of each argument, then parameters of the loss by name.

    ``slopes`` and ``curvatures`` are tuples, one number for each differentiable argument. All arguments
    have one shape; an optional one that is left out counts as 0.

    >>> from losskit.rules import rule
    >>> class WeightedSquare(ColumnLoss):
    ...     arguments = ("y_true", "y_pred", "precision")
    ...     differentiable = ("y_pred", "precision")
    ...     @rule
    ...     def value(y, p, w):
    ...         return w * (p - y) ** 2
    ...     @rule
    ...     def slopes(y, p, w):
    ...         return 2.0 * w * (p - y), (p - y) ** 2
    ...     @rule
    ...     def curvatures(y, p, w):
    ...         return 2.0 * w, 0.0 * w
    >>> WeightedSquare().derivative([0.0, 0.0], [1.0, 2.0], [1.0, 3.0])
    (array([1., 6.]), array([0.5, 2. ]))
    """

    structure: ClassVar[str] = "columns"
    domains: ClassVar[Mapping[str, Domain]] = {}
    """What the numbers of an argument must be."""
    entries: ClassVar[tuple[str, ...]] = ()
    """The names of the numbers on each argument's last axis, where a rule takes them all at once."""
    ascending: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Pairs of entries of which the second is at least the first."""
    summed: ClassVar[bool] = False
    """Whether a term is the sum of the rule along the last axis."""
    apart: ClassVar[bool] = False
    """Whether each piece takes one argument and is reduced on its own, so that their shapes may differ."""

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """The loss as a sum of rules: all that an engine needs to know of it."""
        return self.make_pieces()

    def make_pieces(self) -> tuple[Piece, ...]:
        """The class's own rules; a loss with several sets of rules overrides this."""
        return (self.piece(type(self), self.arguments),)

    def piece(self, owner: Any, arguments: tuple[str, ...], **more: float) -> Piece:
        """The rules in a class body, with their parameters looked up in ``more`` and in the loss."""
        rules = collect(owner, len(arguments) * max(1, len(self.entries)))
        values = self.parameters() | more
        missing = [name for name in rules.parameters if name not in values]
        if missing:
            raise TypeError(
                f"the rules of {rules.name} take {missing[0]!r}, which is neither one of the loss's numbers nor a "
                f"parameter of it ({', '.join(values)}); declare it with parameter(...)"
            )
        return Piece(rules, arguments, tuple(float(values[name]) for name in rules.parameters))


@cache
def collect(owner: Any, numbers: int) -> ColumnRules:
    """The rules that a class body holds, whose first ``numbers`` parameters are the numbers."""
    functions: dict[str, RuleFunction] = {}
    expected: tuple[str, ...] = ()
    for name in ("value", "slopes", "curvatures"):
        function = getattr(owner, name, None)
        if function is None:
            raise TypeError(f"{owner.__name__} has no rule {name!r}; write one and mark it with @rule")
        functions[name] = function
        taken = tuple(inspect.signature(function).parameters)
        expected = expected or taken
        if taken != expected or len(taken) < numbers:
            raise TypeError(
                f"{owner.__name__}.{name} takes ({', '.join(taken)}); all rules of a loss take the same arguments, "
                f"{numbers} numbers and then parameters of the loss"
            )
    return ColumnRules(owner.__name__, **functions, parameters=expected[numbers:])
