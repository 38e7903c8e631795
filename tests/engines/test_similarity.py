"""Batch similarity: known answers, kernels against the formula, what is refused."""

import tracemalloc

import numpy as np
import pytest

import losskit as lk
from losskit.engines import memory
from losskit.engines.formulas import similarity as formula

VIEWS = [
    lk.InfoNCELoss(), lk.InfoNCELoss(temperature=0.5, negatives="other_view"), lk.CLIPLoss(), lk.SigLIPLoss(),
    lk.InfoNCELoss(temperature=4.0, normalize=False), lk.SigLIPLoss(temperature=4.0, bias=0.5, normalize=False),
]  # fmt: skip
LABELLED = [
    lk.SupervisedContrastiveLoss(), lk.MultiSimilarityLoss(), lk.SupervisedContrastiveLoss(temperature=4.0, normalize=False),
]  # fmt: skip
COSINES = [lk.ArcFaceLoss(), lk.CosFaceLoss(), lk.ArcFaceLoss(margin=1.0, scale=4.0)]
EVERY = [*VIEWS, *LABELLED, *COSINES]

every = pytest.mark.parametrize("loss", EVERY, ids=repr)


@pytest.fixture(params=["numba", "numpy"])
def engine(request):
    with lk.use_engine(request.param):
        yield request.param


@pytest.fixture
def no_small_batches(monkeypatch):
    """float32 stays float32 however few the rows."""
    monkeypatch.setattr(formula, "SMALL", 0)


def batch(loss, n, dtype=np.float64, seed=0):
    example = loss.example(np.random.default_rng(seed), n)
    return tuple(a.astype(dtype) if a.dtype.kind == "f" else a for a in example)


def both(loss, arguments, **kwargs):
    """Value and derivatives, on the kernel and by the formula."""
    answers = []
    for engine in ("numba", "numpy"):
        with lk.use_engine(engine):
            value, slopes = loss.value_and_derivative(*arguments, **kwargs)
        answers.append((value, *(slopes if isinstance(slopes, tuple) else (slopes,))))
    return answers


def close(got, expected, tolerance):
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(np.abs(b).max(), 1e-30))


# ---- the kernel against the formula ------------------------------------------------------------------------


@every
@pytest.mark.parametrize("n", [1, 2, 17, 300])
def test_kernel_is_the_formula(loss, n):
    close(*both(loss, batch(loss, n)), 1e-13)


@every
def test_float32_kernel(loss, no_small_batches):
    close(*both(loss, batch(loss, 300, np.float32)), 2e-5)


@every
def test_weights_and_masks(loss):
    random = np.random.default_rng(1)
    weights, mask = random.uniform(0.5, 2.0, 40), random.random(40) < 0.7
    close(*both(loss, batch(loss, 40), sample_weight=weights, mask=mask), 1e-13)


@every
def test_a_masked_row_is_not_in_the_batch(loss, engine):
    arguments, mask = batch(loss, 20), np.arange(20) % 3 > 0
    kept = tuple(a[mask] for a in arguments)
    spoilt = tuple(np.where(mask.reshape(-1, *[1] * (a.ndim - 1)), a, np.nan) if a.dtype.kind == "f" else a for a in arguments)  # fmt: skip
    assert loss(*spoilt, mask=mask) == loss(*kept)


@every
def test_any_number_of_threads(loss, no_small_batches):
    arguments, answers = batch(loss, 300, np.float32), []
    before = lk.get_num_threads()
    try:
        for threads in (1, 2, 5):
            lk.set_num_threads(threads)
            answers.append(loss.value_and_derivative(*arguments))
    finally:
        lk.set_num_threads(before)
    for value, slopes in answers[1:]:
        assert value == answers[0][0]
        np.testing.assert_array_equal(slopes, answers[0][1])


@pytest.mark.parametrize("loss", [lk.InfoNCELoss(), lk.SigLIPLoss(), lk.MultiSimilarityLoss()], ids=repr)
def test_the_matrix_of_similarities_is_never_whole(loss, monkeypatch):
    n, sizes, empty = 2048, [], memory.empty

    def noted(size, dtype):
        sizes.append(size)
        return empty(size, dtype)

    monkeypatch.setattr(memory, "empty", noted)  # which tracemalloc does not see
    arguments = batch(loss, n, np.float32)
    tracemalloc.start()
    try:
        loss.value_and_derivative(*arguments)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 4 * sum(sizes) + peak < 4 * n * n


# ---- known answers -----------------------------------------------------------------------------------------


def test_views_that_are_all_alike(engine):
    z = np.ones((4, 3))
    assert lk.InfoNCELoss(temperature=0.25)(z, z) == pytest.approx(np.log(7))
    assert lk.InfoNCELoss(negatives="other_view")(z, z) == pytest.approx(np.log(4))
    assert lk.CLIPLoss()(z, z) == pytest.approx(np.log(4))
    for slope in lk.CLIPLoss().derivative(z, z):
        assert np.abs(slope).max() < 1e-14


def test_a_tail_keeps_its_digits(engine):
    z = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    loss = lk.InfoNCELoss(temperature=0.05, negatives="other_view")
    assert loss(z, z) == pytest.approx(np.log1p(np.exp(-20.0)), rel=1e-6)
    slope = loss.derivative(z, z)[0]  # not 0, although softmax(20, 0) is (1, 0) in float32
    assert slope[0, 1] == pytest.approx(20.0 * np.exp(-20.0) / (1 + np.exp(-20.0)) / 2, rel=1e-6)


@pytest.mark.parametrize("normalize", [True, False])
def test_one_label_for_each_pair_is_info_nce(engine, normalize):
    z1, z2 = batch(lk.InfoNCELoss(), 9)
    labels = np.tile(np.arange(9), 2)
    common = {"temperature": 0.5, "normalize": normalize}
    supervised = lk.SupervisedContrastiveLoss(**common)(labels, np.concatenate((z1, z2)))
    assert supervised == pytest.approx(lk.InfoNCELoss(**common)(z1, z2), rel=1e-14)


def test_clip_is_info_nce_both_ways(engine):
    z1, z2 = batch(lk.CLIPLoss(), 9)
    one_way = lk.InfoNCELoss(temperature=0.07, negatives="other_view")
    assert lk.CLIPLoss()(z1, z2) == pytest.approx((one_way(z1, z2) + one_way(z2, z1)) / 2, rel=1e-14)


def test_anchors_without_positives_do_not_count(engine):
    loss = lk.SupervisedContrastiveLoss()
    rows = np.random.default_rng(0).normal(size=(5, 3))
    terms = loss.replace(reduction="none")([0, 0, 1, 2, 3], rows)
    assert list(terms[2:]) == [0, 0, 0]
    assert loss([0, 0, 1, 2, 3], rows) == pytest.approx(terms[:2].mean())
    assert loss([0, 1, 2, 3, 4], rows) == 0.0
    assert not loss.derivative([0, 1, 2, 3, 4], rows).any()
    assert np.isnan(loss.replace(empty="nan")([0, 1, 2, 3, 4], rows))


def test_no_margin_is_cross_entropy(engine):
    labels, cosines = batch(lk.CosFaceLoss(), 30)
    plain = lk.SparseCategoricalCrossEntropy(from_logits=True)(labels, 8.0 * cosines)
    assert lk.CosFaceLoss(margin=0.0, scale=8.0)(labels, cosines) == pytest.approx(plain, rel=1e-14)
    assert lk.ArcFaceLoss(margin=0.0, scale=8.0)(labels, cosines) == pytest.approx(plain, rel=1e-14)


def test_arcface_at_the_ends_of_the_cosine(engine):
    cosines = np.array([[1.0, -1.0], [-1.0, 1.0]])
    value, slope = lk.ArcFaceLoss(margin=0.5, scale=1.0).value_and_derivative([0, 0], cosines)
    best, worst = np.cos(0.5), -1.0 - 0.5 * np.sin(0.5)
    assert value == pytest.approx((np.log1p(np.exp(-1 - best)) + np.log1p(np.exp(1 - worst))) / 2)
    assert np.isfinite(slope).all()


def test_a_row_of_zeros(engine):
    z1, z2 = batch(lk.CLIPLoss(), 4)
    z1[2] = 0.0
    for loss in VIEWS:
        value, (slope, _) = loss.value_and_derivative(z1, z2)
        assert np.isfinite(value)
        assert loss.normalize is False or not slope[2].any()


@pytest.mark.parametrize("loss", [x for x in (*VIEWS, *LABELLED) if x.normalize], ids=repr)
def test_scales_of_rows_do_not_matter(loss, engine):
    arguments = batch(loss, 6)
    sizes = np.array([1e-300, 1e-160, 1.0, 1e160, 1e300, 3.0])[:, None]
    scaled = tuple(a * sizes if a.dtype.kind == "f" else a for a in arguments)
    assert loss(*scaled) == pytest.approx(loss(*arguments), rel=1e-12)


@every
def test_nan_goes_where_it_is_seen(loss, engine):
    arguments = batch(loss, 6)
    arguments[-1][3, 0] = np.nan
    assert np.isnan(loss(*arguments))


@every
def test_the_empty_batch(loss, engine):
    arguments = tuple(a[:0] for a in batch(loss, 3))
    value, slopes = loss.value_and_derivative(*arguments)
    assert value == 0.0
    assert all(s.shape[0] == 0 for s in (slopes if isinstance(slopes, tuple) else (slopes,)))


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@every
def test_halves_and_strides(loss, dtype):
    arguments = batch(loss, 12, dtype)
    wide = tuple(a.astype(np.float64) if a.dtype.kind == "f" else a for a in arguments)
    strided = tuple(np.asfortranarray(a) for a in arguments)
    assert loss(*strided) == np.float32(loss(*wide))
    slopes = loss.derivative(*strided)
    assert all(s.dtype == dtype for s in (slopes if isinstance(slopes, tuple) else (slopes,)))


# ---- what is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "arguments", "error", "message"),
    [
        (lk.CLIPLoss(), (np.ones((3, 2)), np.ones((4, 2))), ValueError, r"z1 of shape \(3, 2\) and z2 of shape \(4, 2\)"),
        (lk.CLIPLoss(), (np.ones(3), np.ones(3)), ValueError, r"must both be \(n, features\)"),
        (lk.MultiSimilarityLoss(), ([[0], [1]], np.ones((2, 3))), ValueError, r"pass labels.reshape\(2\)"),
        (lk.MultiSimilarityLoss(), ([0.5, 1], np.ones((2, 3))), TypeError, r"labels must be whole numbers, got 0.5"),
        (lk.ArcFaceLoss(), ([0, 2], np.zeros((2, 2))), IndexError, r"labels must be in 0..1, .*got 2 at index 1"),
        (lk.ArcFaceLoss(), ([0], [[1.5, 0.0]]), ValueError, r"cosines must be cosines in \[-1, 1\], got 1.5"),
        (lk.CosFaceLoss(), ([0, 1], [0.5, 0.5]), ValueError, r"labels must be \(...\) and cosines \(..., classes\)"),
    ],
)  # fmt: skip
def test_errors(loss, arguments, error, message, engine):
    with pytest.raises(error, match=message):
        loss(*arguments)


def test_parameters_and_parts():
    with pytest.raises(ValueError, match="temperature must be > 0"):
        lk.InfoNCELoss(temperature=0)
    with pytest.raises(NotImplementedError, match="not compared"):
        lk.CLIPLoss().parts(np.eye(2), np.eye(2))
    parts = lk.CosFaceLoss().parts([0, 1], np.eye(2))
    assert parts.count == 2
