"""Array losses on NumPy, the reference: the array formula in float64."""

from typing import Any

from losskit.engines import array_evaluate
from losskit.registry import Evaluation, Wanted
from losskit.structures import ArrayLoss


def evaluate(
    loss: ArrayLoss, arguments: tuple[Any, ...], wanted: Wanted, sample_weight: Any, mask: Any,
    out: Any = None, upstream: Any = None,
) -> Evaluation:  # fmt: skip
    """Value, derivative and second derivative of a loss, as far as wanted."""
    return array_evaluate.evaluate(
        array_evaluate.by_formula, loss, arguments, wanted, sample_weight, mask, out, upstream
    )
