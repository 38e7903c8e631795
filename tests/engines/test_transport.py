"""Distances between sets: known answers, both engines against each other, edges, weights and what is refused."""

import re

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.stats import energy_distance, wasserstein_distance

import losskit as lk
from losskit.engines.formulas import transport_cloud, transport_line
from losskit.engines.numba import transport_line as fast
from losskit.engines.numba.pool import get_num_threads

ENGINES = ("numba", "numpy")


@pytest.fixture(params=ENGINES)
def engine(request):
    with lk.use_engine(request.param):
        yield request.param


def sets(n, m, *features, seed=0, batch=()):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(*batch, m, *features)), rng.normal(0.5, size=(*batch, n, *features))


def line_losses():
    return [lk.WassersteinLoss(p, root=root) for p in (1, 1.5, 2, 5) for root in (False, True)]


def cloud_losses():
    return [
        lk.SlicedWassersteinLoss(11), lk.SlicedWassersteinLoss(20, p=1), lk.SlicedWassersteinLoss(9, p=3, root=True),
        lk.EnergyDistance(), lk.MMDLoss(bandwidth=None), lk.MMDLoss("laplace", bandwidth=(0.5, 2.0)), lk.MMDLoss(bandwidth=1.5),
        lk.SinkhornLoss(0.5, iterations=20), lk.SinkhornLoss(0.5, p=1, iterations=20), lk.SinkhornLoss(0.5, p=1.5, iterations=10),
    ]  # fmt: skip


def arguments_of(loss, n=7, m=5, **options):
    return sets(n, m, **options) if isinstance(loss, lk.WassersteinLoss) else sets(n, m, 3, **options)


ALL = [*line_losses(), *cloud_losses()]


# ---- known answers --------------------------------------------------------------------------------------


def cheapest(costs, a, b):
    """The least cost of moving masses a to masses b, by linear programming."""
    n, m = costs.shape
    rows, columns = np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))
    found = linprog(
        costs.ravel(), A_eq=np.vstack([rows, columns]), b_eq=np.concatenate([a, b]), method="highs"
    )
    return found.fun


@pytest.mark.parametrize("p", [1.0, 1.5, 3.0])
def test_samples_go_the_cheapest_way(p, engine):
    y, x = sets(7, 5)
    a, b = np.random.default_rng(1).random((2, 7))[0], np.random.default_rng(2).random(5)
    truth = cheapest(np.abs(x[:, None] - y) ** p, a / a.sum(), b / b.sum())
    assert float(lk.WassersteinLoss(p)(y, x, b, sample_weight=a)) == pytest.approx(truth, rel=1e-9)
    plain = cheapest(np.abs(x[:, None] - y) ** p, np.full(7, 1 / 7), np.full(5, 1 / 5))
    assert float(lk.WassersteinLoss(p)(y, x)) == pytest.approx(plain, rel=1e-9)
    assert float(lk.WassersteinLoss(p, root=True)(y, x)) == pytest.approx(plain ** (1 / p), rel=1e-9)


@pytest.mark.parametrize("p", [1.0, 2.0, 2.5])
def test_bins_go_the_cheapest_way(p, engine):
    q, rows = np.random.default_rng(0).dirichlet(np.ones(6), (2, 3))
    ways = np.abs(np.subtract.outer(np.arange(6.0), np.arange(6.0))) ** p
    truth = [cheapest(ways, a, b) for a, b in zip(rows, q, strict=True)]
    loss = lk.WassersteinLoss(p, of="bins", reduction="none")
    np.testing.assert_allclose(loss(q, rows), truth, rtol=1e-9)
    np.testing.assert_allclose(loss.replace(root=True)(q, rows), np.power(truth, 1 / p), rtol=1e-9)


def test_scipy_agrees(engine):
    y, x = sets(40, 31)
    assert float(lk.WassersteinLoss()(y, x)) == pytest.approx(wasserstein_distance(y, x))
    assert float(lk.EnergyDistance()(y[:, None], x[:, None])) == pytest.approx(energy_distance(y, x) ** 2)


def test_slices_are_lines(engine):
    y, x = sets(6, 4, 3)
    loss = lk.SlicedWassersteinLoss(13, seed=5, p=2)
    each = [float(lk.WassersteinLoss(2)(y @ way, x @ way)) for way in loss.directions(3)]
    assert float(loss(y, x)) == pytest.approx(np.mean(each))


def test_a_small_blur_is_optimal_transport():
    y, x = np.random.default_rng(0).random((2, 6, 2))
    truth = cheapest(((x[:, None] - y) ** 2).sum(-1) / 2, np.full(6, 1 / 6), np.full(6, 1 / 6))
    assert float(lk.SinkhornLoss(0.01, iterations=1000)(y, x)) == pytest.approx(truth, rel=1e-3)


def test_a_large_blur_compares_means(engine):
    y, x = sets(6, 4, 2)
    truth = np.sum((x.mean(0) - y.mean(0)) ** 2) / 2
    assert float(lk.SinkhornLoss(1e4)(y, x)) == pytest.approx(truth, rel=1e-6)


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0])
def test_the_envelope_is_the_derivative_once_the_potentials_are_found(p):
    loss = lk.SinkhornLoss(1.0, p=p, iterations=200)
    y, x = sets(4, 3, 2)
    slopes = loss.derivative(y, x)
    for way in range(3):
        steps = np.random.default_rng(way).normal(size=(2, 6))[:, :, None] * [1.0, -1.0]
        steps = steps[0, :3] * 1e-5, steps[1, :4] * 1e-5
        ends = [float(loss(y + side * steps[0], x + side * steps[1])) for side in (1, -1)]
        truth = sum(np.sum(slope * step) for slope, step in zip(slopes, steps, strict=True))
        assert truth == pytest.approx((ends[0] - ends[1]) / 2, abs=1e-12)


def test_the_median_distance_is_a_distance_and_constant(engine):
    y, x = sets(5, 5, 2)
    together = np.concatenate([x, y])
    i, j = np.triu_indices(10, 1)
    median = np.median(np.linalg.norm(together[i] - together[j], axis=1))
    fixed = lk.MMDLoss(bandwidth=median)
    assert float(lk.MMDLoss(bandwidth=None)(y, x)) == pytest.approx(float(fixed(y, x)), rel=1e-12)
    for a, b in zip(lk.MMDLoss(bandwidth=None).derivative(y, x), fixed.derivative(y, x), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    assert float(lk.MMDLoss(bandwidth=None)(np.zeros((3, 2)), np.zeros((4, 2)))) == 0.0


# ---- one engine and the other ---------------------------------------------------------------------------


def both_engines(loss, *arguments, **weights):
    for name in ENGINES:
        with lk.use_engine(name):
            yield loss.value_and_derivative(*arguments, **weights)


@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
@pytest.mark.parametrize("batch", [(), (2, 3)], ids=["set", "batch"])
@pytest.mark.parametrize("sizes", [(7, 5), (6, 6)], ids=str)
@pytest.mark.parametrize("loss", ALL, ids=repr)
def test_the_kernel_is_the_formula(loss, sizes, batch, weighted):
    y, x = arguments_of(loss, *sizes, batch=batch)
    rng = np.random.default_rng(1)
    a, b = rng.random((*batch, sizes[0])), rng.random((*batch, sizes[1]))
    given = {"target_weight": b, "sample_weight": a} if weighted else {}
    (value, slopes), (truth, true_slopes) = both_engines(loss, y, x, **given)
    assert value == pytest.approx(truth, rel=1e-11)
    for got, expected in zip(slopes, true_slopes, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0])
def test_the_kernel_of_bins_is_the_formula(p):
    q, rows = np.random.default_rng(0).dirichlet(np.ones(9), (2, 4, 5))
    rows[0, 0] = q[0, 0]
    rows[1, 0], q[1, 0] = np.eye(9)[3], np.full(9, 1 / 9)
    loss = lk.WassersteinLoss(p, of="bins")
    (value, slopes), (truth, true_slopes) = both_engines(loss, q, rows, mask=np.arange(20).reshape(4, 5) != 7)
    assert value == pytest.approx(truth, rel=1e-12)
    for got, expected in zip(slopes, true_slopes, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("loss", ALL, ids=repr)
def test_float32_is_accurate(loss):
    y, x = (a.astype(np.float32) for a in arguments_of(loss, 30, 20))
    value, slopes = loss.value_and_derivative(y, x)
    with lk.use_engine("numpy"):
        truth, true_slopes = loss.value_and_derivative(y.astype(np.float64), x.astype(np.float64))
    assert value == pytest.approx(truth, rel=1e-5)
    for got, expected in zip(slopes, true_slopes, strict=True):
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, expected, atol=1e-5 * np.abs(expected).max())


def test_points_in_tiles_are_points_together(monkeypatch):
    y, x = sets(7, 5, 3, batch=(2,))
    with lk.use_engine("numpy"):
        for loss in cloud_losses()[3:]:
            monkeypatch.setattr(transport_cloud, "TILE", 1 << 20)
            value, slopes = loss.value_and_derivative(y, x)
            monkeypatch.setattr(transport_cloud, "TILE", 90)
            again, same = loss.value_and_derivative(y, x)
            assert again == pytest.approx(value, rel=1e-13)
            for a, b in zip(slopes, same, strict=True):
                np.testing.assert_allclose(a, b, atol=1e-13)


@pytest.mark.parametrize(
    "loss", [lk.WassersteinLoss(), lk.WassersteinLoss(2), lk.SlicedWassersteinLoss(9), lk.EnergyDistance(), lk.SinkhornLoss(0.5, iterations=3)],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("sizes", [(70_000, 70_000), (70_000, 50_001)], ids=str)
def test_threads_change_nothing(loss, sizes):
    scale = (
        1
        if isinstance(loss, lk.WassersteinLoss)
        else 10
        if isinstance(loss, lk.SlicedWassersteinLoss)
        else 200
    )
    y, x = (a.round(3).astype(np.float32) for a in arguments_of(loss, sizes[0] // scale, sizes[1] // scale))
    threads = get_num_threads()
    found = []
    try:
        for n in (1, 3):
            lk.set_num_threads(n)
            found.append(loss.value_and_derivative(y, x))
    finally:
        lk.set_num_threads(threads)
    assert found[0][0] == found[1][0]
    for a, b in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_array_equal(a, b)


# ---- sorting --------------------------------------------------------------------------------------------


def test_the_sort_of_many_is_a_sort():
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=10_000).astype(np.float32) * np.float32(10.0) ** rng.integers(-38, 38, 10_000)
    numbers[:6] = [np.inf, -np.inf, 0.0, -0.0, np.float32(1e-45), -np.float32(1e-45)]
    numbers[100:200] = numbers[300]
    row, order = numbers.copy(), np.empty(numbers.size, np.int64)
    fast._sort(row, order)
    np.testing.assert_array_equal(row, np.sort(numbers))
    np.testing.assert_array_equal(row, numbers[order])
    numbers[7] = -np.float32(np.nan)
    row = numbers.copy()
    fast._sort(row, order)
    assert np.isnan(row[-1])
    assert order[-1] == 7


@pytest.mark.parametrize("n", [9, 5000])
def test_equal_samples_share_their_slopes(n, engine):
    rng = np.random.default_rng(0)
    y, x = rng.normal(size=n).astype(np.float32), rng.integers(-2, 3, n).astype(np.float32)
    weight = rng.integers(1, 4, n).astype(np.float32)
    for loss in line_losses():
        for given in ({}, {"sample_weight": weight}):
            slope = loss.derivative(y, x, **given)[1] / (weight if given else 1.0)
            for place in np.unique(x):
                assert np.ptp(slope[x == place]) <= 1e-6 * np.abs(slope).max()
    order = rng.permutation(n)
    np.testing.assert_allclose(
        lk.WassersteinLoss(2).derivative(y, x[order])[1],
        lk.WassersteinLoss(2).derivative(y, x)[1][order],
        rtol=1e-6,
    )


def test_runs_are_added_up_without_cancelling():
    keys, values = np.array([[1.0, 1.0, 2.0, 3.0, 3.0, 3.0]]), np.array([[1.0, 2.0, 4.0, 1e16, 1.0, -1e16]])
    found = transport_line._run_totals(np, keys, values)
    np.testing.assert_array_equal(found[0, :3], [3.0, 3.0, 4.0])


# ---- edges ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ALL, ids=repr)
def test_equal_sets(loss, engine):
    y, _ = arguments_of(loss)
    value, slopes = loss.value_and_derivative(y, y.copy())
    assert value == 0.0
    assert not np.any(slopes)


@pytest.mark.parametrize("loss", ALL, ids=repr)
def test_one_point_each(loss, engine):
    y, x = arguments_of(loss, 1, 1)
    value, slopes = loss.value_and_derivative(y, x)
    assert value > 0.0
    assert all(np.isfinite(s).all() for s in slopes)
    np.testing.assert_allclose(slopes[0], -slopes[1], rtol=1e-9)


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1e150, 1e300])
@pytest.mark.parametrize(
    "loss", [lk.WassersteinLoss(), lk.WassersteinLoss(3, root=True), lk.SlicedWassersteinLoss(7, root=True), lk.EnergyDistance()],
    ids=repr,
)  # fmt: skip
def test_distances_grow_with_the_points(loss, size, engine):
    y, x = arguments_of(loss)
    value, slopes = loss.value_and_derivative(y, x)
    large, same = loss.value_and_derivative(y * size, x * size)
    assert float(large) / size == pytest.approx(float(value), rel=1e-12)
    for a, b in zip(slopes, same, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)


def test_the_cost_of_bins_is_flat_where_they_agree(engine):
    q = np.array([[0.25, 0.25, 0.5]])
    for p in (1, 2):
        slopes = lk.WassersteinLoss(p, of="bins").derivative(q, q)
        assert not np.any(slopes)
    slopes = lk.WassersteinLoss(2, of="bins").derivative([[0.5, 0.5, 0.0]], [[0.0, 0.5, 0.5]])
    np.testing.assert_allclose(slopes[1], [[-2.0, -1.0, 0.0]])  # least between 1 and 3, at both levels


@pytest.mark.parametrize("loss", ALL, ids=repr)
def test_nan_in_nan_out(loss, engine):
    y, x = arguments_of(loss)
    x[2] = np.nan
    assert np.isnan(loss(y, x))


def test_infinite_samples(engine):
    loss = lk.WassersteinLoss()
    value, slopes = loss.value_and_derivative([0.0, 1.0], [np.inf, 0.5])
    assert value == np.inf
    np.testing.assert_array_equal(slopes[1], [0.5, 0.5])
    assert float(loss([0.0, 1.0], [np.inf, 0.5, 0.25], sample_weight=[0.0, 1.0, 1.0])) == 0.375


# ---- weights --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ALL, ids=repr)
def test_weight_two_is_a_point_twice(loss, engine):
    y, x = arguments_of(loss)
    a, b = np.array([1.0, 2.0, 3.0, 1.0, 1.0, 2.0, 1.0]), np.array([2.0, 1.0, 1.0, 3.0, 1.0])
    if loss == lk.MMDLoss(bandwidth=None):
        loss = lk.MMDLoss(bandwidth=1.0)  # the median is over pairs of different points
    value, slopes = loss.value_and_derivative(y, x, b, sample_weight=a)
    i, j = np.repeat(np.arange(7), a.astype(int)), np.repeat(np.arange(5), b.astype(int))
    again, repeated = loss.value_and_derivative(y[j], x[i])
    assert value == pytest.approx(again, rel=1e-9)
    for slope, more, which in zip(slopes, repeated, (j, i), strict=True):
        summed = np.zeros_like(slope)
        np.add.at(summed, which, more)
        np.testing.assert_allclose(slope, summed, atol=1e-9)


@pytest.mark.parametrize("loss", ALL, ids=repr)
def test_weight_zero_is_absence(loss, engine):
    y, x = arguments_of(loss)
    without = loss.value_and_derivative(y[1:], x[:-1])
    y[0], x[-1] = np.nan, np.inf
    keep_x, keep_y = np.arange(7) < 6, np.arange(5) > 0
    for given in ({"mask": keep_x}, {"sample_weight": 2.0 * keep_x}):
        value, slopes = loss.value_and_derivative(y, x, keep_y * 3.0, **given)
        assert value == pytest.approx(without[0], rel=1e-9)
        np.testing.assert_allclose(slopes[0][1:], without[1][0], atol=1e-9)
        np.testing.assert_allclose(slopes[1][:-1], without[1][1], atol=1e-9)
        assert not np.any(slopes[0][0])
        assert not np.any(slopes[1][-1])


@pytest.mark.parametrize("loss", ALL, ids=repr)
def test_a_set_without_weight_is_no_term(loss, engine):
    y, x = arguments_of(loss, batch=(2,))
    weight = np.ones((2, 7))
    weight[0] = 0.0
    value, slopes = loss.value_and_derivative(y, x, sample_weight=weight)
    assert value == pytest.approx(float(loss(y[1], x[1])), rel=1e-9)
    assert not np.any(slopes[0][0])
    assert not np.any(slopes[1][0])
    assert loss(y, x, mask=np.zeros((2, 7), bool)) == 0.0
    assert loss(y, x, np.zeros((2, 5))) == 0.0


@pytest.mark.parametrize("loss", [lk.WassersteinLoss(), lk.EnergyDistance()], ids=repr)
def test_empty_sets_are_no_terms(loss, engine):
    y, x = arguments_of(loss, 0, 3)
    value, slopes = loss.value_and_derivative(y, x)
    assert value == 0.0
    assert slopes[0].shape == y.shape
    assert not np.any(slopes[0])


# ---- what is refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "arguments", "message"),
    [
        (lk.WassersteinLoss(), (1.0, 2.0), "y_true and y_pred must be (..., samples), got shapes () and ()"),
        (
            lk.WassersteinLoss(), (np.zeros((2, 3)), np.zeros(3)),
            "y_true and y_pred must have the same shape but for the number of samples, got shapes (2, 3) and (3,)",
        ),
        (
            lk.WassersteinLoss(of="bins"), (np.ones((1, 2)), np.ones((1, 3))),
            "y_true and y_pred must have the same shape, got shapes (1, 2) and (1, 3)",
        ),
        (
            lk.EnergyDistance(), (np.zeros(3), np.zeros(4)),
            "y_true and y_pred must be (..., points, features), got shapes (3,) and (4,); "
            "a set of numbers is points with one feature: y_pred[:, None]",
        ),
        (
            lk.SinkhornLoss(), (np.zeros((3, 2)), np.zeros((3, 4))),
            "y_true and y_pred must have the same shape but for the number of points, got shapes (3, 2) and (3, 4)",
        ),
        (
            lk.MMDLoss(bandwidth=None), (np.zeros((3, 2)), np.zeros((4, 2)), np.ones(4)),
            "target_weight must be one number a point of y_true: of shape (3,), got shape (4,)",
        ),
        (
            lk.WassersteinLoss(of="bins"), (np.ones((2, 1)), np.ones((2, 1)), np.ones(2)),
            "histograms are their own weights: leave target_weight out",
        ),
        (
            lk.WassersteinLoss(), (np.zeros(2), np.zeros(2), [1.0, -1.0]),
            "target_weight must be finite and at least 0, got -1.0 at index 1",
        ),
        (
            lk.WassersteinLoss(of="bins"), ([[0.5, 0.5]], [[1.5, -0.5]]),
            "y_pred must be at least 0, got -0.5 at index (0, 1)",
        ),
        (
            lk.WassersteinLoss(of="bins"), ([[0.5, 0.75]], [[0.5, 0.5]]),
            "y_true must be rows that sum to 1 (within 0.01), got 0.5 at index (0, 0)",
        ),
    ],
)  # fmt: skip
def test_messages(loss, arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        loss.compute(*arguments)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: lk.WassersteinLoss(0.5), "p must be >= 1, got 0.5"),
        (lambda: lk.WassersteinLoss(of="bin"), "of must be one of 'samples', 'bins', got 'bin'"),
        (lambda: lk.SlicedWassersteinLoss(0), "projections must be >= 1, got 0"),
        (lambda: lk.SinkhornLoss(0.0), "blur must be > 0, got 0.0"),
        (lambda: lk.SinkhornLoss(iterations=1.5), "iterations must be a whole number, got 1.5"),
        (lambda: lk.MMDLoss(bandwidth=0), "bandwidth must be > 0, got 0"),
        (lambda: lk.MMDLoss(bandwidth=(1.0, -1.0)), "bandwidth[1] must be > 0, got -1.0"),
        (lambda: lk.MMDLoss(bandwidth=()), "bandwidth must be a number > 0, a sequence of them or None"),
        (lambda: lk.MMDLoss("cauchy"), "kernel must be one of 'gaussian', 'laplace', got 'cauchy'"),
    ],
)
def test_parameters(make, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


def test_parts_do_not_merge():
    y, x = sets(4, 4)
    with pytest.raises(NotImplementedError, match="does not follow from those between their parts"):
        lk.WassersteinLoss().parts(y, x)
