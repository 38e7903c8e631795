"""What an array formula consists of: the seam between a structure's mathematics and the engines."""

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from losskit.structures import ArrayLoss

Arrays = tuple[Any, ...]


@dataclass(frozen=True)
class Fault:
    """Values of an argument that are not legal."""

    argument: str
    where: Any
    """Boolean, of the argument's shape: True at what is wrong."""
    expected: str
    """What they must be, in words."""
    index: bool = False
    """Whether it is an index out of range: refused whether or not the loss validates, and an IndexError."""


@dataclass(frozen=True)
class Formula:
    """The functions of a formula's module; each takes the words ``xp``, the loss and its arrays."""

    shape: Callable[..., tuple[int, ...]]
    """shape(loss, *shapes): the terms' shape, or a ValueError; of an absent argument the shape is None."""
    terms: Callable[..., Any]
    pullback: Callable[..., Arrays]
    """pullback(xp, loss, cotangent, *arrays): of each differentiable argument sum_i cotangent_i d term_i."""
    faults: Callable[..., Iterator[Fault]]
    present: Callable[..., Any]
    """present(xp, loss, *arrays): which terms exist; None where all do."""
    diagonal: Callable[..., Arrays | None] | None
    """Like ``pullback``, with the diagonal of the second derivative; None where it has to be found by differences."""
    parts: Callable[..., Any] | None
    """parts(loss, *arrays): what merges of NumPy arrays, for a loss that ``merges_sums``."""
    weight_shape: Callable[..., tuple[int, ...]]
    """weight_shape(loss, *shapes): of the weights of elements or items; the last prediction's by default."""
    any_scale: bool
    """Whether numbers are worked on at their own scale, where a second derivative may overflow and the first not."""
    in_double: Callable[..., bool]
    """in_double(loss, *shapes): whether float32 arguments are worked on in float64, where there is any; not by default."""


_formulas: dict[str, Formula] = {}  # a plain dict: a compiler can trace a look into it, but no import


def formula_of(loss: ArrayLoss) -> Formula:
    """The formula of a loss's structure."""
    structure = loss.structure
    if structure not in _formulas:
        _formulas[structure] = _load(structure)
    return _formulas[structure]


def _load(structure: str) -> Formula:
    module = importlib.import_module(f"losskit.engines.formulas.{structure}")
    return Formula(
        shape=module.shape,
        terms=module.terms,
        pullback=module.pullback,
        faults=getattr(module, "faults", lambda xp, loss, *arrays: iter(())),
        present=getattr(module, "present", lambda xp, loss, *arrays: None),
        diagonal=getattr(module, "diagonal", None),
        parts=getattr(module, "parts", None),
        weight_shape=getattr(module, "weight_shape", _shape_of_prediction),
        any_scale=getattr(module, "ANY_SCALE", False),
        in_double=getattr(module, "in_double", lambda loss, *shapes: False),
    )


def _shape_of_prediction(loss: ArrayLoss, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    return shapes[loss.arguments.index(loss.differentiable[-1])]


def given(loss: ArrayLoss, arrays: Arrays) -> tuple[str, ...]:
    """The differentiable arguments that were passed."""
    return tuple(n for n in loss.differentiable if arrays[loss.arguments.index(n)] is not None)


def axis_of(loss: ArrayLoss, name: str, shape: tuple[int, ...], terms: tuple[int, ...]) -> int | None:
    """Where the axes of the terms begin in an argument; None where it has none."""
    axis = loss.term_axis.get(name, 0)
    if axis is None or shape[axis : axis + len(terms)] != terms:
        return None
    return axis
