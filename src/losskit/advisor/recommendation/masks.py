"""Measure segmentation masks: how much is foreground, how often none, how long its edge."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from losskit.advisor.recommendation.profiles import Mask
from losskit.advisor.recommendation.statistics import Numbers

MOST_PIXELS = 20_000_000
"""Edges are looked for in at most so many pixels: whole images, evenly spaced."""


def counted(masks: NDArray[Any]) -> tuple[list[int], list[int]]:
    """The classes of masks and how many pixels each has, one image after the other: masks are large.

    >>> counted(np.array([[[0, 255], [0, 0]]]))
    ([0, 255], [3, 1])
    """
    totals: dict[int, int] = {}
    for image in masks:
        values, counts = np.unique(image, return_counts=True)
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            totals[int(value)] = totals.get(int(value), 0) + count
    return sorted(totals), [totals[value] for value in sorted(totals)]


def measure_masks(masks: NDArray[Any], prediction: Numbers | None, **common: Any) -> Mask:
    """The profile of masks, (height, width) or (images, height, width, ...); the least class is the background."""
    images = masks[None] if masks.ndim == 2 else masks
    values, counts = counted(images)
    foreground = images != values[0]
    missed, invented = (None, None) if prediction is None else _mistakes(foreground, prediction)
    return Mask(
        **{**common, "rows": len(images)},
        kind="masks",
        shape=masks.shape,
        shares=tuple(count / images.size for count in counts),
        empty=float(1 - foreground.reshape(len(images), -1).any(axis=1).mean()),
        edge=_edge(foreground),
        missed=missed,
        invented=invented,
    )


def _edge(foreground: NDArray[np.bool_]) -> float:
    """The share of foreground pixels that touch the background along an axis; an image ends in more of the same."""
    seen = foreground[:: max(1, foreground.size // MOST_PIXELS)]
    inside = seen.copy()
    for axis in range(1, seen.ndim):
        near, far = np.moveaxis(seen, axis, 0), np.moveaxis(inside, axis, 0)
        far[1:] &= near[:-1]
        far[:-1] &= near[1:]
    total = int(seen.sum())
    return 1 - int(inside.sum()) / total if total else 0.0


def _mistakes(truth: NDArray[np.bool_], prediction: Numbers) -> tuple[float, float]:
    """Foreground that was missed and background that was invented, as shares of the foreground."""
    guess = prediction.reshape(truth.shape) > 0.5
    total = int(truth.sum())
    return int((truth & ~guess).sum()) / total, int((~truth & guess).sum()) / total
