"""Total variation by its definition, and the images that it is tried on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from mpmath import mp, mpf

from .jets import Mpf
from .sample import Sample


def _planes(image: Any) -> list[Any]:
    """The planes of an image with any number of axes before the last two."""
    return (
        [image] if not isinstance(image[0][0], list) else [p for channel in image for p in _planes(channel)]
    )


def _variation(images: Any, kind: str = "anisotropic", **_: Any) -> list[Mpf]:
    """Rudin, Osher & Fatemi 1992, with forward differences."""
    return [sum((_of_plane(plane, kind) for plane in _planes(image)), mpf(0)) for image in images]


def _of_plane(x: Any, kind: str) -> Mpf:
    total = mpf(0)
    for i, row in enumerate(x):
        for j, here in enumerate(row):
            down = x[i + 1][j] - here if i + 1 < len(x) else mpf(0)
            across = row[j + 1] - here if j + 1 < len(row) else mpf(0)
            total += abs(down) + abs(across) if kind == "anisotropic" else mp.sqrt(down**2 + across**2)
    return total


SUMS = "A pixel's derivative adds up the directions of four differences, each of length up to 1."

TEXTBOOK: dict[str, Callable[..., list[Mpf]]] = {"TotalVariationLoss": _variation}


def samples(name: str, parameters: dict[str, Any], dtype: str) -> Iterator[Sample]:
    """Images of ordinary and extreme numbers."""
    random, info = np.random.default_rng(3), np.finfo(dtype)
    ordinary = random.random((2, 1, 3, 4))
    yield Sample("ordinary", (ordinary.astype(dtype),))
    yield Sample("two channels", (random.standard_normal((1, 2, 2, 3)).astype(dtype),))
    for power in (info.maxexp - 6, info.minexp + 8):
        yield Sample(f"times 2^{power}", (np.ldexp(ordinary, power).astype(dtype),))
    yield Sample("flat", (np.full((1, 1, 2, 3), 0.3, dtype),), smooth=False)
    yield Sample("one pixel", (np.ones((1, 1, 1, 1), dtype),), smooth=False)
