"""Hinges of many classes by their definitions, and the scores that they are tried on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from mpmath import mpf

from .jets import Mpf
from .sample import Sample


def _hinge(
    y_true: Sequence[int], y_pred: Sequence[Sequence[Mpf]], margin: Any = 1.0, kind: str = "crammer_singer",
    squared: bool = False, class_weights: Sequence[Any] | None = None, ignore_index: int | None = None,
) -> list[Mpf]:  # fmt: skip
    """max or sum over j != t of max(0, margin + z_j - z_t). Crammer & Singer 2001, eq. 3; Weston & Watkins 1999."""

    def of(t: int, z: Sequence[Mpf]) -> Mpf:
        if t == ignore_index:
            return mpf(0)
        hinges = [max(mpf(0), mpf(margin) + z[j] - z[t]) ** (1 + squared) for j in range(len(z)) if j != t]
        weight = mpf(class_weights[t]) if class_weights else mpf(1)
        return weight * (sum(hinges) if kind == "weston_watkins" else max(hinges, default=mpf(0)))

    return [of(t, z) for t, z in zip(y_true, y_pred, strict=True)]


TEXTBOOK: dict[str, Callable[..., list[Mpf]]] = {"CategoricalHingeLoss": _hinge}


def samples(name: str, parameters: dict[str, Any], dtype: Any) -> Iterator[Sample]:
    """Ordinary and extreme scores of three classes."""
    rows = {
        "ordinary": ([0, 1, 2], [[1.5, 0.25, -2.0], [0.5, 0.75, 3.0], [-1.0, -1.5, -1.25]], True),
        "far right": ([0, 1], [[1e4, 0.0, 3.0], [-7.0, 5000.0, 2.0]], True),
        "far wrong": ([0, 1], [[-1e4, 0.0, 3.0], [70.0, -5000.0, 2.0]], True),
        "huge and tiny": ([2, 0], [[1e30, -1e30, 0.0], [1e-30, -1e-30, 2.0]], True),
        "all equal": ([1], [[2.0, 2.0, 2.0]], False),
    }
    for title, (y, z, smooth) in rows.items():
        yield Sample(title, (np.array(y), np.array(z, dtype)), smooth)
