"""Several elementwise losses as one kernel: from two columns to exact sums in a single pass."""

import hashlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from losskit.engines.numba import elementwise
from losskit.engines.numba.compile import CannotCompile, Writer, load
from losskit.loss import LossFunction
from losskit.registry import evaluator
from losskit.scoring import exact_kernel, fused_loop
from losskit.scoring.exact_kernel import LIMBS
from losskit.structures import ElementwiseLoss

_IMPORTS = """
# from exact_kernel.py with the digest {digest}, so that no compiled kernel outlives it
from losskit.scoring.exact_kernel import BLOCK, INFINITE, add_block, magnitude
"""

_TERMS = """
@inline
def terms_{index}(A, B, R, k):
    largest = np.int64(0)
    for i in range(R.size):
        y, p = A[i], B[i]
        term = {value}
        R[i] = term
        largest = max(largest, magnitude(term))
    return largest
"""


@dataclass(frozen=True)
class FusedKernel:
    """The compiled loop, with the losses' parameters."""

    loop: Callable[..., bool]
    numbers: tuple[Any, ...]
    losses: int

    def sums(
        self, true: Sequence[NDArray[Any]], pred: Sequence[NDArray[Any]]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
        """Limbs and special sum of each loss over the pieces of two columns.

        None where a cell is empty, infinite or outside a domain: whoever asks then has to look at each row.
        """
        limbs, special = np.zeros((self.losses, LIMBS), np.int64), np.zeros(self.losses)
        if all(self.loop(y, p, self.numbers, limbs, special) for y, p in zip(true, pred, strict=True)):
            return limbs, special
        return None


def fused_kernel(losses: Sequence[LossFunction]) -> FusedKernel | None:
    """The kernel of some losses, where all of them are elementwise and the engine in use compiles kernels."""
    elementwise_losses = [loss for loss in losses if isinstance(loss, ElementwiseLoss)]
    if len(elementwise_losses) < len(losses) or evaluator("elementwise") is not elementwise.evaluate:
        return None
    try:
        text, numbers = _module(elementwise_losses)
    except CannotCompile:
        return None
    names = "_".join(loss.name for loss in losses)[:60]
    return FusedKernel(
        load(text, f"score_{names}").loop, tuple(map(np.float64, numbers or [0.0])), len(losses)
    )


def _module(losses: Sequence[ElementwiseLoss]) -> tuple[str, list[float]]:
    """The generated module, and the parameters that it takes as ``k``."""
    writer = Writer("float64")
    source = inspect.getsource(exact_kernel)
    writer.add(_IMPORTS.format(digest=hashlib.sha256(source.encode()).hexdigest()[:24]))
    numbers: list[float] = []
    calls = []
    for index, loss in enumerate(losses):
        value = " + ".join(_term(term, writer, numbers) for term in loss.terms)
        writer.add(_TERMS.format(index=index, value=value))
        calls.append(f"    special[{index}] += add_block(R, terms_{index}(A, B, R, k), limbs[{index}])")
    writer.add("\n".join(["@inline", "def add_losses(A, B, R, k, limbs, special):", *calls]))
    checked = (term.rules for loss in losses if loss.validate for term in loss.terms)
    writer.add(elementwise.outside_text(checked, writer))
    return writer.text("scores of " + ", ".join(loss.name for loss in losses), [fused_loop.loop]), numbers


def _term(term: Any, writer: Writer, numbers: list[float]) -> str:
    """A term as text; its numbers become the next ones of ``k``."""
    own = [
        *([term.coefficient] if term.coefficient != 1.0 else []),
        *term.numbers(float(np.finfo(np.float64).tiny)),
    ]
    k = [f"k[{len(numbers) + i}]" for i in range(len(own))]
    numbers += own
    factor = f"{k.pop(0)} * " if term.coefficient != 1.0 else ""
    rule = writer.rule(term.rules.value, f"value_{len(writer.names)}")
    return f"{factor}({rule}({', '.join([elementwise.ARGUMENT[term.rules.argument], *k])}))"
