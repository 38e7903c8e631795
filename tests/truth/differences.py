"""Derivatives of textbook definitions of arrays: central differences with so many digits that they are exact."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from mpmath import mp, mpf

from .jets import Mpf

BITS = (900, 1500)  # of the definition; the step is the fourth root of the last of them
AGREE = mpf(2) ** -70

Terms = Callable[..., Sequence[Mpf]]
"""A definition: its terms, from nested lists of exact numbers."""


def nested(array: Any) -> Any:
    """An array as nested lists of exact numbers; indices as integers."""
    if array is None:
        return None
    if np.ndim(array):
        return [nested(row) for row in array]
    return int(array) if np.asarray(array).dtype.kind in "iub" else mpf(float(array))


def total(definition: Terms, arguments: Sequence[Any], **parameters: Any) -> Mpf:
    """The sum of the terms."""
    return sum(definition(*arguments, **parameters), mpf(0))


def with_entry(
    arguments: Sequence[Any], which: int, index: tuple[int, ...], change: Callable[[Mpf], Mpf]
) -> list[Any]:
    """The arguments with one number changed."""

    def changed(x: Any, left: tuple[int, ...]) -> Any:
        if not left:
            return change(x)
        return [changed(row, left[1:]) if i == left[0] else row for i, row in enumerate(x)]

    return [changed(a, index) if i == which else a for i, a in enumerate(arguments)]


def slope(
    definition: Terms, arguments: Sequence[Any], which: int, index: tuple[int, ...], **parameters: Any
) -> Mpf | None:
    """The derivative of the sum of the terms in one number; None where two precisions disagree."""
    found = []
    for bits in BITS:
        with mp.workprec(bits):

            def moved(side: int) -> Mpf:
                def change(x: Mpf) -> Mpf:
                    return x + side * step(x)

                return total(definition, with_entry(arguments, which, index, change), **parameters)

            at = arguments[which]
            for i in index:
                at = at[i]
            found.append((moved(1) - moved(-1)) / (2 * step(at)))
    first, second = found
    if not (mp.isfinite(first) and mp.isfinite(second)):
        return None
    if abs(first - second) <= AGREE * abs(second) or max(abs(first), abs(second)) < mpf(2) ** -1400:
        return second
    if (
        not second or abs(second) < abs(first) * mpf(2) ** -200
    ):  # what the step leaves of a derivative that is 0
        return mpf(0)
    return None


def step(x: Mpf) -> Mpf:
    """A step that vanishes as the precision grows, relative to where it is taken."""
    return (abs(x) if x else mpf(1)) * mpf(2) ** (-mp.prec // 4)


def spread_of_slope(
    definition: Terms, arguments: Sequence[Any], moving: Sequence[tuple[int, tuple[int, ...]]],
    which: int, index: tuple[int, ...], **parameters: Any,
) -> Mpf:  # fmt: skip
    """The same of a derivative."""
    spread = mpf(0)
    nudge = mpf(2) ** -60

    def moved(sign: int) -> Callable[[Mpf], Mpf]:
        return lambda x: x * (1 + sign * nudge)

    for other, place in moving:
        with mp.workprec(BITS[-1]):
            ends = [with_entry(arguments, other, place, moved(sign)) for sign in (1, -1)]
        up, down = (slope(definition, end, which, index, **parameters) for end in ends)
        if up is not None and down is not None:
            with mp.workprec(BITS[-1]):
                spread += abs(up - down) / (2 * nudge)
    return spread
