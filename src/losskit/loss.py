"""LossFunction: the verbs that every loss has, and sums and multiples of losses.

The verbs are written once, here, for every loss on every engine. A loss says what it is (rules, or
``compute`` and ``derivative`` by hand); the registry says who evaluates it.
"""

import inspect
import math
import numbers
import re
from collections.abc import Callable
from types import FunctionType
from typing import Any, ClassVar

from losskit.about import About
from losskit.parameters import Declared, as_number, parameter
from losskit.reduction import EMPTY, REDUCTIONS, Mergeable
from losskit.registry import Evaluation, Wanted, engine_of, evaluator

VALUE = Wanted(value=True)
DERIVATIVE = Wanted(derivative=True)
BOTH = Wanted(value=True, derivative=True)
SECOND = Wanted(second=True)
PARTS = Wanted(value=True, parts=True)
VERBS = ("compute", "__call__", "derivative", "value_and_derivative", "second_derivative", "parts")

classes: list[type["LossFunction"]] = []
"""Every loss class, in order of definition; the catalogue reads it."""


def name_of(cls: type) -> str:
    """The catalogue's name of a class: HuberLoss is "huber", MeanSquaredError "mean_squared_error"."""
    return words_of(cls.__name__.removesuffix("Loss") or cls.__name__).lower().strip("_")


def words_of(name: str) -> str:
    """CamelCase as words with underscores: L1Loss is L1_Loss, KLDivergence KL_Divergence."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)


class LossFunction(Declared):
    """A loss: something to compute from targets and predictions, and to differentiate.

    Every verb takes the targets first, then the predictions, and optionally

    - ``sample_weight``: non-negative, of the predictions' shape or of a leading part of it (one
      weight a row). Weight 2 counts an element twice, weight 0 is the same as absent;
    - ``mask``: boolean, likewise shaped. Where it is False an element touches neither value nor
      gradient, not even if it is NaN.

    Arrays may be NumPy's, or anything it makes an array of, or torch tensors, for which the answers
    are tensors and the value is differentiable.

    Parameters of every loss
    ------------------------
    reduction : "mean" (total weight in the denominator), "sum" or "none" (no reduction)
    validate : check values against the domain; False skips that, never the shape or index checks
    empty : what the mean of an empty set is, "zero" or "nan"

    To write a loss of your own, either define ``compute`` and ``derivative`` by hand in a subclass of
    this class, as a mean over the rows of the arrays:

    >>> import numpy as np
    >>> class Quartic(LossFunction):
    ...     def compute(self, y_true, y_pred):
    ...         return np.mean((y_pred - y_true) ** 4)
    ...     def derivative(self, y_true, y_pred):
    ...         return 4 * (y_pred - y_true) ** 3 / y_true.size
    >>> float(Quartic().compute(np.array([1.0, 2.0]), np.array([3.0, 2.0])))
    8.0
    >>> float(Quartic().compute(np.array([1.0, 2.0]), np.array([3.0, 2.0]), mask=[True, False]))
    16.0

    or subclass a structure of ``losskit.structures`` and write rules, which compile to a fused kernel.
    """

    reduction: str = parameter(default="mean", kw_only=True, choices=REDUCTIONS, doc="mean, sum or none")
    validate: bool = parameter(default=True, kw_only=True, doc="check values against the domain")
    empty: str = parameter(default="zero", kw_only=True, choices=EMPTY, doc="mean of the empty set")

    structure: ClassVar[str] = "by_hand"
    arguments: ClassVar[tuple[str, ...]] = ("y_true", "y_pred")
    about: ClassVar[About | None] = None
    name: ClassVar[str] = ""
    not_separable: ClassVar[str | None] = None
    """Why the loss is no sum over terms (rows, elements), where it is none; a structure says so."""
    not_mergeable: ClassVar[str | None] = None
    """Why parts of a batch do not merge, where they do not."""
    compute_by_hand: ClassVar[Callable[..., Any] | None] = None
    derivative_by_hand: ClassVar[Callable[..., Any] | None] = None

    def __init_subclass__(cls, has_verbs: bool = False, **kwargs: Any) -> None:
        # What a user wrote by hand moves aside, so that the verbs below stay in charge of weights,
        # masks and parts; the engine "by_hand" calls it.
        for verb in ("compute", "derivative"):
            if verb in cls.__dict__ and not has_verbs:
                if cls.structure != "by_hand":
                    raise TypeError(
                        f"{cls.__name__} defines {verb!r}, but a {cls.structure} loss is made of rules; "
                        "write rules, or subclass LossFunction itself"
                    )
                setattr(cls, f"{verb}_by_hand", staticmethod(cls.__dict__[verb]))
                delattr(cls, verb)
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = name_of(cls)
        classes.append(cls)

    def compute(self, y_true: Any, y_pred: Any, *, sample_weight: Any = None, mask: Any = None) -> Any:
        """The loss: a scalar, or one number a term with ``reduction="none"``.

        Raises ValueError for shapes that differ or values outside the domain, TypeError for what is
        no array of numbers; the message names the argument, what came, where, and the fix.
        """
        return self._evaluate((y_true, y_pred), VALUE, sample_weight, mask).value

    def __call__(self, y_true: Any, y_pred: Any, *, sample_weight: Any = None, mask: Any = None) -> Any:
        """The same as ``compute``."""
        return self._evaluate((y_true, y_pred), VALUE, sample_weight, mask).value

    def derivative(
        self, y_true: Any, y_pred: Any, *, sample_weight: Any = None, mask: Any = None, out: Any = None
    ) -> Any:
        """The derivative of what ``compute`` returns with respect to ``y_pred``, in its shape and dtype.

        With ``reduction="mean"`` it carries the 1/n. ``out`` is an array to write it to, of that dtype, or
        for halves also of float32; when an error is raised it may already be overwritten.
        """
        return self._evaluate((y_true, y_pred), DERIVATIVE, sample_weight, mask, out).derivative

    def value_and_derivative(
        self, y_true: Any, y_pred: Any, *, sample_weight: Any = None, mask: Any = None, out: Any = None
    ) -> tuple[Any, Any]:
        """``compute`` and ``derivative`` in one pass over the data."""
        answer = self._evaluate((y_true, y_pred), BOTH, sample_weight, mask, out)
        return answer.value, answer.derivative

    def second_derivative(
        self, y_true: Any, y_pred: Any, *, sample_weight: Any = None, mask: Any = None
    ) -> Any:
        """The diagonal of the second derivative of what ``compute`` returns, in ``y_pred``'s shape."""
        return self._evaluate((y_true, y_pred), SECOND, sample_weight, mask).second

    def parts(self, y_true: Any, y_pred: Any, *, sample_weight: Any = None, mask: Any = None) -> Mergeable:
        """(total, weight, count), which merge with ``+`` over batches, ranks or files.

        >>> import losskit as lk
        >>> loss = lk.MeanSquaredError()
        >>> whole = loss.parts([0.0, 0.0], [3.0, 1.0]) + loss.parts([0.0], [2.0])
        >>> whole.total, whole.count
        (14.0, 3)
        """
        parts = self._evaluate((y_true, y_pred), PARTS, sample_weight, mask).parts
        if parts is None:
            raise NotImplementedError(f"a value of {self!r} does not split into parts that merge")
        return parts

    def _evaluate(
        self, arguments: tuple[Any, ...], wanted: Wanted, sample_weight: Any, mask: Any, out: Any = None
    ) -> Evaluation:
        evaluate = evaluator(self.structure, engine_of(arguments))
        return evaluate(self, arguments, wanted, sample_weight, mask, out)

    def traits(self) -> frozenset[str]:
        """What the loss promises with its parameters: ``about.traits`` less what a parameter breaks.

        >>> import losskit as lk
        >>> "proper" in lk.BinaryCrossEntropy(label_smoothing=0.1).traits()
        False
        """
        return self.about.traits if self.about is not None else frozenset()

    def to_config(self) -> dict[str, Any]:
        """The loss as plain data for JSON or YAML; ``losskit.from_config`` reads it back."""
        return {"loss": self.name} | {k: _plain(v) for k, v in self.parameters().items()}

    def fuse(self, terms: tuple[tuple[float, "LossFunction"], ...]) -> "LossFunction | None":
        """The sum of ``terms`` as one loss of this structure; None where that is impossible."""
        return None

    def weighted_terms(self) -> tuple[tuple[float, "LossFunction"], ...]:
        """The loss as a weighted sum of losses that are no sums.

        Each is evaluated as the loss it is and then multiplied: where one of them overflows, the sum does.
        """
        return ((1.0, self),)

    def __add__(self, other: object) -> "LossFunction":
        if other == 0:  # sum(losses) starts at 0
            return self
        if not isinstance(other, LossFunction):
            return NotImplemented
        return weighted_sum(self.weighted_terms() + other.weighted_terms())

    def __radd__(self, other: object) -> "LossFunction":
        return self.__add__(other)

    def __mul__(self, factor: object) -> "LossFunction":
        if isinstance(factor, bool) or not isinstance(factor, numbers.Real):
            return NotImplemented
        k = as_number("the factor of a loss", factor)
        return weighted_sum(tuple((k * c, loss) for c, loss in self.weighted_terms()))

    __rmul__ = __mul__


class ManyArguments(LossFunction, has_verbs=True):
    """The verbs for other arguments than a target and a prediction: by place or by name, as ``arguments`` says."""

    optional: ClassVar[tuple[str, ...]] = ()
    """The last arguments, where they may be left out."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__dict__.keys() & {"arguments", "optional"}:
            for verb in VERBS:
                setattr(cls, verb, _with_signature(getattr(ManyArguments, verb), cls.arguments, cls.optional))

    def compute(self, *arguments: Any, sample_weight: Any = None, mask: Any = None, **named: Any) -> Any:
        return self._evaluate(self._ordered(arguments, named), VALUE, sample_weight, mask).value

    def __call__(self, *arguments: Any, sample_weight: Any = None, mask: Any = None, **named: Any) -> Any:
        return self._evaluate(self._ordered(arguments, named), VALUE, sample_weight, mask).value

    def derivative(
        self, *arguments: Any, sample_weight: Any = None, mask: Any = None, out: Any = None, **named: Any
    ) -> Any:
        return self._evaluate(
            self._ordered(arguments, named), DERIVATIVE, sample_weight, mask, out
        ).derivative

    def value_and_derivative(
        self, *arguments: Any, sample_weight: Any = None, mask: Any = None, out: Any = None, **named: Any
    ) -> tuple[Any, Any]:
        answer = self._evaluate(self._ordered(arguments, named), BOTH, sample_weight, mask, out)
        return answer.value, answer.derivative

    def second_derivative(
        self, *arguments: Any, sample_weight: Any = None, mask: Any = None, **named: Any
    ) -> Any:
        return self._evaluate(self._ordered(arguments, named), SECOND, sample_weight, mask).second

    def parts(self, *arguments: Any, sample_weight: Any = None, mask: Any = None, **named: Any) -> Mergeable:
        if self.not_mergeable is not None:
            raise NotImplementedError(f"parts of {self!r} do not merge: {self.not_mergeable}")
        parts = self._evaluate(self._ordered(arguments, named), PARTS, sample_weight, mask).parts
        if parts is None:
            raise NotImplementedError(f"a value of {self!r} does not split into parts that merge")
        return parts

    def _ordered(self, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
        """The arguments in their order, with None for those left out."""
        names = self.arguments
        if len(given) == len(names) and not named:
            return given
        known = dict(zip(names, given, strict=False)) | named
        missing = [name for name in names if name not in known and name not in self.optional]
        if missing or len(known) != len(given) + len(named) or not known.keys() <= set(names):
            shown = ", ".join(f"[{name}]" if name in self.optional else name for name in names)
            by_name = f" and {', '.join(named)} by name" if named else ""
            hint = f": {' and '.join(missing)} missing" if missing else ""
            raise TypeError(
                f"{type(self).__name__} takes ({shown}); got {len(given)} by place{by_name}{hint}"
            )
        return tuple(known.get(name) for name in names)


def _with_signature(verb: Any, names: tuple[str, ...], optional: tuple[str, ...]) -> Any:
    """A verb under the names of its arguments, so that help() and editors show them."""
    copy = FunctionType(verb.__code__, verb.__globals__, verb.__name__, verb.__defaults__, verb.__closure__)
    copy.__kwdefaults__, copy.__annotations__ = verb.__kwdefaults__, verb.__annotations__
    copy.__qualname__, copy.__doc__ = verb.__qualname__, getattr(LossFunction, verb.__name__).__doc__
    given = inspect.signature(verb).parameters
    by_place = inspect.Parameter.POSITIONAL_OR_KEYWORD
    empty = inspect.Parameter.empty
    own = [inspect.Parameter(n, by_place, default=None if n in optional else empty) for n in names]
    fixed = [p for p in given.values() if p.kind is inspect.Parameter.KEYWORD_ONLY]
    copy.__signature__ = inspect.Signature([given["self"], *own, *fixed])  # type: ignore[attr-defined]
    return copy


class SumOfLosses(LossFunction):
    """k1 * loss1 + k2 * loss2 + ...: made by ``+`` and ``*``, seldom by hand. Abstract."""

    summands: tuple[tuple[float, LossFunction], ...] = parameter(
        default=(), convert=tuple, doc="(coefficient, loss) pairs"
    )

    def weighted_terms(self) -> tuple[tuple[float, LossFunction], ...]:
        return self.summands

    def to_config(self) -> dict[str, Any]:
        return {"sum": [[k, loss.to_config()] for k, loss in self.summands]}

    def __repr__(self) -> str:
        return " + ".join(f"{loss!r}" if k == 1.0 else f"{k!r} * {loss!r}" for k, loss in self.summands)


class WeightedSum(SumOfLosses, ManyArguments):
    """A weighted sum of losses of different structures, each evaluated by a kernel of its own."""

    structure: ClassVar[str] = "sum"

    @property
    def not_separable(self) -> str | None:  # type: ignore[override]
        """Why one of the losses is no sum over terms, where one is none."""
        return next((loss.not_separable for _, loss in self.summands if loss.not_separable), None)

    def _ordered(self, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
        """As the first loss takes them; a summand with other arguments says so itself."""
        first = self.summands[0][1]
        if isinstance(first, ManyArguments):
            return first._ordered(given, named)
        return super()._ordered(given, named)


def weighted_sum(terms: tuple[tuple[float, LossFunction], ...]) -> LossFunction:
    """The sum of coefficient * loss: one kernel where the losses share a structure."""
    first = terms[0][1]
    for name in ("reduction", "validate", "empty"):
        for _, loss in terms[1:]:
            if getattr(loss, name) != getattr(first, name):
                raise ValueError(
                    f"cannot add losses whose {name} differs: {first!r} has {getattr(first, name)!r}, "
                    f"{loss!r} has {getattr(loss, name)!r}"
                )
    if len(terms) == 1 and terms[0][0] == 1.0:
        return first
    fused = first.fuse(terms)
    if fused is not None:
        return fused
    return WeightedSum(terms, reduction=first.reduction, validate=first.validate, empty=first.empty)


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no inf
    return value
