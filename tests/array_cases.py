"""Losses of whole arrays with examples of their arguments, which the tests of both frameworks share."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from laws.cases import CASES as ALL
from losskit.structures import ArrayLoss


@dataclass(frozen=True)
class ArrayCase:
    """A loss and how to make arguments for it."""

    loss: ArrayLoss

    @property
    def name(self) -> str:
        return repr(self.loss)

    def arguments(self, seed=0, n=3, dtype=np.float64):
        """Its arguments; integers as they are."""
        example = self.loss.example(np.random.default_rng(seed), n)
        return tuple(None if a is None else _as(np.asarray(a), dtype) for a in example)

    def moving(self, arguments):
        """The places of the arguments that have a derivative."""
        places = (self.loss.arguments.index(name) for name in self.loss.differentiable)
        return [i for i in places if arguments[i] is not None]


def _as(array, dtype):
    return array.astype(dtype) if array.dtype.kind == "f" else array


def _is_number(x: Any) -> bool:
    return isinstance(x, int | float) and not isinstance(x, bool)


def _is_about_numbers(parameters: dict[str, Any], default: dict[str, Any]) -> bool:
    """Whether a set differs from the default in nothing but numbers: that changes no code."""
    return all(_is_number(v) and _is_number(default.get(k)) for k, v in parameters.items())


def _cases():
    first: dict[type, dict[str, Any]] = {}
    for cls, parameters in ALL:
        if issubclass(cls, ArrayLoss):
            default = first.setdefault(cls, parameters)
            if parameters is default or not _is_about_numbers(parameters, cls(**default).parameters()):
                yield ArrayCase(cls(**parameters))


CASES = list(_cases())
"""Every class, by default and with each choice that is no number."""

FIRST = list({type(case.loss): case for case in reversed(CASES)}.values())
"""Every class by default: what is about frameworks and not about formulas is the same for all its choices."""
