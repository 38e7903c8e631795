"""Losses of pairs of vectors: known answers, the kernel against the formula, extreme vectors, bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import losskit as lk
from losskit.losses.pairs import ContrastiveLoss, CosineEmbeddingLoss, CosineSimilarityLoss, TripletLoss
from losskit.rules import rule
from losskit.structures.pairs import PairLoss

LOSSES = [
    ContrastiveLoss(margin=2.0), TripletLoss(), TripletLoss(margin=0.5, distance="squared", soft=True),
    TripletLoss(margin=0.25, distance="cosine"), CosineSimilarityLoss(), CosineEmbeddingLoss(margin=0.25),
]  # fmt: skip
DTYPES = (np.float32, np.float64)


@pytest.fixture(params=LOSSES, ids=repr)
def loss(request: Any) -> Any:
    return request.param


def example(loss: PairLoss, n: int, dtype: Any = np.float64, seed: int = 0) -> list[Any]:
    return [np.asarray(a, dtype) for a in loss.example(np.random.default_rng(seed), n)]


def both(loss: PairLoss, *arguments: Any, **options: Any) -> list[Any]:
    """Value and derivatives in one list."""
    value, derivatives = loss.value_and_derivative(*arguments, **options)
    return [value, *(derivatives if isinstance(derivatives, tuple) else (derivatives,))]


def by_formula(loss: PairLoss, *arguments: Any, **options: Any) -> list[Any]:
    with lk.use_engine("numpy"):
        return both(loss, *arguments, **options)


# --- known answers ------------------------------------------------------------------------------


def test_pythagorean_triples():
    value, in_x1, in_x2 = both(ContrastiveLoss(), [1.0], [[3.0, 0.0]], [[0.0, 4.0]])
    assert value == 12.5
    assert in_x1.tolist() == [[3.0, -4.0]]
    assert in_x2.tolist() == [[-3.0, 4.0]]
    value, anchor, positive, negative = both(TripletLoss(6.0), [[0.0, 0.0]], [[3.0, 4.0]], [[5.0, 0.0]])
    assert value == 6.0
    np.testing.assert_allclose(anchor, [[-0.6 + 1.0, -0.8]], rtol=1e-15)
    np.testing.assert_allclose(positive, [[0.6, 0.8]], rtol=1e-15)
    np.testing.assert_allclose(negative, [[-1.0, 0.0]], rtol=1e-15)
    value, in_x1, in_x2 = both(CosineSimilarityLoss(), [[2.0, 0.0]], [[3.0, 4.0]])
    assert abs(value - 0.4) <= 1e-16
    np.testing.assert_allclose(in_x1, [[0.0, -0.4]], atol=1e-16)
    np.testing.assert_allclose(in_x2, [[-0.128, 0.096]], rtol=1e-14)


def test_kinks_have_the_least_subgradient():
    assert not np.any(TripletLoss(margin=2.0).derivative([[0.0]], [[1.0]], [[3.0]]))
    assert not np.any(ContrastiveLoss(margin=2.0).derivative([0.0], [[0.0, 0.0]], [[0.0, 2.0]]))
    assert not np.any(CosineEmbeddingLoss().derivative([-1.0], [[0.0, 2.0]], [[1.0, 0.0]]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_equal_points_and_zero_vectors_are_finite(loss, dtype):
    labels = len(loss.arguments) - len(loss.differentiable)
    for label in (-1.0, 0.0, 1.0):
        if labels and loss.targets.outside(label):
            continue
        for vectors in (np.zeros((3, 2, 4)), np.ones((3, 2, 4)), np.arange(24.0).reshape(3, 2, 4) // 8):
            some = vectors[: len(loss.differentiable)].astype(dtype)
            answers = both(loss, *([np.full(2, label, dtype)] * labels), *some)
            assert all(np.isfinite(a).all() for a in answers), (label, vectors)


def test_a_vector_of_zeros_has_no_angle():
    value, in_x1, in_x2 = both(CosineSimilarityLoss(), [[0.0, 0.0]], [[1.0, 2.0]])
    assert value == 1.0
    assert not in_x1.any()
    assert not in_x2.any()


@pytest.mark.parametrize("engine", ["numba", "numpy"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_scale_does_not_matter(engine, dtype):
    """Cosines do not depend on it, and the derivative of a distance does not either."""
    info = np.finfo(dtype)
    a, p, n = (x.astype(dtype) for x in np.random.default_rng(1).standard_normal((3, 4, 6)))
    far = TripletLoss(margin=2.0**8)  # the margin hides the distances' difference but for its sign
    with lk.use_engine(engine):
        for power in (info.minexp + 6, info.minexp // 2, info.maxexp // 2, info.maxexp - 5):
            scale = np.ldexp(dtype(1), power)
            np.testing.assert_allclose(
                CosineSimilarityLoss().compute(a * scale, p / 4),
                CosineSimilarityLoss().compute(a, p),
                rtol=4 * info.eps,
            )
            if power < 0:
                for one, other in zip(
                    far.derivative(a * scale, p * scale, n * scale), far.derivative(a, p, n), strict=True
                ):
                    np.testing.assert_allclose(one, other, rtol=16 * info.eps, atol=info.eps)  # fmt: skip
        huge = np.full((1, 4), info.max, dtype)
        value, in_x1, _ = both(TripletLoss(0.0), huge, -huge, huge)[:3]
        assert value == np.inf
        np.testing.assert_allclose(in_x1, 0.5, rtol=4 * info.eps)


def test_almost_parallel_vectors_keep_their_digits():
    x1, x2 = np.array([[1.0, 0.0]]), np.array([[1.0, 1e-12]])
    value, in_x1, _ = both(CosineSimilarityLoss(), x1, x2)
    np.testing.assert_allclose(value, 5e-25, rtol=1e-14)
    np.testing.assert_allclose(in_x1[0, 1], -1e-12, rtol=1e-14)
    value, in_x1, _ = both(CosineSimilarityLoss(), x1.astype(np.float32), x2.astype(np.float32))
    np.testing.assert_allclose(value, 5e-25, rtol=1e-6)


def test_infinite_vectors_point_along_their_infinite_numbers():
    for engine in ("numba", "numpy"):
        with lk.use_engine(engine):
            assert CosineSimilarityLoss().compute([[np.inf, 3.0]], [[2.0, 0.0]]) == 0.0
            undefined = TripletLoss().compute([[-np.inf, 3.0]], [[2.0, 0.0]], [[-np.inf, 0.0]])
            assert np.isnan(undefined)  # an infinite distance less an undefined one
            value, in_x1, _ = both(ContrastiveLoss(), [0.0], [[np.inf, 0.0]], [[2.0, 0.0]])
            assert value == 0.0
            assert not in_x1.any()


def test_nan_shows_in_its_row_only(loss):
    arguments = example(loss, 3)
    arguments[-1][1, 2] = np.nan
    for engine in ("numba", "numpy"):
        with lk.use_engine(engine):
            each = loss.replace(reduction="none")
            terms, *gradients = both(each, *arguments)
        assert np.isnan(terms).tolist() == [False, True, False]
        for gradient in gradients:
            assert np.isfinite(gradient[[0, 2]]).all()
        assert np.isnan(gradients[-1][1]).any()


# --- the kernel against the formula -------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "bound"), [(np.float32, 4e-7), (np.float64, 1e-13)])
@pytest.mark.parametrize("size", [2, 3, 64, 200])
def test_kernel_and_formula_agree(loss, dtype, bound, size):
    random = np.random.default_rng(size)
    labels = example(loss, 50, dtype)[: len(loss.arguments) - len(loss.differentiable)]
    vectors = list(random.standard_normal((len(loss.differentiable), 50, size)).astype(dtype))
    weights = random.integers(0, 3, 50)
    mask = random.random(50) < 0.8
    for options in ({}, {"sample_weight": weights}, {"mask": mask}):
        for got, expected in zip(
            both(loss, *labels, *vectors, **options),
            by_formula(loss, *labels, *vectors, **options),
            strict=True,
        ):
            np.testing.assert_allclose(got, expected, rtol=bound, atol=bound * np.max(np.abs(expected)))


def test_given_distances_are_those_of_the_vectors():
    loss = ContrastiveLoss(margin=2.0)
    y, x1, x2 = example(loss, 40)
    distances = np.linalg.norm(x1 - x2, axis=-1)
    np.testing.assert_allclose(loss.compute(y, distances), loss.compute(y, x1, x2), rtol=1e-14)
    in_distance = loss.derivative(y, distances)
    expected = (y * distances - (1 - y) * np.maximum(2.0 - distances, 0)) / 40
    np.testing.assert_allclose(in_distance, expected, rtol=1e-14)


def test_any_number_of_leading_axes(loss):
    arguments = example(loss, 12)
    shaped = [a.reshape(3, 4, *a.shape[1:]) for a in arguments]
    one = [a[5] for a in arguments]
    each = loss.replace(reduction="none")
    np.testing.assert_array_equal(each.compute(*shaped).ravel(), each.compute(*arguments))
    assert each.compute(*one) == each.compute(*arguments)[5]
    for gradient, argument in zip(loss.derivative(*shaped), shaped[-len(loss.differentiable) :], strict=True):
        assert gradient.shape == argument.shape


def test_strided_read_only_and_half_precision_inputs(loss):
    arguments = example(loss, 6, np.float32)
    expected = both(loss, *arguments)
    strided = [np.repeat(a, 2, axis=-1)[..., ::2] for a in arguments]
    for a in strided:
        a.flags.writeable = False
    for got, want in zip(both(loss, *strided), expected, strict=True):
        np.testing.assert_array_equal(got, want)
    halves = [a.astype(np.float16) for a in arguments]
    value, *gradients = both(loss, *halves)
    assert value.dtype == np.float32
    assert value == loss.compute(*(h.astype(np.float32) for h in halves))
    assert all(g.dtype == np.float16 for g in gradients)


def test_no_answer_depends_on_threads(loss):
    random = np.random.default_rng(5)
    labels = example(loss, 3000)[: len(loss.arguments) - len(loss.differentiable)]
    vectors = list(random.standard_normal((len(loss.differentiable), 3000, 33)))
    before, answers = lk.get_num_threads(), []
    try:
        for threads in (1, 2, 5):
            lk.set_num_threads(threads)
            answers.append(both(loss, *labels, *vectors))
    finally:
        lk.set_num_threads(before)
    for other in answers[1:]:
        for got, expected in zip(other, answers[0], strict=True):
            np.testing.assert_array_equal(got, expected)


def test_the_empty_set(loss):
    arguments = [a[:0] for a in example(loss, 3)]
    value, *gradients = both(loss, *arguments)
    assert value == 0.0
    assert [g.shape for g in gradients] == [a.shape for a in arguments[-len(gradients) :]]
    assert loss.parts(*arguments).count == 0


def test_a_loss_of_ones_own_is_one_class():
    class Softness(PairLoss):
        arguments = differentiable = ("x1", "x2")

        @rule
        def value(s):
            return 0.5 * s * s

        @rule
        def slopes(s):
            return 1.0, 0.0

    x1, x2 = np.random.default_rng(0).standard_normal((2, 5, 3))
    value, in_x1, in_x2 = both(Softness(), x1, x2)
    np.testing.assert_allclose(value, np.mean(np.sum((x1 - x2) ** 2, -1)) / 2, rtol=1e-14)
    np.testing.assert_allclose(in_x1, (x1 - x2) / 5, rtol=1e-14)
    np.testing.assert_array_equal(in_x2, -in_x1)


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TripletLoss(margin=-1), "margin must be >= 0, got -1"),
        (lambda: ContrastiveLoss(margin=-0.5), "margin must be >= 0, got -0.5"),
        (lambda: CosineEmbeddingLoss(margin=1.5), "margin must be >= -1 and <= 1, got 1.5"),
        (lambda: TripletLoss(distance="taxi"), "distance must be one of 'euclidean', 'squared', 'cosine', got 'taxi'"),
        (
            lambda: CosineSimilarityLoss().compute(np.ones((2, 3)), np.ones((3, 2))),
            r"x1 and x2 must have the same shape, got \(2, 3\) and \(3, 2\)",
        ),
        (
            lambda: CosineEmbeddingLoss().compute(np.ones((2, 1)), np.ones((2, 3)), np.ones((2, 3))),
            r"y_true must have one label a row of x1, shape \(2,\); got \(2, 1\) beside x1 of shape \(2, 3\)",
        ),
        (
            lambda: CosineEmbeddingLoss().compute([1.0, 0.0], np.ones((2, 3)), np.ones((2, 3))),
            r"y_true must be -1 or \+1, got 0.0 at index 1",
        ),
        (
            lambda: ContrastiveLoss().compute([2.0], [[0.0]], [[1.0]]),
            r"y_true must be in \[0, 1\], got 2.0 at index 0",
        ),
        (lambda: ContrastiveLoss().compute([1.0], [-0.5]), "x1 must be at least 0, got -0.5 at index 0"),
        (lambda: CosineSimilarityLoss().compute(1.0, 2.0), "x1 must hold vectors on its last axis"),
        (lambda: CosineSimilarityLoss().compute(np.ones((2, 0)), np.ones((2, 0))), r"got shape \(2, 0\)"),
    ],
)  # fmt: skip
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()
