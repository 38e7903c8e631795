"""Array losses through the fused kernel of their structure."""

import importlib
from functools import cache
from types import ModuleType
from typing import Any

from losskit.engines import array_evaluate
from losskit.registry import Evaluation, Wanted
from losskit.structures import ArrayLoss


def evaluate(
    loss: ArrayLoss, arguments: tuple[Any, ...], wanted: Wanted, sample_weight: Any, mask: Any,
    out: Any = None, upstream: Any = None,
) -> Evaluation:  # fmt: skip
    """Value, derivative and second derivative of a loss, as far as wanted."""
    module = _module(loss.structure)
    return array_evaluate.evaluate(
        module.kernel, loss, _prepared(module, arguments), wanted, sample_weight, mask, out, upstream,
        getattr(module, "legal", None),
    )  # fmt: skip


def _prepared(module: ModuleType, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments, or what the structure makes of them before they are looked at."""
    prepare = getattr(module, "prepared", None)
    return arguments if prepare is None else prepare(arguments)


@cache
def _module(structure: str) -> ModuleType:
    return importlib.import_module(f"losskit.engines.numba.{structure}")
