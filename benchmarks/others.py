"""Every other loss of whole arrays, on the example that its own class gives: losskit and the floor."""

from contextlib import suppress
from functools import cache, partial

import numpy as np

from benchmarks import columns, lattice, linear, lists, overlap, pairs, similarity, transport
from benchmarks.arrays import contestants_of
from benchmarks.harness import Case, Contestant
from losskit.catalogue import UnknownLoss, all_losses, find
from losskit.structures import ArrayLoss

SIZES = ("1e3", "1e5")
QUICK = ("100",)

_ALL_PAIRS = 10_000
"""From so many rows on, losses of all pairs of them are passed over: they would take minutes."""


def cases(sizes: tuple[str, ...], dtype: str) -> list[Case]:
    """Those losses at every size; sizes are numbers of terms, such as "1e5"."""
    losses = [
        cls
        for cls in all_losses()
        if issubclass(cls, ArrayLoss)
        and cls not in _with_peers()
        and cls.__module__.startswith("losskit.losses.")
    ]
    return [
        Case("others", cls.name, size, partial(_contestants, cls(), int(float(size)), dtype), dtype)
        for cls in losses
        for size in sizes
        if float(size) < _ALL_PAIRS or cls.structure != "similarity" or cls().not_separable is None
    ]


@cache
def _with_peers() -> set[type]:
    """The losses that have a place in a module of their structure."""
    found: set[type] = set()
    for module in (columns, lattice, linear, lists, overlap, pairs, similarity, transport):
        for case in module.cases(module.SIZES, "float32"):
            with suppress(UnknownLoss):  # a name of the table alone, such as triplet_cosine
                found.add(find(case.loss))
    return found


def _contestants(loss: ArrayLoss, n: int, dtype: str) -> list[Contestant]:
    return contestants_of(loss, loss.example(np.random.default_rng(0), n), dtype)
