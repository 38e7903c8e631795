"""Losses of lists: value and gradient, beside what a user of torch writes for them."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import losskit as lk
from benchmarks.arrays import contestants_of
from benchmarks.harness import Case, Contestant

SIZES = ("1000x100", "32x1000")
QUICK = ("50x20",)


@dataclass(frozen=True)
class Subject:
    """A loss and its torch spelling, a function of relevances and scores."""

    loss: Callable[[], Any]
    torch: Callable[..., Any]
    ties: bool = True


def _logistic(y: Any, s: Any, weight: Any) -> Any:
    """The sum over the pairs of items in the right order of log(1 + e^-d), times their weights."""
    import torch
    import torch.nn.functional as F  # noqa: N812

    ordered = y[:, :, None] > y[:, None, :]
    costs = weight * F.softplus(s[:, None, :] - s[:, :, None])
    return torch.where(ordered, costs, 0.0).sum((1, 2)).mean()


def _rank_net(y: Any, s: Any) -> Any:
    return _logistic(y, s, 1.0)


def _lambda(y: Any, s: Any) -> Any:
    import torch

    gain = _gain(y) / _best(y)[:, None]
    rank = s.detach().argsort(-1, descending=True).argsort(-1)
    apart = (rank[:, :, None] - rank[:, None, :]).abs().to(s.dtype)
    step = 1.0 / torch.log2(1.0 + apart) - 1.0 / torch.log2(2.0 + apart)
    weight = step.nan_to_num() * (gain[:, :, None] - gain[:, None, :]).abs()
    return _logistic(y, s, weight) / math.log(2.0)


def _gain(y: Any) -> Any:
    return 2.0**y - 1.0


def _best(y: Any) -> Any:
    import torch

    places = torch.arange(2, y.shape[-1] + 2, dtype=y.dtype)
    return (_gain(y).sort(-1, descending=True).values / torch.log2(places)).sum(-1)


def _list_net(y: Any, s: Any) -> Any:
    return -(y.softmax(-1) * s.log_softmax(-1)).sum(-1).mean()


def _list_mle(y: Any, s: Any) -> Any:
    s = s.gather(-1, y.argsort(-1, descending=True))
    return (s.flip(-1).logcumsumexp(-1) - s.flip(-1)).sum(-1).mean()


def _approx_ndcg(y: Any, s: Any) -> Any:
    import torch

    rank = 0.5 + torch.sigmoid((s[:, None, :] - s[:, :, None]) / 0.1).sum(-1)
    return (1.0 - (_gain(y) / torch.log2(1.0 + rank)).sum(-1) / _best(y)).mean()


SUBJECTS = {
    "rank_net": Subject(lk.RankNetLoss, _rank_net),
    "lambda": Subject(lk.LambdaLoss, _lambda),
    "list_net": Subject(lk.ListNetLoss, _list_net),
    "list_mle": Subject(lk.ListMLELoss, _list_mle, ties=False),
    "approx_ndcg": Subject(lk.ApproxNDCGLoss, _approx_ndcg),
}


def cases(sizes: tuple[str, ...], dtype: str) -> list[Case]:
    """Every loss at every size; sizes are queries x items."""
    return [
        Case("lists", name, size, partial(_contestants, subject, size, dtype), dtype, 1e-4)
        for name, subject in SUBJECTS.items()
        for size in sizes
    ]


def _contestants(subject: Subject, size: str, dtype: str) -> list[Contestant]:
    queries, items = (int(float(part)) for part in size.split("x"))
    random = np.random.default_rng(0)
    shape = (queries, items)
    grades = random.integers(0, 5, shape) if subject.ties else np.argsort(random.random(shape), -1)
    arrays = (grades.astype(np.float32), random.standard_normal(shape, dtype=np.float32))
    return contestants_of(subject.loss(), arrays, dtype, subject.torch)
