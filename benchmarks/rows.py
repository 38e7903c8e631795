"""Softmax cross-entropy with index targets: value and gradient of the mean over rows."""

from functools import partial
from typing import Any

import numpy as np

import losskit as lk
from benchmarks.harness import Case, Contestant
from benchmarks.peers import copy_floor, left_out, losskit_contestants, torch_contestants

SIZES = ("1000000x10", "65536x1000", "4096x32000")
QUICK = ("4096x10", "512x1000")


def _cross_entropy(x: Any, y: Any) -> Any:
    import torch.nn.functional as F  # noqa: N812

    return F.cross_entropy(x, y)


def cases(sizes: tuple[str, ...], threads: int) -> list[Case]:
    """The loss at every size; sizes are rows x classes, such as "65536x1000"."""
    try:
        loss = lk.SparseCategoricalCrossEntropy(from_logits=True)
    except AttributeError as error:
        left_out.add("rows", error)
        return []
    return [Case("rows", "softmax_ce", size, partial(_contestants, loss, size)) for size in sizes]


def _contestants(loss: Any, size: str) -> list[Contestant]:
    rows, classes = (int(float(part)) for part in size.split("x"))
    rng = np.random.default_rng(0)
    z = rng.standard_normal((rows, classes), dtype=np.float32)
    z *= 2.0
    y = rng.integers(0, classes, rows)
    return [*losskit_contestants(loss, y, z), *torch_contestants(_cross_entropy, y, z), copy_floor(z)]
