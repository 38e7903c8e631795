"""A textbook loss as a curve over all float32 numbers, for sweeps of more of them than mpmath can visit.

The line is cut where a polynomial of degree 9 through mpmath's numbers no longer meets mpmath's numbers between its
nodes, to a hundredth of a unit in float32's last place; so a curve knows nothing of a loss but its textbook
definition. It says which answers of a sweep are the worst; how bad they are is then asked of `derivatives`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from mpmath import mp
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from .derivatives import expansion
from .jets import SingularPoint
from .textbook import Textbook

Array = NDArray[Any]
NODES = chebyshev.chebpts1(10)
BETWEEN = np.array([-1.0, -0.93, 0.11, 1.0])  # where the polynomial is compared with the definition
TOLERANCE = 2.0**-31  # of the answer, or of |x f'(x)| where that is larger: 2^-7 ulp of float32
FEW = 16  # floats: no polynomial is worth it
NOTHING = 2.0**-160  # no float32, not even a subnormal one
BEYOND = 2.0**130  # no float32 either


class Truths(NamedTuple):
    """Value, slope and curvature, a row each, and how much they move with their argument, |x f'(x)|."""

    exact: Array
    spread: Array


class Piece(NamedTuple):
    """The curve from one float32 to another, as Chebyshev coefficients of value, slope and curvature."""

    first: int
    last: int
    coefficients: Array

    def at(self, x: Array, sign: int) -> tuple[Array, Array]:
        """Value, slope and curvature with their derivatives, at float64 numbers of this piece."""
        low, high = sign * floats(self.first), sign * floats(self.last)
        if self.coefficients.shape[1] == 0:  # numbers without a polynomial: the judge has to look at them
            nothing = np.full((3, x.size), np.nan)
            return nothing, nothing
        half = (high - low) / 2 or 1.0
        t = (x - (low + high) / 2) / half
        exact = np.array([chebyshev.chebval(t, c) for c in self.coefficients])
        third = chebyshev.chebval(t, chebyshev.chebder(self.coefficients[2])) / half
        return exact, np.stack([exact[1], exact[2], third])


def floats(ordinals: Any) -> Any:
    """The n-th positive float32 as float64; 0 is the 0-th."""
    return np.asarray(ordinals, np.uint32).view(np.float32).astype(np.float64)[()]


class Curve:
    """Value, slope and curvature of a textbook loss as functions of the prediction, by pieces made when asked for."""

    def __init__(self, book: Textbook, y: float, **parameters: Any) -> None:
        self.expand: Callable[[float], Array] = cache(lambda x: _expansion(book, y, x, parameters))
        self.pieces: Callable[[int, int], list[Piece]] = cache(lambda e, sign: list(self._binade(e, sign)))
        self.of_probability = book.domain_of_p(parameters).high == 1

    def walk(self, exponent: int, sign: int, x: Array) -> Iterator[tuple[slice, Truths]]:
        """The truths at numbers of one sign and one exponent field, sorted by size, a slice of them at a time."""
        ordinals = np.abs(x).view(np.uint32)
        for piece in self.pieces(exponent, sign):
            part = slice(*np.searchsorted(ordinals, [piece.first, piece.last + 1]))
            if part.start < part.stop:
                at = x[part].astype(np.float64)
                exact, change = piece.at(at, sign)
                yield part, Truths(exact, np.abs(change) * self._size(at))

    def _size(self, x: Array) -> Array:
        """|x|; a probability near 1 is as good as its distance to 1."""
        return np.minimum(np.abs(x), np.abs(1 - x)) if self.of_probability else np.abs(x)

    def _binade(self, exponent: int, sign: int) -> Iterator[Piece]:
        if exponent:
            yield from self._cut(exponent << 23, (exponent + 1 << 23) - 1, sign)
        else:  # subnormal numbers are of many sizes
            for bit in range(23):
                yield from self._cut(1 << bit, (2 << bit) - 1, sign)

    def _cut(self, first: int, last: int, sign: int) -> Iterator[Piece]:
        """Polynomials from one float to another: one if that will do, else those of both halves."""
        fitted = self._fit(*(sign * floats(end) for end in (first, last)))
        if fitted is not None:
            yield Piece(first, last, fitted)
        elif last - first < FEW:
            yield Piece(first, last, np.empty((3, 0)))
        else:
            middle = (first + last) // 2
            yield from self._cut(first, middle, sign)
            yield from self._cut(middle + 1, last, sign)

    def _fit(self, low: float, high: float) -> Array | None:
        """Coefficients through the definition's numbers; None where they miss it between."""
        half, middle = (high - low) / 2, (low + high) / 2
        between = middle + half * BETWEEN
        try:
            there = np.array([self.expand(float(x)) for x in between]).T
            if not np.isfinite(there).all():
                return None
            nodes = np.array([self.expand(float(middle + half * t)) for t in NODES]).T
        except SingularPoint:
            return None
        fitted = np.stack([_coefficients(n, b) for n, b in zip(nodes, there, strict=True)])
        found = np.array([chebyshev.chebval(BETWEEN, c) for c in fitted])
        moves = self._size(between) * np.abs(np.stack([there[1], there[2], np.zeros(between.size)]))
        with np.errstate(invalid="ignore"):
            error = np.abs(found - there) / (TOLERANCE * np.maximum(np.abs(there), moves) + NOTHING)
        return fitted if np.all((error <= 1) | (found == there)) else None


def _expansion(book: Textbook, y: float, x: float, parameters: dict[str, Any]) -> Array:
    """Three numbers as float64; what float32 cannot hold by far is all the same."""
    numbers = [
        float(n) if abs(n) < BEYOND else float(mp.sign(n)) * BEYOND
        for n in expansion(book, y, x, **parameters)
    ]
    return np.array([0.0 if abs(n) < NOTHING else n for n in numbers])


def _coefficients(nodes: Array, between: Array) -> Array:
    """The polynomial through the values at the nodes, on [-1, 1]."""
    values = np.concatenate([nodes, between])
    if np.all(values == values[0]):
        return np.asarray(np.eye(1, NODES.size)[0] * values[0])
    return np.asarray(chebyshev.chebfit(NODES, nodes, NODES.size - 1))
