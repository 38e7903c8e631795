"""Losses of masks: known answers in rational arithmetic, limits, kernels against formulas, edge cases, messages."""

from fractions import Fraction
from itertools import permutations, product

import numpy as np
import pytest

import losskit as lk
from losskit.losses.boundary import BoundaryLoss, MedicalImagingLoss
from losskit.losses.overlap import (
    DiceLoss,
    FocalTverskyLoss,
    GeneralizedDiceLoss,
    IoULoss,
    LovaszLoss,
    TverskyLoss,
)

SOFTMAX = {"from_logits": True, "activation": "softmax"}
RATIOS = [DiceLoss(), IoULoss(), TverskyLoss(), FocalTverskyLoss(), GeneralizedDiceLoss()]
MEASURES = [DiceLoss, LovaszLoss, BoundaryLoss, MedicalImagingLoss]
PERS = ("all", "class", "sample", "sample_class")


@pytest.fixture
def random():
    return np.random.default_rng(3)


def masks(random, shape=(3, 4, 5, 7), dtype=np.float64):
    """Targets and predictions that are mostly right."""
    y = (random.random(shape) < 0.3).astype(dtype)
    return y, (0.6 * random.random(shape) + 0.4 * y).astype(dtype)


# ---- known answers --------------------------------------------------------------------------------------------------

Y = [[[1, 0, 1, 1], [0, 1, 0, 0]], [[0, 0, 0, 1], [1, 1, 1, 0]]]
P = [[[Fraction(a, 8) for a in row] for row in sample] for sample in
     [[[7, 1, 4, 2], [0, 5, 3, 1]], [[2, 2, 1, 6], [8, 4, 7, 3]]]]  # fmt: skip


def sums(cells):
    """sum y p, sum y, sum p."""
    pairs = [(Y[n][c][i], P[n][c][i]) for n, c, i in cells]
    return sum(y * p for y, p in pairs), sum(y for y, _ in pairs), sum(p for _, p in pairs)


def dice(cells):
    both, true, pred = sums(cells)
    return 1 - (2 * both + 1) / (true + pred + 1)


def iou(cells):
    both, true, pred = sums(cells)
    return 1 - (both + 1) / (true + pred - both + 1)


def tversky(cells):
    both, true, pred = sums(cells)
    return 1 - (both + 1) / (both + Fraction(1, 4) * (pred - both) + Fraction(3, 4) * (true - both) + 1)


def jaccard(wrong, cells):
    """1 - IoU of a hard prediction that errs at these places."""
    target = {cell for cell in cells if Y[cell[0]][cell[1]][cell[2]]}
    predicted = target ^ set(wrong)
    union = target | predicted
    return 1 - Fraction(len(target & predicted), len(union)) if union else Fraction(0)


def lovasz(cells):
    """The largest, over all orders, of errors times what they add: the extension of a submodular function."""
    error = {(n, c, i): abs(Y[n][c][i] - P[n][c][i]) for n, c, i in cells}
    return max(
        sum(
            error[cell] * (jaccard(order[: k + 1], cells) - jaccard(order[:k], cells))
            for k, cell in enumerate(order)
        )
        for order in permutations(cells)
    )


REGIONS = {
    "all": [list(product(range(2), range(2), range(4)))],
    "class": [[(n, c, i) for n in range(2) for i in range(4)] for c in range(2)],
    "sample": [[(n, c, i) for c in range(2) for i in range(4)] for n in range(2)],
    "sample_class": [[(n, c, i) for i in range(4)] for n in range(2) for c in range(2)],
}


@pytest.mark.parametrize("per", PERS)
@pytest.mark.parametrize(
    ("loss", "truth"),
    [
        (DiceLoss(smooth=1.0), dice), (IoULoss(smooth=1.0), iou),
        (TverskyLoss(alpha=0.25, beta=0.75, smooth=1.0), tversky),
    ],
    ids=["Dice", "IoU", "Tversky"],
)  # fmt: skip
def test_ratios_in_rational_arithmetic(loss, truth, per):
    terms = loss.replace(per=per, reduction="none").compute(Y, np.array(P, float))
    expected = [float(truth(cells)) for cells in REGIONS[per]]
    np.testing.assert_allclose(np.ravel(terms), expected, rtol=4e-16)


def test_lovasz_is_the_largest_over_all_orders():
    terms = LovaszLoss(per="sample_class", reduction="none").compute(Y, np.array(P, float))
    expected = [float(lovasz(cells)) for cells in REGIONS["sample_class"]]
    np.testing.assert_allclose(np.ravel(terms), expected, rtol=4e-16)


@pytest.mark.parametrize("space", [(9,), (5, 6), (3, 4, 5)])
def test_distances_by_brute_force(random, space):
    inside = random.random(space) < 0.3
    places = np.argwhere(np.ones(space, bool))
    far = np.linalg.norm(places[:, None] - places[None, :], axis=-1)
    flat = inside.ravel()
    outer, inner = far[:, flat].min(axis=1), far[:, ~flat].min(axis=1)
    expected = np.where(flat, 1 - inner, outer).reshape(space)
    y, p = inside[None, None].astype(float), random.random((1, 1, *space))
    for engine in ("numba", "numpy"):
        with lk.use_engine(engine):
            assert BoundaryLoss().compute(y, p) == pytest.approx((expected * p).mean(), rel=1e-14)
            np.testing.assert_allclose(
                BoundaryLoss().derivative(y, p)[0, 0], expected / expected.size, rtol=1e-14
            )


@pytest.mark.parametrize("shape", [(12,), (5, 6), (3, 4, 5)])
def test_steepness_is_numpys_gradient(random, shape):
    y, p = masks(random, shape)

    def steepness(a):
        return np.sqrt(sum(g**2 for g in np.atleast_2d(np.gradient(a)).reshape(a.ndim, *shape)))

    log_loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    expected = log_loss + 0.3 * np.mean(np.abs(steepness(p) - steepness(y)))
    assert MedicalImagingLoss().compute(y, p) == pytest.approx(expected, rel=1e-14)


def test_derivative_of_steepness_by_differences(random):
    y, p = masks(random, (2, 3, 4, 5))
    loss, keep = MedicalImagingLoss(boundary_weight=2.0), random.random(p.shape) < 0.8
    got = loss.derivative(y, p, mask=keep)
    for place in random.permutation(list(np.ndindex(p.shape)))[:20]:
        step = np.zeros(p.shape)
        step[tuple(place)] = 1e-6
        rise = loss.compute(y, p + step, mask=keep) - loss.compute(y, p - step, mask=keep)
        assert got[tuple(place)] == pytest.approx(rise / 2e-6, rel=1e-6, abs=1e-8)


# ---- limits and identities ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("per", PERS)
def test_relatives_of_tversky(random, per):
    y, p = masks(random)
    pairs = [
        (DiceLoss(0.5, per=per), TverskyLoss(0.5, 0.5, smooth=0.25, per=per)),
        (IoULoss(0.5, per=per), TverskyLoss(1.0, 1.0, smooth=0.5, per=per)),
        (FocalTverskyLoss(1.0, per=per), TverskyLoss(per=per)),
    ]
    for one, other in pairs:
        assert one.compute(y, p) == pytest.approx(other.compute(y, p), rel=1e-14)
        np.testing.assert_allclose(one.derivative(y, p), other.derivative(y, p), rtol=1e-12)


def test_generalized_dice_without_power_is_dice(random):
    y, p = masks(random)
    assert GeneralizedDiceLoss(power=0.0).compute(y, p) == pytest.approx(DiceLoss().compute(y, p), rel=1e-15)


def test_iou_and_lovasz_of_hard_predictions_are_the_metric(random):
    y, p = (random.random((2, 3, 40)) < 0.5 for _ in range(2))
    metric = 1 - (y & p).sum() / (y | p).sum()
    assert IoULoss(smooth=0.0).compute(y, p) == pytest.approx(metric, rel=1e-15)
    assert LovaszLoss().compute(y, p) == pytest.approx(metric, rel=1e-14)


@pytest.mark.parametrize("loss", [*RATIOS, LovaszLoss()], ids=lambda loss: type(loss).__name__)
def test_perfect_and_empty_masks_cost_nothing(random, loss):
    y = (random.random((2, 3, 5)) < 0.5).astype(float)
    for smooth in (0.0, 1e-6):
        for target in (y, 0 * y):
            value, gradient = loss.replace(smooth=smooth).value_and_derivative(target, target)
            assert value == 0.0
            assert np.isfinite(gradient).all()


def test_almost_perfect_predictions_keep_their_digits():
    y = np.ones(4, np.float32)
    p = np.full(4, np.nextafter(np.float32(1), np.float32(0)))
    error = 1.0 - float(p[0])
    assert DiceLoss(smooth=0.0).compute(y, p) == pytest.approx(error / (2 - error), rel=1e-6)
    logits = np.full(4, 30.0, np.float32)
    assert DiceLoss(smooth=0.0, from_logits=True).compute(y, logits) == pytest.approx(
        np.exp(-30.0) / 2, rel=1e-6
    )


def test_equal_errors_share_what_they_add():
    y, p = np.array([1.0, 1.0, 0.0, 0.0]), np.array([0.5, 0.5, 0.5, 0.25])
    gradient = LovaszLoss().derivative(y, p)
    assert gradient[0] == gradient[1]
    again = LovaszLoss().derivative(y[[2, 1, 0, 3]], p[[2, 1, 0, 3]])
    np.testing.assert_array_equal(again, gradient[[2, 1, 0, 3]])
    # the three errors of 1/2 add 1 together: a third each lies within what the order allows
    np.testing.assert_allclose(gradient, [-1 / 3, -1 / 3, 1 / 3, 0.0], rtol=1e-15)


# ---- targets, masks and weights -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", MEASURES, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("per", PERS)
def test_indices_are_one_hot_masks(random, kind, per):
    indices = random.integers(0, 4, (3, 5, 7))
    one_hot = np.moveaxis(np.eye(4)[indices], -1, 1)
    _, p = masks(random)
    loss = kind(per=per) if kind is not MedicalImagingLoss else kind(per=per, spatial_dims=2)
    for a, b in zip(
        loss.value_and_derivative(indices, p), loss.value_and_derivative(one_hot, p), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-14)


@pytest.mark.parametrize(
    "link", [{}, {"from_logits": True}, SOFTMAX], ids=["probability", "sigmoid", "softmax"]
)
@pytest.mark.parametrize("kind", MEASURES, ids=lambda cls: cls.__name__)
def test_what_is_ignored_touches_nothing(random, kind, link):
    if kind is MedicalImagingLoss and "activation" in link:
        pytest.skip("has a log loss an element")
    indices = random.integers(0, 4, (3, 5, 7))
    _, p = masks(random)
    out = random.random(indices.shape) < 0.2
    ignored = np.where(out, 255, indices)
    spoiled = np.where(out[:, None], np.nan, p)
    loss = kind(ignore_index=255, **link)
    for engine in ("numba", "numpy"):
        with lk.use_engine(engine):
            value, gradient = loss.value_and_derivative(ignored, spoiled)
            masked, other = kind(**link).value_and_derivative(indices, spoiled, mask=~out)
        assert value == masked
        np.testing.assert_array_equal(gradient, other)
        assert (gradient[np.broadcast_to(out[:, None], p.shape)] == 0.0).all()


@pytest.mark.parametrize("loss", [*RATIOS, LovaszLoss()], ids=lambda loss: type(loss).__name__)
def test_weight_two_counts_twice(random, loss):
    y, p = masks(random, (2, 3, 20))
    w = random.integers(0, 3, y.shape).astype(float)
    repeats = w.astype(int).ravel()
    flat = [np.repeat(a.ravel(), repeats) for a in (y, p)]
    if isinstance(loss, GeneralizedDiceLoss):
        y, p, w = (a.reshape(1, 1, -1) for a in (y, p, w))
        flat = [a.reshape(1, 1, -1) for a in flat]
    assert loss.compute(y, p, sample_weight=w) == pytest.approx(loss.compute(*flat), rel=1e-13)


def test_class_weights_weigh_terms_or_shares(random):
    y, p = masks(random, (3, 2, 9))
    terms = DiceLoss(per="class", reduction="none").compute(y, p)
    weighed = DiceLoss(per="class", class_weights=(0.5, 2.0)).compute(y, p)
    assert weighed == pytest.approx((0.5 * terms[0] + 2.0 * terms[1]) / 2, rel=1e-15)
    w = np.broadcast_to(np.array([0.5, 2.0])[:, None], y.shape)
    pooled = DiceLoss(class_weights=(0.5, 2.0)).compute(y, p)
    assert pooled == pytest.approx(DiceLoss().compute(y, p, sample_weight=w), rel=1e-15)


def test_nothing_left(random):
    y, p = masks(random, (2, 2, 5))
    for loss in (DiceLoss(), LovaszLoss(), BoundaryLoss(), MedicalImagingLoss()):
        value, gradient = loss.value_and_derivative(y, p, mask=np.zeros(y.shape, bool))
        assert value == 0.0
        assert not gradient.any()
        assert loss.compute(y[:0], p[:0]) == 0.0


# ---- kernels --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "link", [{}, {"from_logits": True}, SOFTMAX], ids=["probability", "sigmoid", "softmax"]
)
@pytest.mark.parametrize("kind", [*MEASURES, IoULoss, GeneralizedDiceLoss], ids=lambda cls: cls.__name__)
def test_kernel_and_formula(random, kind, link, dtype):
    if kind is MedicalImagingLoss and "activation" in link:
        pytest.skip("has a log loss an element")
    y, p = masks(random, (2, 3, 700, 3), dtype)
    p = random.normal(size=p.shape).astype(dtype) if link else p
    w = random.random((2, 700, 3) if link is SOFTMAX else y.shape)
    extra = {"squared": True} if kind is IoULoss else {}
    for per in ("all", "sample") if kind is GeneralizedDiceLoss else PERS:
        loss = kind(per=per, class_weights=(0.5, 1.0, 2.0), **link, **extra)
        value, gradient = loss.value_and_derivative(y, p, sample_weight=w)
        with lk.use_engine("numpy"):
            truth, slopes = loss.value_and_derivative(y, p, sample_weight=w)
        unit = float(np.finfo(dtype).eps)
        assert value == pytest.approx(truth, rel=8 * unit)
        if kind is LovaszLoss and link and dtype == np.float32:
            continue  # errors of rounded probabilities are ordered otherwise where they are almost equal
        assert np.abs(gradient - slopes).max() <= 16 * unit * np.abs(slopes).max()


@pytest.mark.parametrize("link", [{}, SOFTMAX], ids=["probability", "softmax"])
@pytest.mark.parametrize("kind", [DiceLoss, LovaszLoss], ids=lambda cls: cls.__name__)
def test_samples_of_little_space(random, kind, link):
    """Whose kernels put them behind one another."""
    y, p = masks(random, (400, 3, 2))
    w = random.random((400, 2) if link else y.shape)
    for per in PERS:
        loss = kind(per=per, **link)
        value, gradient = loss.value_and_derivative(y, p, sample_weight=w)
        with lk.use_engine("numpy"):
            truth, slopes = loss.value_and_derivative(y, p, sample_weight=w)
        assert value == pytest.approx(truth, rel=1e-14)
        assert np.abs(gradient - slopes).max() <= 1e-14 * np.abs(slopes).max()


@pytest.mark.parametrize("kind", MEASURES, ids=lambda cls: cls.__name__)
def test_threads_change_no_bit(random, kind):
    y, p = masks(random, (2, 3, 40, 300), np.float32)
    before = lk.get_num_threads()
    try:
        answers = []
        for threads in (1, 2, 3):
            lk.set_num_threads(threads)
            answers.append(kind(per="sample_class").value_and_derivative(y, p))
    finally:
        lk.set_num_threads(before)
    for value, gradient in answers[1:]:
        assert value == answers[0][0]
        np.testing.assert_array_equal(gradient, answers[0][1])


# ---- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "y", "p", "message"),
    [
        (DiceLoss(), np.ones((2, 3)), np.ones((2, 4)), r"masks of y_pred's shape \(2, 4\), or class indices of shape \(2,\)"),
        (DiceLoss(), np.ones((2, 5, 3)), np.ones((2, 3, 5)), r"numpy.moveaxis\(y_true, -1, 1\)"),
        (DiceLoss(), np.ones((2, 1, 5)), np.ones((2, 3, 5)), r"for class indices pass y_true\[:, 0\]"),
        (DiceLoss(per="class"), np.ones(3), np.ones(3), r"must have the shape \(n, classes, \*space\), got \(3,\)"),
        (DiceLoss(class_weights=(1.0, 2.0)), np.ones((2, 3)), np.ones((2, 3)), "2 weights, but y_pred of shape"),
        (DiceLoss(), [1.0, 0.0], [0.5, 1.5], r"y_pred must be in \[0, 1\]; for logits pass from_logits=True, got 1.5"),
        (DiceLoss(), [1.0, -1.0], [0.5, 0.5], r"y_true must be in \[0, 1\], got -1.0 at index 1"),
        (LovaszLoss(), [1.0, 0.5], [0.5, 0.5], "y_true must be 0 or 1, got 0.5 at index 1"),
        (MedicalImagingLoss(spatial_dims=3), np.ones((2, 2)), np.ones((2, 2)), "2 axes that may be space, but spatial_dims is 3"),
    ],
)  # fmt: skip
def test_messages(loss, y, p, message):
    with pytest.raises(ValueError, match=message):
        loss.compute(y, p)


def test_an_index_out_of_range_is_an_index_error():
    p = np.full((1, 3, 2), 0.5)
    with pytest.raises(IndexError, match=r"y_true must be a class from 0 to 2, got 3.0 at index \(0, 1\)"):
        DiceLoss(validate=False).compute([[0, 3]], p)
    with pytest.raises(IndexError, match="or ignore_index=255"):
        DiceLoss(ignore_index=255).compute([[0, -1]], p)


def test_parameters_that_exclude_each_other():
    with pytest.raises(ValueError, match="a term sums over the classes"):
        GeneralizedDiceLoss(per="class")
    with pytest.raises(ValueError, match="leave from_logits out"):
        LovaszLoss("hinge", from_logits=True)
    with pytest.raises(ValueError, match="activation must be 'sigmoid'"):
        MedicalImagingLoss(activation="softmax")


CHUNKS = [slice(0, 1), slice(1, 3)]


@pytest.mark.parametrize("per", PERS)
@pytest.mark.parametrize("loss", RATIOS, ids=lambda loss: loss.name)
def test_parts_of_batches_merge_to_the_whole(loss, per, random):
    if "class" in per and isinstance(loss, GeneralizedDiceLoss):
        return  # which refuses that: a term sums over the classes
    loss = loss.replace(per=per, class_weights=(1.0, 2.0, 0.5, 3.0))
    y, p = masks(random)
    w = random.random(y.shape)
    merged = sum(loss.parts(y[c], p[c], sample_weight=w[c]) for c in CHUNKS)
    whole = loss.parts(y, p, sample_weight=w)
    assert merged.mean() == pytest.approx(float(loss.compute(y, p, sample_weight=w)), rel=1e-14)
    assert (merged.count, merged.weight) == (whole.count, whole.weight)
    assert merged.total == pytest.approx(whole.total, rel=1e-14)


def test_parts_of_class_indices_and_ignored_elements_merge(random):
    loss = DiceLoss(per="class", ignore_index=2, **SOFTMAX)
    y, p = random.integers(0, 3, (3, 6, 6)), random.normal(size=(3, 3, 6, 6))
    merged = sum(loss.parts(y[c], p[c]) for c in CHUNKS)
    assert merged.mean() == pytest.approx(float(loss.compute(y, p)), rel=1e-14)
    assert merged.count == 3


def test_parts_of_nothing():
    nothing = DiceLoss().parts([1.0], [0.5], mask=[False])
    assert (nothing.count, nothing.mean(), nothing.sum()) == (0, 0.0, 0.0)
    assert np.isnan(nothing.mean(empty="nan"))
    some = DiceLoss().parts([1.0], [0.5])
    assert (nothing + some).mean() == some.mean()


def test_parts_that_do_not_merge():
    with pytest.raises(NotImplementedError, match="do not merge"):
        LovaszLoss().parts([1.0], [0.5])
    with pytest.raises(ValueError, match="parts of one loss"):
        DiceLoss().parts([1.0], [0.5]) + DiceLoss(smooth=1.0).parts([1.0], [0.5])
    one, two = (DiceLoss(per="class").parts(*np.ones((2, 1, n, 3))) for n in (1, 2))
    with pytest.raises(ValueError, match="1 classes do not merge with parts of 2"):
        one + two
    with pytest.raises(TypeError):
        one + 1.0


# ---- large arrays ---------------------------------------------------------------------------------------------------

LARGE = (2, 3, 25_000)
"""More elements than one thread reads before another is woken."""


@pytest.mark.parametrize("dtype", [np.int64, np.uint8])
@pytest.mark.parametrize("kind", [DiceLoss, LovaszLoss], ids=lambda cls: cls.__name__)
def test_integers_are_the_floats_they_stand_for(random, kind, dtype):
    indices = random.integers(0, 3, (2, 25_000))
    p = random.normal(size=LARGE).astype(np.float32)
    loss = kind(per="class", **SOFTMAX)
    for y in (indices, np.eye(3)[indices].transpose(0, 2, 1), indices[:, ::-1]):
        value, gradient = loss.value_and_derivative(y.astype(dtype), p)
        truth, slopes = loss.value_and_derivative(y.astype(np.float32), p)
        assert value == truth
        np.testing.assert_array_equal(gradient, slopes)


@pytest.mark.parametrize(
    "link", [{}, {"from_logits": True}, SOFTMAX], ids=["probability", "sigmoid", "softmax"]
)
def test_indices_that_count_alike_have_the_answers_of_all_others(random, link):
    indices, p = random.integers(0, 3, (2, 25_000)), random.random(LARGE).astype(np.float32)
    for squared in (False, True):
        loss = DiceLoss(per="class", squared=squared, **link)
        value, gradient = loss.value_and_derivative(indices, p)
        one = np.ones(indices.shape, np.float32)
        masks_of = np.eye(3, dtype=np.float32)[indices].transpose(0, 2, 1)
        for y, weight in ((indices, one), (masks_of, None)):
            truth, slopes = loss.value_and_derivative(y, p, sample_weight=weight)
            assert value == pytest.approx(truth, rel=1e-7)
            np.testing.assert_allclose(gradient, slopes, rtol=1e-6)


def test_a_softmax_that_is_no_number_is_not_lost(random):
    indices, logits = random.integers(0, 3, (2, 25_000)), random.normal(size=LARGE)
    logits[1, 2, 7] = np.nan
    value, gradient = DiceLoss(per="class", **SOFTMAX).value_and_derivative(indices, logits)
    assert np.isnan(value)
    assert np.isnan(gradient[1, :, 7]).all()


@pytest.mark.parametrize(
    ("loss", "wrong"),
    [
        (DiceLoss(), 3.0), (DiceLoss(), -1.0), (DiceLoss(), 0.5), (DiceLoss(), np.nan),
        (DiceLoss(ignore_index=255, **SOFTMAX), 254.0), (LovaszLoss(), 1.5),
    ],
)  # fmt: skip
def test_a_wrong_class_is_found_anywhere(random, loss, wrong):
    y, p = random.integers(0, 3, (2, 25_000)).astype(float), random.random(LARGE)
    y[0, 3] = 2.0 if loss.ignore_index is None else loss.ignore_index
    loss.compute(y, p)
    y[1, 24_998] = wrong
    with pytest.raises(IndexError, match=r"a class from 0 to 2.* at index \(1, 24998\)"):
        loss.compute(y, p)


@pytest.mark.parametrize(
    ("loss", "wrong", "message"),
    [
        (DiceLoss(), (1.25, 0.5), r"y_true must be in \[0, 1\], got 1.25"),
        (DiceLoss(), (0.5, 1.25), r"y_pred must be in \[0, 1\].* got 1.25"),
        (LovaszLoss(), (0.5, 0.5), "y_true must be 0 or 1, got 0.5"),
    ],
)
def test_a_wrong_mask_is_found_anywhere(random, loss, wrong, message):
    y, p = masks(random, LARGE)
    y[0, 0, 1] = np.nan
    assert np.isnan(loss.compute(y, p))
    y[1, 2, 24_998], p[1, 2, 24_998] = wrong
    with pytest.raises(ValueError, match=message + r".* at index \(1, 2, 24998\)"):
        loss.compute(y, p)
    assert np.isnan(loss.replace(validate=False).compute(y, p))


@pytest.mark.parametrize("smooth", [0.0, 1.0])
def test_lovasz_of_weights_and_equal_errors(random, smooth):
    """Errors of which some are equal, and weights of which some are 0."""
    y = (random.random((2, 500)) < 0.4).astype(np.float32)
    p = random.integers(0, 400, y.shape).astype(np.float32) / 512
    w = random.integers(0, 3, y.shape).astype(np.float32)
    loss = LovaszLoss(per="sample", smooth=smooth)
    value, gradient = loss.value_and_derivative(y, p, sample_weight=w)
    with lk.use_engine("numpy"):
        truth, slopes = loss.value_and_derivative(y, p, sample_weight=w)
    assert value == pytest.approx(truth, rel=1e-6)
    assert np.abs(gradient - slopes).max() <= 1e-6 * np.abs(slopes).max()
