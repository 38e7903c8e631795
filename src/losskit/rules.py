"""Rules: the scalar mathematics of a loss, and how a loss is put together from them.

A *rule* is a plain function of scalars without ``if``, loop or framework. A *rule set* holds the
value, slope and curvature of one formula with the argument they are functions of. A *term* is a rule
set with its parameters' values and a coefficient; a loss is a tuple of terms, most often one. Sums
and multiples of losses are then concatenation and scaling, and no engine needs to know of them.
"""

import builtins
import inspect
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache, partial
from types import CodeType, FunctionType, ModuleType, SimpleNamespace
from typing import Any, ClassVar, overload

import losskit.scalar
from losskit.domain import Domain
from losskit.scalar import Scalar

RuleFunction = Callable[..., Scalar]


@overload
def rule(function: RuleFunction) -> Any: ...
@overload
def rule(*, wide: bool) -> Callable[[RuleFunction], Any]: ...
def rule(function: RuleFunction | None = None, *, wide: bool = False) -> Any:
    """Mark a function in a class body as a rule: ``@rule def slope(r, delta): ...``.

    The first parameters are the rule's argument (``r``, ``m``, ``y, p``, ``nll``...); the others are
    parameters of the loss, by name. Where the roundings of float32 would come to more than 2 units in the
    last place, ``@rule(wide=True)`` has its float32 answers worked out in float64.
    """
    if function is None:
        return partial(rule, wide=wide)
    if wide:
        function.is_wide = True  # type: ignore[attr-defined]
    return staticmethod(function)


def is_wide(function: RuleFunction) -> bool:
    """Whether float32 answers of a rule are worked out in float64."""
    return getattr(function, "is_wide", False)


class FromDtype(Enum):
    """A parameter value that depends on the dtype at work; each engine puts in the number."""

    SMALLEST_NORMAL = "smallest normal number"


ParameterValue = float | FromDtype

ARGUMENTS: dict[str, tuple[str, ...]] = {
    "residual": ("r",),  # r = p - y
    "margin": ("m",),  # m = y * p
    "pair": ("y", "p"),
    "root_pair": ("y", "p"),  # of the classes of a row, whose sum's square root is the loss
    "tilted_pair": ("y", "p"),  # whose tilted mean is: log of the target's mean of e^(tilt f), over tilt
    "nll": ("nll",),  # -log of the target's probability
    "mean_nll": ("nll",),  # its mean over all classes
    "log_sum_exp": ("lse",),  # log of the sum of the exponentials of a row of logits
}
"""What a rule can be a function of: the name of the argument and how many scalars it is."""

PAIRS = ("pair", "root_pair", "tilted_pair")
"""The arguments of rules that compare the shares of all classes."""

OUTER = ("root_pair", "tilted_pair")
"""The arguments of rules of which the loss of a row is not the sum. A tilt is the first of their parameters."""


@dataclass(frozen=True)
class RuleSet:
    """Value, slope and curvature of one formula, in terms of ``argument``."""

    name: str
    argument: str
    value: RuleFunction
    slope: RuleFunction
    curvature: RuleFunction
    targets: Domain | None = None
    predictions: Domain | None = None
    saturates: bool = False
    """True where a slope is that of a floored probability: it stops at the largest finite number."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters' names, in the order the rules take them."""
        names = tuple(inspect.signature(self.value).parameters)
        return names[len(ARGUMENTS[self.argument]) :]


class Rules:
    """A rule set written as a class body, for rules that several losses share or a second link."""

    argument: ClassVar[str]
    targets: ClassVar[Domain | None] = None
    predictions: ClassVar[Domain | None] = None
    saturates: ClassVar[bool] = False
    rules: ClassVar[RuleSet]

    def __init_subclass__(cls) -> None:
        cls.rules = collect(cls)


def collect(owner: Any) -> RuleSet:
    """The rule set that a class body holds (a loss's own class, or a subclass of ``Rules``)."""
    first = ARGUMENTS[owner.argument]
    functions: dict[str, RuleFunction] = {}
    for name in ("value", "slope", "curvature"):
        function = getattr(owner, name, None)
        if function is None:
            raise TypeError(f"{owner.__name__} has no rule {name!r}; write one and mark it with @rule")
        functions[name] = function
        taken = tuple(inspect.signature(function).parameters)
        if len(taken) < len(first):
            raise TypeError(
                f"{owner.__name__}.{name} must take {', '.join(first)} first, then parameters of the loss; "
                f"it takes ({', '.join(taken)})"
            )
        expected = tuple(inspect.signature(functions["value"]).parameters)
        if taken != expected:
            raise TypeError(
                f"{owner.__name__}.{name} takes ({', '.join(taken)}), but value takes ({', '.join(expected)}); "
                "the rules of a loss take the same arguments"
            )
    return RuleSet(
        name=owner.__name__,
        argument=owner.argument,
        targets=owner.targets,
        predictions=owner.predictions,
        saturates=owner.saturates,
        **functions,
    )


@dataclass(frozen=True)
class Term:
    """``coefficient`` times a rule set with its parameters' values."""

    coefficient: float
    rules: RuleSet
    parameters: tuple[ParameterValue, ...] = ()

    def times(self, factor: float) -> "Term":
        return Term(self.coefficient * factor, self.rules, self.parameters)

    def numbers(self, smallest_normal: float) -> tuple[float, ...]:
        """The parameters with the numbers that depend on the dtype put in."""
        return tuple(
            smallest_normal if value is FromDtype.SMALLEST_NORMAL else value for value in self.parameters
        )


def source_of(function: RuleFunction) -> str:
    """The text of a rule, unindented; OSError where there is none (typed at a bare prompt) or no longer."""
    known: str | None = getattr(function, "__rule_source__", None)
    if known is not None:
        return known
    text = textwrap.dedent(inspect.getsource(function))
    code = inspect.unwrap(function).__code__
    if not _stands_in("".join(inspect.findsource(function)[0]), code):
        raise OSError(f"its file, {code.co_filename}, was edited after it was loaded")
    return text


def _stands_in(file: str, code: CodeType) -> bool:
    """Whether a function is where it says in the text of its file: edited, that has other lines there."""
    try:
        now = _functions_of(file)
    except SyntaxError:  # of a notebook's cell, say: no reason for doubt
        return True
    return _content(now.get((code.co_firstlineno, code.co_name), _NOTHING)) == _content(code)


_NOTHING = compile("", "", "exec")


@lru_cache(maxsize=8)
def _functions_of(file: str) -> dict[tuple[int, str], CodeType]:
    """The code of every function in the text of a file, by its first line and its name."""
    found: dict[tuple[int, str], CodeType] = {}
    waiting = [compile(file, "", "exec", dont_inherit=True)]
    while waiting:
        code = waiting.pop()
        found[code.co_firstlineno, code.co_name] = code
        waiting += (c for c in code.co_consts if isinstance(c, CodeType))
    return found


def _content(code: CodeType) -> tuple[Any, ...]:
    """What a function does, without the name of its file."""
    constants = tuple(_content(c) if isinstance(c, CodeType) else c for c in code.co_consts)
    return code.co_code, constants, code.co_names, code.co_varnames


def term_of(rules: RuleSet, values: dict[str, Any], coefficient: float = 1.0) -> Term:
    """A term whose parameters are looked up by name in ``values``."""
    missing = [name for name in rules.parameters if name not in values]
    if missing:
        raise TypeError(
            f"the rules of {rules.name} take {missing[0]!r}, which is neither their argument nor a "
            f"parameter of the loss ({', '.join(values) or 'it has none'}); declare it with parameter(...)"
        )
    return Term(coefficient, rules, tuple(values[name] for name in rules.parameters))


def bind(function: RuleFunction, words: Mapping[str, Any]) -> RuleFunction:
    """The rule with the vocabulary's names standing for an engine's own functions.

    Helpers that the rule calls are bound with it; a module it takes functions from (``np.exp``) is
    replaced by ``words``.
    """
    return _bind(function, words, {})


def _bind(function: RuleFunction, words: Mapping[str, Any], done: dict[Any, Any]) -> RuleFunction:
    inner = inspect.unwrap(function)
    if inner in done:
        return done[inner]  # type: ignore[no-any-return]
    names: dict[str, Any] = {}
    bound = FunctionType(inner.__code__, names, inner.__name__, inner.__defaults__, inner.__closure__)
    done[inner] = bound
    for name, value in inner.__globals__.items():
        if name in inner.__code__.co_names:
            names[name] = _bound_name(name, value, words, done)
    names["__builtins__"] = {**vars(builtins), **({"abs": words["abs"]} if "abs" in words else {})}
    return bound


def _bound_name(name: str, value: Any, words: Mapping[str, Any], done: dict[Any, Any]) -> Any:
    word = next((w for w in losskit.scalar.WORDS if getattr(losskit.scalar, w) is value), None)
    if word is not None and word in words:
        return words[word]
    if isinstance(value, ModuleType):
        constants = {k: v for k, v in vars(value).items() if isinstance(v, (int, float))}
        return SimpleNamespace(**{**constants, **words})
    if isinstance(value, type) and issubclass(value, Rules):
        return SimpleNamespace(
            **{k: _bind(getattr(value, k), words, done) for k in ("value", "slope", "curvature")}
        )
    return _bind(value, words, done) if isinstance(value, FunctionType) else value
