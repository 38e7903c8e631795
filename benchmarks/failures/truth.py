"""The true answer to a case: its textbook definition in mpmath, and the definition's numeric derivative.

A definition takes the inputs by name, as nested lists of exact numbers, and shares no formula with the library:
nothing is rearranged for stability, the precision is raised instead, until two precisions agree.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from mpmath import mp, mpf

Nested = Any
"""A number, or lists of numbers of any depth."""
Definition = Callable[..., Any]
Truth = np.ndarray[Any, np.dtype[np.object_]]

DIGITS = (100, 200, 400, 800)
AGREED = mpf(10) ** -30
NOTHING = mpf(10) ** -60
"""What is left of differences that are 0; no case is about a number as small."""


def solve(definition: Definition, inputs: dict[str, np.ndarray[Any, Any]]) -> Truth:
    """What a definition says of the inputs, to thirty digits.

    >>> float(solve(lambda z: -mp.log(1 / (1 + mp.exp(-z))), {"z": np.array(20.0)}))
    2.061153620314381e-09
    """
    before: Truth | None = None
    for digits in DIGITS:
        with mp.workdps(digits):
            now = np.asarray(
                definition(**{name: exact(array) for name, array in inputs.items()}), dtype=object
            )
            if before is not None and all(map(_agree, before.flat, now.flat)):
                return np.array([_without_noise(x) for x in now.flat], dtype=object).reshape(now.shape)
            before = now
    raise ArithmeticError(f"no agreement at {DIGITS[-1]} digits: {before}")


def _agree(a: Any, b: Any) -> bool:
    return bool(a == b or abs(a - b) <= AGREED * abs(b) or max(abs(a), abs(b)) < NOTHING)


def _without_noise(x: Any) -> Any:
    return x if abs(x) >= NOTHING else mpf(0)


def exact(array: np.ndarray[Any, Any]) -> Nested:
    """The numbers that an array holds, without rounding; indices and labels stay integers."""
    if array.dtype.kind in "iub":
        return array.tolist()
    values, where = np.unique(array.astype(np.float64), return_inverse=True)  # of which a mask has few
    numbers = np.array([mpf(x) for x in values.tolist()], dtype=object)
    return np.asarray(numbers[where.ravel()], dtype=object).reshape(array.shape).tolist()


def derivative(definition: Definition, wrt: str) -> Definition:
    """The gradient of a definition in one of its inputs.

    Central differences, with a step so short that what they leave out is beyond the digits that are asked for.
    """

    def gradient(**numbers: Nested) -> Nested:
        shape = np.shape(numbers[wrt])
        flat = np.array(numbers[wrt], dtype=object).ravel()
        step = mpf(10) ** (-mp.dps // 3)

        def moved(i: int, by: Any) -> Any:
            at = flat.copy()
            at[i] += by
            return definition(**{**numbers, wrt: at.reshape(shape).tolist()})

        slopes = [(moved(i, step) - moved(i, -step)) / (2 * step) for i in range(flat.size)]
        return np.array(slopes, dtype=object).reshape(shape)

    return gradient


def numbers_in(nested: Nested) -> Iterator[Any]:
    """All numbers of nested lists, in order."""
    if isinstance(nested, list):
        for part in nested:
            yield from numbers_in(part)
    else:
        yield nested


def mean(terms: list[Any]) -> Any:
    """The plain mean."""
    return mp.fsum(terms) / len(terms)
