"""Exact sums against ``math.fsum`` and fractions, on numbers of every size."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from losskit.scoring import exact_sum
from losskit.scoring.exact_kernel import BLOCK, widen
from losskit.scoring.exact_sum import ExactSum, ExactSums

FINITE = st.floats(allow_nan=False, allow_infinity=False)
LARGEST, SMALLEST = np.finfo(np.float64).max, 5e-324


def wild(rng: np.random.Generator, size: int, low: int = -1074, high: int = 1000) -> np.ndarray:
    """Numbers of every exponent: hardly two of them overlap."""
    return rng.standard_normal(size) * 2.0 ** rng.integers(low, high, size)


def exactly(numbers: np.ndarray) -> Fraction:
    return sum(map(Fraction, numbers.tolist()), Fraction(0))


def fraction(total: ExactSum) -> Fraction:
    return Fraction(total.units, 2**1074)


@given(st.lists(FINITE, max_size=60))
@settings(max_examples=300, deadline=None)
def test_nothing_is_rounded(numbers: list[float]) -> None:
    x = np.array(numbers, dtype=np.float64)
    total = ExactSum.of(x)
    assert fraction(total) == exactly(x)
    groups = np.arange(len(x)) % 3
    sums = ExactSums()
    sums.add(x, groups)
    assert [fraction(sums[g]) for g in range(3)] == [exactly(x[groups == g]) for g in range(3)]


@pytest.mark.parametrize("size", [1, BLOCK - 1, BLOCK, BLOCK + 1, 10 * BLOCK + 7])
@pytest.mark.parametrize("exponents", [(-1074, 1000), (-1074, -1000), (-60, 60), (0, 1)])
def test_rounded_once(size: int, exponents: tuple[int, int]) -> None:
    x = wild(np.random.default_rng(size), size, *exponents)
    assert float(ExactSum.of(x)) == math.fsum(x)
    assert float(ExactSum.of(-x)) == -math.fsum(x)


def test_slices_at_the_ends_of_the_range() -> None:
    for value in (LARGEST, -LARGEST, SMALLEST, -SMALLEST, 2.0**-1022, 2.0**1011, 2.0**1012, 0.0, -0.0):
        x = np.full(BLOCK, value)
        assert fraction(ExactSum.of(x)) == BLOCK * Fraction(value)
        mixed = np.concatenate([x, [1.0, -value, SMALLEST]])
        assert fraction(ExactSum.of(mixed)) == exactly(mixed)


def test_order_and_splits_do_not_matter() -> None:
    rng = np.random.default_rng(1)
    x = wild(rng, 20_000)
    whole = ExactSum.of(x)
    assert ExactSum.of(rng.permutation(x)) == whole
    for cuts in ([7], [1000, 1001, 15_000], list(range(0, 20_000, 3001))):
        parts = [ExactSum.of(part) for part in np.split(rng.permutation(x), cuts)]
        rng.shuffle(parts)
        assert sum(parts, ExactSum()) == whole


def test_carries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_sum, "_CARRY_AFTER", 100)
    rng = np.random.default_rng(2)
    parts = [wild(rng, 90) for _ in range(30)]
    sums = ExactSums()
    for part in parts:
        sums.add(part)
    assert fraction(sums[0]) == exactly(np.concatenate(parts))


def test_means_are_rounded_once() -> None:
    rng = np.random.default_rng(3)
    x, w = wild(rng, 500, -30, 30), rng.random(500)
    assert ExactSum.of(x) / ExactSum.of(w) == float(exactly(x) / exactly(w))
    assert ExactSum.of([LARGEST] * 10) / ExactSum.of([10.0]) == LARGEST
    assert math.isnan(ExactSum.of([0.0]) / ExactSum())


def test_what_is_not_finite() -> None:
    inf, nan = math.inf, math.nan
    assert float(ExactSum.of([1.0, inf, 2.0])) == inf
    assert float(ExactSum.of([LARGEST, LARGEST])) == inf
    assert float(ExactSum.of([-LARGEST, -LARGEST])) == -inf
    assert math.isnan(float(ExactSum.of([inf]) + ExactSum.of([-inf])))
    sums = ExactSums()
    sums.add(np.array([inf, 1.0, nan, 2.0]), np.array([0, 1, 2, 1]))
    assert (float(sums[0]), float(sums[1])) == (inf, 3.0)
    assert math.isnan(float(sums[2]))
    assert float(sums[99]) == 0.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_widening(dtype: type) -> None:
    x = np.array([1.5, -0.0, 3e38, 1e-45], dtype)
    out = np.empty(4)
    assert widen(x, out)
    np.testing.assert_array_equal(out, x.astype(np.float64))
    for bad in (np.inf, -np.inf, np.nan):
        assert not widen(np.array([1.0, bad], dtype), np.empty(2))


def test_sums_add_to_sums_alone() -> None:
    with pytest.raises(TypeError):
        ExactSum() + 1.0
