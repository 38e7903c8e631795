"""Losses of masks on the CPU: each measure has its kernel."""

from collections.abc import Callable
from typing import Any

from losskit.engines.inputs import Array
from losskit.engines.numba import distance, edges, lovasz, ratios
from losskit.engines.numba.mask_values import legal, prepared
from losskit.structures.overlap import MaskLoss

__all__ = ["kernel", "legal", "prepared"]

_MEASURES: dict[str, Callable[..., Any]] = {
    "distance": distance.kernel, "edges": edges.kernel, "lovasz": lovasz.kernel, "ratio": ratios.kernel,
}  # fmt: skip


def kernel(
    loss: MaskLoss, arrays: tuple[Array, ...], cotangent: Array | None,
    needed: tuple[bool, ...], weight: Array | None = None,
) -> tuple[Array, tuple[Array, ...] | None]:  # fmt: skip
    """Terms, and where a cotangent is given their derivative in the predictions."""
    terms, gradient = _MEASURES[loss.measure](loss, arrays, cotangent, weight)
    return terms, None if gradient is None else (gradient,)
