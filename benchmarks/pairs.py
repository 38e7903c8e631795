"""Losses of pairs of vectors: value and gradients, beside torch's own."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import losskit as lk
from benchmarks.arrays import contestants_of
from benchmarks.harness import Case, Contestant

SIZES = ("100000x128", "10000x768")
QUICK = ("1000x32",)


@dataclass(frozen=True)
class Subject:
    """A loss and its torch spelling, a function of the same arrays."""

    loss: Callable[[], Any]
    torch: Callable[..., Any]


def _triplet(anchor: Any, positive: Any, negative: Any) -> Any:
    import torch.nn.functional as F  # noqa: N812

    return F.triplet_margin_loss(anchor, positive, negative, eps=0.0)


def _triplet_cosine(anchor: Any, positive: Any, negative: Any) -> Any:
    import torch.nn.functional as F  # noqa: N812

    return F.triplet_margin_with_distance_loss(
        anchor, positive, negative, distance_function=lambda x, y: 1.0 - F.cosine_similarity(x, y)
    )


def _contrastive(y: Any, x1: Any, x2: Any) -> Any:
    distance = (x1 - x2).norm(dim=-1)
    return 0.5 * (y * distance**2 + (1.0 - y) * (16.0 - distance).relu() ** 2).mean()


def _cosine(x1: Any, x2: Any) -> Any:
    import torch.nn.functional as F  # noqa: N812

    return (1.0 - F.cosine_similarity(x1, x2)).mean()


def _cosine_embedding(y: Any, x1: Any, x2: Any) -> Any:
    import torch.nn.functional as F  # noqa: N812

    return F.cosine_embedding_loss(x1, x2, y)


SUBJECTS = {
    "triplet": Subject(lk.TripletLoss, _triplet),
    "triplet_cosine": Subject(partial(lk.TripletLoss, distance="cosine"), _triplet_cosine),
    "contrastive": Subject(partial(lk.ContrastiveLoss, margin=16.0), _contrastive),
    "cosine_similarity": Subject(lk.CosineSimilarityLoss, _cosine),
    "cosine_embedding": Subject(lk.CosineEmbeddingLoss, _cosine_embedding),
}


def cases(sizes: tuple[str, ...], dtype: str) -> list[Case]:
    """Every loss at every size; sizes are rows x features."""
    return [
        Case("pairs", name, size, partial(_contestants, subject, size, dtype), dtype)
        for name, subject in SUBJECTS.items()
        for size in sizes
    ]


def _contestants(subject: Subject, size: str, dtype: str) -> list[Contestant]:
    n, features = (int(float(part)) for part in size.split("x"))
    loss, random = subject.loss(), np.random.default_rng(0)
    labels = loss.example(random, n)[: -len(loss.differentiable)]
    vectors = random.standard_normal((len(loss.differentiable), n, features), dtype=np.float32)
    return contestants_of(loss, (*labels, *vectors), dtype, subject.torch)
