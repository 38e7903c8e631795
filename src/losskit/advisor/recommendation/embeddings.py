"""Measure vectors with labels: how many rows a label has, and how far the vectors know the labels already."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from losskit.advisor.recommendation.profiles import Embedding
from losskit.advisor.recommendation.statistics import Numbers

MOST_VECTORS = 600
"""Neighbours are looked for among so many rows, drawn at random: all their pairs are compared."""


def measure_embeddings(codes: NDArray[np.intp], vectors: Numbers, **common: Any) -> Embedding:
    """The profile of vectors (rows, features) with label codes 0, 1, 2, ..."""
    counts = np.bincount(codes)
    nearest, chance, gap = _neighbours(codes, vectors)
    return Embedding(
        **common,
        kind="embeddings",
        width=vectors.shape[1],
        labels=int(counts.size),
        largest=int(counts.max()),
        median_rows=float(np.median(counts)),
        single=float((counts == 1).sum() / codes.size),
        nearest=nearest,
        chance=chance,
        gap=gap,
    )


def _neighbours(codes: NDArray[np.intp], vectors: Numbers) -> tuple[float, float, float]:
    if codes.size > MOST_VECTORS:
        chosen = _together(codes)
        codes, vectors = codes[chosen], vectors[chosen]
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(norms > 0, norms, 1.0)
    cosines = unit @ unit.T
    same = codes[:, None] == codes[None, :]
    np.fill_diagonal(cosines, -np.inf)
    nearest = float((codes[cosines.argmax(axis=1)] == codes).mean())
    others = ~np.eye(codes.size, dtype=bool)
    within, between = cosines[same & others], cosines[~same]
    chance = float(within.size / max(codes.size * (codes.size - 1), 1))
    gap = float(np.median(within) - np.median(between)) if within.size and between.size else 0.0
    return nearest, chance, gap


def _together(codes: NDArray[np.intp]) -> NDArray[np.intp]:
    """Rows of whole labels, in random order, so that a drawn row keeps its companions; long labels are cut."""
    generator = np.random.default_rng(0)
    most = max(2, MOST_VECTORS // 20)
    shuffled = generator.permutation(codes.size)
    ordered = shuffled[np.argsort(generator.permutation(codes.max() + 1)[codes[shuffled]], kind="stable")]
    place = np.arange(codes.size) - np.searchsorted(r := _ranks(codes[ordered]), r)
    return ordered[place < most][:MOST_VECTORS]


def _ranks(sorted_codes: NDArray[np.intp]) -> NDArray[np.intp]:
    """0 for the first run of equal codes, 1 for the second, ..."""
    return np.cumsum(np.r_[0, sorted_codes[1:] != sorted_codes[:-1]])
