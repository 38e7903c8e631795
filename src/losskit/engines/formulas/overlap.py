"""Losses of masks: each measure has its formula; how masks are read they share."""

from types import ModuleType
from typing import Any

from losskit.engines.formulas import distance, edges, lovasz, ratios
from losskit.engines.formulas.masks import faults, shape, weight_shape
from losskit.engines.region_sums import parts
from losskit.structures.overlap import MaskLoss

__all__ = ["faults", "parts", "pullback", "shape", "terms", "weight_shape"]

_MEASURES: dict[str, ModuleType] = {
    "distance": distance, "edges": edges, "lovasz": lovasz, "ratio": ratios,
}  # fmt: skip


def terms(xp: Any, loss: MaskLoss, *arrays: Any) -> Any:
    """The terms of the loss's measure."""
    return _MEASURES[loss.measure].terms(xp, loss, *arrays)


def pullback(xp: Any, loss: MaskLoss, cotangent: Any, *arrays: Any) -> Any:
    """Their derivative in the predictions, each term times its cotangent."""
    return _MEASURES[loss.measure].pullback(xp, loss, cotangent, *arrays)
