"""Errors in ulp, condition numbers and grids: what the truth is compared with, and how."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from mpmath import mp, mpf

from truth import grids
from truth.derivatives import condition, condition_number, exact
from truth.rows import row_condition
from truth.samples import CASES, INF, close
from truth.textbook import ELEMENTWISE
from truth.ulp import FORMATS, allowed, format_of, least_ulp_error, ulp_error, ulp_of_terms

# --- units in the last place --------------------------------------------------------------------


def test_ulp_errors_of_known_cases() -> None:
    third = mpf(1) / 3
    assert 0 < ulp_error(np.float32(1 / 3), third, np.float32) <= 0.5
    assert ulp_error(np.nextafter(np.float32(1), np.float32(2)), mpf(1), np.float32) == 1
    assert ulp_error(np.nextafter(np.float32(1), np.float32(0)), mpf(1), np.float32) == 0.5
    assert ulp_error(np.float64(1) + 2.0**-52, mpf(1), np.float64) == 1
    assert ulp_error(2.0, mpf(1), np.float16) == 1024
    assert ulp_error(1.0, mpf(1) + mpf(2) ** -7, "bfloat16") == 1
    assert ulp_error(0.0, mpf(1), np.float32) == 2**23
    assert ulp_error(-0.0, mpf(0), np.float32) == 0


def test_ulp_errors_below_the_normal_range() -> None:
    below = mpf(2) ** -127
    assert ulp_error(0.0, below, np.float32) == 0
    assert ulp_error(0.0, mpf(2) ** -126, np.float32) == 2**23
    assert ulp_error(2.0**-127 + 2.0**-149, below, np.float32) == 1
    assert ulp_error(5e-324, mpf(0), np.float64) == 1


def test_ulp_errors_at_infinity() -> None:
    largest = mpf(float(np.finfo(np.float32).max))
    assert ulp_error(INF, mpf(2) ** 128, np.float32) == 0
    assert ulp_error(-INF, mpf(2) ** 128, np.float32) == INF
    assert ulp_error(float(largest), mpf(2) ** 129, np.float32) > 1e6
    assert ulp_error(float(largest), mpf(2) ** 129, np.float32, saturates=True) == 0
    assert ulp_error(float(-largest), mpf(2) ** 129, np.float32, saturates=True) > 1e6
    assert ulp_error(float(largest), mpf(INF), np.float32) == INF
    assert ulp_error(float(largest), mpf(INF), np.float32, saturates=True) == 0
    assert ulp_error(INF, largest, np.float32) == 1  # as if it were the next number
    assert ulp_error(INF, mpf(1), np.float32) == INF or ulp_error(INF, mpf(1), np.float32) > 1e40


def test_ulp_errors_of_nan() -> None:
    nan = mpf("nan")
    assert ulp_error(math.nan, mpf(0), np.float32) == INF
    assert ulp_error(0.0, nan, np.float32) == INF
    assert ulp_error(math.nan, nan, np.float32) == 0


def test_ulp_of_terms_and_of_several_truths() -> None:
    terms = [mpf(1), mpf(-1) + mpf(2) ** -40]
    assert ulp_of_terms(2.0**-23, mpf(2) ** -40, terms, np.float32) < 1
    assert ulp_error(2.0**-23, mpf(2) ** -40, np.float32) > 1e6
    assert least_ulp_error(1.0, [mpf(0), mpf(1)], np.float32) == 0


@pytest.mark.parametrize("name", ["float16", "float32", "float64"])
def test_formats_are_those_of_numpy(name: str) -> None:
    form, info = format_of(name), np.finfo(name)
    assert form is FORMATS[name]
    assert (form.tiny, form.largest) == (mpf(float(info.tiny)), mpf(float(info.max)))
    assert form.smallest == mpf(float(info.smallest_subnormal))


# --- condition ----------------------------------------------------------------------------------


def test_condition_numbers() -> None:
    assert close(condition_number(lambda x: x**3, mpf(2)), 3, 10)
    assert close(condition_number(lambda x, y: x * y**2, mpf(2), mpf(3)), 2, 10)
    assert close(condition_number(mp.exp, mpf(-20)), 20, 10)
    assert condition_number(lambda x: x - x, mpf(2)) == 1
    # In the residual, not in p: near y = p the problem is a square, however close.
    assert close(condition("MeanSquaredError", 0, 1.0, 1.0 + 2.0**-52), 2, 10)
    assert close(condition("WelschLoss", 1, 0.0, 10.0, scale=1.0), 199, 8)  # |1 - 2 r^2|
    # Near 1 a probability is as good as its distance to 1.
    assert condition("BinaryCrossEntropy", 0, 1.0, 1 - 2.0**-53) < 1.01
    assert condition("BinaryCrossEntropy", 0, 0.0, 1e-30) < 1.01
    assert close(condition("BinaryCrossEntropy", 0, 0.0, -20.0, from_logits=True), 20, 6)
    # A common offset of the logits is no burden.
    assert close(
        row_condition("CategoricalCrossEntropy", 0, None, 0, [1e4 + 20, 1e4], from_logits=True), 20, 6
    )


def test_allowed() -> None:
    assert allowed(mpf(1), mpf(0.5), 4) == 4
    assert allowed(mpf(1), mpf(60), 4) == 240
    assert allowed(mpf(0), mpf(INF), 4) == 4


# --- grids --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(("name", "params"), CASES)
def test_grids_lie_in_the_domain(name: str, params: dict[str, Any], dtype: Any) -> None:
    book = ELEMENTWISE[name]
    domain = grids.domain_of(book, **params)
    for grid in (grids.ordinary(domain, dtype, seed=1), grids.extreme(domain, dtype, [0.1])):
        assert grid.y.dtype == grid.p.dtype == dtype
        assert grid.y.shape == grid.p.shape
        assert grid.y.size >= 50
        if dtype == np.float16:  # which has no room for large counts, and rounds small ones to 0
            room = (
                np.isfinite(grid.y) & np.isfinite(grid.p) & ((grid.y > 0) | (book.y_domain.holds(exact(0.0))))
            )
            grid = grids.Grid(*(x[room] for x in grid))
        assert np.all(np.isfinite(grid.y) & np.isfinite(grid.p))
        assert all(book.y_domain.holds(exact(y)) for y in grid.y)
        assert all(book.domain_of_p(params).holds(exact(p)) for p in grid.p)


def test_extremes_are_there() -> None:
    info = np.finfo(np.float32)
    y, p = grids.extreme("residual", np.float32, [0.1])
    residuals = set(p[y == 0].tolist())
    assert {0.0, float(info.smallest_subnormal), float(info.max), -float(info.max)} <= residuals
    tenth = np.float32(0.1)
    assert {float(tenth), float(np.nextafter(tenth, np.float32(1))), -float(tenth)} <= residuals
    assert np.any((y != 0) & (y == p))
    assert {0.0, 1.0, float(info.tiny), 1 - float(info.eps) / 2} <= set(
        grids.extreme("probability", np.float32).p.tolist()
    )
    assert {0.0, 20.0, -104.0, 746.0, 1e4, -float(info.max)} <= set(
        grids.extreme("logits", np.float32).p.tolist()
    )


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_probability_rows_sum_to_one(dtype: Any) -> None:
    for case in grids.probability_rows(dtype):
        assert abs(math.fsum(case.row.tolist()) - 1) <= float(np.finfo(dtype).eps), case.name
    assert all(not np.isnan(case.row).any() for case in grids.logit_rows(dtype))
