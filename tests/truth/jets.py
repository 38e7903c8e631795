"""Truncated Taylor series over mpmath numbers: exact differentiation of a textbook formula.

A jet holds f, f', f''/2, ... at one point. Pushing the jet of the input through the formula gives
the formula's derivatives without a step size, so only the working precision can spoil them, and
that is raised by the caller until it no longer does.

Jets compare as germs: `a < b` asks which is smaller just to the right of the point (or to the left,
where the input was seeded with -1). So `abs`, `maximum` and any branch on `<=` yield exact
one-sided derivatives at a kink.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from mpmath import mp, mpf

Mpf = Any  # mpmath has no types
Number = Any  # Mpf | Jet


class SingularPoint(ArithmeticError):
    """The formula has no Taylor series here, though a limit may exist."""


class Jet:
    """Taylor coefficients of a function at a point, lowest order first."""

    __slots__ = ("c",)

    def __init__(self, coefficients: Sequence[Mpf]) -> None:
        self.c = tuple(coefficients)

    @classmethod
    def seed(cls, point: Mpf, order: int, direction: int = 1) -> Jet:
        """The identity at `point`, walked rightwards (+1) or leftwards (-1)."""
        return cls((point, mpf(direction), *[mpf(0)] * (order - 1))[: order + 1])

    def _lift(self, other: Number) -> tuple[Mpf, ...]:
        if isinstance(other, Jet):
            return other.c
        return (mpf(other), *[mpf(0)] * (len(self.c) - 1))

    def __add__(self, other: Number) -> Jet:
        if not isinstance(other, Jet):
            return Jet((self.c[0] + other, *self.c[1:]))
        return Jet([a + b for a, b in zip(self.c, other.c, strict=True)])

    __radd__ = __add__

    def __neg__(self) -> Jet:
        return Jet([-a for a in self.c])

    def __sub__(self, other: Number) -> Jet:
        return self + (-other)

    def __rsub__(self, other: Number) -> Jet:
        return (-self) + other

    def __mul__(self, other: Number) -> Jet:
        if not isinstance(other, Jet):
            return Jet([a * other for a in self.c])
        a, b = self.c, other.c
        return Jet([_dot(a[: k + 1], b[k::-1]) for k in range(len(a))])

    __rmul__ = __mul__

    def __truediv__(self, other: Number) -> Jet:
        if not isinstance(other, Jet):
            return Jet([a / other for a in self.c])
        _nonzero(other.c[0])
        quotient: list[Mpf] = []
        for k, a in enumerate(self.c):
            known = _dot(quotient, other.c[k:0:-1])
            quotient.append((a - known) / other.c[0])
        return Jet(quotient)

    def __rtruediv__(self, other: Number) -> Jet:
        return Jet(self._lift(other)) / self

    def __lt__(self, other: Number) -> bool:
        return self.c < self._lift(other)

    def __le__(self, other: Number) -> bool:
        return self.c <= self._lift(other)

    def __gt__(self, other: Number) -> bool:
        return self.c > self._lift(other)

    def __ge__(self, other: Number) -> bool:
        return self.c >= self._lift(other)

    def __abs__(self) -> Jet:
        return -self if self < 0 else self

    # No __repr__ that prints digits: mpmath calls it each time it meets a jet on its right.


def _dot(a: Sequence[Mpf], b: Sequence[Mpf]) -> Mpf:
    return sum((x * y for x, y in zip(a, b, strict=True)), mpf(0))


def _nonzero(x: Mpf) -> None:
    if not x:
        raise SingularPoint


def is_zero(x: Number) -> bool:
    """Whether x is zero with all its derivatives, so that a term times x is no term at all."""
    return not any(x.c) if isinstance(x, Jet) else not x


def _exp(x: Mpf) -> Mpf:
    return _exp_at(x, mp.prec)


@lru_cache(maxsize=8192)  # a row of 1000 logits is differentiated in one of them at a time
def _exp_at(x: Mpf, bits: int) -> Mpf:
    """exp of a number; a huge one by hand, as mpmath takes 10 ms to raise e to a large integer."""
    if not mp.isfinite(x) or abs(x) < 2**40:
        return mp.exp(x)
    with mp.workprec(mp.prec + mp.mag(x) + 20):
        doublings = mp.floor(x / mp.ln2)
        rest = x - doublings * mp.ln2
    return mp.ldexp(mp.exp(rest), int(doublings))


def exp(x: Number) -> Number:
    if not isinstance(x, Jet):
        return _exp(x)
    out = [_exp(x.c[0])]
    for k in range(1, len(x.c)):
        out.append(_dot([j * x.c[j] for j in range(1, k + 1)], out[::-1]) / k)
    return Jet(out)


def _log_from(x: Jet, start: Mpf, base: Mpf) -> Jet:
    """log of a jet whose leading coefficient is `base`, given the logarithm `start` of that."""
    out = [start]
    for k in range(1, len(x.c)):
        _nonzero(base)
        known = sum((j * out[j] * x.c[k - j] for j in range(1, k)), mpf(0))
        out.append((x.c[k] - known / k) / base)
    return Jet(out)


def log(x: Number) -> Number:
    if not isinstance(x, Jet):
        return mp.log(x) if x else mpf("-inf")
    if not x.c[0] and len(x.c) > 1:
        raise SingularPoint
    return _log_from(x, log(x.c[0]), x.c[0])


def log1p(x: Number) -> Number:
    """log(1 + x), which mpmath evaluates without losing a tiny x."""
    if not isinstance(x, Jet):
        return mp.log1p(x) if x != -1 else mpf("-inf")
    if x.c[0] == -1 and len(x.c) > 1:
        raise SingularPoint
    return _log_from(x, log1p(x.c[0]), 1 + x.c[0])


def log_gamma(x: Number) -> Number:
    """log Γ(x) for x > 0, and its first two derivatives."""
    if not isinstance(x, Jet):
        return mp.loggamma(x)
    value, *rest = x.c
    if len(rest) > 2:
        raise NotImplementedError("no third derivative")
    digamma, trigamma = mp.digamma(value), mp.polygamma(1, value)
    out = [mp.loggamma(value), *(digamma * c for c in rest)]
    if len(rest) == 2:
        out[2] += trigamma * rest[0] * rest[0] / 2
    return Jet(out)


def power(x: Number, exponent: Mpf) -> Number:
    """x ** exponent for x >= 0, with 0 ** 0 = 1; whole exponents as repeated products."""
    if exponent == int(exponent) and 0 <= exponent <= 8:
        product: Number = x * 0 + 1 if isinstance(x, Jet) else mpf(1)
        for _ in range(int(exponent)):
            product = product * x
        return product
    if not isinstance(x, Jet):
        return mp.power(x, exponent)
    if is_zero(x) and exponent > 0:
        return x
    if not x.c[0] and len(x.c) > 1:
        raise SingularPoint
    out = [mp.power(x.c[0], exponent)]
    for k in range(1, len(x.c)):
        weights = [(exponent * j - (k - j)) * x.c[j] for j in range(1, k + 1)]
        out.append(_dot(weights, out[::-1]) / (k * x.c[0]))
    return Jet(out)


def sqrt(x: Number) -> Number:
    return power(x, mpf(1) / 2)


def maximum(x: Number, other: Number) -> Number:
    return x if x >= other else other + 0 * x


def floored(x: Number, floor: Mpf) -> Number:
    """max(x, floor) whose derivatives remain those of x.

    The library floors a probability and then applies the formula of the slope, so at the floor the
    slope is the formula's at the floored probability, not the zero of a clipped one.
    """
    if not isinstance(x, Jet):
        return max(x, floor)
    return Jet((max(x.c[0], floor), *x.c[1:]))


def leading(x: Number) -> Mpf:
    """The value of a jet or number."""
    return x.c[0] if isinstance(x, Jet) else x


Function = Callable[..., Number]
