"""Losses of masks: value and gradient on a volume of four classes, and the Lovasz extension on images."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import losskit as lk
from benchmarks.agreement import Array
from benchmarks.arrays import cast
from benchmarks.contestants import Function, copy_floors, eager, losskit_contestants
from benchmarks.harness import Case, Contestant
from benchmarks.peers import library

SIZES = ("2x4x96x96x96", "4x4x512x512")
QUICK = ("2x4x16x16x16",)
SMOOTH = 1e-5
"""MONAI's."""


@dataclass(frozen=True)
class Subject:
    """A loss and who competes in it."""

    name: str
    build: Callable[[str, str], list[Contestant]]
    dims: int | None = None
    """With how many axes of space; None: any."""
    tolerance: float = 1e-4


def cases(sizes: tuple[str, ...], dtype: str) -> list[Case]:
    """Every loss at every size; sizes are samples x classes x space, such as "2x4x96x96x96"."""
    return [
        Case("overlap", subject.name, size, partial(subject.build, size, dtype), dtype, subject.tolerance)
        for size in sizes
        for subject in SUBJECTS
        if subject.dims is None or size.count("x") - 1 == subject.dims
    ]


def _data(size: str, dtype: str) -> tuple[Array, ...]:
    """Class indices and logits."""
    shape = tuple(int(float(n)) for n in size.split("x"))
    rng = np.random.default_rng(0)
    logits = rng.standard_normal(shape, dtype=np.float32)
    return cast((rng.integers(0, shape[1], shape[:1] + shape[2:]), logits), dtype)


def _ratio(jaccard: bool, size: str, dtype: str) -> list[Contestant]:
    """A softmax over the classes inside, one ratio a class over the batch, class indices."""
    cls = lk.IoULoss if jaccard else lk.DiceLoss
    loss = cls(
        smooth=SMOOTH if not jaccard else SMOOTH / 2, per="class", from_logits=True, activation="softmax"
    )
    monai = library("monai").get("monai")
    if monai is None:
        return _beside(loss, _data(size, dtype))
    peer = monai.losses.DiceLoss(softmax=True, to_onehot_y=True, batch=True, jaccard=jaccard)
    return _beside(loss, _data(size, dtype), "MONAI", lambda t, x: peer(x, t[:, None]))


def _dice_and_cross_entropy(size: str, dtype: str) -> list[Contestant]:
    """Both of the same logits, on one softmax."""
    dice = lk.DiceLoss(smooth=SMOOTH, per="class", from_logits=True, activation="softmax")
    loss = dice + lk.SparseCategoricalCrossEntropy(from_logits=True, axis=1)
    monai = library("monai").get("monai")
    if monai is None:
        return _beside(loss, _data(size, dtype))
    peer = monai.losses.DiceCELoss(softmax=True, to_onehot_y=True, batch=True)
    return _beside(loss, _data(size, dtype), "MONAI", lambda t, x: peer(x, t[:, None]))


def _lovasz(size: str, dtype: str) -> list[Contestant]:
    """The Lovasz-softmax, each class of each image on its own as kornia takes them."""
    loss = lk.LovaszLoss(per="sample_class", from_logits=True, activation="softmax")
    kornia = library("kornia").get("kornia")
    if kornia is None:
        return _beside(loss, _data(size, dtype))
    return _beside(loss, _data(size, dtype), "kornia", lambda t, x: kornia.losses.lovasz_softmax_loss(x, t))


def _beside(
    loss: Any, arrays: tuple[Array, ...], name: str = "", peer: Function | None = None
) -> list[Contestant]:
    """losskit, the floor, and a peer that runs torch eagerly."""
    found = [*losskit_contestants(loss, arrays, [1]), *copy_floors(arrays[1])]
    return found if peer is None else [*found, eager(name, peer, arrays, [1])]


SUBJECTS = (
    Subject("dice", partial(_ratio, False)),
    Subject("iou", partial(_ratio, True)),
    Subject("dice_ce", _dice_and_cross_entropy),
    # kornia's float32 sums are off by almost 1 % of the largest slope
    Subject("lovasz", _lovasz, dims=2, tolerance=2e-2),
)
