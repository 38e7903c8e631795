"""Losses of elements at extreme and ordinary pairs of target and prediction, against mpmath."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from mpmath import mpf

from certificate.measuring.engines import Array, answers, can_hold
from certificate.measuring.ledger import Judged, Ledger, by_condition
from losskit.structures import ElementwiseLoss
from truth import grids
from truth.derivatives import Answer, answer, condition, residual_rounding
from truth.textbook import ELEMENTWISE
from truth.ulp import format_of, ulp_of_terms


class Judge:
    """Measures answers of one loss of elements, in the format it was computed in."""

    def __init__(self, loss: ElementwiseLoss, parameters: dict[str, Any], dtype: str) -> None:
        self.loss, self.dtype = loss, dtype
        self.book = ELEMENTWISE[type(loss).__name__]
        self.saturates = any(term.rules.saturates for term in loss.terms)
        floor = {"floor": float(np.finfo(dtype).tiny)} if self.book.link == "both" else {}
        self.facts = {**parameters, **floor}

    def __call__(self, order: int, y: float, p: float, got: Any) -> Judged:
        """One answer: value, slope or curvature at a target and a prediction."""
        within = (
            residual_rounding(y, p, format_of(self.dtype).bits) if self.book.coordinates == "residual" else 0
        )
        truth = answer(self.book, order, y, p, within=within, **self.facts)
        saturates = self.saturates and order > 0
        errors = [ulp_of_terms(got, t, truth.terms, got.dtype, saturates=saturates) for t in truth.accepted]
        error = 0.0 if self._may_be(got, truth) else min(errors)
        of = partial(condition, self.book, order, y, p, **self.facts)
        place = f"{self.loss!r}: y = {y:.9g}, p = {p:.9g}"
        return Judged(error, place, float(got), truth.truth, by_condition(truth.truth, of))

    def _may_be(self, got: Any, truth: Answer) -> bool:
        """Whether an answer is right for a reason that units in the last place know nothing of.

        A result below the smallest normal number may come out as anything between 0 and it. And each term of a
        sum of losses is evaluated as the loss it is: where one overflows, the sum may.
        """
        form, number = format_of(got.dtype), float(got)
        if abs(truth.truth) < form.tiny:
            return bool(abs(number) <= form.tiny and mpf(number) * truth.truth >= 0)
        scales = [term.coefficient for term in self.loss.terms]
        if np.isinf(number) and len(scales) > 1 and len(scales) == len(truth.terms):
            return any(abs(t / c) > form.largest for t, c in zip(truth.terms, scales, strict=True))
        return False


def on_grid(
    loss: ElementwiseLoss, parameters: dict[str, Any], dtype: str, size: int, ledgers: dict[str, Ledger]
) -> None:
    """Judge each engine's answers at about so many extreme inputs, and at a part as many ordinary ones."""
    judge = Judge(loss, parameters, dtype)
    y, p = inputs(judge, parameters, size)
    for engine, ledger in ledgers.items():
        held = (
            can_hold(engine, dtype, y)
            & can_hold(engine, dtype, p)
            & can_hold(engine, dtype, _argument(judge, y, p))
        )
        value, (slope,), curvature = answers(engine, loss, (y[held], p[held]))
        for order, got in enumerate((value, slope, curvature)):
            assert got is not None
            take(ledger, engine, dtype, order, judged(judge, order, y[held], p[held], got))


def take(ledger: Ledger, engine: str, dtype: str, order: int, some: Iterator[Judged]) -> None:
    """Take in answers, each with its error."""
    several = [one for one in some if can_hold(engine, dtype, float(one.truth))]
    worst = ledger.of(dtype, order)
    worst.answers += len(several)
    worst.nans += sum(math.isnan(one.got) and one.ulp > 0 for one in several)
    ledger.judge(dtype, order, several)


def judged(judge: Judge, order: int, y: Array, p: Array, got: Array) -> Iterator[Judged]:
    """Each answer with its error."""
    return (judge(order, float(a), float(b), g) for a, b, g in zip(y, p, got, strict=True))


def inputs(judge: Judge, parameters: dict[str, Any], size: int) -> grids.Grid:
    """Extreme and ordinary inputs of the loss's domain, and infinities where they are in it."""
    book, dtype = judge.book, judge.dtype
    domain = grids.domain_of(book, **parameters)
    residual = book.coordinates == "residual"
    thresholds = [v for v in parameters.values() if isinstance(v, float) and 2.0**-30 < abs(v) < 2.0**30]
    extreme = grids.extreme(domain, dtype, thresholds if residual else ())
    kept = np.random.default_rng(2).random(extreme.y.size) < size / extreme.y.size
    parts = [
        grids.Grid(extreme.y[kept], extreme.p[kept]),
        grids.ordinary(domain, dtype, seed=1, size=size // 4),
    ]
    if domain in ("residual", "logits", "margin"):
        parts.append(grids.with_infinities(domain, dtype))
    y, p = (np.concatenate(column) for column in zip(*parts, strict=True))
    with np.errstate(over="ignore", invalid="ignore"):
        whole = (
            np.isfinite(p - y) | ~np.isfinite(p) | (not residual)
        )  # a residual beyond its dtype counts as infinite
    return grids.Grid(y[whole], p[whole])


def _argument(judge: Judge, y: Array, p: Array) -> Array:
    """What the rules are a function of, if that is one number."""
    with np.errstate(all="ignore"):
        return {"residual": p - y, "margin": y * p}.get(judge.book.coordinates, p)
