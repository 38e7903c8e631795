"""A linear layer with cross-entropy: value and gradients of hidden states and weight."""

from functools import partial
from typing import Any

import numpy as np

import losskit as lk
from benchmarks.arrays import contestants_of
from benchmarks.harness import Case, Contestant

SIZES = ("1024x768x32000",)
QUICK = ("128x64x1000",)


def _linear_cross_entropy(y: Any, hidden: Any, weight: Any) -> Any:
    import torch.nn.functional as F  # noqa: N812

    return F.cross_entropy(F.linear(hidden, weight), y)


def cases(sizes: tuple[str, ...], dtype: str) -> list[Case]:
    """Sizes are rows x features x classes."""
    return [
        Case("linear", "linear_cross_entropy", size, partial(_contestants, size, dtype), dtype, 1e-4)
        for size in sizes
    ]


def _contestants(size: str, dtype: str) -> list[Contestant]:
    rows, features, classes = (int(float(part)) for part in size.split("x"))
    random = np.random.default_rng(0)
    hidden = random.standard_normal((rows, features), dtype=np.float32)
    weight = np.float32(0.05) * random.standard_normal((classes, features), dtype=np.float32)
    arrays = (random.integers(0, classes, rows), hidden, weight)
    return contestants_of(lk.LinearCrossEntropy(), arrays, dtype, _linear_cross_entropy)
