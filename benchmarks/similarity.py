"""Losses of the similarities in a batch: value and gradients, beside what a user of torch writes for them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import losskit as lk
from benchmarks.arrays import contestants_of
from benchmarks.harness import Case, Contestant

SIZES = ("8192x128", "1024x256")
QUICK = ("256x32",)


@dataclass(frozen=True)
class Subject:
    """A loss and its torch spelling, a function of the same arrays."""

    loss: Callable[[], Any]
    torch: Callable[..., Any]


def _similarities(u: Any, v: Any, temperature: float) -> Any:
    import torch.nn.functional as F  # noqa: N812

    return F.normalize(u) @ F.normalize(v).T / temperature


def _info_nce(z1: Any, z2: Any) -> Any:
    import torch
    import torch.nn.functional as F  # noqa: N812

    return F.cross_entropy(_similarities(z1, z2, 0.1), torch.arange(len(z1)))


def _clip(z1: Any, z2: Any) -> Any:
    import torch
    import torch.nn.functional as F  # noqa: N812

    s, own = _similarities(z1, z2, 0.1), torch.arange(len(z1))
    return 0.5 * F.cross_entropy(s, own) + 0.5 * F.cross_entropy(s.T, own)


def _nt_xent(z1: Any, z2: Any) -> Any:
    import torch
    import torch.nn.functional as F  # noqa: N812

    z, n = torch.cat((z1, z2)), len(z1)
    s = _similarities(z, z, 0.1)
    s = s.masked_fill(torch.eye(2 * n, dtype=torch.bool), -torch.inf)
    return F.cross_entropy(s, torch.arange(2 * n).roll(n))


def _siglip(z1: Any, z2: Any) -> Any:
    import torch
    import torch.nn.functional as F  # noqa: N812

    signs = 2.0 * torch.eye(len(z1)) - 1.0
    return -F.logsigmoid(signs * (_similarities(z1, z2, 0.1) - 10.0)).sum() / len(z1)


def _supervised(labels: Any, z: Any) -> Any:
    import torch

    own = torch.eye(len(z), dtype=torch.bool)
    s = _similarities(z, z, 0.1).masked_fill(own, -torch.inf)
    cost = s.logsumexp(1, keepdim=True) - s
    positive = (labels[:, None] == labels) & ~own
    count = positive.sum(1)
    terms = torch.where(positive, cost, 0.0).sum(1) / count.clamp(min=1)
    return terms.sum() / (count > 0).sum()


SUBJECTS = {
    "info_nce": Subject(partial(lk.InfoNCELoss, negatives="other_view"), _info_nce),
    "nt_xent": Subject(lk.InfoNCELoss, _nt_xent),
    "clip": Subject(partial(lk.CLIPLoss, 0.1), _clip),
    "siglip": Subject(lk.SigLIPLoss, _siglip),
    "supervised_contrastive": Subject(lk.SupervisedContrastiveLoss, _supervised),
}


def cases(sizes: tuple[str, ...], dtype: str) -> list[Case]:
    """Every loss at every size; sizes are rows x features."""
    return [
        Case("similarity", name, size, partial(_contestants, subject, size, dtype), dtype, 1e-4)
        for name, subject in SUBJECTS.items()
        for size in sizes
    ]


def _contestants(subject: Subject, size: str, dtype: str) -> list[Contestant]:
    n, features = (int(float(part)) for part in size.split("x"))
    loss, random = subject.loss(), np.random.default_rng(0)
    first, noise = random.standard_normal((2, n, features), dtype=np.float32)
    arrays = (first, first + noise)
    if "labels" in loss.arguments:
        labels = random.integers(0, max(2, n // 16), n)
        arrays = (
            labels,
            first + random.standard_normal((labels.max() + 1, features), dtype=np.float32)[labels],
        )
    return contestants_of(loss, arrays, dtype, subject.torch)
