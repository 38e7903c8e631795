"""Losses beside cross-entropy on rows: limits at infinity, class indices as shares, shifted logits, functions of sums."""

import numpy as np
import pytest

import losskit as lk

INF = np.inf
RANDOM = np.random.default_rng(11)
LOGITS = RANDOM.normal(size=(60, 5)) * 4.0
CLASSES = RANDOM.integers(0, 5, 60)
ONE_HOT = np.eye(5)[CLASSES]
SHARES, OTHERS = RANDOM.dirichlet(np.ones(5), (2, 60))


@pytest.fixture(params=["numba", "numpy"], autouse=True)
def engine(request):
    with lk.use_engine(request.param):
        yield request.param


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_reverse_divergence_from_what_the_target_rules_out_has_limits(dtype):
    """As a target's share goes to 0 the gradient runs away from its class, whatever has underflowed."""
    loss = lk.KLDivergence(reverse=True, from_logits=True, reduction="none")
    y = np.array([[1.0, 0, 0], [0.5, 0.5, 0], [0, 0, 1], [0.5, 0, 0.5]], dtype)
    z = np.array([[1.0, 2, 3], [0, 0, 0], [800, 0, -1], [1, -INF, 0]], dtype)
    values, slopes = loss.value_and_derivative(y, z)
    np.testing.assert_array_equal(values[:3], INF)
    np.testing.assert_array_equal(slopes[:3], [[-INF, INF, INF], [-INF, -INF, INF], [INF, INF, -INF]])
    assert np.isfinite(slopes[3]).all()
    assert slopes[3, 1] == 0.0
    assert not np.isnan(loss.second_derivative(y, z)).any()


def test_a_class_that_is_masked_has_no_slope_beside_an_infinite_value():
    loss = lk.KLDivergence(reverse=True, from_logits=True)
    np.testing.assert_array_equal(loss.derivative([[1.0, 0, 0]], [[0.0, -INF, 0]]), [[-INF, 0.0, INF]])


@pytest.mark.parametrize("from_logits", [False, True])
def test_symmetric_cross_entropy_of_indices_is_that_of_one_hot_rows(from_logits):
    loss = lk.SymmetricCrossEntropy(from_logits=from_logits)
    p = LOGITS if from_logits else SHARES
    for one, other in zip(
        loss.value_and_derivative(CLASSES, p), loss.value_and_derivative(ONE_HOT, p), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-15)


def test_symmetric_cross_entropy_is_what_the_paper_says():
    loss = lk.SymmetricCrossEntropy(alpha=0.5, beta=2.0, log_zero=-3.0)
    logs = np.maximum(np.log(OTHERS), -3.0)
    expected = -0.5 * (OTHERS * np.log(SHARES)).sum(-1) - 2.0 * (SHARES * logs).sum(-1)
    np.testing.assert_allclose(loss(OTHERS, SHARES), expected.mean())


def test_symmetric_cross_entropy_has_no_class_weights():
    with pytest.raises(ValueError, match="class_weights must be None"):
        lk.SymmetricCrossEntropy(class_weights=(1.0, 2.0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["index", "soft"])
def test_logit_adjustment_is_cross_entropy_of_shifted_logits(kind, dtype):
    priors = (100.0, 10.0, 3.0, 1.0, 0.01)
    loss = lk.LogitAdjustedLoss(priors, tau=1.5, reduction="none")
    plain = lk.SparseCategoricalCrossEntropy if kind == "index" else lk.CategoricalCrossEntropy
    y = CLASSES if kind == "index" else SHARES.astype(dtype)
    z = LOGITS.astype(dtype)
    expected = plain(from_logits=True, reduction="none").value_and_derivative(y, z + 1.5 * np.log(priors))
    tolerance = 1e-12 if dtype == np.float64 else 2e-6
    for one, other in zip(loss.value_and_derivative(y, z), expected, strict=True):
        assert one.dtype == dtype
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=1e-6 * tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logit_adjustment_does_not_mind_a_common_offset(dtype):
    loss = lk.LogitAdjustedLoss((4.0, 2.0, 1.0), reduction="none")
    z = np.array([[1.0, 0.5, -2.0]], dtype)
    for offset in (1024.0, -(2.0**20)):
        for one, other in zip(
            loss.value_and_derivative([1], z + dtype(offset)), loss.value_and_derivative([1], z), strict=True
        ):
            np.testing.assert_allclose(one, other, rtol=4 * np.finfo(dtype).eps)


def test_logit_adjustment_along_another_axis_with_ignored_rows():
    z = LOGITS.reshape(3, 20, 5)
    y = CLASSES.reshape(3, 20)
    plain = lk.LogitAdjustedLoss((5.0, 4.0, 3.0, 2.0, 1.0), ignore_index=2)
    moved = plain.replace(axis=1)
    assert moved(y, np.moveaxis(z, -1, 1)) == pytest.approx(plain(y, z))
    np.testing.assert_allclose(
        moved.derivative(y, np.moveaxis(z, -1, 1)), np.moveaxis(plain.derivative(y, z), -1, 1)
    )


def test_logit_adjustment_wants_a_prior_a_class():
    with pytest.raises(
        ValueError, match=r"class_priors has 2 numbers, but y_pred of shape \(1, 3\) has 3 classes"
    ):
        lk.LogitAdjustedLoss((1.0, 2.0)).compute([0], [[1.0, 2.0, 3.0]])
    with pytest.raises(ValueError, match="class_priors"):
        lk.LogitAdjustedLoss((1.0, 0.0))


@pytest.mark.parametrize("alpha", [1.0 - 2.0**-30, 1.0 + 2.0**-30])
def test_renyi_near_1_is_kullback_leibler(alpha):
    np.testing.assert_allclose(
        lk.RenyiDivergence(alpha, reduction="none")(SHARES, OTHERS),
        lk.KLDivergence(reduction="none")(SHARES, OTHERS), rtol=1e-7,
    )  # fmt: skip


def test_renyi_of_a_half_is_a_function_of_hellinger():
    hellinger = lk.HellingerDistance(reduction="none")(SHARES, OTHERS)
    renyi = lk.RenyiDivergence(0.5, reduction="none")(SHARES, OTHERS)
    np.testing.assert_allclose(renyi, -2.0 * np.log1p(-(hellinger**2)), rtol=1e-12)


def test_renyi_of_a_large_order_is_the_largest_ratio_and_does_not_overflow():
    value = lk.RenyiDivergence(1e6, from_logits=True)([[0.5, 0.5]], [[0.0, 600.0]])
    assert float(value) == pytest.approx(600.0 - np.log(2.0), rel=1e-5)


@pytest.mark.parametrize(
    "loss", [lk.JensenShannonDivergence(), lk.HellingerDistance(), lk.TotalVariationDistance()]
)
def test_equal_distributions_are_at_distance_0(loss):
    value, slope = loss.value_and_derivative(SHARES, SHARES)
    assert value == 0.0
    assert not slope.any()


def test_sums_of_distances_are_not_distances_of_sums():
    p = OTHERS
    both = lk.HellingerDistance() + 2.0 * lk.RenyiDivergence(2.0)
    np.testing.assert_allclose(
        both(SHARES, p), lk.HellingerDistance()(SHARES, p) + 2.0 * lk.RenyiDivergence(2.0)(SHARES, p)
    )
    fused = lk.HellingerDistance() + 0.5 * lk.KLDivergence()
    np.testing.assert_allclose(
        fused(SHARES, p), lk.HellingerDistance()(SHARES, p) + 0.5 * lk.KLDivergence()(SHARES, p)
    )
    parts = lk.HellingerDistance().derivative(SHARES, p) + 0.5 * lk.KLDivergence().derivative(SHARES, p)
    np.testing.assert_allclose(fused.derivative(SHARES, p), parts)
