"""Losses of lists: brute force over permutations, ties and padding, the kernel against the formula, bad input."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from mpmath import mp, mpf

import losskit as lk
from losskit.losses.lists import ApproxNDCGLoss, LambdaLoss, ListMLELoss, ListNetLoss, RankNetLoss
from truth.lists import all_orders, plackett_luce

LOSSES = [
    RankNetLoss(), LambdaLoss(), LambdaLoss("ndcg2++", mu=3.0), LambdaLoss("lambdarank", 2.0), LambdaLoss("ndcg1"),
    ListNetLoss(), ListMLELoss(), ApproxNDCGLoss(), ApproxNDCGLoss(temperature=1.0),
]  # fmt: skip


@pytest.fixture(params=LOSSES, ids=repr)
def loss(request: Any) -> Any:
    return request.param


def lists(queries: int, items: int, dtype: Any = np.float64, seed: int = 0) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    return random.integers(0, 5, (queries, items)).astype(dtype), random.standard_normal(
        (queries, items)
    ).astype(dtype)


def by_formula(loss: Any, *arguments: Any, **options: Any) -> Any:
    with lk.use_engine("numpy"):
        return loss.value_and_derivative(*arguments, **options)


# --- brute force --------------------------------------------------------------------------------


def test_list_mle_is_the_likelihood_of_the_right_order():
    y, s = [2.0, 0.0, 3.0, 1.0], [0.5, -1.0, 0.25, 2.0]
    probabilities = {order: plackett_luce([mpf(x) for x in s], order) for order in all_orders(4)}
    assert abs(sum(probabilities.values()) - 1) < mpf(2) ** -45
    right = max(all_orders(4), key=lambda order: [y[i] for i in order])
    expected = -mp.log(probabilities[right])
    np.testing.assert_allclose(ListMLELoss().compute([y], [s]), float(expected), rtol=1e-14)


def test_approx_ndcg_is_one_minus_ndcg_when_scores_are_far_apart():
    y = [1, 0, 3, 2]
    best = max(_discounted_gain(y, order) for order in all_orders(4))
    for order in all_orders(4):
        s = np.empty(4)
        s[list(order)] = [30.0, 20.0, 10.0, 0.0]
        loss = ApproxNDCGLoss().compute([y], [s])
        np.testing.assert_allclose(loss, 1 - _discounted_gain(y, order) / best, rtol=1e-12, atol=1e-15)


def _discounted_gain(y: list[int], order: tuple[int, ...]) -> float:
    return sum((2 ** y[i] - 1) / math.log2(place + 2) for place, i in enumerate(order))


def test_ranknet_counts_pairs_in_the_wrong_order():
    y, s = [1, 0, 3, 2], np.array([3.0, 1.0, 0.0, 2.0])
    wrong = sum(y[i] > y[j] and s[i] < s[j] for i in range(4) for j in range(4))
    np.testing.assert_allclose(RankNetLoss().compute([y], [1e6 * s]) / 1e6, _misplaced(y, s), rtol=1e-15)
    assert wrong == 4


def _misplaced(y: list[int], s: Any) -> float:
    return sum(max(s[j] - s[i], 0.0) for i in range(4) for j in range(4) if y[i] > y[j])


def test_lambdarank_weighs_a_pair_by_what_swapping_it_changes():
    y, s = [1, 0, 3], [3.0, 2.0, 1.0]
    best = max(_discounted_gain(y, order) for order in all_orders(3))
    total = 0.0
    for i, j in ((0, 1), (2, 0), (2, 1)):
        swapped = [0, 1, 2]
        swapped[i], swapped[j] = j, i
        change = abs(_discounted_gain(y, tuple(swapped)) - _discounted_gain(y, (0, 1, 2))) / best
        total += change * math.log2(1 + math.exp(s[j] - s[i]))
    np.testing.assert_allclose(LambdaLoss("lambdarank").compute([y], [s]), total, rtol=1e-14)


# --- ties, padding, what does not count ---------------------------------------------------------


def test_the_order_of_the_items_does_not_matter(loss):
    y, s = [1.0, 0.0, 2.0, 1.0, 0.0, 2.0], [0.5, 0.5, 0.5, -1.0, 0.5, 0.25]
    value, gradient = loss.value_and_derivative([y], [s])
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(6)
        other, moved = loss.value_and_derivative([np.array(y)[order]], [np.array(s)[order]])
        np.testing.assert_allclose(other, value, rtol=1e-14)
        if not isinstance(loss, LambdaLoss):  # equal items of unequal rank share their pull otherwise
            np.testing.assert_allclose(moved[0], gradient[0][order], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("engine", ["numba", "numpy"])
def test_queries_without_anything_to_compare_do_not_count(loss, engine):
    y, s = np.array([[1.0, 1, 1], [0, 2, 1], [0, 0, 0]]), np.random.default_rng(0).standard_normal((3, 3))
    with lk.use_engine(engine):
        value, gradient = loss.value_and_derivative(y, s)
        assert value == loss.compute(y[1:2], s[1:2])
        assert loss.parts(y, s).count == 1
        assert not gradient[[0, 2]].any()
        assert loss.replace(reduction="none").compute(y, s)[[0, 2]].tolist() == [0.0, 0.0]
        for nothing in (np.zeros((4, 0)), np.zeros((0, 5)), np.ones((2, 1))):
            value, gradient = loss.value_and_derivative(nothing, nothing)
            assert value == 0.0
            assert gradient.shape == nothing.shape
            assert not gradient.any()


@pytest.mark.parametrize("engine", ["numba", "numpy"])
def test_padding_is_as_if_it_were_not_there(loss, engine):
    y, s = lists(1, 5)
    padded = [np.insert(a, (0, 3, 5), np.nan, axis=1) for a in (y, s)]
    mask = np.isfinite(padded[0])
    with lk.use_engine(engine):
        value, gradient = loss.value_and_derivative(*padded, mask=mask)
        expected, its_gradient = loss.value_and_derivative(y, s)
        np.testing.assert_allclose(value, expected, rtol=1e-14)
        np.testing.assert_allclose(gradient[mask], its_gradient[0], rtol=1e-13, atol=1e-16)
        assert not gradient[~mask].any()
        nothing, gradient = loss.value_and_derivative(*padded, mask=np.zeros_like(mask))
        assert nothing == 0.0
        assert not gradient.any()


def test_sample_weight_is_one_a_query(loss):
    y, s = lists(4, 6)
    y[2] = 1.0  # does not count, whatever its weight
    each = loss.replace(reduction="none").compute(y, s)
    value = loss.compute(y, s, sample_weight=[1.0, 2.0, 5.0, 0.0])
    np.testing.assert_allclose(value, (each[0] + 2 * each[1]) / 3, rtol=1e-14)


def test_nan_shows_in_its_query_only(loss):
    for engine in ("numba", "numpy"):
        for argument in (0, 1):
            arrays = lists(3, 4, seed=1)
            arrays[argument][1, 2] = np.nan
            with lk.use_engine(engine):
                terms, gradient = loss.replace(reduction="none").value_and_derivative(*arrays)
            assert np.isnan(terms).tolist() == [False, True, False]
            assert np.isnan(gradient[1]).any()
            assert np.isfinite(gradient[[0, 2]]).all()


# --- the kernel against the formula -------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "bound"), [(np.float32, 1e-6), (np.float64, 1e-12)])
@pytest.mark.parametrize("items", [2, 7, 40, 129])
def test_kernel_and_formula_agree(loss, dtype, bound, items):
    y, s = lists(20, items, dtype, seed=items)
    mask = np.random.default_rng(1).random(y.shape) < 0.8
    for options in ({}, {"mask": mask}, {"sample_weight": np.arange(20.0)}):
        value, gradient = loss.value_and_derivative(y, s, **options)
        expected, its_gradient = by_formula(loss, y, s, **options)
        np.testing.assert_allclose(value, expected, rtol=bound)
        np.testing.assert_allclose(
            gradient, its_gradient, rtol=bound, atol=bound * np.abs(its_gradient).max()
        )


@pytest.mark.parametrize("scale", [1e3, 1e6, 1e30])
def test_scores_far_apart_are_finite_and_exact(loss, scale):
    y, s = lists(6, 9)
    value, gradient = loss.value_and_derivative(y, scale * s)
    expected, its_gradient = by_formula(loss, y, scale * s)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    np.testing.assert_allclose(value, expected, rtol=1e-13)
    np.testing.assert_allclose(gradient, its_gradient, rtol=1e-10, atol=1e-13)


def test_no_answer_depends_on_threads(loss):
    y, s = lists(300, 40)
    before, answers = lk.get_num_threads(), []
    try:
        for threads in (1, 2, 5):
            lk.set_num_threads(threads)
            answers.append(loss.value_and_derivative(y, s))
    finally:
        lk.set_num_threads(before)
    for value, gradient in answers[1:]:
        assert value == answers[0][0]
        np.testing.assert_array_equal(gradient, answers[0][1])


def test_any_number_of_leading_axes(loss):
    y, s = lists(12, 5)
    each = loss.replace(reduction="none")
    terms = each.compute(y, s)
    np.testing.assert_array_equal(each.compute(y.reshape(3, 4, 5), s.reshape(3, 4, 5)), terms.reshape(3, 4))
    assert each.compute(y[3], s[3]) == terms[3]
    assert loss.derivative(y.reshape(3, 4, 5), s.reshape(3, 4, 5)).shape == (3, 4, 5)


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ApproxNDCGLoss(temperature=0), "temperature must be > 0, got 0"),
        (lambda: LambdaLoss(scheme="ndcg3"), "scheme must be one of 'ndcg1', 'ndcg2', 'ndcg2\\+\\+', 'lambdarank'"),
        (lambda: LambdaLoss(mu=-1), "mu must be >= 0, got -1"),
        (
            lambda: RankNetLoss().compute([[1, 2, 3]], [[1.0, 2.0]]),
            r"y_true and y_pred must have the same shape, got \(1, 3\) and \(1, 2\)",
        ),
        (lambda: ListNetLoss().compute(1.0, 2.0), "y_pred must hold the items of a query on its last axis"),
        (
            lambda: ApproxNDCGLoss().compute([[1.0, -1.0]], [[0.0, 0.0]]),
            r"y_true must be in \[0, 100\], got -1.0 at index \(0, 1\)",
        ),
        (lambda: LambdaLoss().compute([[0.0, 101.0]], [[0.0, 0.0]]), r"y_true must be in \[0, 100\], got 101.0"),
    ],
)  # fmt: skip
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()
