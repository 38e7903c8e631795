"""Domains as data: which targets and predictions a loss accepts.

A domain says what it contains in words (for errors and docs), as a test on arrays (to find the first
bad value) and as an expression (which the compiled kernels check in the same pass as the loss).
NaN is never outside: it is not a domain error but propagates.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol


class Domain(Protocol):
    """A set of real numbers."""

    def __str__(self) -> str:
        """The set in words, to follow "must be"."""

    def outside(self, x: Any) -> Any:
        """True where an array's elements are not in the set."""

    def expression(self, x: str, literal: Callable[[float], str]) -> str:
        """``outside`` of the variable named ``x`` as Python text, numbers written by ``literal``."""


@dataclass(frozen=True)
class Interval:
    """The closed interval [low, high]."""

    low: float = -math.inf
    high: float = math.inf

    def __str__(self) -> str:
        if self.high == math.inf:
            return f"at least {self.low:g}"
        return f"in [{self.low:g}, {self.high:g}]"

    def outside(self, x: Any) -> Any:
        return (x < self.low) | (x > self.high)

    def expression(self, x: str, literal: Callable[[float], str]) -> str:
        bounds = (("<", self.low), (">", self.high))
        return " | ".join(f"({x} {sign} {literal(b)})" for sign, b in bounds if math.isfinite(b))


@dataclass(frozen=True)
class Above:
    """The open half-line (low, infinity)."""

    low: float

    def __str__(self) -> str:
        return f"greater than {self.low:g}"

    def outside(self, x: Any) -> Any:
        return x <= self.low

    def expression(self, x: str, literal: Callable[[float], str]) -> str:
        return f"({x} <= {literal(self.low)})"


@dataclass(frozen=True)
class Labels:
    """Two labels, such as -1 and +1."""

    first: float
    second: float

    def __str__(self) -> str:
        return f"{self.first:+g} or {self.second:+g}"

    def outside(self, x: Any) -> Any:
        return (x < self.first) | ((x > self.first) & (x < self.second)) | (x > self.second)

    def expression(self, x: str, literal: Callable[[float], str]) -> str:
        a, b = literal(self.first), literal(self.second)
        return f"({x} < {a}) | (({x} > {a}) & ({x} < {b})) | ({x} > {b})"


@dataclass(frozen=True)
class NonZero:
    """Every number but 0."""

    def __str__(self) -> str:
        return "different from 0"

    def outside(self, x: Any) -> Any:
        return x == 0.0

    def expression(self, x: str, literal: Callable[[float], str]) -> str:
        return f"({x} == {literal(0.0)})"


PROBABILITY = Interval(0.0, 1.0)
NON_NEGATIVE = Interval(low=0.0)
POSITIVE = Above(0.0)
PLUS_MINUS_ONE = Labels(-1.0, 1.0)
