"""The exact value of a loss of rules: its own value rules on mpmath numbers, differentiated.

The precision is raised until two results agree, so a value rule that is unstable in floats (the
logarithm of a cosine hyperbolic that overflows, a difference that cancels) still has its exact value
here, and a slope rule is compared with the derivative of the value rule, not with itself.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from losskit.laws.digits import WORDS, Number, context, mpf
from losskit.rules import FromDtype, Term, bind
from losskit.structures import ElementwiseLoss, RowLoss, RuleLoss, argument_of

Point = tuple[tuple[Number, ...], tuple[Number, ...]]
"""Target and prediction of one term: a number each, or a row."""

PRECISIONS = (256, 512, 1024, 2048, 6144)
TRUST_ZERO = 2048  # at fewer bits a result of 0 may be what a cancellation left
AGREE = mpf(2) ** -62
LABELS = (-1, 0, 1)  # targets that are exact: no rounding of theirs excuses an answer
NOTHING = mpf(2) ** -1300  # 0 in every format


@dataclass(frozen=True)
class Sides:
    """A derivative from the left and from the right; equal but at a kink."""

    left: Number
    right: Number

    def nearest(self, got: float) -> Number:
        """What lies between the two sides and is closest to ``got``: at a kink, a subgradient."""
        low, high = min(self.left, self.right), max(self.left, self.right)
        return min(max(mpf(got), low), high) if context.isfinite(mpf(got)) else low

    @property
    def is_kink(self) -> bool:
        """Whether the two sides differ."""
        return bool(abs(self.left - self.right) > mpf(2) ** -40 * max(abs(self.left), abs(self.right)))


class ExactLoss:
    """A loss of rules with its parameters rounded to ``dtype``, one term at a time."""

    def __init__(self, loss: RuleLoss, dtype: str) -> None:
        self.loss = loss
        self.tiny = float(np.finfo(dtype).tiny)
        self.terms = [
            (mpf(t.coefficient), t, bind(t.rules.value, WORDS), _numbers(t, dtype)) for t in loss.terms
        ]
        self.seen: dict[Any, tuple[Number, ...]] = {}
        self.known: dict[Any, Sides | None] = {}
        self.predictions = [t.rules.predictions for t in loss.terms if t.rules.predictions is not None]

    def same_as(self, other: "ExactLoss") -> bool:
        """Whether rounding to another dtype left the parameters as they are, and no floor depends on it."""
        numbers = [[term[3] for term in loss.terms] for loss in (self, other)]
        return numbers[0] == numbers[1] and not any(t.rules.saturates for _, t, _, _ in self.terms)

    def at(self, point: Point) -> Number:
        """The loss of one term at the precision now set; NaN where it is not defined."""
        raise NotImplementedError

    def stretched(self, point: Point, factor: Number) -> list[Point]:
        """The point with each of its coordinates in turn times a factor: what a condition number asks."""
        raise NotImplementedError

    def settled(self, compute: Callable[[], Number], trust_zero: int = TRUST_ZERO) -> Number | None:
        """A number at rising precision until two results agree; None where it is not defined."""
        before = None
        for bits in PRECISIONS:
            with context.workprec(bits):
                now = compute()
                if context.isnan(now):
                    return None
                if before is not None and _agree(before, now, bits >= trust_zero):
                    return now
                if before and abs(before) < 2.0**-400 and 0 < abs(now) < abs(before) ** 1.5:
                    return mpf(0)  # what the step leaves of a derivative that is 0
                before = now
        return None

    def value(self, point: Point) -> Number | None:
        """The value; None where it is not defined."""
        return self.settled(lambda: self.at(point))

    def slope(self, point: Point, index: int = 0) -> Sides | None:
        """The derivative in one entry of the prediction."""
        return self._sides(point, index, 1)

    def curvature(self, point: Point, index: int = 0) -> Sides | None:
        """The second derivative in one entry of the prediction."""
        return self._sides(point, index, 2)

    def derivative(self, order: int, point: Point, index: int = 0) -> Sides | None:
        """Value (order 0), slope or curvature, from both sides."""
        key = order, point, index
        if key not in self.known:
            self.known[key] = self._derivative(order, point, index)
        return self.known[key]

    def _derivative(self, order: int, point: Point, index: int) -> Sides | None:
        if order == 0:
            exact = self.value(point)
            return None if exact is None else Sides(exact, exact)
        return self._sides(point, index, order)

    def spread(self, order: int, point: Point, index: int = 0) -> Number:
        """How much the answer moves with its coordinates and parameters: the sum of |x df/dx| over all.

        A relative error of one unit in the coordinates moves the answer by this many units.
        """
        step = mpf(2) ** -48
        total = mpf(0)
        with context.workprec(512):
            for two in zip(self.stretched(point, 1 - step), self.stretched(point, 1 + step), strict=True):
                total += _change([self.derivative(order, end, index) for end in two], step)
            for k, (_, _, _, numbers) in enumerate(self.terms):
                for j, number in enumerate(numbers):
                    if number and context.isfinite(number):
                        both = [self._with(k, j, number * f) for f in (1 - step, 1 + step)]
                        total += _change([loss.derivative(order, point, index) for loss in both], step)
        return total

    def _with(self, term: int, parameter: int, number: Number) -> "ExactLoss":
        """The same with a parameter changed."""
        other = copy.copy(self)
        other.seen, other.known = {}, {}
        c, t, value, numbers = self.terms[term]
        changed = c, t, value, (*numbers[:parameter], number, *numbers[parameter + 1 :])
        other.terms = [*self.terms[:term], changed, *self.terms[term + 1 :]]
        return other

    def moved(self, point: Point, index: int, step: Number) -> Point:
        """The point with one entry of its prediction moved."""
        y, p = point
        return y, (*p[:index], p[index] + step, *p[index + 1 :])

    def inside(self, x: Number) -> bool:
        """Whether a prediction lies in the domain."""
        return not any(domain.outside(x) for domain in self.predictions)

    def _sides(self, point: Point, index: int, order: int) -> Sides | None:
        x = point[1][index]
        if not context.isfinite(x) or self.floored(point, index):
            return None
        far_below = order == 2 and 0 < abs(x) < mpf(2) ** -250  # a second difference loses twice as much
        bits = PRECISIONS[-1] if far_below else TRUST_ZERO
        sides = [
            self.settled(partial(self._one_sided, point, index, side, order), bits)
            for side in (-1, 1)
            if self.inside(x + side * _step(x) * 3)
        ]
        known = [s for s in sides if s is not None]
        return Sides(known[0], known[-1]) if known and len(known) == len(sides) else None

    def _one_sided(self, point: Point, index: int, side: int, order: int) -> Number:
        h = _step(point[1][index])
        a, b, c = self._beside(point, index, side, context.prec)
        if order == 1:  # at the point itself, from three points beside it
            return side * (8 * b - 5 * a - 3 * c) / (2 * h)
        return (a - 2 * b + c) / (h * h)

    def _beside(self, point: Point, index: int, side: int, bits: int) -> tuple[Number, ...]:
        """The loss at three points beside a point, which slope and curvature share."""
        key = point, index, side, bits
        if key not in self.seen:
            h = _step(point[1][index])
            self.seen[key] = tuple(self.at(self.moved(point, index, side * k * h)) for k in (1, 2, 3))
        return self.seen[key]

    def overflows_in_a_term(self, order: int, point: Point, index: int, largest: float) -> bool:
        """Whether a loss of a sum overflows on its own: then the sum may."""
        for _, term, value, numbers in self.terms if len(self.terms) > 1 else ():
            alone = copy.copy(self)
            alone.seen, alone.known, alone.terms = {}, {}, [(mpf(1), term, value, numbers)]
            exact = alone.derivative(order, point, index)
            if exact is not None and max(abs(exact.left), abs(exact.right)) > largest:
                return True
        return False

    def floored(self, point: Point, index: int) -> bool:
        """Whether a probability lies below its floor, where the slope is the formula's and not the value's."""
        floors = [_floor(t, self.tiny) for _, t, _, _ in self.terms if t.rules.saturates]
        x = point[1][index]
        return bool(floors) and bool(x < max(floors) or (self.two_sided and 1 - x < max(floors)))

    two_sided = True
    """Whether 1 - p is floored as well as p."""


class ExactElements(ExactLoss):
    """An elementwise loss."""

    def at(self, point: Point) -> Number:
        (y,), (p,) = point
        return sum(
            (
                c * value(*argument_of(t.rules.argument, y, p), *numbers)
                for c, t, value, numbers in self.terms
            ),
            mpf(0),
        )

    def stretched(self, point: Point, factor: Number) -> list[Point]:
        (y,), (p,) = point
        kinds = {t.rules.argument for _, t, _, _ in self.terms}
        if kinds == {"residual"}:
            return [((y,), (y + (p - y) * factor,))]
        if kinds == {"margin"}:
            return [((y,), (p * factor,))]
        unit = any(getattr(d, "high", None) == 1 for d in self.predictions)
        # a probability near 1 is known by its distance to 1, which is exact
        moved = 1 - (1 - p) * factor if unit and p > 0.5 else p * factor
        return [((y,), (moved,)), *([] if y in LABELS else [((y * factor,), (p,))])]


class ExactRows(ExactLoss):
    """A loss of rows, as the structure's rules put it together."""

    two_sided = False

    def __init__(self, loss: RowLoss, dtype: str) -> None:
        super().__init__(loss, dtype)
        self.form = loss.form
        floor = self.form.floor
        self.floor = mpf(self.tiny if isinstance(floor, FromDtype) else floor)
        if self.form.link != "probability":
            self.predictions = []

    def floored(self, point: Point, index: int) -> bool:
        return self.form.link == "probability" and (
            bool(point[1][index] < self.floor) or super().floored(point, index)
        )

    def at(self, point: Point) -> Number:
        y, p = point
        weights = self.form.class_weights or (1.0,) * len(p)
        if self.form.shift is not None:
            p = tuple(z + mpf(s) for z, s in zip(p, self.form.shift, strict=True))
        total = sum((WORDS["exp"](z) for z in p), mpf(0)) if self.form.link == "softmax" else None
        if total is not None:
            nll = [WORDS["log"](total) - z for z in p]
        elif self.form.link == "probability":
            nll = [-WORDS["log"](max(x, self.floor)) for x in p]
        else:
            nll = [-x for x in p]
        predictions = [-x for x in nll] if total is not None else list(p)
        answer = mpf(0)
        for coefficient, term, value, numbers in self.terms:
            match term.rules.argument:
                case "nll":
                    parts = [
                        t * w * value(n, *numbers) for t, w, n in zip(y, weights, nll, strict=True) if t * w
                    ]
                case "mean_nll":
                    mean = sum((w * n for w, n in zip(weights, nll, strict=True) if w), mpf(0)) / len(nll)
                    parts = [value(mean, *numbers)]
                case "log_sum_exp":
                    parts = [value(WORDS["log"](total), *numbers)]
                case "tilted_pair":
                    shares = [(t, value(t, x, *numbers)) for t, x in zip(y, predictions, strict=True) if t]
                    mean = sum((t * WORDS["exp"](numbers[0] * r) for t, r in shares), 1 - sum(y, mpf(0)))
                    parts = [WORDS["log"](mean) / numbers[0]]
                case kind:
                    parts = [value(t, x, *numbers) for t, x in zip(y, predictions, strict=True)]
                    parts = [WORDS["sqrt"](sum(parts, mpf(0)))] if kind == "root_pair" else parts
            answer += coefficient * sum(parts, mpf(0))
        return answer

    def stretched(self, point: Point, factor: Number) -> list[Point]:
        y, p = point
        shift = any(t.rules.argument == "log_sum_exp" for _, t, _, _ in self.terms)
        top = max(p) if self.form.link == "softmax" and not shift else mpf(0)
        points: list[Point] = []
        for k in range(len(p)):
            points.append((y, (*p[:k], top + (p[k] - top) * factor, *p[k + 1 :])))
            if y[k] not in LABELS:
                points.append(((*y[:k], y[k] * factor, *y[k + 1 :]), p))
        return points


def exact_of(loss: Any, dtype: str) -> ExactLoss | None:
    """The exact form of a loss of rules; None for other losses."""
    if isinstance(loss, ElementwiseLoss):
        return ExactElements(loss, dtype)
    return ExactRows(loss, dtype) if isinstance(loss, RowLoss) else None


def _change(ends: list[Sides | None], step: Number) -> Number:
    low, high = ends
    return mpf(0) if low is None or high is None else abs(high.right - low.left) / (2 * step)


def _numbers(term: Term, dtype: str) -> tuple[Number, ...]:
    """A term's parameters as a kernel of ``dtype`` has them."""
    tiny, rounded = float(np.finfo(dtype).tiny), np.dtype(dtype).type
    return tuple(mpf(float(rounded(x))) for x in term.numbers(tiny))


def _floor(term: Term, tiny: float) -> float:
    """The floor of a term whose slope is that of a floored probability: the parameter of that name."""
    names = term.rules.parameters
    return term.numbers(tiny)[names.index("floor")] if "floor" in names else tiny


def _step(x: Number) -> Number:
    """A step that vanishes as the precision grows, relative to where it is taken."""
    return (abs(x) if x else mpf(2) ** -40) * mpf(2) ** (-context.prec // 4)


def _agree(a: Number, b: Number, trust_zero: bool) -> bool:
    if a == b and a:
        return True
    if not (context.isfinite(a) and context.isfinite(b)):
        return False
    if b and abs(a - b) <= AGREE * abs(b):
        return True
    return bool(abs(a) < NOTHING and abs(b) < NOTHING and trust_zero)
