"""A row of the table as data, and how losskit answers it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import losskit as lk
from benchmarks.failures.truth import Definition, Truth, derivative, solve

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Reference:
    """A thread of a project's tracker that reports or discusses it, or a page that documents it."""

    title: str
    project: str = ""
    number: int = 0

    @property
    def place(self) -> str:
        """The thread as its tracker writes it; empty for a page."""
        return f"{self.project}#{self.number}" if self.number else ""


@dataclass(frozen=True)
class Case:
    """One input: what is called, the truth, and why the peer's answer is another.

    ``theirs``, ``ours`` and ``inputs`` are programs, evaluated as they stand: what a reader sees is what was run.
    """

    peer: str
    theirs: str
    """An expression over the inputs and the names of the peer's modules."""
    ours: str
    """The same over ``lk``."""
    inputs: str
    """Arrays by name, such as ``z=[[20.0, 0.0]], y=[0]``; what is floating is rounded to ``dtype``."""
    truth: Definition | None
    """The textbook's definition; None where the input is illegal, so that an error is the right answer."""
    why: str
    gradient: str | None = None
    """The input that ``theirs`` is differentiated in; ``ours`` names the derivative itself."""
    dtype: str = "float32"
    reference: Reference | None = None

    @property
    def arrays(self) -> dict[str, Array]:
        """The inputs as NumPy arrays: new ones each time, so that nobody sees what another has written there."""
        given = evaluate(f"dict({self.inputs})", {"inf": np.inf, "log": np.log})
        return {name: self._array(x) for name, x in given.items()}

    def _array(self, x: Any) -> Array:
        array = np.asarray(x)
        return array.astype(self.dtype) if array.dtype.kind == "f" else array

    def true_answer(self) -> Truth | None:
        """What is right, in high precision; None where nothing is."""
        if self.truth is None:
            return None
        return solve(derivative(self.truth, self.gradient) if self.gradient else self.truth, self.arrays)

    def our_answer(self) -> Array | Exception:
        """What losskit answers, an error included."""
        try:
            return np.asarray(evaluate(self.ours, {"lk": lk, **self.arrays}))
        except Exception as error:
            return error


def evaluate(program: str, names: Mapping[str, Any]) -> Any:
    """The value of an expression of a case over some names and NumPy."""
    return eval(program, {"np": np, **names})
