"""Sums of an overlap and a loss of classes on one softmax: the same answers as apart, and when they are not shared."""

import numpy as np
import pytest
import torch

import losskit as lk
from losskit.engines.numba import shared_softmax
from losskit.engines.numpy import sum as separately
from losskit.engines.shared import shared_of
from losskit.registry import Wanted

SOFTMAX = {"from_logits": True, "activation": "softmax"}
ROWS = {"from_logits": True, "axis": 1}
BOTH = Wanted(value=True, derivative=True)


class Surprised(lk.SoftmaxLoss):
    """A rule of a user's own: the square of -log p."""

    @lk.rule
    def value(nll):
        return nll * nll

    @lk.rule
    def slope(nll):
        return 2.0 * nll

    @lk.rule
    def curvature(nll):
        return 2.0 + 0.0 * nll


SUMS = {
    "plain": lk.DiceLoss(per="class", **SOFTMAX) + lk.SparseCategoricalCrossEntropy(**ROWS),
    "weighted classes": 0.3 * lk.TverskyLoss(class_weights=(1, 2, 0.5, 3), per="class", **SOFTMAX)
    + 2.0 * lk.SparseCategoricalCrossEntropy(class_weights=(1, 2, 0.5, 0), **ROWS),
    "ignored": lk.IoULoss(ignore_index=2, per="sample", **SOFTMAX)
    + lk.SparseCategoricalCrossEntropy(ignore_index=2, **ROWS),
    "sums of squares": lk.DiceLoss(squared=True, reduction="sum", **SOFTMAX)
    + lk.SparseCategoricalCrossEntropy(reduction="sum", **ROWS),
    "a rule of one's own, first": Surprised(**ROWS) + 0.5 * lk.GeneralizedDiceLoss(**SOFTMAX),
    "focal": lk.DiceLoss(**SOFTMAX) + lk.CategoricalFocalLoss(gamma=1.5, **ROWS),
}
sums = pytest.mark.parametrize("loss", SUMS.values(), ids=SUMS)


def data(dtype=np.float64, shape=(3, 4, 7, 90)):
    random = np.random.default_rng(4)
    y = random.integers(0, shape[1], shape[:1] + shape[2:])
    return y, (3.0 * random.normal(size=shape)).astype(dtype)


def close(got, expected, eps):
    for a, b in zip(got, expected, strict=True):
        assert np.shape(a) == np.shape(b)
        assert np.abs(np.asarray(a, np.float64) - b).max() <= 16 * eps * np.abs(b).max()


@sums
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_as_apart(loss, dtype):
    y, z = data(dtype)
    assert shared_of(loss, (y, z)) is not None
    got = loss.value_and_derivative(y, z)
    assert got[1].dtype == dtype
    assert loss.compute(y, z) == got[0]
    with lk.use_engine("numpy"):
        close(got, loss.value_and_derivative(y, z), np.finfo(dtype).eps)


@sums
def test_weights_and_masks(loss):
    y, z = data()
    random = np.random.default_rng(5)
    keep = random.random(y.shape) < 0.7
    z[:, 1][~keep] = np.nan  # a masked element touches nothing
    options = {"mask": keep, "sample_weight": random.random(y.shape) * (random.random(y.shape) < 0.8)}
    got = loss.value_and_derivative(y, z, **options)
    with lk.use_engine("numpy"):
        close(got, loss.value_and_derivative(y, z, **options), 1e-15)
    value, gradient = loss.value_and_derivative(y, z, mask=np.zeros(y.shape, bool))
    assert value == 0.0
    assert not gradient.any()


def test_tails_are_exact():
    """-log p of 2.06e-9 beside a p that rounds to 1, and both slopes of its size."""
    loss = 0.0 * lk.DiceLoss(**SOFTMAX) + lk.SparseCategoricalCrossEntropy(**ROWS)
    z = np.zeros((1, 2, 1), np.float32)
    z[0, 0] = 20.0
    value, gradient = loss.value_and_derivative([[0]], z)
    assert value == pytest.approx(2.0611536e-09, rel=3e-7)
    np.testing.assert_allclose(gradient.ravel(), [-2.0611536e-09, 2.0611536e-09], rtol=3e-7)
    z[0, 1] = -np.inf
    value, gradient = loss.value_and_derivative([[0]], z)
    assert (value, *gradient.ravel()) == (0.0, 0.0, 0.0)


def test_out_and_the_same_bits_for_any_number_of_threads():
    loss, (y, z) = SUMS["plain"], data(np.float32, (2, 4, 64, 300))
    threads = lk.get_num_threads()
    out = np.empty_like(z)
    try:
        lk.set_num_threads(1)
        value, gradient = loss.value_and_derivative(y, z)
        lk.set_num_threads(3)
        again, written = loss.value_and_derivative(y, z, out=out)
    finally:
        lk.set_num_threads(threads)
    assert again == value
    assert written is out
    assert np.array_equal(out, gradient)


@pytest.mark.parametrize(
    "loss",
    [
        lk.DiceLoss(from_logits=True) + lk.SparseCategoricalCrossEntropy(**ROWS),
        lk.DiceLoss(**SOFTMAX) + lk.SparseCategoricalCrossEntropy(ignore_index=1, **ROWS),
        lk.DiceLoss(**SOFTMAX) + lk.SparseCategoricalCrossEntropy(z_loss=0.1, **ROWS),
        lk.DiceLoss(**SOFTMAX) + lk.SparseCategoricalCrossEntropy(**ROWS) + lk.LovaszLoss(**SOFTMAX),
    ],
    ids=["sigmoid", "another ignore_index", "a function of the log-sum-exp", "three"],
)
def test_what_is_not_shared_is_added(loss):
    y, z = data()
    assert shared_of(loss, (y, z)) is None
    apart = separately.evaluate(loss, (y, z), BOTH, None, None)
    value, gradient = loss.value_and_derivative(y, z)
    assert value == apart.value
    assert np.array_equal(gradient, apart.derivative)


def test_a_class_out_of_range_is_refused():
    y, z = data()
    y[1, 2, 3] = 4
    with pytest.raises(IndexError, match=r"a class from 0 to 3, got 4"):
        SUMS["plain"].compute(y, z)


def test_torch_takes_the_same_kernel(monkeypatch):
    loss, (y, z) = SUMS["plain"], data(np.float32)
    value, gradient = loss.value_and_derivative(y, z)
    calls = []
    original = shared_softmax.evaluate
    monkeypatch.setattr(shared_softmax, "evaluate", lambda *a: calls.append(1) or original(*a))
    p = torch.from_numpy(z).requires_grad_()
    got = loss(torch.from_numpy(y), p)
    (slope,) = torch.autograd.grad(got, p, create_graph=False, retain_graph=True)
    assert calls
    assert got.item() == value
    assert np.array_equal(slope.numpy(), gradient)
    (recorded,) = torch.autograd.grad(got, p, create_graph=True)
    torch.testing.assert_close(recorded, slope, rtol=1e-5, atol=1e-8)
    (second,) = torch.autograd.grad(recorded.square().sum(), p)
    assert torch.isfinite(second).all()
