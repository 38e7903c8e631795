"""Losses of whole arrays with examples of their arguments, which the tests of both frameworks share."""

from dataclasses import dataclass

import numpy as np

from laws.cases import CASES as ALL
from laws.cases import THOROUGH, distinct
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


QUICK = {"SinkhornLoss": {"iterations": 32}, "SlicedWassersteinLoss": {"projections": 4}}
"""Numbers that make a class cheap, in the place of its defaults, and change no code."""

ALL_CASES = [
    ArrayCase(cls(**QUICK.get(cls.__name__, {}) | parameters))
    for cls, parameters in distinct([c for c in ALL if issubclass(c[0], ArrayLoss)])
]
"""Every class, by default and with each choice that is no number."""

CASES = ALL_CASES if THOROUGH else list({type(case.loss): case for case in reversed(ALL_CASES)}.values())
"""Every class; with each choice, where the run is thorough."""

FIRST = list(
    {type(case.loss) if THOROUGH else case.loss.structure: case for case in reversed(ALL_CASES)}.values()
)
"""Every structure, or every class where the run is thorough: what is about frameworks and not about formulas."""
