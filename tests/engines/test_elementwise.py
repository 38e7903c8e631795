"""Elementwise losses of arrays that a kernel cannot read as they lie: the same bits, and nothing converted whole."""

import tracemalloc

import ml_dtypes
import numpy as np
import pytest

import losskit as lk
from losskit.engines.numba.elementwise import BLOCK
from losskit.engines.numba.pieces import PIECE

SIZES = [0, 1, BLOCK + 1, PIECE, PIECE + 1, 3 * PIECE - 7]
LOSS = lk.HuberLoss(0.7)


def _data(n, dtype):
    random = np.random.default_rng(n)
    return random.standard_normal((2, n)).astype(np.float32).astype(dtype)


def _kinds():
    """How arrays may come: target, prediction, and both as a kernel reads them at once."""
    for n in SIZES:
        for dtype in (np.float16, ml_dtypes.bfloat16):
            y, p = _data(n, dtype)
            yield f"{np.dtype(dtype).name}-{n}", y, p, np.float32
        y, p = _data(n, np.float32)
        labels = (y > 0).astype(np.int64)
        yield f"integers-{n}", labels, p, np.float32
        yield f"booleans-{n}", labels.astype(bool), p.astype(np.float64), np.float64
        yield f"mixed-{n}", y, p.astype(np.float64), np.float64
        every_other = np.repeat(np.stack([y, p], axis=1), 2, axis=0)[::2]
        yield f"strided-{n}", every_other[:, 0], every_other[:, 1], np.float32


KINDS = list(_kinds())


@pytest.mark.parametrize(("y", "p", "working"), [k[1:] for k in KINDS], ids=[k[0] for k in KINDS])
def test_pieces_have_the_bits_of_the_whole(y, p, working):
    value, slope = LOSS.value_and_derivative(y, p)
    whole = LOSS.value_and_derivative(y.astype(working), p.astype(working))
    assert value.dtype == working
    assert value == whole[0]
    assert slope.dtype == p.dtype
    np.testing.assert_array_equal(slope, whole[1].astype(p.dtype))
    out = np.empty(2 * p.size, p.dtype)[::2]
    assert LOSS.value_and_derivative(y, p, out=out)[1] is out
    np.testing.assert_array_equal(out, slope)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.int64])
def test_weights_masks_and_second_derivatives_of_pieces(dtype):
    y, p = _data(2 * PIECE + 5, np.float32)
    y, p = y.astype(dtype), p if dtype == np.int64 else p.astype(dtype)
    some = {
        "sample_weight": np.random.default_rng(0).uniform(0, 2, p.shape),
        "mask": np.arange(p.size) % 5 > 0,
    }
    whole = LOSS.second_derivative(y.astype(np.float32), p.astype(np.float32), **some)
    np.testing.assert_array_equal(LOSS.second_derivative(y, p, **some), whole.astype(p.dtype))


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_a_derivative_of_halves_may_be_written_in_float32(dtype):
    y, p = _data(PIECE + 3, dtype)
    out = np.empty(p.size, np.float32)
    assert LOSS.derivative(y, p, out=out) is out
    np.testing.assert_array_equal(out, LOSS.derivative(y.astype(np.float32), p.astype(np.float32)))
    np.testing.assert_array_equal(LOSS.derivative(y, p, out=np.empty(2 * p.size, np.float32)[::2]), out)
    with lk.use_engine("numpy"):
        np.testing.assert_allclose(LOSS.derivative(y, p, out=np.empty_like(out)), out, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_a_steep_slope_stops_at_the_largest_half(dtype):
    p = np.array([0.0, 1.0, 0.5], dtype)
    loss, y = lk.BinaryCrossEntropy(reduction="sum"), np.array([1.0, 0.0, 1.0], dtype)
    slope = loss.derivative(y, p, sample_weight=[100.0, 100.0, 1.0])
    largest = float(ml_dtypes.finfo(dtype).max)
    np.testing.assert_array_equal(slope.astype(np.float64), [-largest, largest, -2.0])


@pytest.mark.parametrize("dtype", [">f2", ">f4", ">f8"])
def test_the_other_byte_order_is_the_same_number(dtype):
    y, p = _data(PIECE + 1, dtype[1:])
    np.testing.assert_array_equal(LOSS.derivative(y.astype(dtype), p.astype(dtype)), LOSS.derivative(y, p))
    scores, labels = p[: 4 * (p.size // 4)].reshape(-1, 4), np.zeros(p.size // 4, np.int64)
    rows = lk.SparseCategoricalCrossEntropy(from_logits=True)
    np.testing.assert_array_equal(
        rows.derivative(labels, scores.astype(dtype)), rows.derivative(labels, scores)
    )


def test_a_value_outside_is_named_as_it_came():
    y, p = np.zeros((2, PIECE + 9), np.float16)
    p[PIECE + 4] = 1.5
    with pytest.raises(ValueError, match=rf"y_pred must be .*, got 1.5 at index {PIECE + 4}"):
        lk.BinaryCrossEntropy()(y, p)


@pytest.mark.parametrize("target", [np.float16, ml_dtypes.bfloat16, np.int64, np.float32])
def test_nothing_is_converted_whole(target):
    """Beyond the answer, a call takes what a few pieces take."""
    n = 64 * PIECE
    prediction = np.float32 if target == np.int64 else target
    y, p, w = np.ones(n, target), np.full(n, 0.5, prediction), np.ones(n, np.float32)
    out, loss = np.empty(n, prediction), lk.BinaryCrossEntropy()
    for compiled in (False, True):
        if compiled:
            tracemalloc.start()
        loss.value_and_derivative(y, p, out=out)
        loss(y, p, sample_weight=w)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20 * lk.get_num_threads()
