"""Value and derivatives of every loss of whole arrays against its textbook definition."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
from mpmath import mp, mpf

import losskit as lk
from laws.cases import CASES, THOROUGH, distinct, name_of, own
from losskit.structures import ArrayLoss
from truth.derivatives import rounded
from truth.differences import nested, slope, spread_of_slope
from truth.ulp import allowed, ulp_error, ulp_of_terms

# In units in the last place, times the condition of the problem where that is worse than 1: as for
# rows, the sums over the entries of a vector come on top of the handful of operations of a rule.
BOUNDS = {"float32": 6.0, "float64": 8.0}
ENGINES = ("numba", "numpy")

# Where a structure's truth has SUMS, a sentence why, an entry of a derivative is a sum of numbers as large as its
# largest entries, which may cancel: then it is judged in their units.

ARRAY_CASES = [c for c in CASES if issubclass(c[0], ArrayLoss)]


def book_of(cls: type[ArrayLoss]) -> Any:
    return importlib.import_module(f"truth.{cls.structure}")


@pytest.mark.parametrize("cls", dict.fromkeys(c for c, _ in ARRAY_CASES), ids=lambda c: c.__name__)
def test_every_loss_has_a_textbook_definition(cls):
    assert cls.__name__ in book_of(cls).TEXTBOOK, (
        f"{cls.__name__} has no definition: add the plainest formula of the literature, in mpmath, to "
        f"tests/truth/{cls.structure}.py under that name"
    )


def entries(loss: ArrayLoss, arguments: tuple[Any, ...]) -> list[tuple[int, tuple[int, ...]]]:
    """Every number that has a derivative: which argument, and where in it."""
    numbers = (loss.arguments.index(name) for name in loss.differentiable)
    return [
        (i, index) for i in numbers if arguments[i] is not None for index in np.ndindex(arguments[i].shape)
    ]


def cases() -> list[Any]:
    """In float64 what changes more than numbers; in float32, where the run is thorough, every set of parameters."""
    chosen = distinct(ARRAY_CASES)
    sets = {"float32": ARRAY_CASES if THOROUGH else chosen, "float64": chosen}
    return [
        pytest.param(*c, dtype, id=f"{name_of(*c)}-{dtype}") for dtype, some in sets.items() for c in some
    ]


@pytest.mark.parametrize(("cls", "parameters", "dtype"), cases())
def test_arrays(cls, parameters, dtype, largest_errors):
    book = book_of(cls)
    definition = book.TEXTBOOK[cls.__name__]
    loss = cls(**rounded(parameters, dtype), validate=False)
    facts = own(loss)
    seen = 0
    for sample in book.samples(cls.__name__, facts, dtype):
        seen += 1
        exact = [nested(a) for a in sample.arguments]
        with mp.workprec(1500):
            terms = definition(*exact, **facts)
        places = entries(loss, sample.arguments) if sample.smooth else []
        slopes = {place: slope(definition, exact, *place, **facts) for place in places}
        for engine in ENGINES:
            with lk.use_engine(engine), np.errstate(all="ignore"):
                value = np.ravel(loss.replace(reduction="none")(*sample.arguments))
                gradients = loss.replace(reduction="sum").derivative(*sample.arguments)
            where = f"{loss} on {engine}, {sample.name}, {dtype}"
            assert value.size == len(terms), where
            check_value(
                loss, definition, exact, places, facts, value, terms, where, dtype, engine, largest_errors
            )
            several = gradients if isinstance(gradients, tuple) else (gradients,)
            names = [n for n in loss.differentiable if sample.arguments[loss.arguments.index(n)] is not None]
            by_number = dict(zip((loss.arguments.index(n) for n in names), several, strict=True))
            for place, truth in slopes.items():
                got = by_number[place[0]][place[1]]
                if truth is None:
                    assert not np.isnan(got), f"derivative of {where} at {place} is NaN"
                    continue
                error = ulp_error(got, truth, dtype)
                if error > BOUNDS[dtype]:
                    spread = spread_of_slope(
                        definition, exact, entries(loss, sample.arguments), *place, **facts
                    )
                    error /= allowed(truth, spread / abs(truth) if truth else mpf(0), 1.0)
                    error = min(error, small(got, truth, spread, dtype))
                if error > BOUNDS[dtype] and hasattr(book, "SUMS"):
                    largest = max(abs(t) for (i, _), t in slopes.items() if t is not None and i == place[0])
                    error = min(error, ulp_of_terms(got, truth, [largest], dtype))
                assert error <= BOUNDS[dtype], (
                    f"derivative of {where} in {loss.arguments[place[0]]}{place[1]}: {got!r}, true {truth}"
                )
                largest_errors.add(cls.__name__, dtype, engine, 1, error)
    assert seen, f"tests/truth/{cls.structure}.py has no samples for {cls.__name__}"


def check_value(
    loss: Any, definition: Any, exact: Any, places: Any, facts: Any, value: Any, terms: Any, where: str, dtype: str,
    engine: str, largest_errors: Any,
) -> None:  # fmt: skip
    """Every term against the definition's."""
    for i, (got, truth) in enumerate(zip(value, terms, strict=True)):
        error = ulp_error(got, truth, dtype)
        if error > BOUNDS[dtype] and truth and mp.isfinite(truth):

            def term(*arguments: Any, i: int = i, **parameters: Any) -> Any:
                return [definition(*arguments, **parameters)[i]]

            spread = mpf(0)
            for which, index in places:
                x = exact[which]
                for k in index:
                    x = x[k]
                spread += abs(x * (slope(term, exact, which, index, **facts) or mpf(0)))
            error /= allowed(truth, spread / abs(truth), 1.0)
        assert error <= BOUNDS[dtype], f"term {i} of {where}: {got!r}, true {truth}"
        largest_errors.add(type(loss).__name__, dtype, engine, 0, error)


def small(got: Any, truth: Any, spread: Any, dtype: str) -> float:
    """The error of a derivative that is 0, or next to it, in units of what it moves by with its arguments."""
    info = np.finfo(dtype)
    scale = spread * float(info.eps) + float(info.tiny)
    return float(abs(mpf(float(got)) - truth) / scale) if np.isfinite(got) else float("inf")
