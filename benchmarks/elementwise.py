"""Elementwise losses: value and gradient of a mean over n numbers."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import losskit as lk
from benchmarks.harness import Answer, Array, Case, Contestant, Runner
from benchmarks.peers import add_floor, left_out, losskit_contestants, torch_contestants

SIZES = ("1e3", "1e5", "1e7")
QUICK = ("1e3", "1e5")


@dataclass(frozen=True)
class Subject:
    """A loss, what a user of torch writes for it, and scikit-learn's version with the factor that makes it ours."""

    loss: Callable[[], Any]
    torch: Callable[[Any, Any], Any]
    binary: bool = False
    sklearn: str = ""
    sklearn_arguments: tuple[tuple[str, float], ...] = ()
    factor: float = 1.0


def _mse(x: Any, y: Any) -> Any:
    import torch.nn.functional as F  # noqa: N812

    return F.mse_loss(x, y)


def _mae(x: Any, y: Any) -> Any:
    import torch.nn.functional as F  # noqa: N812

    return F.l1_loss(x, y)


def _huber(x: Any, y: Any) -> Any:
    import torch.nn.functional as F  # noqa: N812

    return F.huber_loss(x, y, delta=1.0)


def _bce(x: Any, y: Any) -> Any:
    import torch.nn.functional as F  # noqa: N812

    return F.binary_cross_entropy_with_logits(x, y)


def _focal(x: Any, y: Any) -> Any:
    """As torchvision's sigmoid_focal_loss, without alpha."""
    import torch.nn.functional as F  # noqa: N812

    p = x.sigmoid()
    cross_entropy = F.binary_cross_entropy_with_logits(x, y, reduction="none")
    p_t = p * y + (1 - p) * (1 - y)
    return (cross_entropy * (1 - p_t) ** 2).mean()


def _log_cosh(x: Any, y: Any) -> Any:
    """As torchmetrics and Keras write it; log(cosh(r)) itself overflows."""
    import torch.nn.functional as F  # noqa: N812

    r = x - y
    return (r + F.softplus(-2.0 * r) - math.log(2.0)).mean()


SUBJECTS = {
    "mse": Subject(lk.MeanSquaredError, _mse, sklearn="HalfSquaredError", factor=2.0),
    "mae": Subject(lk.MeanAbsoluteError, _mae, sklearn="AbsoluteError"),
    "huber": Subject(lk.HuberLoss, _huber, sklearn="HuberLoss", sklearn_arguments=(("delta", 1.0),)),
    "bce_logits": Subject(
        partial(lk.BinaryCrossEntropy, from_logits=True), _bce, binary=True, sklearn="HalfBinomialLoss"
    ),
    "focal_logits": Subject(partial(lk.FocalLoss, from_logits=True), _focal, binary=True),
    "log_cosh": Subject(lk.LogCoshLoss, _log_cosh),
}


def cases(sizes: tuple[str, ...], threads: int) -> list[Case]:
    """Every loss at every size; sizes are numbers, such as "1e5"."""
    return [
        Case("elementwise", name, size, partial(_contestants, subject, int(float(size)), threads))
        for name, subject in SUBJECTS.items()
        for size in sizes
    ]


def _contestants(subject: Subject, n: int, threads: int) -> list[Contestant]:
    rng = np.random.default_rng(0)
    p = 2.0 * rng.standard_normal(n, dtype=np.float32)
    y = rng.standard_normal(n, dtype=np.float32)
    if subject.binary:
        y = (y > 0.0).astype(np.float32)
    return [
        *losskit_contestants(subject.loss(), y, p),
        *torch_contestants(subject.torch, y, p),
        *_sklearn(subject, y, p, threads),
        add_floor(y, p),
    ]


def _sklearn(subject: Subject, y: Array, p: Array, threads: int) -> list[Contestant]:
    """scikit-learn's private losses, in favourable terms: memory of ours, and no division of the gradient by n."""
    if not subject.sklearn:
        return []
    try:
        from sklearn._loss import loss as losses

        loss = getattr(losses, subject.sklearn)(**dict(subject.sklearn_arguments))
    except ImportError as error:
        left_out.add("scikit-learn", error)
        return []
    except (
        AttributeError,
        TypeError,
    ) as error:  # a private module: another release may name or build it otherwise
        left_out.add(f"scikit-learn {subject.sklearn}", error)
        return []

    def start() -> Runner:
        terms, gradient = np.empty_like(p), np.empty_like(p)

        def run() -> Any:
            loss.loss_gradient(y, p, loss_out=terms, gradient_out=gradient, n_threads=threads)
            return terms.mean()

        def answer(mean: Any) -> Answer:
            return subject.factor * float(mean), gradient * np.float32(subject.factor / p.size)

        return Runner(run, answer)

    return [Contestant("scikit-learn", "peer", start)]
