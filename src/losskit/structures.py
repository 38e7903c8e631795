"""The abstract bases, one per structure: what the rules of a loss are functions of."""

import inspect
from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar

from losskit.domain import PLUS_MINUS_ONE, Domain
from losskit.loss import LossFunction, sum_config, sum_text
from losskit.parameter import parameter
from losskit.registry import derive_rule
from losskit.rule import ARGUMENTS, RuleSet, Term, collect, term_of


class RuleLoss(LossFunction):
    """A loss made of rules. Subclass one of its structures below, not this class."""

    argument: ClassVar[str]
    targets: ClassVar[Domain | None] = None
    predictions: ClassVar[Domain | None] = None
    saturates: ClassVar[bool] = False
    rules: ClassVar[RuleSet | None] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "value" in cls.__dict__:
            for order, name in enumerate(("slope", "curvature"), start=1):
                if name not in cls.__dict__:
                    value = inspect.getattr_static(cls, "value")
                    setattr(cls, name, staticmethod(derive_rule(value.__func__, cls.argument, order)))
            cls.rules = collect(cls)

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """The loss as coefficients times rule sets: all that an engine needs to know of it."""
        return self.make_terms()

    def make_terms(self) -> tuple[Term, ...]:
        """The class's own rules; a loss with links or options inside overrides this."""
        rules = type(self).rules
        if rules is None:
            raise TypeError(f"{type(self).__name__} has no rules: write value, slope and curvature")
        return (term_of(rules, self.parameters()),)


class ElementwiseLoss(RuleLoss):
    """A loss of each pair (y, p): rules take ``y, p`` and then the parameters.

    >>> from losskit.scalar import log
    >>> from losskit.rule import rule
    >>> class LogRatio(ElementwiseLoss):
    ...     @rule
    ...     def value(y, p):
    ...         return log(p / y) ** 2
    ...     @rule
    ...     def slope(y, p):
    ...         return 2.0 * log(p / y) / p
    ...     @rule
    ...     def curvature(y, p):
    ...         return 2.0 * (1.0 - log(p / y)) / (p * p)
    >>> round(float(LogRatio().compute([1.0, 2.0], [2.0, 2.0])), 6)
    0.240227
    """

    structure: ClassVar[str] = "elementwise"
    argument: ClassVar[str] = "pair"

    def fuse(self, terms: tuple[tuple[float, LossFunction], ...]) -> LossFunction | None:
        if not all(isinstance(loss, ElementwiseLoss) for _, loss in terms):
            return None
        return ElementwiseSum(
            terms, reduction=self.reduction, validate=self.validate, empty=self.empty
        )


class ResidualLoss(ElementwiseLoss):
    """A loss of the residual r = y_pred - y_true: rules take ``r`` and then the parameters.

    A residual too large for its dtype is infinite, and so then is the loss, unless it is bounded.
    """

    argument: ClassVar[str] = "residual"


class MarginLoss(ElementwiseLoss):
    """A loss of the margin m = y_true * y_pred with labels -1 and +1: rules take ``m``."""

    argument: ClassVar[str] = "margin"
    targets: ClassVar[Domain | None] = PLUS_MINUS_ONE


class ElementwiseSum(ElementwiseLoss):
    """A weighted sum of elementwise losses, evaluated by one kernel."""

    summands: tuple[tuple[float, LossFunction], ...] = parameter(
        default=(), convert=tuple, doc="(coefficient, loss) pairs"
    )

    def make_terms(self) -> tuple[Term, ...]:
        return tuple(
            term.times(k)
            for k, loss in self.summands
            for term in loss.terms  # type: ignore[attr-defined]
        )

    def weighted_terms(self) -> tuple[tuple[float, LossFunction], ...]:
        return self.summands

    def to_config(self) -> dict[str, Any]:
        return sum_config(self.summands)

    def __repr__(self) -> str:
        return sum_text(self.summands)


def argument_of(kind: str, y: Any, p: Any) -> tuple[Any, ...]:
    """The argument of an elementwise rule at target ``y`` and prediction ``p``."""
    return _ARGUMENT[kind](y, p)


def chain_of(kind: str, y: Any) -> Any:
    """The derivative of that argument with respect to the prediction; its second derivative is 0."""
    return y if kind == "margin" else 1.0


_ARGUMENT: dict[str, Callable[[Any, Any], tuple[Any, ...]]] = {
    "residual": lambda y, p: (p - y,),
    "margin": lambda y, p: (y * p,),
    "pair": lambda y, p: (y, p),
}
assert _ARGUMENT.keys() <= ARGUMENTS.keys()
