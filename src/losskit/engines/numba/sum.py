"""Sums of losses of different structures: each by its own kernel, or two that share a softmax by one."""

from typing import Any

from losskit.engines.numba import shared_softmax
from losskit.engines.numpy import sum as separately
from losskit.engines.shared import shared_of
from losskit.loss import WeightedSum
from losskit.registry import Evaluation, Wanted


def evaluate(
    loss: WeightedSum, arguments: tuple[Any, ...], wanted: Wanted,
    sample_weight: Any, mask: Any, out: Any = None,
) -> Evaluation:  # fmt: skip
    """Value, derivative and second derivative of a sum, as far as wanted."""
    shared = None if wanted.second or wanted.parts else shared_of(loss, arguments)
    if shared is None:
        return separately.evaluate(loss, arguments, wanted, sample_weight, mask, out)
    return shared_softmax.evaluate(shared, arguments, wanted, sample_weight, mask, out)
