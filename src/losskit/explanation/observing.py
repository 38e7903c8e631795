"""Which rules of a loss an evaluation calls, and with which numbers: watched, so that no structure need tell."""

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

import numpy as np

from losskit.explanation.anatomy import CURVATURES, MEANINGS, SLOPES, VALUES, holders
from losskit.loss import LossFunction
from losskit.registry import use_engine
from losskit.rules import OUTER, RuleSet
from losskit.structures import RowLoss

RULES = {"value": VALUES, "slope": SLOPES, "curvature": CURVATURES}
VERBS = {"value": "compute", "slope": "derivative", "curvature": "second_derivative"}


ONE_A_CLASS = ("nll", "pair", *OUTER)
"""The arguments of rules of rows that a rule is called with for every class."""


@dataclass(frozen=True)
class Call:
    """A rule of a loss as it was called: its arguments by name, and what it answered."""

    function: Callable[..., Any]
    part: LossFunction
    """The loss it belongs to: a summand of a sum."""
    holders: tuple[Any, ...]
    """The rule sets, or the class, that hold it."""
    arguments: dict[str, Any]
    result: Any

    @property
    def argument(self) -> str:
        """What kind of argument it is a function of; empty for a loss that is not made of rule sets."""
        kinds = [holder.argument for holder in self.holders if isinstance(holder, RuleSet)]
        if len(kinds) > 1:  # the same function of the nll of each class, and of its mean
            each = np.ndim(next(iter(self.arguments.values()))) == 2
            kinds = [kind for kind in kinds if (kind in ONE_A_CLASS) == each]
        return kinds[0] if kinds else ""

    @property
    def meanings(self) -> dict[str, str]:
        """What the arguments stand for, in a few words."""
        found = MEANINGS.get(self.argument or self.part.structure, {})
        return {name: re.split("[,:]", text)[0] for name, text in found.items()}


def observe(loss: LossFunction, arguments: tuple[Any, ...], kind: str) -> list[Call]:
    """The calls of a loss's rules of values, slopes or curvatures, as the reference engine makes them.

    >>> import losskit as lk
    >>> (call,) = observe(lk.MeanSquaredError(), ([1.0], [3.0]), "slope")
    >>> float(call.arguments["r"][0]), float(call.result[0])
    (2.0, 4.0)
    """
    rules = _rules(loss, RULES[kind])
    if not rules:
        return []
    with use_engine("numpy"), np.errstate(all="ignore"), _watched(rules) as calls:
        getattr(loss, VERBS[kind])(*arguments)
    return _distinct(calls)


Rule = tuple[Callable[..., Any], LossFunction, tuple[Any, ...]]
"""A rule, the loss it belongs to, and what holds it."""


def _rules(loss: LossFunction, names: tuple[str, ...]) -> dict[CodeType, Rule]:
    found: dict[CodeType, Rule] = {}
    for _, part in loss.weighted_terms():
        of_indices = [term.rules for term in part.index_terms] if isinstance(part, RowLoss) else []
        for holder in (*holders(part), *of_indices):
            for function in (getattr(holder, name, None) for name in names):
                if function is not None:
                    code = _code(function)
                    _, first, others = found.get(code, (function, part, ()))
                    found[code] = function, first, (*others, holder)
    return found


def _code(function: Any) -> CodeType:
    """The code by which a call of a function is known, also where an engine has bound it to its own words."""
    code: CodeType = inspect.unwrap(function).__code__
    return code


@contextmanager
def _watched(rules: dict[CodeType, Rule]) -> Iterator[list[Call]]:
    """The calls of rules inside the block; not those that a rule makes of another."""
    calls: list[Call] = []
    open_frame: list[tuple[FrameType, dict[str, Any]]] = []

    def watch(frame: FrameType, event: str, result: Any) -> None:
        if event == "call" and not open_frame and frame.f_code in rules:
            names = frame.f_code.co_varnames[: frame.f_code.co_argcount]
            open_frame.append((frame, {name: frame.f_locals[name] for name in names}))
        elif event == "return" and open_frame and frame is open_frame[0][0]:
            calls.append(Call(*rules[frame.f_code], arguments=open_frame.pop()[1], result=result))

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        yield calls
    finally:
        sys.setprofile(before)


def _distinct(calls: list[Call]) -> list[Call]:
    """Calls that differ: an engine may ask the same of a rule twice."""
    found: dict[Any, Call] = {}
    for call in calls:
        numbers = (np.asarray(v) for v in call.arguments.values() if not isinstance(v, LossFunction))
        found.setdefault((call.function, *(v.tobytes() for v in numbers)), call)
    return list(found.values())
