"""Hinges of many classes: known answers, kernel against formula, edge cases and messages."""

import numpy as np
import pytest

import losskit as lk

RANDOM = np.random.default_rng(3)
Z = RANDOM.normal(size=(200, 7)) * 2.0
Y = RANDOM.integers(0, 7, 200)


def brute(y, z, kind, squared):
    """The definitions, class by class."""
    hinges = [max(0.0, 1.0 + z[j] - z[y]) ** (1 + squared) for j in range(len(z)) if j != y]
    return max(hinges) if kind == "crammer_singer" else sum(hinges)


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("kind", ["crammer_singer", "weston_watkins"])
@pytest.mark.parametrize("engine", ["numba", "numpy"])
def test_values_and_differences(kind, squared, engine):
    loss = lk.CategoricalHingeLoss(kind=kind, squared=squared, reduction="none")
    with lk.use_engine(engine):
        values, slopes = loss.value_and_derivative(Y, Z)
        np.testing.assert_allclose(values, [brute(y, z, kind, squared) for y, z in zip(Y, Z, strict=True)])
        step = 1e-6
        for j in range(7):
            moved = np.eye(7)[j] * step
            rise = (loss(Y, Z + moved) - loss(Y, Z - moved)) / (2 * step)
            np.testing.assert_allclose(slopes[:, j], rise, atol=1e-6)


@pytest.mark.parametrize("kind", ["crammer_singer", "weston_watkins"])
def test_kernel_agrees_with_formula_with_weights_masks_and_ignored_rows(kind):
    y = np.where(np.arange(200) % 5 == 0, -1, Y)
    loss = lk.CategoricalHingeLoss(kind=kind, class_weights=np.arange(1.0, 8.0), ignore_index=-1, margin=0.5)
    options = {"sample_weight": RANDOM.uniform(size=200), "mask": RANDOM.uniform(size=200) < 0.8}
    for dtype, exact in ((np.float64, 1e-14), (np.float32, 1e-5)):
        fast = loss.value_and_derivative(y, Z.astype(dtype)[:, ::-1], **options)
        with lk.use_engine("numpy"):
            slow = loss.value_and_derivative(y, Z.astype(dtype)[:, ::-1], **options)
        for one, other in zip(fast, slow, strict=True):
            np.testing.assert_allclose(one, other, rtol=exact, atol=exact)


def test_ties_share_the_slope():
    _, slopes = lk.CategoricalHingeLoss().value_and_derivative([0], [[0.0, 2.0, 2.0, 1.0]])
    np.testing.assert_array_equal(slopes, [[-1.0, 0.5, 0.5, 0.0]])


def test_at_the_kink_the_slope_is_0():
    for kind in ("crammer_singer", "weston_watkins"):
        assert not lk.CategoricalHingeLoss(kind=kind).derivative([0], [[2.0, 1.0, 1.0]]).any()


def test_one_class_costs_nothing():
    value, slope = lk.CategoricalHingeLoss().value_and_derivative([0], [[3.0]])
    assert value == 0.0
    assert slope == 0.0


def test_nan_is_not_lost():
    for kind in ("crammer_singer", "weston_watkins"):
        assert np.isnan(lk.CategoricalHingeLoss(kind=kind).compute([0], [[1.0, np.nan, 0.0]]))


def test_does_not_depend_on_threads():
    loss = lk.CategoricalHingeLoss(kind="weston_watkins")
    y, z = np.tile(Y, 60), np.tile(Z, (60, 1))
    before = lk.get_num_threads()
    answers = []
    try:
        for n in (1, 3):
            lk.set_num_threads(n)
            answers.append(loss.value_and_derivative(y, z))
    finally:
        lk.set_num_threads(before)
    assert answers[0][0] == answers[1][0]
    np.testing.assert_array_equal(answers[0][1], answers[1][1])


@pytest.mark.parametrize(
    ("y", "z", "message"),
    [
        (np.eye(3), np.zeros((3, 3)), r"y_true\.argmax\(-1\)"),
        ([0, 1], np.zeros((3, 3)), r"less its last axis"),
        ([0, 1, 2], np.zeros((3, 0)), "no classes"),
    ],
)
def test_bad_shapes(y, z, message):
    with pytest.raises(ValueError, match=message):
        lk.CategoricalHingeLoss().compute(np.asarray(y), z)


def test_an_index_out_of_range():
    with pytest.raises(IndexError, match=r"y_true must be in 0\.\.2, the classes of y_pred, got 3 at index"):
        lk.CategoricalHingeLoss(validate=False).compute([0, 3], np.zeros((2, 3)))
