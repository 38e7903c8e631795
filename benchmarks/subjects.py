"""What is timed: every loss of the catalogue, and the data that a rule takes."""

from collections.abc import Iterable
from typing import Any

import numpy as np

import losskit as lk
from benchmarks.agreement import Array
from benchmarks.harness import Contestant
from benchmarks.peer_table import Peer
from benchmarks.peers import left_out
from benchmarks.running import contestant_of
from losskit.catalogue import all_losses, find
from losskit.domain import Domain, Interval, Labels, NonZero
from losskit.parameters import signature_of

LossClass = type[lk.LossFunction]


def built_in(structure: str) -> list[LossClass]:
    """The losses of a structure that come with losskit, in the order of the catalogue."""
    return [
        cls
        for cls in all_losses()
        if cls.structure == structure and cls.__module__.startswith("losskit.losses.")
    ]


def texts(structure: str, entries: Iterable[str]) -> list[str]:
    """What is timed of a structure, as text: the entries of the table of peers, and each other loss by itself."""
    of_class: dict[LossClass, list[str]] = {}
    for text in entries:
        of_class.setdefault(find(text.partition("(")[0]), []).append(text)
    return [text for cls in built_in(structure) for text in of_class.get(cls) or _by_itself(cls)]


def _by_itself(cls: LossClass) -> list[str]:
    """A loss as it is by default, of logits where it can be."""
    parameters = signature_of(cls).parameters
    required = [name for name, p in parameters.items() if p.default is p.empty]
    if required:
        left_out.add(
            cls.name, f"{', '.join(required)} must be chosen: write an entry in benchmarks/peer_table.py"
        )
        return []
    return [f"{cls.name}(from_logits=True)" if "from_logits" in parameters else cls.name]


def with_peers(peers: Iterable[Peer], y: Array, p: Array) -> list[Contestant]:
    """The contestants that the entries of a loss stand for, of the libraries that are installed."""
    return [contestant for peer in peers for contestant in contestant_of(peer, y, p)]


def numbers(domains: Iterable[Domain], random: Any, n: int, dtype: Any, whole: bool) -> Array:
    """Numbers of all of the domains as data have them; ``whole``: labels and counts, as targets are."""
    x: Array = random.standard_normal(n, dtype=np.float64 if dtype == np.float64 else np.float32)
    several = dict.fromkeys(domains)
    for domain in several:
        x = _within(domain, x, whole)
    return np.asarray(x if several else 2.0 * x).astype(dtype, copy=False)


def _within(domain: Domain, x: Array, whole: bool) -> Array:
    inside: Any
    match domain:
        case Labels(first, second):
            inside = np.where(x < 0.0, x.dtype.type(first), x.dtype.type(second))
        case Interval(low, high) if np.isfinite(high):
            share = 0.5 + 0.49 * np.tanh(x)
            inside = low + (high - low) * (np.round(share) if whole else share)
        case Interval(low):
            inside = low + (np.floor(2.0 * np.abs(x)) if whole else 0.05 + np.abs(x))
        case NonZero():
            inside = x + np.copysign(x.dtype.type(0.5), x)
        case _:
            inside = getattr(domain, "low", 0.0) + 0.05 + np.abs(x)
    return np.asarray(inside)
