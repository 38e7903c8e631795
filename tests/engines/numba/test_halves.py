"""Halves to float32 and back: what NumPy answers, for every half and a sample of floats."""

import ml_dtypes
import numpy as np
import pytest

from losskit.engines.numba import halves


def widened(x):
    out = np.empty(x.shape, np.float32)
    halves.widened(x, out)
    return out


def halved(x, dtype):
    out = np.empty(x.shape, dtype)
    halves.halved(x, out)
    return out


KINDS = [np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)]


@pytest.mark.parametrize("dtype", KINDS, ids=str)
def test_every_half_is_widened_exactly(dtype):
    every = np.arange(1 << 16, dtype=np.uint16).view(dtype)
    np.testing.assert_array_equal(widened(every), every.astype(np.float32))
    matrix = every.reshape(256, -1)[:, ::2]
    np.testing.assert_array_equal(widened(matrix), matrix.astype(np.float32))
    assert np.nanmax(np.where(np.isfinite(widened(every)), widened(every), 0.0)) == halves.LARGEST[dtype.name]


@pytest.mark.parametrize("dtype", KINDS, ids=str)
def test_floats_are_rounded_to_the_nearest_half(dtype):
    rng = np.random.default_rng(0)
    floats = rng.integers(0, 1 << 32, 1 << 18, dtype=np.uint32).view(np.float32)
    usual = (rng.normal(size=1 << 18) * 2.0 ** rng.integers(-28, 18, 1 << 18)).astype(np.float32)
    every = np.arange(1 << 15, dtype=np.uint16).view(dtype).astype(np.float32)
    every = every[np.isfinite(every)]
    with np.errstate(all="ignore"):
        for x in (floats, usual, every[1:] / 2 + every[:-1] / 2):  # the last: ties
            expected = x.astype(dtype)
            np.testing.assert_array_equal(
                halved(x, dtype).view(np.uint16)[x == x], expected.view(np.uint16)[x == x]
            )
            assert np.isnan(halved(x, dtype).astype(np.float32)[x != x]).all()
