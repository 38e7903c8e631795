"""Large arrays and odd ones: threads, strides, layouts and hypothesis's arrays change no bit."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import losskit as lk
from losskit.laws.inputs import of_loss
from losskit.reduction import Parts

# What is tested here belongs to the engines' loops, which all losses of a structure share: one loss for each
# kind of rule and of row. What weights and masks do to each loss is among the laws of lk.check.
LOSSES = [
    lk.HuberLoss(),
    lk.HingeLoss(),
    lk.FocalLoss(from_logits=True),
    lk.BinaryCrossEntropy(),
    0.5 * lk.MeanSquaredError() + 0.5 * lk.MeanAbsoluteError(),
    lk.SparseCategoricalCrossEntropy(from_logits=True, label_smoothing=0.25),
    lk.CategoricalCrossEntropy(),
    lk.KLDivergence(from_logits=True),
]


def ordinary(loss, n, dtype=np.float32, seed=0):
    return of_loss(loss).ordinary(np.random.default_rng(seed), n, dtype)


@pytest.fixture
def threads():
    before = lk.get_num_threads()
    yield
    lk.set_num_threads(before)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_same_bits_for_any_number_of_threads(loss, threads):
    y, p = ordinary(loss, 250_000)
    w = np.random.default_rng(1).uniform(0.5, 2, 250_000).astype(np.float32)
    answers = []
    for n in (1, 2, 3, 8):
        lk.set_num_threads(n)
        answers.append([*loss.value_and_derivative(y, p), *loss.value_and_derivative(y, p, sample_weight=w)])
    for other in answers[1:]:
        for a, b in zip(answers[0], other, strict=True):
            assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_layouts_change_no_bit(loss, dtype):
    """Strides, a reversed array, Fortran order, zero strides, many dimensions."""
    rows = loss.structure == "rows"
    y, p = ordinary(loss, 60, np.dtype(dtype))
    shape = (3, 4, 5)
    y = y.reshape(*shape, *y.shape[1:]) if rows else y.reshape(shape)
    p = p.reshape(*shape, *p.shape[1:]) if rows else p.reshape(shape)
    value, gradient = loss.value_and_derivative(y, p)
    layouts = [
        (np.asfortranarray(y), np.asfortranarray(p)),
        (np.repeat(y, 2, axis=0)[::2], np.repeat(p, 3, axis=1)[:, ::3]),
        (np.ascontiguousarray(y[::-1])[::-1], np.ascontiguousarray(p[..., ::-1])[..., ::-1]),
    ]
    for other_y, other_p in layouts:
        v, g = loss.value_and_derivative(other_y, other_p)
        assert v == value
        np.testing.assert_array_equal(g, gradient)
    one_y, one_p = np.broadcast_to(y[:1, :1, :1], y.shape), np.broadcast_to(p[:1, :1, :1], p.shape)
    _, g = loss.value_and_derivative(one_y, one_p)
    _, expected = loss.value_and_derivative(one_y.copy(), one_p.copy())
    np.testing.assert_array_equal(g, expected)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_every_verb_answers_alike_alone_and_together(loss):
    y, p = ordinary(loss, 50, np.float64)
    value, gradient = loss.value_and_derivative(y, p)
    assert (
        loss.compute(y, p) == loss(y, p) == pytest.approx(float(value), rel=1e-14)
    )  # added up in another order
    np.testing.assert_array_equal(gradient, loss.derivative(y, p))
    assert loss.parts(y, p).mean() == pytest.approx(float(value), rel=1e-14)


sizes = st.integers(0, 40)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@settings(max_examples=20, deadline=None)
@given(n=sizes, cuts=st.lists(sizes, max_size=4), seed=st.integers(0, 1000))
def test_chunks_weights_and_masks_in_any_shape(loss, n, cuts, seed):
    """Parts of any chunks merge to the whole; the weighted mean is that of the terms that remain."""
    y, p = ordinary(loss, n, np.float64, seed) if n else tuple(a[:0] for a in ordinary(loss, 1, np.float64))
    random = np.random.default_rng(seed)
    w = random.integers(0, 4, n) * 0.5
    keep = random.random(n) < 0.7
    whole = loss.parts(y, p, sample_weight=w, mask=keep)
    edges = [0, *sorted(min(c, n) for c in cuts), n]
    pieces = [loss.parts(y[a:b], p[a:b], sample_weight=w[a:b], mask=keep[a:b]) for a, b in pairwise(edges)]
    merged = sum(pieces, Parts())
    assert merged.count == whole.count == np.count_nonzero(keep & (w > 0))
    assert merged.weight == pytest.approx(whole.weight)
    assert merged.total == pytest.approx(whole.total, rel=1e-12, abs=1e-300)
    value, gradient = loss.value_and_derivative(y, p, sample_weight=w, mask=keep)
    assert value == pytest.approx(whole.mean(), rel=1e-12, abs=1e-300)
    gone = ~keep | (w == 0)
    assert not gradient[gone].any()
