"""Losses over all paths through a table: value and gradient of a mean over sequences."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import losskit as lk
from benchmarks.harness import Answer, Array, Case, Contestant, Runner
from benchmarks.peers import losskit_contestants, torch_contestants

SIZES = ("500x16x32x60", "1000x8x1000x100")
QUICK = ("40x4x8x6",)

_LOG_SPACE = 1e-2
"""By which share gradients in float32 may differ: in log space, as torch computes them, they err by up to that."""


def cases(sizes: tuple[str, ...], threads: int) -> list[Case]:
    """Both losses at every size, frames x batch x classes x labels; for alignments the classes are features."""
    makers = {"ctc": _ctc, "soft_dtw": _soft_dtw}
    return [
        Case("lattice", name, size, partial(_contestants, maker, size), tolerance=_LOG_SPACE)
        for name, maker in makers.items()
        for size in sizes
    ]


def _contestants(maker: Callable[..., list[Contestant]], size: str) -> list[Contestant]:
    return maker(np.random.default_rng(0), *(int(n) for n in size.split("x")))


def _ctc(random: Any, frames: int, batch: int, classes: int, labels: int) -> list[Contestant]:
    logits = random.standard_normal((frames, batch, classes), dtype=np.float32)
    targets = random.integers(1, classes, (batch, labels))
    loss = lk.CTCLoss(from_logits=True)
    # compiled, torch calls the same kernel: the first of its contestants will do
    return [*losskit_contestants(loss, targets, logits), *torch_contestants(_torch_ctc, targets, logits)[:1]]


def _torch_ctc(x: Any, y: Any) -> Any:
    import torch
    import torch.nn.functional as F  # noqa: N812

    frames, lengths = (torch.full((y.shape[0],), n) for n in (x.shape[0], y.shape[1]))
    return F.ctc_loss(x.log_softmax(-1), y, frames, lengths, reduction="sum") / y.shape[0]


def _soft_dtw(random: Any, length: int, batch: int, features: int, other: int) -> list[Contestant]:
    y, x = (random.standard_normal((batch, n, min(features, 8)), dtype=np.float32) for n in (length, other))
    loss = lk.SoftDTWLoss()

    def answer(result: tuple[Any, tuple[Array, Array]]) -> Answer:
        return float(result[0]), result[1][1]

    mine = Contestant("losskit", "losskit", lambda: Runner(lambda: loss.value_and_derivative(y, x), answer))
    return [mine, *torch_contestants(_torch_soft_dtw, y, x)[:1]]


def _torch_soft_dtw(x: Any, y: Any) -> Any:
    """As the recipes for torch write it: diagonal by diagonal, with logsumexp."""
    import torch

    costs = torch.cdist(y, x).square()
    batch, rows, columns = costs.shape
    scores = [torch.full((batch, rows + 1), -torch.inf) for _ in range(2)]
    scores[0][:, 0] = 0.0
    for k in range(rows + columns - 1):
        i = torch.arange(max(0, k - columns + 1), min(rows, k + 1))
        far, near = scores[-2:]
        best = torch.logsumexp(torch.stack([near[:, i + 1], near[:, i], far[:, i]]), 0)
        now = torch.full((batch, rows + 1), -torch.inf)
        scores.append(now.index_copy(1, i + 1, best - costs[:, i, k - i]))
    return -scores[-1][:, -1].mean()
