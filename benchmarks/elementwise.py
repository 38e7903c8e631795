"""Elementwise losses, every one there is: value and gradient of a mean over n numbers."""

from functools import partial

import numpy as np

import losskit as lk
from benchmarks.agreement import Array, dtype_of
from benchmarks.contestants import add_floors, losskit_contestants
from benchmarks.harness import Case, Contestant
from benchmarks.peer_table import ELEMENTWISE
from benchmarks.subjects import numbers, texts, with_peers
from losskit.structures import RuleLoss

SIZES = ("1e3", "1e5", "1e7")
QUICK = ("1e3", "1e5")


def cases(sizes: tuple[str, ...], dtype: str) -> list[Case]:
    """Every loss at every size; sizes are numbers, such as "1e5"."""
    return [
        Case("elementwise", text, size, partial(_contestants, text, int(float(size)), dtype), dtype)
        for text in texts("elementwise", ELEMENTWISE)
        for size in sizes
    ]


def data(loss: RuleLoss, n: int, dtype: str) -> tuple[Array, Array]:
    """Targets and predictions in the domains of the loss's rules."""
    random = np.random.default_rng(0)
    rules = [term.rules for term in loss.terms]
    targets = [r.targets for r in rules if r.targets is not None]
    predictions = [r.predictions for r in rules if r.predictions is not None]
    kind = dtype_of(dtype)
    return numbers(targets, random, n, kind, whole=True), numbers(predictions, random, n, kind, whole=False)


def _contestants(text: str, n: int, dtype: str) -> list[Contestant]:
    loss = lk.parse(text)
    assert isinstance(loss, RuleLoss)
    y, p = data(loss, n, dtype)
    ours, peers = losskit_contestants(loss, (y, p), [1]), with_peers(ELEMENTWISE.get(text, ()), y, p)
    return [*ours, *peers, *add_floors(y, p)]
