"""Losses of whole arrays: losskit, what a user of torch writes, and a copy of what is differentiated."""

from collections.abc import Sequence
from typing import Any

from benchmarks.agreement import Array, dtype_of
from benchmarks.contestants import Function, copy_floors, losskit_contestants, torch_contestants
from benchmarks.harness import Contestant


def contestants_of(
    loss: Any, arguments: Sequence[Any], dtype: str, torch: Function | None = None
) -> list[Contestant]:
    """Who competes at these arguments of a loss; ``torch`` is a function of the same arrays."""
    arrays = cast(arguments, dtype)
    moving = [
        i for i in map(loss.arguments.index, loss.differentiable) if i < len(arrays) and arrays[i] is not None
    ]
    peers = [] if torch is None else torch_contestants(torch, arrays, moving)
    return [*losskit_contestants(loss, arrays, moving), *peers, *copy_floors(*(arrays[i] for i in moving))]


def cast(arrays: Sequence[Any], dtype: str) -> tuple[Array, ...]:
    """Floating-point numbers in a dtype; indices, masks and what is left out as they are."""
    return tuple(a if a is None or a.dtype.kind not in "fV" else a.astype(dtype_of(dtype)) for a in arrays)
