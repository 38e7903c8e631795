"""Paths through a table: which formula a loss's table has."""

from collections.abc import Iterator
from types import ModuleType
from typing import Any

from losskit.engines.array_formula import Arrays, Fault
from losskit.engines.formulas import alignment, labelling
from losskit.structures.lattice import LatticeLoss

_OF: dict[str, ModuleType] = {"labels": labelling, "sequences": alignment}


def shape(loss: LatticeLoss, *shapes: Any) -> tuple[int, ...]:
    """The terms' shape: one a sequence, or a pair of them."""
    answer: tuple[int, ...] = _OF[loss.table].shape(loss, *shapes)
    return answer


def faults(xp: Any, loss: LatticeLoss, *arrays: Any) -> Iterator[Fault]:
    """What is not legal in the arguments."""
    yield from _OF[loss.table].faults(xp, loss, *arrays)


def terms(xp: Any, loss: LatticeLoss, *arrays: Any) -> Any:
    """The loss of each sequence, or pair."""
    return _OF[loss.table].terms(xp, loss, *arrays)


def pullback(xp: Any, loss: LatticeLoss, cotangent: Any, *arrays: Any) -> Arrays:
    """The derivative of the terms, weighed by ``cotangent``."""
    gradients: Arrays = _OF[loss.table].pullback(xp, loss, cotangent, *arrays)
    return gradients


def diagonal(xp: Any, loss: LatticeLoss, cotangent: Any, *arrays: Any) -> Arrays:
    """The diagonal of their second derivative."""
    seconds: Arrays = _OF[loss.table].diagonal(xp, loss, cotangent, *arrays)
    return seconds
