"""A log loss with steepness on the CPU: the array formula in float64, with the floor of the dtype at work."""

from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from losskit.engines.formulas import edges
from losskit.engines.inputs import Array
from losskit.engines.numpy.array_words import xp
from losskit.structures.overlap import EdgeLoss


@cache
def _words(dtype: np.dtype[Any]) -> SimpleNamespace:
    """NumPy's words, but for the floor of a probability."""
    return SimpleNamespace(**vars(xp) | {"finfo_tiny": float(np.finfo(dtype).tiny)})


def kernel(
    loss: EdgeLoss, arrays: tuple[Array, Array], cotangent: Array | None, weight: Array | None
) -> tuple[Array, Array | None]:
    """Terms, and where a cotangent is given their derivative in the predictions."""
    words = _words(arrays[1].dtype)
    y, p, w = (None if a is None else a.astype(np.float64) for a in (*arrays, weight))
    terms = edges.terms(words, loss, y, p, w)
    return terms, None if cotangent is None else edges.pullback(words, loss, cotangent, y, p, w)[0]
