"""Losses over all paths through a table: value and gradient of a mean over sequences."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import losskit as lk
from benchmarks.agreement import Array
from benchmarks.arrays import cast
from benchmarks.contestants import Function, copy_floors, eager, losskit_contestants
from benchmarks.harness import Case, Contestant
from benchmarks.peers import torch_or_none

SIZES = ("500x16x32x60", "1000x8x1000x100")
QUICK = ("40x4x8x6",)

_LOG_SPACE = 1e-2
"""By which share gradients in float32 may differ: in log space, as torch computes them, they err by up to that."""


def cases(sizes: tuple[str, ...], dtype: str) -> list[Case]:
    """Both losses at every size, frames x batch x classes x labels; for alignments the classes are features."""
    return [
        Case("lattice", name, size, partial(_contestants, draw, size, dtype), dtype, _LOG_SPACE)
        for name, draw in {"ctc": _ctc, "soft_dtw": _soft_dtw}.items()
        for size in sizes
    ]


def _contestants(
    draw: Callable[..., tuple[Any, Function, list[Array]]], size: str, dtype: str
) -> list[Contestant]:
    loss, peer, drawn = draw(np.random.default_rng(0), *(int(n) for n in size.split("x")))
    arrays = cast(drawn, dtype)
    moving = [loss.arguments.index(name) for name in loss.differentiable]
    found = [*losskit_contestants(loss, arrays, moving), *copy_floors(*(arrays[i] for i in moving))]
    # compiled, torch would call the same kernel for the one and unroll the other
    return found if torch_or_none() is None else [*found, eager("torch eager", peer, arrays, moving)]


def _ctc(
    random: Any, frames: int, batch: int, classes: int, labels: int
) -> tuple[Any, Function, list[Array]]:
    logits = random.standard_normal((frames, batch, classes), dtype=np.float32)
    return lk.CTCLoss(from_logits=True), _torch_ctc, [random.integers(1, classes, (batch, labels)), logits]


def _soft_dtw(
    random: Any, length: int, batch: int, features: int, other: int
) -> tuple[Any, Function, list[Array]]:
    series = [random.standard_normal((batch, n, min(features, 8)), dtype=np.float32) for n in (length, other)]
    return lk.SoftDTWLoss(), _torch_soft_dtw, series


def _torch_ctc(y: Any, x: Any) -> Any:
    import torch
    import torch.nn.functional as F  # noqa: N812

    frames, lengths = (torch.full((y.shape[0],), n) for n in (x.shape[0], y.shape[1]))
    return F.ctc_loss(x.log_softmax(-1), y, frames, lengths, reduction="sum") / y.shape[0]


def _torch_soft_dtw(y: Any, x: Any) -> Any:
    """As the recipes for torch write it: diagonal by diagonal, with logsumexp."""
    import torch

    costs = torch.cdist(y, x).square()
    batch, rows, columns = costs.shape
    scores = [torch.full((batch, rows + 1), -torch.inf, dtype=costs.dtype) for _ in range(2)]
    scores[0][:, 0] = 0.0
    for k in range(rows + columns - 1):
        i = torch.arange(max(0, k - columns + 1), min(rows, k + 1))
        far, near = scores[-2:]
        best = torch.logsumexp(torch.stack([near[:, i + 1], near[:, i], far[:, i]]), 0)
        now = torch.full((batch, rows + 1), -torch.inf, dtype=costs.dtype)
        scores.append(now.index_copy(1, i + 1, best - costs[:, i, k - i]))
    return -scores[-1][:, -1].mean()
