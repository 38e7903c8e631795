"""Programs from introductory notes on losses, with losskit's classes in place of their definitions."""

import numpy as np
import pytest

from losskit import (
    BinaryCrossEntropy,
    CustomRegressionLoss,
    DiceLoss,
    FocalLoss,
    HuberLoss,
    LossFunction,
    MeanAbsoluteError,
    MeanSquaredError,
    WeightedCrossEntropy,
    clip_gradients,
    log_sum_exp,
    stable_cross_entropy,
    stable_softmax,
)

Y = np.array([1, 2, 3, 4])
P = np.array([1.1, 1.9, 3.2, 3.8])
LABELS = np.array([1, 0, 1, 0])
PROBABILITIES = np.array([0.9, 0.1, 0.8, 0.2])
RARE = np.array([1, 0, 1, 0, 0, 0, 0, 0, 0, 0])
RARE_PROBABILITIES = np.array([0.9, 0.1, 0.8, 0.2, 0.3, 0.1, 0.2, 0.1, 0.1, 0.2])


@pytest.mark.parametrize(
    ("loss", "y", "p", "printed"),
    [
        (MeanSquaredError(), Y, P, "0.0250"),
        (MeanAbsoluteError(), Y, P, "0.1500"),
        (HuberLoss(delta=1.0), Y, P, "0.0125"),
        (BinaryCrossEntropy(), LABELS, PROBABILITIES, "0.1643"),
        (FocalLoss(alpha=1.0, gamma=2.0), RARE, RARE_PROBABILITIES, "0.0073"),
        (DiceLoss(), RARE, RARE_PROBABILITIES, "0.3200"),
        (WeightedCrossEntropy(class_weights=[1.0, 5.0]), RARE, RARE_PROBABILITIES, "0.3090"),
    ],
)
def test_programs_print_the_same_numbers(loss, y, p, printed):
    assert f"{loss.compute(y, p):.4f}" == printed


def central_difference(loss, y, p):
    """The derivative of ``compute`` by itself, to about nine digits."""
    answer = np.empty(p.size)
    for i in range(p.size):
        step = np.zeros(p.size)
        step[i] = 1e-5
        answer[i] = (loss.compute(y, p + step) - loss.compute(y, p - step)) / 2e-5
    return answer


@pytest.mark.parametrize(
    ("loss", "y", "p"),
    [
        (MeanSquaredError(), Y, P),
        (HuberLoss(delta=0.15), Y, P),  # often given with the opposite sign
        (FocalLoss(), RARE, RARE_PROBABILITIES),  # wrong for y = 1 in the program
        (DiceLoss(), RARE, RARE_PROBABILITIES),  # without the smoothing, and divided by n, in the program
        (WeightedCrossEntropy([1.0, 5.0]), RARE, RARE_PROBABILITIES),
        (CustomRegressionLoss(0.3), Y, P),
    ],
)
def test_derivatives_are_those_of_the_value(loss, y, p):
    # 1e-8: the truncation error of the difference, h² times the third derivative
    np.testing.assert_allclose(loss.derivative(y, p), central_difference(loss, y, p), rtol=1e-6, atol=1e-8)


def test_custom_loss_as_a_learner_writes_it():
    class Mixture(LossFunction):
        def __init__(self, alpha=0.5):
            self.alpha = alpha

        def compute(self, y_true, y_pred):
            mse = np.mean((y_true - y_pred) ** 2)
            mae = np.mean(np.abs(y_true - y_pred))
            return self.alpha * mse + (1 - self.alpha) * mae

        def derivative(self, y_true, y_pred):
            mse = 2 * (y_pred - y_true) / y_true.size
            mae = np.sign(y_pred - y_true) / y_true.size
            return self.alpha * mse + (1 - self.alpha) * mae

    ours, theirs = CustomRegressionLoss(alpha=0.3), Mixture(alpha=0.3)
    # the same mathematics in another order of additions: a few units in the last place
    np.testing.assert_allclose(theirs.compute(Y, P), ours.compute(Y, P), rtol=1e-15)
    np.testing.assert_allclose(theirs.derivative(Y, P), ours.derivative(Y, P), rtol=1e-15)
    assert theirs == Mixture(0.3)
    assert theirs != Mixture(0.4)


def test_numerics_keep_their_signatures():
    x = np.array([[1000.0, 1000.0, 0.0], [-np.inf, -np.inf, -np.inf]])
    np.testing.assert_array_equal(log_sum_exp(x), [[1000.0 + np.log(2.0)], [-np.inf]])
    np.testing.assert_array_equal(stable_softmax(x[0]), [0.5, 0.5, 0.0])
    np.testing.assert_allclose(stable_cross_entropy(np.eye(2), np.full((2, 2), 0.5)), np.log(2.0), rtol=1e-15)
    clipped = clip_gradients([np.array([3e200]), np.array([4e200])], max_norm=5.0)
    np.testing.assert_allclose(np.concatenate(clipped), [3.0, 4.0], rtol=1e-15)
