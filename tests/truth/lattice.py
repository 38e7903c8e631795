"""Losses over all paths through a table by their definitions, path by path, and what they are tried on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, product
from typing import Any

import numpy as np
from mpmath import mp, mpf

from .jets import Mpf
from .sample import Sample, keeper

TEXTBOOK: dict[str, Callable[..., list[Mpf]]] = {}

SUMS = "a slope is a softmax less the share of the paths, or the sum over cells of shares times gaps"
"""Why slopes are right to units of the largest one: each is a sum of terms of either sign."""

_define = keeper(TEXTBOOK)


def spelled(path: Sequence[int], blank: int) -> list[int]:
    """What a path spells: repetitions are merged, then blanks dropped (Graves et al. 2006, the map B)."""
    return [label for label, _ in groupby(path) if label != blank]


@_define("CTCLoss")
def _ctc(
    y_true: Any, y_pred: Any, target_lengths: Any = None, logit_lengths: Any = None, blank: int = 0,
    zero_infinity: bool = False, from_logits: bool = False, **_: Any,
) -> list[Mpf]:  # fmt: skip
    """Graves et al. 2006, eq. 3: the sum over every path that spells the target, one after the other."""
    terms = []
    for b in range(len(y_pred[0])):
        labels = y_true[b] if target_lengths is None else y_true[b][: target_lengths[b]]
        frames = [row[b] for row in y_pred][: len(y_pred) if logit_lengths is None else logit_lengths[b]]
        rows = [[mp.exp(z) for z in frame] for frame in frames]
        if from_logits:
            rows = [[p / sum(row) for p in row] for row in rows]
        total = mpf(0)
        for path in product(range(len(y_pred[0][0])), repeat=len(rows)):
            if spelled(path, blank) == list(labels):
                total += mp.fprod(row[c] for row, c in zip(rows, path, strict=True))
        terms.append(-mp.log(total) if total else mpf(0 if zero_infinity else "inf"))
    return terms


def alignments(rows: int, columns: int) -> Iterator[list[tuple[int, int]]]:
    """Every path of cells from the first to the last, by steps down, right or both."""
    if rows < 1 or columns < 1:
        return
    if rows == columns == 1:
        yield [(0, 0)]
    for before in ((rows - 1, columns), (rows, columns - 1), (rows - 1, columns - 1)):
        for path in alignments(*before):
            yield [*path, (rows - 1, columns - 1)]


@_define("SoftDTWLoss")
def _soft_dtw(y_true: Any, y_pred: Any, gamma: Any = 1.0, normalize: bool = False, **_: Any) -> list[Mpf]:
    """Cuturi & Blondel 2017, eq. 1, and the divergence of Blondel et al. 2021, eq. 8."""

    def soft(x: Any, y: Any) -> Mpf:
        costs = [
            sum(sum((a - b) ** 2 for a, b in zip(x[i], y[j], strict=True)) for i, j in path)
            for path in alignments(len(x), len(y))
        ]
        return -gamma * mp.log(sum(mp.exp(-c / gamma) for c in costs)) if gamma else min(costs)

    pairs = list(zip(y_true, y_pred, strict=True))
    terms = [soft(x, y) for x, y in pairs]
    if normalize:
        terms = [t - (soft(x, x) + soft(y, y)) / 2 for t, (x, y) in zip(terms, pairs, strict=True)]
    return terms


def samples(cls_name: str, parameters: dict[str, Any], dtype: str) -> Iterator[Sample]:
    """Small arguments, ordinary and extreme."""
    yield from _labellings(parameters, dtype) if cls_name == "CTCLoss" else _alignments(parameters, dtype)


def _labellings(parameters: dict[str, Any], dtype: str) -> Iterator[Sample]:
    random = np.random.default_rng(0)
    blank, classes = parameters["blank"], 3
    one, other = (c for c in range(classes) if c != blank)

    def scores(logits: Any) -> Any:
        z = np.asarray(logits, np.float64)
        if not parameters["from_logits"]:
            z = z - np.max(z, axis=-1, keepdims=True)
            z = z - np.log(np.sum(np.exp(z), axis=-1, keepdims=True))
        return z.astype(dtype)

    def frames(*rows: Any) -> Any:
        return scores([[np.roll(row, blank)] for row in rows])

    drawn = scores(2.0 * random.standard_normal((4, 4, classes)))
    pairs = np.array([[one, other], [one, one], [other, -7], [99, 99]])
    yield Sample("ordinary", (pairs, drawn, np.array([2, 2, 1, 0]), np.array([4, 3, 2, 4])))
    yield Sample("whole lengths", (pairs[:2], drawn[:3, :2], None, None))
    yield Sample("one frame", (np.array([[one]]), frames([0.5, 1.0, -1.0]), None, None))
    yield Sample(
        "almost certain", (np.array([[one]]), frames([0.0, 20.0, -1.0], [20.0, -1.0, 0.0]), None, None)
    )
    yield Sample(
        "almost impossible", (np.array([[one]]), frames([30.0, -60.0, 0.0], [0.0, -90.0, 0.0]), None, None)
    )
    yield Sample(
        "far apart", (np.array([[one]]), frames([0.0, -1000.0, -300.0], [900.0, 0.0, 0.0]), None, None)
    )
    yield Sample(
        "too few frames", (np.array([[one, one]]), frames([0.0, 1.0, 2.0], [0.0, 1.0, 0.5]), None, None)
    )
    yield Sample("no frames", (np.array([[one], [one]]), drawn[:1, :2], np.array([0, 1]), np.array([0, 0])))
    large = 2.0**24 if dtype == "float32" else 2.0**60
    yield Sample(
        "huge", (np.array([[one]]), frames([0.0, -large, -large], [0.0, -2 * large, 0.0]), None, None)
    )


def _alignments(parameters: dict[str, Any], dtype: str) -> Iterator[Sample]:
    random = np.random.default_rng(0)
    x, y = random.standard_normal((2, 3, 2)), random.standard_normal((2, 4, 2))

    def sample(name: str, x: Any, y: Any, smooth: bool = True) -> Sample:
        return Sample(name, (np.asarray(x, dtype), np.asarray(y, dtype)), smooth)

    hard = parameters["gamma"] == 0.0
    if parameters["normalize"]:  # three alignments instead of one, in many digits: shorter sequences
        x, y = x[:, :2], y[:, :3]
    yield sample("ordinary", x[:1], y[:1])
    yield sample("one against many", x[:, :1], y)
    yield sample("one pair", x[:1, :1], y[:1, :1])
    yield sample("equal", x[:1], x[:1], smooth=not hard)
    yield sample("ties", np.zeros((1, 2, 1)), np.ones((1, 3, 1)), smooth=not hard)
    yield sample("far away", 100.0 * x[:1], 100.0 * y[:1])
    if not parameters["normalize"]:
        yield sample("tiny", [[[1e-12]]], [[[3e-12], [-2e-12]]])
        yield sample("huge", [[[1e15], [2e15]]], [[[-1e15], [3e15]]])
