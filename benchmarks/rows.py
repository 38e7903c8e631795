"""Losses of rows of classes, every one there is: value and gradient of the mean over rows."""

from functools import partial
from typing import Any

import numpy as np

import losskit as lk
from benchmarks.agreement import Array, dtype_of
from benchmarks.contestants import add_floors, copy_floors, losskit_contestants
from benchmarks.harness import Case, Contestant
from benchmarks.peer_table import ROWS
from benchmarks.subjects import texts, with_peers
from losskit.structures import RowLoss

SIZES = ("1000000x10", "65536x1000", "4096x32000")
QUICK = ("4096x10", "512x1000")


def cases(sizes: tuple[str, ...], dtype: str) -> list[Case]:
    """Every loss at every size; sizes are rows x classes, such as "65536x1000"."""
    return [
        Case("rows", text, size, partial(_contestants, text, size, dtype), dtype)
        for text in texts("rows", ROWS)
        for size in sizes
    ]


def made(text: str, classes: int) -> RowLoss:
    """The loss of a text, in which ``uniform`` stands for one number a class."""
    loss = lk.parse(text.replace("uniform", str((1.0 / classes,) * classes)))
    assert isinstance(loss, RowLoss)
    return loss


def data(loss: RowLoss, shape: tuple[int, int], dtype: str) -> tuple[Array, Array]:
    """Class indices or distributions, and logits or probabilities."""
    random = np.random.default_rng(0)
    p = _predictions(loss.form.link, random, shape, dtype_of(dtype))
    if loss.form.target == "distribution":
        return _predictions("probability", random, shape, dtype_of(dtype)), p
    return random.integers(0, shape[1], shape[0]), p


def _predictions(link: str, random: Any, shape: tuple[int, int], dtype: Any) -> Array:
    scores = random.standard_normal(shape, dtype=np.float64 if dtype == np.float64 else np.float32)
    scores *= 2.0
    if link != "softmax":
        scores -= np.log(np.exp(scores).sum(-1, keepdims=True))
    if link == "probability":
        np.exp(scores, out=scores)
    return scores.astype(dtype, copy=False)  # type: ignore[no-any-return]


def _contestants(text: str, size: str, dtype: str) -> list[Contestant]:
    rows, classes = (int(float(part)) for part in size.split("x"))
    loss = made(text, classes)
    y, p = data(loss, (rows, classes), dtype)
    floors = copy_floors(p) if y.ndim == 1 else add_floors(y, p)
    return [*losskit_contestants(loss, (y, p), [1]), *with_peers(ROWS.get(text, ()), y, p), *floors]
