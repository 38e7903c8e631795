"""A linear layer with a loss of its softmax rows by definition, and the arguments that it is tried on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from mpmath import mp, mpf

from .jets import Mpf
from .sample import Sample

Row = Sequence[Mpf]
Rows = Sequence[Row]


def _cross_entropy(
    y_true: Sequence[Any], hidden: Rows, weight: Rows, bias: Row | None, label_smoothing: Any = 0.0, z_loss: Any = 0.0,
    class_weights: Sequence[Any] | None = None, ignore_index: int | None = None, targets: str = "index",
) -> list[Mpf]:  # fmt: skip
    """-sum_j w_j y_j log softmax(W h + b)_j of a row, plus z_loss times the squared log of the softmax's denominator."""
    classes, s = len(weight), mpf(label_smoothing)

    def of(y: Any, h: Row) -> Mpf:
        if targets == "index" and y == ignore_index:
            return mpf(0)
        shares = y if targets == "distribution" else [mpf(j == y) for j in range(classes)]
        logits = [
            sum(w * x for w, x in zip(row, h, strict=True)) + (bias[j] if bias else 0)
            for j, row in enumerate(weight)
        ]
        powers = [mp.exp(z) for z in logits]
        smooth = [(1 - s) * q + s / classes for q in shares]
        weights = [mpf(w) for w in class_weights or [1] * classes]
        costs = [-mp.log(e / sum(powers)) for e in powers]
        entropy = sum(w * q * c for w, q, c in zip(weights, smooth, costs, strict=True))
        return entropy + mpf(z_loss) * mp.log(sum(powers)) ** 2

    return [of(y, h) for y, h in zip(y_true, hidden, strict=True)]


TEXTBOOK: dict[str, Callable[..., list[Mpf]]] = {"LinearCrossEntropy": _cross_entropy}


def samples(name: str, parameters: dict[str, Any], dtype: Any) -> Iterator[Sample]:
    """Ordinary arguments, and those that make logits far apart."""
    kind = np.dtype(dtype).type
    random = np.random.default_rng(11)
    hidden, weight, bias = (random.standard_normal(shape).astype(kind) for shape in ((2, 2), (3, 2), 3))
    labels = np.array([0, 2])
    if parameters["targets"] == "distribution":
        labels = np.array([[0.5, 0.25, 0.25], [0, 0.125, 0.875]], kind)
    yield Sample("ordinary", (labels, hidden, weight, bias))
    yield Sample("far apart", (labels, hidden * kind(16), weight * kind(4), bias))
    if parameters["ignore_index"] is not None:
        one = np.full_like(labels, parameters["ignore_index"])
        one[0] = 1
        yield Sample("ignored rows", (one, hidden, weight, bias))
