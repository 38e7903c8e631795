"""What is measured of a loss, step by step, and what it has to reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from certificate.measuring.arrays import on_samples
from certificate.measuring.elements import on_grid
from certificate.measuring.ledger import VERBS, Ledger
from certificate.measuring.rows import on_rows
from certificate.measuring.sweeps import has_one_argument, sweep
from laws.cases import CASES, MORE, distinct, own
from losskit.loss import LossFunction
from losskit.structures import ArrayLoss, ElementwiseLoss, RowLoss
from truth.derivatives import rounded

LossClass = type[LossFunction]
Ledgers = dict[str, Ledger]
HALVES = ("float16", "bfloat16")
DTYPES = ("float32", "float64", *HALVES)


@dataclass(frozen=True)
class Effort:
    """How much is tried."""

    inputs: int
    """Numbers of a float32 sweep."""
    stride: int
    """Of a sweep's exponents each so-manyeth is visited."""
    grid: int
    """Extreme inputs of a loss of elements; there are a quarter as many ordinary ones."""
    rows: int
    """Ordinary rows of a loss of rows, beside the extreme ones."""
    samples: int
    """Samples of a loss of arrays, at most."""
    dtypes: tuple[str, ...]
    """Those of grids, rows and samples."""
    every_set: bool
    """Whether to try each set of parameters that changes what is computed, or the first alone."""


FULL = Effort(
    inputs=1 << 24, stride=1, grid=300, rows=12, samples=1000, dtypes=("float32", "float64"), every_set=True
)
QUICK = Effort(inputs=1 << 11, stride=32, grid=16, rows=0, samples=1, dtypes=("float32",), every_set=False)

BOUNDS = {
    "elements": {"float32": 2.0, "float64": 4.0},
    "rows": {"float32": 5.0, "float64": 8.0},
    "arrays": {"float32": 6.0, "float64": 8.0},  # sums over the entries of a vector come on top
}
"""In ulp, times the condition of the problem where that is worse than 1."""
NARROWED = 1.0
"""The same for a derivative in half precision: a float32 number, rounded once more."""


def kind_of(cls: LossClass) -> str:
    """Which of BOUNDS is a loss's."""
    return (
        "elements" if issubclass(cls, ElementwiseLoss) else "rows" if issubclass(cls, RowLoss) else "arrays"
    )


def bound_of(cls: LossClass, dtype: str, verb: str) -> float:
    """What the largest error may be."""
    if dtype in HALVES:
        return NARROWED if verb != VERBS[0] else BOUNDS[kind_of(cls)]["float32"]
    return BOUNDS[kind_of(cls)][dtype]


def all_classes() -> list[LossClass]:
    """Every loss there is, by structure and name."""
    return sorted(dict.fromkeys(cls for cls, _ in CASES), key=lambda cls: (order_of(cls), cls.name))


def order_of(cls: LossClass) -> tuple[int, str]:
    """Where a loss stands in the table: elements, rows, then arrays by their structure."""
    return list(BOUNDS).index(kind_of(cls)), cls.structure


def a_few() -> list[LossClass]:
    """One loss for each way of being evaluated."""
    ways = {(cls.structure, getattr(cls, "argument", None)): cls for cls in reversed(all_classes())}
    return [cls for cls in all_classes() if cls in ways.values()]


def sets_of(cls: LossClass, effort: Effort) -> list[dict[str, Any]]:
    """The sets of parameters that a loss is tried with: those that change its code, and those that are set down."""
    sets = [parameters for _, parameters in distinct([case for case in CASES if case[0] is cls])]
    if not effort.every_set:
        return sets[:1]
    return sets + [more for more in MORE.get(cls.__name__, []) if more not in sets]


Step = Callable[[Ledgers], None]


def steps(cls: LossClass, effort: Effort) -> Iterator[tuple[int, Step]]:
    """What there is to do for a loss, with a rough cost each."""
    for parameters in sets_of(cls, effort):
        for dtype in effort.dtypes:
            exact = rounded(parameters, dtype)
            loss = cls(**exact)
            if isinstance(loss, ElementwiseLoss):
                yield 1, partial(on_grid, loss, own(loss), dtype, effort.grid)
                if dtype == "float32" and has_one_argument(loss):
                    yield 12, partial(sweep, loss, own(loss), effort.inputs, effort.stride)
            elif isinstance(loss, RowLoss):
                yield 1, partial(on_rows, loss, own(loss), dtype, effort.rows)
            elif isinstance(loss, ArrayLoss):
                yield 3, partial(on_samples, loss, own(loss), dtype, effort.samples)
