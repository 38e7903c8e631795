"""Losses of masks: value and gradient on a volume of four classes, and the Lovasz extension on images."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import losskit as lk
from benchmarks.harness import Array, Case, Contestant
from benchmarks.peers import copy_floor, left_out, losskit_contestants, torch_contestants

SIZES = ("2x4x96x96x96", "4x4x512x512")
QUICK = ("2x4x16x16x16",)
SMOOTH = 1e-5
"""MONAI's."""


@dataclass(frozen=True)
class Subject:
    """A loss and who competes in it."""

    name: str
    build: Callable[[str], list[Contestant]]
    dims: int | None = None
    """With how many axes of space; None: any."""
    tolerance: float = 1e-4


def cases(sizes: tuple[str, ...], threads: int) -> list[Case]:
    """Every loss at every size; sizes are samples x classes x space, such as "2x4x96x96x96"."""
    return [
        Case("overlap", subject.name, size, partial(subject.build, size), tolerance=subject.tolerance)
        for size in sizes
        for subject in SUBJECTS
        if subject.dims is None or size.count("x") - 1 == subject.dims
    ]


def _data(size: str) -> tuple[Array, Array]:
    """Class indices and logits."""
    shape = tuple(int(float(n)) for n in size.split("x"))
    rng = np.random.default_rng(0)
    logits = rng.standard_normal(shape, dtype=np.float32)
    return rng.integers(0, shape[1], shape[:1] + shape[2:]), logits


def _ratio(jaccard: bool, size: str) -> list[Contestant]:
    """A softmax over the classes inside, one ratio a class over the batch, class indices."""
    cls = lk.IoULoss if jaccard else lk.DiceLoss
    loss = cls(
        smooth=SMOOTH if not jaccard else SMOOTH / 2, per="class", from_logits=True, activation="softmax"
    )
    y, z = _data(size)
    contestants = losskit_contestants(loss, y, z)
    try:
        from monai.losses import DiceLoss
    except ImportError as error:
        left_out.add("MONAI", error)
        return [*contestants, copy_floor(z)]
    peer = DiceLoss(softmax=True, to_onehot_y=True, batch=True, jaccard=jaccard)
    return [*contestants, *_eager("MONAI", lambda x, t: peer(x, t[:, None]), y, z), copy_floor(z)]


def _lovasz(size: str) -> list[Contestant]:
    """The Lovasz-softmax, each class of each image on its own as kornia takes them."""
    loss = lk.LovaszLoss(per="sample_class", from_logits=True, activation="softmax")
    y, z = _data(size)
    contestants = losskit_contestants(loss, y, z)
    try:
        from kornia.losses import lovasz_softmax_loss
    except ImportError as error:
        left_out.add("kornia", error)
        return [*contestants, copy_floor(z)]
    return [*contestants, *_eager("kornia", lovasz_softmax_loss, y, z), copy_floor(z)]


def _eager(name: str, function: Callable[[Any, Any], Any], y: Array, z: Array) -> list[Contestant]:
    """A peer that runs torch eagerly, under its own name."""
    return [
        Contestant(name, c.kind, c.start)
        for c in torch_contestants(function, y, z)
        if c.name == "torch eager"
    ]


SUBJECTS = (
    Subject("dice", partial(_ratio, False)),
    Subject("iou", partial(_ratio, True)),
    # kornia's float32 sums are off by almost 1 % of the largest slope
    Subject("lovasz", _lovasz, dims=2, tolerance=2e-2),
)
