"""Losses of class scores: known values, known limits, and parameters that are refused."""

import numpy as np
import pytest

import losskit as lk

LOGITS = np.array([[2.0, -1.0, 0.5], [0.0, 3.0, -2.0]])
LABELS = np.array([0, 2])
ONE_HOT = np.eye(3)[LABELS]
P = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)


@pytest.fixture(autouse=True)
def _on_the_reference():
    """What is tested here is the rules; tests/engines compares the engines."""
    with lk.use_engine("numpy"):
        yield


def close(a, b):
    return np.testing.assert_allclose(a, b, rtol=1e-12)


def test_probabilities_and_logits_are_the_same_loss():
    for kind in (lk.CategoricalCrossEntropy, lk.LabelSmoothingCrossEntropy, lk.CategoricalFocalLoss):
        close(kind().compute(ONE_HOT, P), kind(from_logits=True).compute(ONE_HOT, LOGITS))


def test_indices_and_one_hot_rows_are_the_same_target():
    for kind in (lk.LabelSmoothingCrossEntropy, lk.CategoricalFocalLoss):
        loss = kind(from_logits=True)
        for a, b in zip(
            loss.value_and_derivative(LABELS, LOGITS), loss.value_and_derivative(ONE_HOT, LOGITS), strict=True
        ):
            close(a, b)


def test_the_notes_derivative():
    y, p = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.9, 0.1], [0.2, 0.8]])
    loss = lk.CategoricalCrossEntropy(eps=1e-15)
    close(loss.compute(y, p), -np.mean(np.log([0.9, 0.8])))
    close(loss.derivative(y, p), -y / p / 2)


def test_limits_of_the_parameters():
    plain = lk.CategoricalCrossEntropy(from_logits=True)
    for other in (
        lk.CategoricalFocalLoss(gamma=0.0, from_logits=True),
        lk.LabelSmoothingCrossEntropy(smoothing=0.0, from_logits=True),
        lk.CategoricalFocalLoss(gamma=0.0, alpha=1.0, from_logits=True),
    ):
        assert other.compute(ONE_HOT, LOGITS) == plain.compute(ONE_HOT, LOGITS)
    smooth = lk.CategoricalCrossEntropy(from_logits=True, label_smoothing=1.0)
    close(smooth.compute(ONE_HOT, LOGITS), plain.compute(np.full((2, 3), 1 / 3), LOGITS))


def test_smoothing_is_a_mixed_target():
    mixed = 0.7 * ONE_HOT + 0.1
    loss = lk.SparseCategoricalCrossEntropy(from_logits=True, label_smoothing=0.3)
    value, gradient = loss.value_and_derivative(LABELS, LOGITS)
    other = lk.CategoricalCrossEntropy(from_logits=True).value_and_derivative(mixed, LOGITS)
    close(value, other[0])
    close(gradient, other[1])


def test_z_loss_is_the_squared_log_sum_exp():
    with_z = lk.SparseCategoricalCrossEntropy(from_logits=True, z_loss=0.25).compute(LABELS, LOGITS)
    without = lk.SparseCategoricalCrossEntropy(from_logits=True).compute(LABELS, LOGITS)
    lse = np.log(np.exp(LOGITS).sum(axis=1))
    close(with_z - without, 0.25 * np.mean(lse**2))


def test_two_classes_are_the_binary_loss_of_the_difference():
    z = LOGITS[:, :2]
    loss = lk.SparseCategoricalCrossEntropy(from_logits=True)
    close(
        loss.compute([0, 1], z),
        lk.BinaryCrossEntropy(from_logits=True).compute([0.0, 1.0], z[:, 1] - z[:, 0]),
    )


def test_a_shift_of_the_logits_changes_nothing_and_gradients_sum_to_zero():
    loss = lk.SparseCategoricalCrossEntropy(from_logits=True)
    close(loss.compute(LABELS, LOGITS + 8.0), loss.compute(LABELS, LOGITS))
    np.testing.assert_allclose(loss.derivative(LABELS, LOGITS).sum(axis=1), 0.0, atol=1e-16)


def test_alpha_is_a_weight_or_one_a_class():
    per_class = lk.CategoricalFocalLoss(alpha=[0.5, 1.0, 2.0], from_logits=True, reduction="none")
    plain = lk.CategoricalFocalLoss(from_logits=True, reduction="none")
    close(per_class.compute(LABELS, LOGITS), plain.compute(LABELS, LOGITS) * [0.5, 2.0])
    half = lk.CategoricalFocalLoss(alpha=0.5, from_logits=True, reduction="none")
    close(half.compute(LABELS, LOGITS), plain.compute(LABELS, LOGITS) * 0.5)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_focal_is_defined_where_nothing_is_left_to_learn(gamma):
    loss = lk.CategoricalFocalLoss(gamma=gamma, from_logits=True)
    z = np.array([[1e4, 0.0]])
    value, gradient = loss.value_and_derivative([0], z)
    assert value == 0.0
    assert not gradient.any()
    assert not np.isnan(loss.second_derivative([0], z)).any()
    value, gradient = loss.value_and_derivative([1], z)
    assert value == 1e4
    close(gradient, [[1.0, -1.0]])


@pytest.mark.parametrize("reverse", [False, True])
def test_divergence_of_equals_is_zero(reverse):
    assert lk.KLDivergence(reverse=reverse).compute(P, P) == 0.0


def test_divergence_is_cross_entropy_less_entropy():
    y = np.array([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]])
    entropy = -np.mean([np.sum(q[q > 0] * np.log(q[q > 0])) for q in y])
    expected = lk.CategoricalCrossEntropy().compute(y, P) - entropy
    close(lk.KLDivergence().compute(y, P), expected)
    close(lk.KLDivergence(from_logits=True).compute(y, LOGITS), expected)
    close(lk.KLDivergence(log_input=True).compute(y, np.log(P)), expected)
    close(lk.KLDivergence(reverse=True).compute(P, y + 0.0), lk.KLDivergence().compute(y, P))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: lk.SparseCategoricalCrossEntropy(z_loss=0.1), "z_loss=0.1 needs logits"),
        (
            lambda: lk.SparseCategoricalCrossEntropy(label_smoothing=1.5),
            "label_smoothing must be >= 0 and <= 1, got 1.5",
        ),
        (
            lambda: lk.CategoricalCrossEntropy(class_weights=(1.0, -1.0)),
            r"class_weights\[1\] must be >= 0, got -1.0",
        ),
        (lambda: lk.CategoricalCrossEntropy(eps=0.0), "eps must be > 0 and < 1, got 0.0"),
        (lambda: lk.CategoricalFocalLoss(gamma=-1), "gamma must be >= 0, got -1"),
        (lambda: lk.CategoricalFocalLoss(alpha=(1, 2), class_weights=(1, 2)), "the same as class_weights"),
        (lambda: lk.KLDivergence(log_input=True, from_logits=True), "exclude each other"),
    ],
)
def test_parameters_that_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
