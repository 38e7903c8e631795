"""Distillation by its definition, and the logits that it is tried on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from mpmath import mp, mpf

from .jets import Mpf
from .sample import Sample

SUMS = (
    "the student's gradient is a difference of two distributions, the teacher's of log ratios and their mean"
)


def _softmax(z: Sequence[Mpf], temperature: Mpf) -> list[Mpf]:
    powers = [mp.exp(x / temperature) for x in z]
    return [e / sum(powers) for e in powers]


def _distillation(
    y_true: Sequence[int], y_pred: Sequence[Sequence[Mpf]], teacher: Sequence[Sequence[Mpf]], temperature: Any = 2.0,
    alpha: Any = 0.5, ignore_index: int | None = None,
) -> list[Mpf]:  # fmt: skip
    """alpha CE(y, p) + (1 - alpha) T^2 KL(q, p at T). Hinton et al. 2015, section 2."""
    t, a = mpf(temperature), mpf(alpha)

    def of(y: int, z: Sequence[Mpf], u: Sequence[Mpf]) -> Mpf:
        if y == ignore_index:
            return mpf(0)
        p, q = _softmax(z, t), _softmax(u, t)
        divergence = sum(b * mp.log(b / c) for b, c in zip(q, p, strict=True) if b)
        return -a * mp.log(_softmax(z, mpf(1))[y]) + (1 - a) * t**2 * divergence

    return [of(*row) for row in zip(y_true, y_pred, teacher, strict=True)]


TEXTBOOK: dict[str, Callable[..., list[Mpf]]] = {"DistillationLoss": _distillation}


def samples(name: str, parameters: dict[str, Any], dtype: Any) -> Iterator[Sample]:
    """Ordinary and extreme logits of three classes."""
    rows = {
        "ordinary": ([0, 1], [[1.5, 0.25, -2.0], [0.5, 0.75, 3.0]], [[1.0, 0.5, -1.0], [2.0, 1.75, -3.0]]),
        "sure, and the teacher is not": (
            [0, 2],
            [[40.0, 0.0, 3.0], [-7.0, 5.0, 60.0]],
            [[1.0, 0.5, 0.0]] * 2,
        ),
        "the teacher is sure": ([0, 2], [[1.0, 0.5, 0.0]] * 2, [[40.0, 0.0, 3.0], [-7.0, 5.0, 60.0]]),
        "offset": ([1], [[1e4, 1e4 + 4, 1e4 - 8]], [[-1e4, -1e4 + 4, -1e4 + 8]]),
    }
    for title, (y, z, u) in rows.items():
        yield Sample(title, (np.array(y), np.array(z, dtype), np.array(u, dtype)))
