"""Declared parameters: a default, a legal interval and a sentence, checked when a loss is made.

``Declared`` turns a class with such declarations into a value: constructor, ``repr``, equality and
hash come from the fields, and once constructed the object is sealed. It seals after ``__init__``
rather than being a frozen dataclass so that a class with a plain ``__init__(self, alpha)`` that sets
its own attributes, as a learner writes it, is a value too.
"""

import dataclasses
import functools
import inspect
import math
from collections.abc import Callable
from typing import Any, dataclass_transform

_SEALED = "_sealed"


@dataclasses.dataclass(frozen=True)
class Legal:
    """The legal values of a parameter and what it means."""

    doc: str = ""
    above: float | None = None
    at_least: float | None = None
    below: float | None = None
    at_most: float | None = None
    choices: tuple[Any, ...] | None = None
    optional: bool = False

    def __str__(self) -> str:
        if self.choices is not None:
            return "one of " + ", ".join(map(repr, self.choices))
        bounds = (("> ", self.above), (">= ", self.at_least), ("< ", self.below), ("<= ", self.at_most))
        text = " and ".join(f"{sign}{bound:g}" for sign, bound in bounds if bound is not None)
        return text or "a finite number"

    def admits(self, value: float) -> bool:
        return (
            math.isfinite(value)
            and (self.above is None or value > self.above)
            and (self.at_least is None or value >= self.at_least)
            and (self.below is None or value < self.below)
            and (self.at_most is None or value <= self.at_most)
        )


def parameter(
    *,
    default: Any = dataclasses.MISSING,
    doc: str,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
    choices: tuple[Any, ...] | None = None,
    optional: bool = False,
    kw_only: bool = False,
    convert: Callable[[Any], Any] | None = None,
) -> Any:
    """Declare a parameter of a loss.

    The annotation says the kind: ``float`` (finite unless a bound says otherwise), ``bool``, ``str``
    (with ``choices``), ``tuple``. ``optional`` admits None. ``convert`` replaces the kind's own check.

    >>> class Scaled(Declared):
    ...     scale: float = parameter(default=1.0, above=0, doc="unit of y")
    >>> Scaled(2)
    Scaled(scale=2.0)
    >>> Scaled(-1)
    Traceback (most recent call last):
        ...
    ValueError: scale must be > 0, got -1
    """
    legal = Legal(doc, above, at_least, below, at_most, choices, optional)
    return dataclasses.field(default=default, kw_only=kw_only, metadata={"legal": legal, "convert": convert})


@dataclass_transform(field_specifiers=(parameter,), eq_default=False)
class _Declaring:
    """Carries the typing of declared fields; its own would be ignored by type checkers."""


class Declared(_Declaring):
    """A sealed value whose fields are declared with ``parameter``."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        by_hand = "__init__" in cls.__dict__
        dataclasses.dataclass(eq=False, repr=False)(cls)
        if not by_hand:
            cls.__init__.__doc__ = None
        cls.__init__ = _sealing(cls, cls.__init__)  # type: ignore[method-assign]

    def __setattr__(self, name: str, value: Any) -> None:
        if _SEALED in self.__dict__:
            raise AttributeError(
                f"{type(self).__name__} is sealed: cannot set {name!r}. "
                f"Make another one, for instance with loss.replace({name}=...)"
            )
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is sealed: cannot delete {name!r}")

    def parameters(self) -> dict[str, Any]:
        """Every parameter and its value; of a class with its own ``__init__``, its attributes."""
        declared = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        own = {k: v for k, v in self.__dict__.items() if not _is_cache(type(self), k) and k not in declared}
        positional = [f.name for f in dataclasses.fields(self) if not f.kw_only]
        return {k: declared[k] for k in positional} | own | declared

    def replace(self, **changes: Any) -> Any:
        """The same with some parameters changed.

        >>> import losskit as lk
        >>> lk.HuberLoss(delta=2).replace(reduction="sum")
        HuberLoss(delta=2.0, reduction='sum')
        """
        return type(self)(**taken(type(self), self.parameters() | changes))

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return self.parameters() == other.parameters()

    def __hash__(self) -> int:
        return hash((type(self), tuple(self.parameters().items())))

    def __repr__(self) -> str:
        common = {f.name: f.default for f in dataclasses.fields(self) if f.kw_only}
        shown = (
            f"{name}={value!r}"
            for name, value in self.parameters().items()
            if name not in common or value != common[name]
        )
        return f"{type(self).__name__}({', '.join(shown)})"

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if not _is_cache(type(self), k)}  # made anew

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__dict__[_SEALED] = True


def _is_cache(cls: type, name: str) -> bool:
    """Whether an attribute is derived from the others: compiled kernels, cached properties."""
    return name.startswith("_") or isinstance(getattr(cls, name, None), functools.cached_property)


def _sealing(cls: type, init: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(init)
    def sealed_init(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        if type(self) is cls:  # the outermost constructor: an inner one must leave the object open
            _check_fields(self)
            self.__dict__[_SEALED] = True

    return sealed_init


def _check_fields(self: Any) -> None:
    fields = {f.name: f for f in dataclasses.fields(self)}
    for name, field in fields.items():
        if "legal" in field.metadata:
            self.__dict__[name] = _checked(field, getattr(self, name))
    for name, value in list(self.__dict__.items()):
        if name not in fields and not name.startswith("_"):
            self.__dict__[name] = hashable(value)
    check = getattr(self, "check_parameters", None)
    if check is not None:
        check()


def _checked(field: Any, value: Any) -> Any:
    legal: Legal = field.metadata["legal"]
    if value is None and legal.optional:
        return None
    if field.metadata["convert"] is not None:
        return field.metadata["convert"](value)
    if legal.choices is not None:
        if value not in legal.choices:
            raise ValueError(f"{field.name} must be {legal}, got {value!r}")
        return value
    if field.type is bool or field.type == "bool":
        if value is not True and value is not False:
            raise TypeError(f"{field.name} must be True or False, got {value!r}")
        return value
    number = as_number(field.name, value, legal)
    if field.type is int or field.type in ("int", "int | None", int | None):
        if number != int(number):
            raise ValueError(f"{field.name} must be a whole number, got {value!r}")
        return int(number)
    return number


def as_number(name: str, value: Any, legal: Legal | None = None) -> float:
    """``value`` as a float, or an error that names the parameter and its legal values."""
    legal = legal or Legal()
    try:
        if isinstance(value, (bool, str, bytes)):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {value!r} ({type(value).__name__})") from None
    if not legal.admits(number):
        raise ValueError(f"{name} must be {legal}, got {value!r}")
    return number


def as_numbers(name: str, value: Any, legal: Legal | None = None) -> tuple[float, ...]:
    """A list, tuple or array of numbers as a tuple of floats."""
    values = value.tolist() if hasattr(value, "tolist") else value
    if not isinstance(values, (list, tuple)):
        raise TypeError(f"{name} must be a sequence of numbers, got {value!r}")
    return tuple(as_number(f"{name}[{i}]", v, legal) for i, v in enumerate(values))


def hashable(value: Any) -> Any:
    """Lists, arrays, sets and dicts as tuples, so that a loss can be a key."""
    if hasattr(value, "tolist") and not isinstance(value, (str, bytes)):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return tuple(hashable(v) for v in value)
    if isinstance(value, dict):
        return tuple((k, hashable(v)) for k, v in value.items())
    if isinstance(value, set):
        return tuple(sorted(map(hashable, value)))
    return value


def taken(cls: type, values: dict[str, Any]) -> dict[str, Any]:
    """The values to make a ``cls`` of: a constructor of its own need not take what is at its default."""
    names = inspect.signature(cls).parameters
    default = {f.name: f.default for f in dataclasses.fields(cls)}
    return {k: v for k, v in values.items() if k in names or k not in default or v != default[k]}


def signature_of(cls: type) -> inspect.Signature:
    """The constructor's signature, for docs and error messages."""
    return inspect.signature(cls)
