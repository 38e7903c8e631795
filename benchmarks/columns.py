"""Losses of a few numbers at a time: value and all gradients of a mean over n terms."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import losskit as lk
from benchmarks.arrays import contestants_of
from benchmarks.harness import Case, Contestant

SIZES = ("1e3", "1e5", "1e6")
QUICK = ("1e3", "1e4")


@dataclass(frozen=True)
class Subject:
    """A loss and what a user of torch writes for it, a function of the same arrays."""

    loss: Callable[[], Any]
    torch: Callable[..., Any]
    tolerance: float = 1e-5


def _gaussian_nll(y: Any, mean: Any, variance: Any) -> Any:
    import torch.nn.functional as F  # noqa: N812

    return F.gaussian_nll_loss(mean, y, variance)


def _student(y: Any, mean: Any, scale: Any) -> Any:
    z = (y - mean) / scale
    return (scale.log() + 2.5 * (z * z / 4.0).log1p()).mean()


def _margin_ranking(y: Any, x1: Any, x2: Any) -> Any:
    import torch.nn.functional as F  # noqa: N812

    return F.margin_ranking_loss(x1, x2, y, margin=0.25)


def _discriminator(real: Any, fake: Any) -> Any:
    import torch.nn.functional as F  # noqa: N812

    return F.softplus(-real).mean() + F.softplus(fake).mean()


def _gaussian_kl(mean: Any, log_variance: Any, other_mean: Any, other_log_variance: Any) -> Any:
    """As torch.distributions.kl_divergence writes it, from log-variances."""
    shift = (mean - other_mean) ** 2 / other_log_variance.exp()
    log_ratio = log_variance - other_log_variance
    return 0.5 * (log_ratio.exp() + shift - 1.0 - log_ratio).sum(-1).mean()


def _of_boxes(t: Any, p: Any) -> tuple[Any, Any, Any, Any]:
    """IoU and union, and the corners of the hull, as in torchvision."""
    import torch

    low, high = torch.maximum(t[:, :2], p[:, :2]), torch.minimum(t[:, 2:], p[:, 2:])
    common = (high - low).clamp(min=0.0).prod(-1)
    union = (t[:, 2:] - t[:, :2]).prod(-1) + (p[:, 2:] - p[:, :2]).prod(-1) - common
    return common / union, union, torch.minimum(t[:, :2], p[:, :2]), torch.maximum(t[:, 2:], p[:, 2:])


def _giou(t: Any, p: Any) -> Any:
    iou, union, low, high = _of_boxes(t, p)
    hull = (high - low).prod(-1)
    return (1.0 - iou + (hull - union) / hull).mean()


def _diou(t: Any, p: Any) -> Any:
    iou, _, low, high = _of_boxes(t, p)
    centres = ((t[:, :2] + t[:, 2:] - p[:, :2] - p[:, 2:]) ** 2).sum(-1) / 4.0
    return (1.0 - iou + centres / ((high - low) ** 2).sum(-1)).mean()


_CANCELS = 0.1
"""By which share the float32 gradients of boxes may differ: the usual spelling loses digits where boxes barely meet."""

SUBJECTS = {
    "gaussian_nll": Subject(lk.GaussianNLLLoss, _gaussian_nll),
    "student_t": Subject(lk.StudentTLoss, _student),
    "margin_ranking": Subject(partial(lk.MarginRankingLoss, 0.25), _margin_ranking),
    "discriminator": Subject(lk.DiscriminatorLoss, _discriminator),
    "gaussian_kl": Subject(lk.GaussianKLDivergence, _gaussian_kl),
    "giou": Subject(partial(lk.BoxIoULoss, "giou"), _giou, _CANCELS),
    "diou": Subject(partial(lk.BoxIoULoss, "diou"), _diou, _CANCELS),
}


def cases(sizes: tuple[str, ...], dtype: str) -> list[Case]:
    """Every loss at every size; sizes are numbers of terms, such as "1e5"."""
    return [
        Case(
            "columns",
            name,
            size,
            partial(_contestants, subject, int(float(size)), dtype),
            dtype,
            subject.tolerance,
        )
        for name, subject in SUBJECTS.items()
        for size in sizes
    ]


def _contestants(subject: Subject, n: int, dtype: str) -> list[Contestant]:
    loss = subject.loss()
    return contestants_of(loss, loss.example(np.random.default_rng(0), n), dtype, subject.torch)
