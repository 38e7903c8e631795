"""Distillation: known answers, kernel against formula, edge cases and messages."""

import numpy as np
import pytest

import losskit as lk

RANDOM = np.random.default_rng(5)
Z, U = RANDOM.normal(size=(2, 150, 6)) * 3.0
Y = RANDOM.integers(0, 6, 150)


def softmax(z):
    powers = np.exp(z - z.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


@pytest.fixture(params=["numba", "numpy"])
def engine(request):
    with lk.use_engine(request.param):
        yield request.param


def test_is_the_sum_of_its_parts(engine):
    hard = lk.SparseCategoricalCrossEntropy(from_logits=True)
    soft = lk.KLDivergence(from_logits=True)
    value, (slope, _) = lk.DistillationLoss(temperature=3.0, alpha=0.25).value_and_derivative(Y, Z, U)
    teacher = softmax(U / 3.0)
    np.testing.assert_allclose(value, 0.25 * hard(Y, Z) + 0.75 * 9.0 * soft(teacher, Z / 3.0))
    parts = 0.25 * hard.derivative(Y, Z) + 0.75 * 3.0 * soft.derivative(teacher, Z / 3.0)
    np.testing.assert_allclose(slope, parts, rtol=1e-12, atol=1e-16)


def test_the_teacher_has_a_derivative(engine):
    loss = lk.DistillationLoss(temperature=2.0, alpha=0.5, reduction="sum")
    _, slope = loss.derivative(Y, Z, U)
    for j in range(6):
        moved = np.eye(6)[j] * 1e-6
        each = lk.DistillationLoss(temperature=2.0, alpha=0.5, reduction="none")
        rise = (each(Y, Z, U + moved) - each(Y, Z, U - moved)) / 2e-6
        np.testing.assert_allclose(slope[:, j], rise, rtol=1e-6, atol=1e-8)


def test_agreement_costs_nothing_and_pulls_nowhere(engine):
    value, slopes = lk.DistillationLoss(alpha=0.0).value_and_derivative(Y, U, U)
    assert value == 0.0
    assert not any(s.any() for s in slopes)


def test_almost_agreement_keeps_its_digits(engine):
    near = U + 1e-9 * RANDOM.normal(size=U.shape)
    d = near - U
    q = softmax(U)
    variance = (q * d**2).sum(-1) - (q * d).sum(-1) ** 2
    value = lk.DistillationLoss(temperature=1.0, alpha=0.0, reduction="none")(Y, near, U)
    np.testing.assert_allclose(value, variance / 2.0, rtol=1e-5)


def test_kernel_agrees_with_formula_with_weights_masks_and_ignored_rows():
    y = np.where(np.arange(150) % 4 == 0, -1, Y)
    loss = lk.DistillationLoss(ignore_index=-1)
    options = {"sample_weight": RANDOM.uniform(size=150), "mask": RANDOM.uniform(size=150) < 0.8}
    fast = loss.value_and_derivative(y, Z, U, **options)
    with lk.use_engine("numpy"):
        slow = loss.value_and_derivative(y, Z, U, **options)
    np.testing.assert_allclose(fast[0], slow[0], rtol=1e-14)
    for one, other in zip(fast[1], slow[1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-16)


def test_masked_classes(engine):
    """A class that both rule out takes no part."""
    student, teacher = np.array([[1.0, -np.inf, 0.0]]), np.array([[0.5, -np.inf, 0.0]])
    value, slopes = lk.DistillationLoss().value_and_derivative([0], student, teacher)
    without, _ = lk.DistillationLoss().value_and_derivative([0], student[:, ::2], teacher[:, ::2])
    np.testing.assert_allclose(value, without)
    assert all(s[0, 1] == 0.0 for s in slopes)


def test_bad_input():
    with pytest.raises(ValueError, match="teacher must be of y_pred's shape"):
        lk.DistillationLoss().compute([0], [[1.0, 2.0]], [[1.0, 2.0, 3.0]])
    with pytest.raises(IndexError, match=r"y_true must be in 0\.\.1"):
        lk.DistillationLoss().compute([2], [[1.0, 2.0]], [[1.0, 2.0]])
    with pytest.raises(ValueError, match="temperature must be > 0"):
        lk.DistillationLoss(temperature=0.0)
