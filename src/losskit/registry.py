"""Which engine evaluates which structure. Engines register here by name; losses ask here.

This is the one seam between what a loss is and how it is computed: a loss imports no engine, an
engine names no loss, and a new engine or structure is one more entry.
"""

import contextlib
import contextvars
import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from losskit.reduction import Mergeable


class Wanted(NamedTuple):
    """What a verb asks of an engine."""

    value: bool = False
    derivative: bool = False
    second: bool = False
    parts: bool = False
    """Ask for ``parts``; engines on NumPy arrays answer them beside every value."""


@dataclass(slots=True)
class Evaluation:
    """What an engine answers."""

    parts: Mergeable | None = None
    value: Any = None
    derivative: Any = None
    second: Any = None


Evaluate = Callable[..., Evaluation]
"""evaluate(loss, arguments, wanted, sample_weight, mask, out) -> Evaluation"""

_modules: dict[tuple[str, str], str] = {}
_evaluates: dict[tuple[str, str], Evaluate] = {}
_fallback = {"numba": "numpy"}  # the reference evaluates what no kernel was written for
_engine: contextvars.ContextVar[str] = contextvars.ContextVar("losskit_engine", default="numba")
_frameworks: dict[str, tuple[str, str]] = {}
_engine_of_type: dict[type, str | None] = {}


def register(engine: str, structure: str, module: str) -> None:
    """Say that ``module`` has the function ``evaluate`` of ``structure`` on ``engine``.

    The module is imported when first needed, so that naming an engine costs nothing.
    """
    _modules[engine, structure] = module


def register_arrays(engine: str, module: str, name: str) -> None:
    """Say that ``engine`` evaluates arguments of the type ``name`` of ``module``, a framework's arrays.

    The framework is not imported: without it there are no such arrays.
    """
    _frameworks[engine] = module, name
    _engine_of_type.clear()


def engines() -> tuple[str, ...]:
    """The names of the engines on NumPy arrays."""
    return tuple(dict.fromkeys(engine for engine, _ in _modules if engine not in _frameworks))


def engine_of(arguments: tuple[Any, ...]) -> str | None:
    """The engine of the framework that one of the arguments belongs to; None for NumPy's."""
    for argument in arguments:
        try:
            engine = _engine_of_type[type(argument)]
        except KeyError:
            engine = _find_engine(argument)
        if engine is not None:
            return engine
    return None


def _find_engine(argument: Any) -> str | None:
    for engine, (module, name) in _frameworks.items():
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(argument, kind):
            _engine_of_type[type(argument)] = engine
            return engine
    if type(argument).__module__ in ("builtins", "numpy"):  # others may be registered with a framework later
        _engine_of_type[type(argument)] = None
    return None


def evaluator(structure: str, engine: str | None = None) -> Evaluate:
    """The function that evaluates losses of ``structure`` on ``engine``, or on the one in use for arrays."""
    key = (engine or _engine.get(), structure)
    try:
        return _evaluates[key]
    except KeyError:
        return _load(*key)


def _load(engine: str, structure: str) -> Evaluate:
    home = engine
    while (home, structure) not in _modules:
        if home not in _fallback:
            raise NotImplementedError(f"the {engine} engine does not evaluate {structure} losses")
        home = _fallback[home]
    evaluate: Evaluate = importlib.import_module(_modules[home, structure]).evaluate
    _evaluates[engine, structure] = evaluate
    return evaluate


@contextlib.contextmanager
def use_engine(name: str) -> Iterator[None]:
    """Evaluate on the named engine inside a ``with`` block: "numba" (default) or "numpy", the reference.

    >>> import losskit as lk
    >>> with lk.use_engine("numpy"):
    ...     float(lk.HuberLoss()([0.0], [3.0]))
    2.5
    """
    if name not in engines():
        raise ValueError(f"engine must be one of {', '.join(engines())}; got {name!r}")
    token = _engine.set(name)
    try:
        yield
    finally:
        _engine.reset(token)


def derive_rule(value: Callable[..., Any], argument: str, order: int) -> Callable[..., Any]:
    """The slope (order 1) or curvature (2) of a rule that came without one, by the symbolic engine."""
    symbolic = importlib.import_module("losskit.engines.symbolic")
    derived: Callable[..., Any] = symbolic.derive(value, argument, order)
    return derived
