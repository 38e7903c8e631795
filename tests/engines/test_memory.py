"""Large answers get the memory of dropped ones, and never that of one still alive."""

import gc
import threading

import numpy as np

import losskit as lk
from losskit.engines import memory

LARGE = 1 << 19  # float64 numbers: 4 MiB


def address(array):
    return array.__array_interface__["data"][0]


def test_dropped_memory_is_handed_out_again():
    first = memory.empty(LARGE, np.dtype(np.float64))
    where = address(first)
    view = first.reshape(2, -1)[1:]
    del first
    assert address(memory.empty(LARGE, np.dtype(np.float64))) != where, "a view keeps the memory on loan"
    del view
    assert where in {address(a) for a in [memory.empty(LARGE, np.dtype(np.float64)) for _ in range(4)]}


def test_answers_that_live_together_do_not_share():
    y, p = np.zeros(LARGE), np.ones(LARGE)
    gradients = [lk.MeanSquaredError(reduction="sum").derivative(y, k * p) for k in range(1, 7)]
    for k, gradient in enumerate(gradients, start=1):
        assert gradient.flags.writeable
        assert (gradient == 2.0 * k).all()


def test_derivatives_of_arrays_are_written_where_asked():
    """Into the caller's memory, not copied there; only from memory that is also read a copy is made."""
    anchor, positive, negative = np.random.default_rng(0).standard_normal((3, LARGE // 64, 64))
    loss = lk.TripletLoss()
    expected = loss.derivative(anchor, positive, negative)
    outs = tuple(np.zeros_like(anchor) for _ in range(3))
    assert loss.derivative(anchor, positive, negative, out=outs) is outs
    for one, other in zip(outs, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert memory._lent.arrays == ()

    swapped = (
        outs[0],
        positive,
        np.zeros((64, LARGE // 64)).T,
    )  # an argument's own memory, and no contiguous one
    loss.derivative(anchor, positive, negative, out=swapped)
    for one, other in zip(swapped, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_lent_memory_is_handed_out_once():
    mine = np.empty((2, LARGE), np.float32)
    with memory.lent(mine):
        first, second, third = (memory.empty(LARGE, np.dtype(np.float32)) for _ in range(3))
        assert not np.shares_memory(memory.empty(LARGE, np.dtype(np.float64)), mine)
    assert [np.shares_memory(a, mine) for a in (first, second, third)] == [True, True, False]
    assert not np.shares_memory(first, second)
    assert not np.shares_memory(memory.empty(LARGE, np.dtype(np.float32)), mine)


def test_little_is_kept():
    arrays = [memory.empty(LARGE + 4096 * k, np.dtype(np.float64)) for k in range(12)]
    del arrays
    gc.collect()
    assert len(memory._free) <= memory._KEPT_AT_MOST


def test_small_answers_are_plain_arrays():
    assert memory.empty(10, np.dtype(np.float32)).flags.owndata


def test_threads_never_share_a_block():
    wrong = []

    def work(seed):
        for _ in range(30):
            block = memory.empty(LARGE, np.dtype(np.float64))
            block[::4096] = seed
            if not (block[::4096] == seed).all():
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
