"""Array losses through the fused kernel of their structure."""

import importlib
from functools import cache
from typing import Any

from losskit.engines import array_evaluate
from losskit.registry import Evaluation, Wanted
from losskit.structures import ArrayLoss


def evaluate(
    loss: ArrayLoss, arguments: tuple[Any, ...], wanted: Wanted, sample_weight: Any, mask: Any,
    out: Any = None, upstream: Any = None,
) -> Evaluation:  # fmt: skip
    """Value, derivative and second derivative of a loss, as far as wanted."""
    kernel = _kernel(loss.structure)
    return array_evaluate.evaluate(kernel, loss, arguments, wanted, sample_weight, mask, out, upstream)


@cache
def _kernel(structure: str) -> array_evaluate.Compute:
    kernel: array_evaluate.Compute = importlib.import_module(f"losskit.engines.numba.{structure}").kernel
    return kernel
