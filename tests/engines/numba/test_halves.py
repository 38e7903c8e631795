"""float16 to float32 and back: what NumPy answers, for every half and a sample of floats."""

import numpy as np

from losskit.engines.numba.halves import halved, widened


def test_every_half_is_widened_exactly():
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    np.testing.assert_array_equal(widened(halves), halves.astype(np.float32))
    np.testing.assert_array_equal(widened(halves.reshape(256, -1)[:, ::2]), halves.reshape(256, -1)[:, ::2])


def test_floats_are_rounded_to_the_nearest_half():
    rng = np.random.default_rng(0)
    floats = rng.integers(0, 1 << 32, 1 << 18, dtype=np.uint32).view(np.float32)
    usual = (rng.normal(size=1 << 18) * 2.0 ** rng.integers(-28, 18, 1 << 18)).astype(np.float32)
    ties = np.arange(1 << 15, dtype=np.uint16)[:31743].view(np.float16).astype(np.float32)
    ties = (ties[1:] + ties[:-1]) / 2
    with np.errstate(all="ignore"):
        for x in (floats, usual, ties):
            np.testing.assert_array_equal(halved(x), x.astype(np.float16))
