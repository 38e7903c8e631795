"""Value, slope and curvature of a textbook loss, right to 30 digits at any input.

The formula is differentiated by jets, and the precision is raised until two results agree: 50
digits are too few for log cosh(1e-30) or 1 - sigmoid(200). Where terms cancel, each term must have
settled as well, or a term too small to be seen at either precision would pass unnoticed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from mpmath import mp, mpf

from .jets import Jet, Mpf, Number, SingularPoint
from .textbook import ELEMENTWISE, Domain, Textbook

PRECISIONS = (192, 384, 768, 1536, 3072, 6144, 12288, 24576)
AGREE = mpf(2) ** -100  # 30 digits
# Below this a result is zero in every format; it is believed only at TRUST_ZERO bits and more,
# since at fewer the cancellation of a formula may be what made it zero.
NOTHING = mpf(2) ** -1300
TRUST_ZERO = 3072
EXACT = 4096  # bits at which sums of float64 numbers of any size are exact


@dataclass(frozen=True)
class Answer:
    """What the library may answer: any of `accepted`, of which the first is the formula's own."""

    accepted: tuple[Mpf, ...]
    terms: tuple[Mpf, ...]

    @property
    def truth(self) -> Mpf:
        return self.accepted[0]

    @property
    def largest_term(self) -> Mpf:
        return max((abs(t) for t in (*self.terms, self.truth)), default=mpf(0))


def exact(x: Any) -> Mpf:
    """The number itself: floats of any format are exact in mpmath, other mpf pass through."""
    return x if isinstance(x, mpf) else mpf(float(x))


def _same(a: Mpf, b: Mpf, bits: int) -> bool:
    if a == b and a:  # also equal infinities, whose difference is not a number
        return True
    if mp.isnan(a) or mp.isnan(b):
        return bool(mp.isnan(a) and mp.isnan(b))
    if b and abs(a - b) <= AGREE * abs(b):
        return True
    return bool(abs(a) < NOTHING and abs(b) < NOTHING and bits >= TRUST_ZERO)


def settle(compute: Callable[[], tuple[Sequence[Mpf], Sequence[Mpf]]], at_least: int = 0) -> tuple[Mpf, ...]:
    """(sum, *terms), computed at rising precision until each of them agrees with its last.

    `compute` returns the terms, and witnesses that must agree as well.
    """
    before: tuple[Mpf, ...] | None = None
    for bits in (b for b in PRECISIONS if b >= at_least):
        with mp.workprec(bits):
            terms, witnesses = compute()
            now = (sum(terms, mpf(0)), *terms, *witnesses)
            if before is not None and all(_same(a, b, bits) for a, b in zip(before, now, strict=True)):
                return now[: 1 + len(terms)]
            before = now
    raise ArithmeticError(f"no agreement at {PRECISIONS[-1]} bits: {before}")


def derivatives_of(
    terms: Callable[[], Sequence[Number]],
    order: int,
    inputs: Iterable[Mpf],
    at_least: int = 0,
    *,
    side: int = 1,
    exponent: Mpf = 0,
) -> tuple[Mpf, ...]:
    """(sum, *terms) of the derivatives that the terms' jets hold, which walk to the given side.

    Their lower derivatives are witnesses: where the product rule adds what was lost to what was
    not, as in the slope of p^g log(1 - p) at p = 1e-300, the value 0 betrays it. And the precision
    starts where 1 - p is exact for every input p, and 1 + e^-x holds all of e^-x for the largest
    `exponent` x of the formula, as long as e^-x is anything in any format.
    """

    def compute() -> tuple[list[Mpf], list[Mpf]]:
        jets = [t.c if isinstance(t, Jet) else (t, *[mpf(0)] * order) for t in terms()]
        scale = (1, side, 2)[order]
        return [scale * c[order] for c in jets], [x for c in jets for x in c[:order]]

    return settle(compute, max(at_least, _precision(inputs, exponent)))


def _precision(inputs: Iterable[Mpf], exponent: Mpf) -> int:
    """The bits at which 1 - p is exact for every input p, and 1 + e^-x holds all of e^-x."""
    small = max((-int(mp.mag(x)) for x in inputs if x and mp.isfinite(x)), default=0)
    smallest = max(small, int(min(exponent, 900) * 1.4427))
    return smallest + PRECISIONS[0] if smallest > 60 else 0


def expansion(book: Textbook | str, y: Any, p: Any, **params: Any) -> tuple[Mpf, Mpf, Mpf]:
    """Value, slope and curvature at once, where the formula has a Taylor series to the right of p."""
    book, y, p = find(book), exact(y), exact(p)

    def compute() -> tuple[list[Mpf], list[Mpf]]:
        jets = [
            t.c if isinstance(t, Jet) else (t, mpf(0), mpf(0))
            for t in book.terms(y, Jet.seed(p, 2), **params)
        ]
        value, slope, half = (sum((c[order] for c in jets), mpf(0)) for order in range(3))
        return [value, slope, 2 * half], [x for c in jets for x in c] if len(jets) > 1 else []

    exponent = abs(p) if params.get("from_logits") else mpf(0)
    value, slope, curvature = settle(compute, _precision((y, p), exponent))[1:]
    return value, slope, curvature


def limit(at: Callable[[int], tuple[Mpf, ...]], first: int) -> tuple[Mpf, ...]:
    """(sum, *terms) in the limit k -> infinity of at(k), which has moved 2^-k (or 2^k) away."""
    columns = list(zip(*(at(first * k)[1:] for k in (1, 2, 4)), strict=True))
    terms = [_limit_of(*column) for column in columns]
    return (sum(terms, mpf(0)), *terms)


def _limit_of(a: Mpf, b: Mpf, c: Mpf) -> Mpf:
    if abs(c - b) <= AGREE * abs(c):
        return c
    if abs(b) < abs(a) and abs(c) < abs(b) * mpf("0.75"):  # a power or 1/log of the distance
        return mpf(0)
    if abs(c) > abs(b) > abs(a):  # a negative power of it, or its logarithm
        return mp.sign(c) * mpf("inf")
    raise ArithmeticError(f"no limit in sight: {a}, {b}, {c}")


def _derivatives(
    book: Textbook,
    order: int,
    y: Mpf,
    p: Mpf,
    side: int,
    wrt: str,
    params: dict[str, Any],
    at_least: int = 0,
) -> tuple[Mpf, ...]:
    """(sum, *terms) of the derivative at a finite point, walking to the given side."""

    def terms() -> list[Number]:
        seed = Jet.seed(p if wrt == "p" else y, order, side)
        return list(book.terms(*((y, seed) if wrt == "p" else (seed, p)), **params))

    exponent = abs(p) if params.get("from_logits") else mpf(0)
    return derivatives_of(terms, order, (y, p), at_least, side=side, exponent=exponent)


def _inward(book: Textbook, y: Mpf, p: Mpf, wrt: str, params: dict[str, Any]) -> int:
    """The direction in which the domain lies from an edge of it."""
    domain = book.domain_of_p(params) if wrt == "p" else book.y_domain
    return -1 if (p if wrt == "p" else y) == domain.high else 1


@lru_cache(maxsize=200_000)
def _cached(
    book: Textbook,
    order: int,
    y: Mpf,
    p: Mpf,
    side: int,
    wrt: str,
    frozen: tuple[tuple[str, Any], ...],
) -> tuple[Mpf, ...]:
    params = dict(frozen)
    if mp.isnan(y) or mp.isnan(p):
        return (mpf("nan"), mpf("nan"))
    if mp.isinf(p) or mp.isinf(y):
        return _at_infinity(book, order, y, p, wrt, params)
    try:
        return _derivatives(book, order, y, p, side, wrt, params)
    except (SingularPoint, ZeroDivisionError):
        toward = _inward(book, y, p, wrt, params)

    def moved(k: int) -> tuple[Mpf, ...]:
        step = toward * mpf(2) ** -k
        at_y, at_p = (y, p + step) if wrt == "p" else (y + step, p)
        return _derivatives(book, order, at_y, at_p, toward, wrt, params, k + 200)

    with mp.workprec(EXACT):  # so that p + step is exact
        return limit(moved, 700)


def _at_infinity(
    book: Textbook, order: int, y: Mpf, p: Mpf, wrt: str, params: dict[str, Any]
) -> tuple[Mpf, ...]:
    if mp.isinf(p) and mp.isinf(y) and p == y:
        return (mpf("nan"), mpf("nan"))

    def finite(x: Mpf, k: int) -> Mpf:
        return mp.sign(x) * mpf(2) ** k if mp.isinf(x) else x

    return limit(lambda k: _derivatives(book, order, finite(y, k), finite(p, k), 1, wrt, params), 300)


def plain(x: Any) -> Any:
    """A parameter without NumPy: mpmath takes Python's numbers exactly, and tuples hash."""
    if isinstance(x, (np.generic, np.ndarray)):
        x = x.tolist()
    return tuple(plain(v) for v in x) if isinstance(x, (list, tuple)) else x


def _freeze(params: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted((name, plain(x)) for name, x in params.items()))


def find(book: Textbook | str) -> Textbook:
    return ELEMENTWISE[book] if isinstance(book, str) else book


def answer(
    book: Textbook | str,
    order: int,
    y: Any,
    p: Any,
    *,
    within: Any = 0,
    wrt: str = "p",
    **params: Any,
) -> Answer:
    """The derivative of the given order (0, 1, 2) with respect to the prediction (or `wrt="y"`).

    `within` is how far in p the library's own rounding of the residual may carry it: a kink that
    near counts as touched, and what holds on either side of it is accepted too.
    """
    book, y, p = find(book), exact(y), exact(p)
    frozen = _freeze(params)
    total, *terms = _cached(book, order, y, p, 1, wrt, frozen)
    accepted = [total]
    if order > 0 and wrt == "p" and mp.isfinite(y) and mp.isfinite(p):
        with mp.workprec(EXACT):
            accepted = _accepted(book, order, y, p, within, total, frozen)
    return Answer(tuple(dict.fromkeys(accepted)), tuple(terms))


def _accepted(book: Textbook, order: int, y: Mpf, p: Mpf, within: Mpf, total: Mpf, frozen: Any) -> list[Mpf]:
    params, accepted = dict(frozen), [total]
    for kink in book.kinks(y, params):
        if abs(p - kink.at) <= within:
            accepted += _sides(book, order, y, kink.at, frozen)
            accepted += [kink.least] if order == 1 else []
        if p == kink.at and order == 1:  # a residual that meets the threshold is exact
            return [kink.least]
    for at in book.second_kinks(y, params) if order == 2 else ():
        if abs(p - at) <= within:
            accepted += _sides(book, order, y, at, frozen)
    return accepted


def _sides(book: Textbook, order: int, y: Mpf, at: Mpf, frozen: Any) -> list[Mpf]:
    return [_cached(book, order, y, at, side, "p", frozen)[0] for side in (-1, 1)]


def value(book: Textbook | str, y: Any, p: Any, **params: Any) -> Mpf:
    return answer(book, 0, y, p, **params).truth


def slope(book: Textbook | str, y: Any, p: Any, **params: Any) -> Mpf:
    """df/dp, at a kink the subgradient of least size."""
    return answer(book, 1, y, p, **params).truth


def curvature(book: Textbook | str, y: Any, p: Any, **params: Any) -> tuple[Mpf, ...]:
    """d2f/dp2; where it jumps, both one-sided values."""
    return answer(book, 2, y, p, **params).accepted


def one_sided(book: Textbook | str, order: int, y: Any, p: Any, **params: Any) -> tuple[Mpf, Mpf]:
    """The derivative from the left and from the right, whatever is declared of kinks."""
    left, right = _sides(find(book), order, exact(y), exact(p), _freeze(params))
    return left, right


def residual_rounding(y: Any, p: Any, digits: int) -> Mpf:
    """Half a unit in the last place of p - y in a format of so many bits: how far it may move."""
    with mp.workprec(EXACT):
        return abs(exact(p) - exact(y)) * mpf(2) ** -digits


# --- condition of the problem -------------------------------------------------------------------


STEP = mpf(2) ** -40


def condition_number(f: Callable[..., Mpf], *xs: Mpf, low: Any = "-inf", high: Any = "inf") -> Mpf:
    """The largest |x f'(x) / f(x)| over the arguments: relative error out per relative error in."""
    with mp.workprec(256):
        here = f(*xs)
        if not here or not mp.isfinite(here):
            return mpf(1)
        changes = (_change(f, xs, i, mpf(low), mpf(high)) for i in range(len(xs)))
        return max(abs(change / here) for change in changes)


def _change(f: Callable[..., Mpf], xs: Sequence[Mpf], i: int, low: Mpf, high: Mpf) -> Mpf:
    """x times the derivative of f in its i-th argument x, between neighbours inside the domain."""
    x = xs[i]
    if not x or not mp.isfinite(x):
        return mpf(0)
    ends = [min(max(x * (1 + h), low), high) for h in (-STEP, STEP)]
    below, above = (f(*xs[:i], end, *xs[i + 1 :]) for end in ends)
    return x * (above - below) / (ends[1] - ends[0])


def condition(book: Textbook | str, order: int, y: Any, p: Any, *, wrt: str = "p", **params: Any) -> Mpf:
    """The condition of the value, slope or curvature in the loss's own coordinates.

    Residual and margin are exact or correctly rounded in floating point, so those losses are judged
    in them. A probability near 1 is judged by its distance to 1, which is exact too: the better of
    the two counts, as a good formula has the choice.
    """
    book, y, p = find(book), exact(y), exact(p)
    if not (mp.isfinite(y) and mp.isfinite(p)):
        return mpf(1)
    frozen = _freeze(params)

    def f(at_y: Mpf, at_p: Mpf) -> Mpf:
        return _cached(book, order, at_y, at_p, 1, wrt, frozen)[0]

    with mp.workprec(EXACT):
        r = p - y
    if book.coordinates == "residual":
        return condition_number(lambda s: f(mpf(0), s), r)
    if book.coordinates == "margin":
        return condition_number(lambda m: f(mpf(1), m), y * p)
    if book.coordinates == "relative":
        return condition_number(lambda s, t: f(t, t + s), r, y)
    over_p = _better([lambda x: f(y, x), lambda q: f(y, 1 - q)], p, book.domain_of_p(params))
    over_y = _better([lambda x: f(x, p), lambda q: f(1 - q, p)], y, book.y_domain)
    return max(over_p, over_y)


def _better(fs: list[Callable[[Mpf], Mpf]], x: Mpf, domain: Domain) -> Mpf:
    """The condition in x, or for a probability above 1/2 in 1 - x if that is less."""
    ways = [(fs[0], x), (fs[1], 1 - x)] if domain.high == 1 and 2 * x > 1 else [(fs[0], x)]
    return min(condition_number(f, at, low=domain.low, high=domain.high) for f, at in ways)


def rounded(params: dict[str, Any], dtype: Any) -> dict[str, Any]:
    """A loss's parameters as the library has them: floats in the working format."""

    def one(x: Any) -> Any:
        if isinstance(x, (tuple, list)):
            return tuple(one(v) for v in x)
        return float(np.dtype(dtype).type(x)) if isinstance(x, float) else x

    return {name: one(x) for name, x in params.items()}
