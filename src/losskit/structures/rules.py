"""The abstract bases, one per structure: what the rules of a loss are functions of."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

from losskit.domain import PLUS_MINUS_ONE, PROBABILITY, Domain
from losskit.loss import LossFunction, SumOfLosses
from losskit.parameters import Legal, as_numbers, parameter
from losskit.registry import derive_rule
from losskit.rules import ARGUMENTS, OUTER, FromDtype, ParameterValue, RuleSet, Term, collect, term_of


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
        return without_zeros(self.make_terms())

    def make_terms(self) -> tuple[Term, ...]:
        """The class's own rules; a loss with links or options inside overrides this."""
        rules = type(self).rules
        if rules is None:
            raise TypeError(f"{type(self).__name__} has no rules: write value, slope and curvature")
        return (term_of(rules, self.parameters()),)


def without_zeros(terms: tuple[Term, ...]) -> tuple[Term, ...]:
    """The terms that are there: 0 times a value that overflows would be NaN."""
    return tuple(term for term in terms if term.coefficient != 0.0) or terms


class ElementwiseLoss(RuleLoss):
    """A loss of each pair (y, p): rules take ``y, p`` and then the parameters.

    >>> from losskit.scalar import log
    >>> from losskit.rules import rule
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
        return ElementwiseSum(terms, reduction=self.reduction, validate=self.validate, empty=self.empty)


class ResidualLoss(ElementwiseLoss):
    """A loss of the residual r = y_pred - y_true: rules take ``r`` and then the parameters.

    A residual too large for its dtype is infinite, and so then is the loss, unless it is bounded.
    """

    argument: ClassVar[str] = "residual"


class MarginLoss(ElementwiseLoss):
    """A loss of the margin m = y_true * y_pred with labels -1 and +1: rules take ``m``."""

    argument: ClassVar[str] = "margin"
    targets: ClassVar[Domain | None] = PLUS_MINUS_ONE


class ElementwiseSum(SumOfLosses, ElementwiseLoss):
    """A weighted sum of elementwise losses, evaluated by one kernel."""

    def make_terms(self) -> tuple[Term, ...]:
        return _terms_of(self.summands)


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


@dataclass(frozen=True)
class RowForm:
    """What a loss of rows is, apart from its rules: all that an engine needs to know to run them."""

    link: str
    """What predictions are: "softmax" (logits), "probability" or "log_probability"."""
    target: str
    """What targets are: "index" (of a class), "distribution" (over the classes), or "either"."""
    axis: int = -1
    floor: ParameterValue = FromDtype.SMALLEST_NORMAL
    class_weights: tuple[float, ...] | None = None
    ignore_index: int | None = None
    shift: tuple[float, ...] | None = None
    """What is added to the logits of each class before their softmax."""


class RowLoss(RuleLoss):
    """A loss of rows, one number a class, on the last axis unless ``axis`` says otherwise.

    Targets are class indices, of the predictions' shape less the class axis, or distributions over
    the classes, of the predictions' shape. A mean is over rows; ``sample_weight`` and ``mask`` are
    one a row.
    """

    axis: int = parameter(default=-1, kw_only=True, doc="the axis of the classes")

    structure: ClassVar[str] = "rows"

    def row_form(self) -> RowForm:
        """How predictions and targets are read."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its rows are")

    @cached_property
    def form(self) -> RowForm:
        """What ``row_form`` answers."""
        return self.row_form()

    @cached_property
    def index_terms(self) -> tuple[Term, ...]:
        """The terms for class indices."""
        return without_zeros(self.make_index_terms())

    def make_index_terms(self) -> tuple[Term, ...]:
        """The same as for distributions; overridden where a sum over all classes is simpler then."""
        return self.make_terms()

    def terms_for(self, by_index: bool) -> tuple[Term, ...]:
        """The terms for targets of one kind or the other."""
        return self.index_terms if by_index else self.terms

    def fuse(self, terms: tuple[tuple[float, LossFunction], ...]) -> LossFunction | None:
        rows = [loss for _, loss in terms if isinstance(loss, RowLoss)]
        if len(rows) < len(terms) or common_form([loss.form for loss in rows]) is None:
            return None
        if sum(term.rules.argument in OUTER for loss in rows for term in loss.terms) > 1:
            return None
        return RowSum(terms, reduction=self.reduction, validate=self.validate, empty=self.empty)


class SoftmaxLoss(RowLoss):
    """A loss of the target class's probability: rules take ``nll``, which is -log p, then the parameters.

    With ``from_logits`` the probabilities are the softmax of the predictions and are never formed:
    nll is exact however confident the prediction. For a target distribution the rule's values at all
    classes are added, each times its share of the target.

    >>> from losskit.rules import rule
    >>> from losskit.scalar import exp
    >>> class OneMinusProbability(SoftmaxLoss):
    ...     @rule
    ...     def value(nll):
    ...         return 1.0 - exp(-nll)
    ...     @rule
    ...     def slope(nll):
    ...         return exp(-nll)
    ...     @rule
    ...     def curvature(nll):
    ...         return -exp(-nll)
    >>> float(OneMinusProbability().compute([1], [[0.25, 0.75]]))
    0.25
    """

    from_logits: bool = parameter(
        default=False, kw_only=True, doc="predictions are logits, to be put through a softmax"
    )
    class_weights: tuple[float, ...] | None = parameter(
        default=None, kw_only=True, optional=True, convert=lambda v: as_numbers("class_weights", v, Legal(at_least=0)),
        doc="a weight a class, applied to its share of the loss",
    )  # fmt: skip
    eps: float | None = parameter(
        default=None, kw_only=True, optional=True, above=0, below=1,
        doc="floor of a probability, the smallest normal number where None",
    )  # fmt: skip

    argument: ClassVar[str] = "nll"
    target: ClassVar[str] = "either"

    def row_form(self) -> RowForm:
        return RowForm(
            link="softmax" if self.from_logits else "probability",
            target=self.target,
            axis=self.axis,
            floor=FromDtype.SMALLEST_NORMAL if self.eps is None or self.from_logits else self.eps,
            class_weights=self.class_weights,
            ignore_index=getattr(self, "ignore_index", None),
        )

    def make_terms(self) -> tuple[Term, ...]:
        return tuple(replace(term, rules=self.linked(term.rules)) for term in super().make_terms())

    def linked(self, rules: RuleSet) -> RuleSet:
        """Rules of nll as rules of logits, or of probabilities with a floor."""
        if self.from_logits:
            return replace(rules, targets=PROBABILITY)
        return replace(rules, targets=PROBABILITY, predictions=PROBABILITY, saturates=True)


class RowSum(SumOfLosses, RowLoss):
    """A weighted sum of losses of the same rows, evaluated by one kernel."""

    def row_form(self) -> RowForm:
        form = common_form([loss.form for _, loss in self.summands])  # type: ignore[attr-defined]
        if form is None:
            raise ValueError(f"{self!r} adds losses that read their rows differently")
        return form

    def make_terms(self) -> tuple[Term, ...]:
        return _terms_of(self.summands)

    def make_index_terms(self) -> tuple[Term, ...]:
        return _terms_of(self.summands, "index_terms")


def _terms_of(summands: tuple[tuple[float, LossFunction], ...], kind: str = "terms") -> tuple[Term, ...]:
    """The terms of all summands, which are losses of one structure."""
    return tuple(term.times(k) for k, loss in summands for term in getattr(loss, kind))


def common_form(forms: Sequence[RowForm]) -> RowForm | None:
    """The form that several losses share; None where one of them reads rows differently."""
    targets = {form.target for form in forms} - {"either"}
    target = targets.pop() if targets else "either"
    alike = {replace(form, target=target) for form in forms}
    return alike.pop() if not targets and len(alike) == 1 else None
