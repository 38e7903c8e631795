"""Losses of one argument at every half-precision number and at millions of float32 numbers of every size."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from certificate.measuring.elements import Judge, judged, take
from certificate.measuring.engines import Array, answers, can_hold
from certificate.measuring.ledger import DEAD, Ledger
from losskit.structures import ElementwiseLoss
from truth.curves import Curve, Truths
from truth.ulp import ulp_errors

ONE = 127  # the exponent field of 1.0 in float32
AT_ONCE = 1 << 20  # numbers that an engine is asked at a time
SLACK = 2.0**-6  # ulp: what a curve may be wrong by
PATIENCE = 64  # answers of a slice that the curve may wrongly take for the worst


@dataclass(frozen=True)
class Block:
    """Numbers of one exponent field and sign, sorted by size."""

    exponent: int
    sign: int
    x: Array


def has_one_argument(loss: Any) -> bool:
    """Whether the loss is a function of one number: of a residual, of a margin, or of the prediction for a given label."""
    return isinstance(loss, ElementwiseLoss) and bool(_labels(loss))


def _labels(loss: ElementwiseLoss) -> tuple[float, ...]:
    """The targets that leave a function of one number."""
    argument = type(loss).argument
    if argument == "pair":
        return (0.0, 1.0) if hasattr(loss, "from_logits") else ()
    return {"residual": (0.0,), "margin": (1.0,)}[argument]


def sweep(
    loss: ElementwiseLoss, parameters: dict[str, Any], inputs: int, stride: int, ledgers: dict[str, Ledger]
) -> None:
    """Judge each engine's answers at every half-precision number and at so many float32 numbers.

    Of the exponents only each ``stride``-th is visited; 1 visits all.
    """
    judge = Judge(loss, parameters, "float32")
    of_probability = judge.book.domain_of_p(judge.facts).high == 1
    binades = list(
        product((1,) if of_probability else (1, -1), range(0, ONE if of_probability else 255, stride))
    )
    specials = [0.0, 1.0] if of_probability else [0.0, -0.0, np.inf, -np.inf]
    for y in _labels(loss):
        curve = Curve(judge.book, y, **judge.facts)
        for dtype, blocks in (
            ("float32", dense(binades, inputs)),
            ("float16", every_half("float16", binades)),
            ("bfloat16", every_half("bfloat16", binades)),
        ):
            one = Sweep(judge, curve, y, dtype, ledgers)
            for several in _together(blocks):
                one.measure(several)
            one.measure_each(np.array(specials, np.float32))


def dense(binades: list[tuple[int, int]], inputs: int) -> Iterator[Block]:
    """At least so many float32 numbers: of each binade its first and last eight, and one of every so many between."""
    count = -(-inputs // len(binades)) - 16
    random = np.random.default_rng(3)
    for sign, exponent in binades:
        first, last = max(exponent << 23, 1), (exponent + 1 << 23) - 1
        between = first + (np.arange(count) + random.random(count)) * ((last - first) / count)
        ordinals = np.concatenate(
            [first + np.arange(8), np.sort(between).astype(np.int64), last - np.arange(8)[::-1]]
        )
        yield Block(exponent, sign, sign * np.sort(ordinals).astype(np.uint32).view(np.float32))


def every_half(dtype: str, binades: list[tuple[int, int]]) -> Iterator[Block]:
    """All finite numbers of a half-precision format but 0, as float32 numbers."""
    x = np.arange(1 << 15, dtype=np.uint16).view(_numpy(dtype)).astype(np.float32)
    x = np.sort(x[np.isfinite(x) & (x != 0)])
    exponents = x.view(np.uint32) >> 23
    for sign, exponent in binades:
        if (of_exponent := exponents == exponent).any():
            yield Block(exponent, sign, sign * x[of_exponent])


def _together(blocks: Iterable[Block]) -> Iterator[list[Block]]:
    """Blocks of about as many numbers as an engine is asked at a time."""
    some: list[Block] = []
    for block in blocks:
        some.append(block)
        if sum(b.x.size for b in some) + block.x.size > AT_ONCE:
            yield some
            some = []
    if some:
        yield some


def _numpy(dtype: str) -> np.dtype[Any]:
    """A NumPy dtype, also of the format that NumPy itself does not have."""
    if dtype == "bfloat16":
        importlib.import_module("ml_dtypes")  # which makes NumPy know it
    return np.dtype(dtype)


@dataclass(frozen=True)
class Sweep:
    """A loss for one label in one format, on several engines."""

    judge: Judge
    curve: Curve
    y: float
    dtype: str
    ledgers: dict[str, Ledger]

    def _answers(self, engine: str, x: Array) -> list[Array]:
        """Value, slope and curvature at numbers of this format."""
        value, (slope,), curvature = answers(engine, self.judge.loss, (np.full_like(x, self.y), x))
        assert curvature is not None
        return [value, slope, curvature]

    def measure(self, blocks: list[Block]) -> None:
        """Judge those answers of each engine that are furthest from the curve."""
        x = np.concatenate([block.x for block in blocks]).astype(_numpy(self.dtype))
        given = {engine: self._answers(engine, x) for engine in self.ledgers}
        start = 0
        for block in blocks:
            for part, truths in self.curve.walk(block.exponent, block.sign, block.x):
                here = slice(start + part.start, start + part.stop)
                for engine, three in given.items():
                    self._screen(engine, block.x[part], [got[here] for got in three], truths)
            start += block.x.size

    def measure_each(self, x: Array) -> None:
        """Judge all answers at numbers where the curve does not go."""
        y = np.full_like(x, self.y)
        for engine, ledger in self.ledgers.items():
            for order, got in enumerate(self._answers(engine, x.astype(_numpy(self.dtype)))):
                take(ledger, engine, self.dtype, order, judged(self.judge, order, y, x, got))

    def _screen(self, engine: str, x: Array, three: list[Array], truths: Truths) -> None:
        asked = can_hold(engine, "float32", x)
        for order, got in enumerate(three):
            held = asked & can_hold(engine, "float32", truths.exact[order])
            worst = self.ledgers[engine].of(self.dtype, order)
            saturates = self.judge.saturates and order > 0
            errors = ulp_errors(
                got, truths.exact[order], truths.spread[order], got.dtype, saturates=saturates
            )
            errors[~held] = 0.0
            worst.answers += int(held.sum())
            worst.nans += int((np.isnan(got) & held).sum())
            self._judge_worst(engine, order, x, got, errors)
            worst.dead += int(((got == 0) & (errors > DEAD)).sum()) if order == 1 else 0

    def _judge_worst(self, engine: str, order: int, x: Array, got: Array, errors: Array) -> None:
        """Ask mpmath of the answers that may be the worst, one after the other."""
        ledger = self.ledgers[engine]
        worst = ledger.of(self.dtype, order)
        for _ in range(PATIENCE):
            i = int(np.argmax(errors))
            if errors[i] <= worst.error + SLACK:
                return
            one = self.judge(order, self.y, float(x[i]), got[i])
            ledger.judge(self.dtype, order, [one])
            errors[i] = 0.0
            if one.ulp == 0 and np.isinf(got[i]):  # a term that overflows here does so at all larger numbers
                errors[i:][np.isinf(got[i:])] = 0.0
        raise ArithmeticError(
            f"{self.judge.loss!r}: the curve and the definition disagree at {x[i]!r}, order {order}"
        )
