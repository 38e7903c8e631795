"""Losses of rows on both engines: the truth, the contract, and what is refused."""

import re

import numpy as np
import pytest

import losskit as lk
from truth.rows import row_condition, row_curvatures, row_slopes, row_value, telling_indices
from truth.ulp import ulp_of_terms

ULP = 6.0
INF, NAN = np.inf, np.nan


def cross_entropy(**parameters):
    return lk.SparseCategoricalCrossEntropy(from_logits=True, **parameters)


def some_rows(rows, classes, dtype=np.float32, seed=0, spread=3.0):
    """(class indices, distributions, logits, probabilities)."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(classes), (2, rows)).astype(dtype)
    return (
        rng.integers(0, classes, rows),
        shares[0],
        (spread * rng.normal(size=(rows, classes))).astype(dtype),
        shares[1],
    )


@pytest.fixture(params=["numba", "numpy"])
def engine(request):
    with lk.use_engine(request.param):
        yield request.param


# ---- truth ----------------------------------------------------------------------------------------------


def check_truth(loss, targets, predictions, second=False):
    """Value and derivative of each row within ULP units in the last place of the textbook's."""
    dtype = predictions.dtype
    each = loss.replace(reduction="none", validate=False)
    name = type(loss).__name__
    own = {k: v for k, v in loss.parameters().items() if k not in ("reduction", "validate", "empty")}
    if not own["from_logits"] and not own.get("log_input"):
        own["floor"] = float(np.finfo(dtype).tiny)
    values, slopes = each.value_and_derivative(targets, predictions)
    curvatures = each.second_derivative(targets, predictions) if second else None
    for r, (target, row) in enumerate(zip(targets, predictions, strict=True)):
        columns = telling_indices(target, row, 6)
        checks = [(values[r], row_value(name, target, row, **own), 0, None)]
        checks += [(slopes[r, k], a, 1, k) for k, a in row_slopes(name, target, row, columns, **own).items()]
        if curvatures is not None:
            truths = row_curvatures(name, target, row, columns, **own)
            checks += [(curvatures[r, k], a, 2, k) for k, a in truths.items()]
        for got, answer, order, k in checks:
            error = ulp_of_terms(got, answer.truth, answer.terms, dtype, saturates=True)
            if error > ULP:  # an ill-conditioned row may be off by more
                error /= max(1.0, float(row_condition(name, order, k, target, row, **own)))
            assert error <= ULP, (loss, order, k, target, row[:8], got, answer.truth)


LOGIT_LOSSES = {
    "cross-entropy": (cross_entropy(), "index"),
    "everything": (cross_entropy(label_smoothing=0.25, z_loss=0.125, class_weights=(0.5, 1.0, 2.0)), "index"),
    "focal": (lk.CategoricalFocalLoss(gamma=0.5, from_logits=True), "index"),
    "soft": (lk.CategoricalCrossEntropy(from_logits=True, label_smoothing=0.25), "distribution"),
    "soft focal": (lk.CategoricalFocalLoss(alpha=(1.0, 0.5, 2.0), from_logits=True), "distribution"),
    "divergence": (lk.KLDivergence(from_logits=True), "distribution"),
    "reverse": (lk.KLDivergence(from_logits=True, reverse=True), "distribution"),
}


@pytest.mark.parametrize("name", LOGIT_LOSSES)
def test_truth_of_logits(name, engine):
    loss, kind = LOGIT_LOSSES[name]
    labels, shares, logits, _ = some_rows(4, 3)
    logits[0] = [20.0, 0.0, -3.0]
    logits[1] = [1000.0, 1000.0, 999.0]
    labels[:2] = 0
    check_truth(loss, labels if kind == "index" else shares, logits, second=engine == "numpy")


@pytest.mark.parametrize("classes", [1, 2, 150])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_truth_of_any_width(classes, dtype, engine):
    labels, _, logits, _ = some_rows(3, classes, dtype, spread=20.0)
    labels[0] = logits[0].argmax()
    logits[1] += dtype(1e4)
    check_truth(cross_entropy(), labels, logits)


@pytest.mark.parametrize(
    "loss",
    [
        lk.CategoricalCrossEntropy(),
        lk.CategoricalFocalLoss(gamma=1.0),
        lk.KLDivergence(),
        lk.KLDivergence(reverse=True),
        lk.KLDivergence(log_input=True),
    ],
    ids=repr,
)
def test_truth_of_probabilities(loss, engine):
    _, shares, _, p = some_rows(3, 4)
    p[0] = shares[0]  # equal distributions
    p[1] = [0.25, 0.75, 0.0, 0.0]
    if getattr(loss, "reverse", False):
        p[1] = [0.25, 0.75 - 2.0**-20, 2.0**-20, 2.0**-126]
    if getattr(loss, "log_input", False):
        p = np.log(np.maximum(p, np.float32(1e-3)))
    check_truth(loss, shares, p)


@pytest.mark.parametrize(
    "loss", [lk.SparseCategoricalCrossEntropy(label_smoothing=0.5), lk.CategoricalFocalLoss()]
)
def test_truth_of_probabilities_at_an_index(loss, engine):
    labels, _, _, p = some_rows(3, 4)
    p[0] = [0.0, 1.0, 0.0, 0.0]
    labels[0] = 0
    check_truth(loss, labels, p)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("pad", [0, 200])
def test_the_tail_of_a_sure_prediction(dtype, pad, engine):
    z = np.full((1, 2 + pad), -INF, dtype)
    z[0, :2] = 20.0, 0.0
    value, gradient = cross_entropy().value_and_derivative([0], z)
    np.testing.assert_allclose(value, 2.061153620314381e-09, rtol=1e-6)
    np.testing.assert_allclose(gradient[0, :2], [-2.061153618190204e-09, 2.061153618190204e-09], rtol=1e-6)
    assert not gradient[0, 2:].any()


def test_weights_do_not_cost_the_tails_their_digits(engine):
    # The probability is below the smallest normal number, the derivative is not.
    z = np.array([[0.0, -90.0]], np.float32)
    _, gradient = cross_entropy(reduction="sum").value_and_derivative([0], z, sample_weight=[1e6])
    np.testing.assert_allclose(gradient, [[-8.194013e-34, 8.194013e-34]], rtol=1e-6)
    _, gradient = cross_entropy(reduction="sum").value_and_derivative([1], z[:, ::-1], sample_weight=[1e-30])
    np.testing.assert_allclose(cross_entropy(reduction="sum").derivative([0], 0 * z, sample_weight=[1e-30]),
                               [[-5e-31, 5e-31]], rtol=1e-6)  # fmt: skip


# ---- infinities, ties and NaN -----------------------------------------------------------------------------


@pytest.mark.parametrize("pad", [0, 200])
@pytest.mark.parametrize(
    ("row", "label", "value", "gradient"),
    [
        ((0.0, 0.0), 0, np.log(2.0), (-0.5, 0.5)),
        ((0.0, 0.0), 1, np.log(2.0), (0.5, -0.5)),
        ((3.0, 3.0, 3.0), 2, np.log(3.0), (1 / 3, 1 / 3, -2 / 3)),
        ((INF, 0.0), 0, 0.0, (0.0, 0.0)),
        ((INF, 0.0), 1, INF, (1.0, -1.0)),
        ((-INF, 0.0), 0, INF, (-1.0, 1.0)),
        ((-INF, 0.0), 1, 0.0, (0.0, 0.0)),
        ((1e30, -1e30), 0, 0.0, (0.0, 0.0)),
        ((3e38, -3e38), 1, INF, (1.0, -1.0)),
        ((INF, INF), 0, NAN, (NAN, NAN)),
        ((-INF, -INF), 0, NAN, (NAN, NAN)),
        ((NAN, 0.0), 1, NAN, (NAN, NAN)),
    ],
)
def test_limits(row, label, value, gradient, pad, engine):
    z = np.full((1, len(row) + pad), -INF, np.float32)
    z[0, : len(row)] = row
    for target, loss in (
        ([label], cross_entropy()),
        (np.eye(z.shape[1], dtype=np.float32)[[label]], lk.CategoricalCrossEntropy(from_logits=True)),
    ):
        v, g = loss.value_and_derivative(target, z)
        np.testing.assert_allclose(v, value, rtol=1e-6)
        np.testing.assert_allclose(g[0, : len(row)], gradient, rtol=1e-6)
        if pad and not np.isnan(value):
            assert not g[0, len(row) :].any()


# ---- rows that do not count -------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [5, 130])
def test_absent_rows_touch_nothing(classes, engine):
    labels, _, logits, _ = some_rows(40, classes)
    out = np.arange(40) % 3 == 0
    wild, elsewhere = logits.copy(), labels.copy()
    wild[out] = NAN
    elsewhere[out] = -1
    expected = cross_entropy().value_and_derivative(labels[~out], logits[~out])
    weight = np.where(out, 0.0, 1.0)
    for loss, options in (
        (cross_entropy(ignore_index=-1), {}),
        (cross_entropy(), {"mask": ~out}),
        (cross_entropy(), {"sample_weight": weight}),
    ):
        value, gradient = loss.value_and_derivative(elsewhere, wild, **options)
        np.testing.assert_allclose(value, expected[0], rtol=1e-6)
        np.testing.assert_allclose(gradient[~out], expected[1], rtol=1e-5, atol=1e-9)
        assert not gradient[out].any()
        assert loss.parts(elsewhere, wild, **options).count == 26
        assert not loss.replace(reduction="none").compute(elsewhere, wild, **options)[out].any()


def test_absent_distributions_touch_nothing(engine):
    _, shares, logits, p = some_rows(6, 4)
    keep = np.array([True, False, True, True, False, True])
    for loss, x in ((lk.CategoricalCrossEntropy(from_logits=True), logits), (lk.KLDivergence(), p)):
        y, z = shares.copy(), x.copy()
        y[~keep], z[~keep] = 7.0, NAN
        value, gradient = loss.value_and_derivative(y, z, mask=keep)
        expected = loss.value_and_derivative(shares[keep], x[keep])
        np.testing.assert_allclose(value, expected[0], rtol=1e-6)
        np.testing.assert_allclose(gradient[keep], expected[1], rtol=1e-5)
        assert not gradient[~keep].any()


@pytest.mark.parametrize("kind", ["index", "distribution"])
def test_weight_two_is_the_row_twice(kind, engine):
    labels, shares, logits, _ = some_rows(6, 4)
    loss, y = (
        (cross_entropy(), labels)
        if kind == "index"
        else (lk.CategoricalCrossEntropy(from_logits=True), shares)
    )
    weight = np.array([2.0, 1.0, 0.0, 1.0, 2.0, 1.0])
    again = np.repeat(np.arange(6), weight.astype(int))
    value, gradient = loss.value_and_derivative(y, logits, sample_weight=weight)
    twice, pieces = loss.value_and_derivative(y[again], logits[again])
    np.testing.assert_allclose(value, twice, rtol=1e-6)
    np.testing.assert_allclose(gradient[0], 2 * pieces[0], rtol=1e-6)


def test_class_weights_stay_out_of_the_denominator(engine):
    loss = cross_entropy(class_weights=(2.0, 0.0))
    assert float(loss.compute([0, 1], np.zeros((2, 2)))) == pytest.approx(np.log(2.0))


def test_empty_sets(engine):
    value, gradient = cross_entropy().value_and_derivative(np.zeros(0, int), np.zeros((0, 3)))
    assert value == 0.0
    assert gradient.shape == (0, 3)
    assert np.isnan(cross_entropy(empty="nan").compute([0], np.zeros((1, 3)), mask=[False]))
    assert cross_entropy().compute(np.zeros(0, int), np.zeros((0, 0))) == 0.0
    with pytest.raises(ValueError, match="has no classes"):
        cross_entropy().compute([0], np.zeros((1, 0)))


def test_a_mean_whose_sum_overflows(engine):
    z = np.array([[0.0, 1.5e308], [0.0, 1.5e308]])
    assert cross_entropy().compute([0, 0], z) == 1.5e308
    assert cross_entropy(reduction="sum").compute([0, 0], z) == INF


# ---- shapes, layouts and dtypes ---------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [-1, 1, 0])
def test_the_class_axis(axis, engine):
    rng = np.random.default_rng(1)
    z = rng.normal(size=(4, 5, 6)).astype(np.float32)
    moved = np.moveaxis(z, axis, -1)
    labels = rng.integers(0, moved.shape[-1], moved.shape[:-1])
    one_hot = np.moveaxis(np.eye(moved.shape[-1], dtype=np.float32)[labels], -1, axis)
    expected = cross_entropy().value_and_derivative(labels, np.ascontiguousarray(moved))
    soft = lk.CategoricalCrossEntropy(from_logits=True, axis=axis)
    for target, loss in ((labels, cross_entropy(axis=axis)), (one_hot, soft)):
        value, gradient = loss.value_and_derivative(target, z)
        np.testing.assert_allclose(value, expected[0], rtol=1e-6)
        np.testing.assert_allclose(np.moveaxis(gradient, axis, -1), expected[1], rtol=1e-5, atol=1e-9)
        assert loss.replace(reduction="none").compute(target, z).shape == labels.shape
        assert loss.second_derivative(target, z).shape == z.shape


@pytest.mark.parametrize("shape", [(3, 4, 9, 11), (2, 4, 300), (4, 70)])
def test_classes_before_large_axes(shape):
    rng = np.random.default_rng(1)
    z = rng.normal(size=shape).astype(np.float32)
    axis = len(shape) - 3 if len(shape) == 4 else len(shape) - 2
    labels = rng.integers(-1, 4, shape[:axis] + shape[axis + 1 :])
    loss = cross_entropy(axis=axis, ignore_index=-1)
    value, gradient = loss.value_and_derivative(labels, z)
    with lk.use_engine("numpy"):
        expected = loss.value_and_derivative(labels, z)
    np.testing.assert_allclose(value, expected[0], rtol=1e-6)
    np.testing.assert_allclose(gradient, expected[1], rtol=1e-5, atol=1e-9)
    terms = loss.replace(reduction="none").compute(labels, z)
    assert terms.shape == labels.shape
    assert not terms[labels < 0].any()


def test_a_single_row(engine):
    loss = cross_entropy(reduction="none")
    value, gradient = loss.value_and_derivative(1, [0.0, 0.0])
    assert np.shape(value) == ()
    np.testing.assert_allclose(gradient, [0.5, -0.5])


@pytest.mark.parametrize("classes", [7, 120])
def test_any_layout_has_the_same_bits(classes):
    labels, _, logits, _ = some_rows(600, classes)
    wide = np.zeros((600, 2 * classes), np.float32)
    wide[:, ::2] = logits
    frozen = logits.copy()
    frozen.flags.writeable = False
    out = np.zeros((600, 3 * classes), np.float32)[:, ::3]
    expected = cross_entropy().value_and_derivative(labels, logits)
    for z, target, where in (
        (wide[:, ::2], labels, None),
        (np.asfortranarray(logits), labels.astype(np.int8), None),
        (frozen, labels.astype(float), None),
        (logits, labels.astype(np.uint64), out),
    ):
        value, gradient = cross_entropy().value_and_derivative(target, z, out=where)
        assert value == expected[0]
        np.testing.assert_array_equal(gradient, expected[1])
    assert gradient is out


@pytest.mark.parametrize("classes", [6, 300])
def test_any_number_of_threads_has_the_same_bits(classes):
    labels, shares, logits, _ = some_rows(3000, classes)
    weight = np.random.default_rng(3).random(3000)
    jobs = ((cross_entropy(), labels), (lk.CategoricalCrossEntropy(from_logits=True), shares))
    before, answers = lk.get_num_threads(), []
    try:
        for n in (1, 2, 3):
            lk.set_num_threads(n)
            answers.append([loss.value_and_derivative(y, logits, sample_weight=weight) for loss, y in jobs])
    finally:
        lk.set_num_threads(before)
    for one, other in zip(answers[0] * 2, answers[1] + answers[2], strict=True):
        assert one[0] == other[0]
        np.testing.assert_array_equal(one[1], other[1])


def test_halves_are_computed_in_float32(engine):
    labels, _, logits, p = some_rows(50, 8, np.float16)
    value, gradient = cross_entropy().value_and_derivative(labels, logits)
    exact, slope = cross_entropy().value_and_derivative(labels, logits.astype(np.float32))
    assert value.dtype == np.float32
    assert gradient.dtype == np.float16
    assert value == exact
    np.testing.assert_array_equal(gradient, slope.astype(np.float16))
    zero = np.array([[0.0, 1.0]], np.float16)
    assert lk.SparseCategoricalCrossEntropy().derivative([0], zero)[0, 0] == -65504.0
    assert np.isfinite(lk.SparseCategoricalCrossEntropy().compute(labels, p))


def test_inputs_are_never_written(engine):
    labels, shares, logits, p = some_rows(9, 5)
    copies = [a.copy() for a in (labels, shares, logits, p)]
    cross_entropy().value_and_derivative(labels, logits)
    lk.CategoricalCrossEntropy().value_and_derivative(shares, p)
    for now, before in zip((labels, shares, logits, p), copies, strict=True):
        np.testing.assert_array_equal(now, before)


def test_parts_merge(engine):
    labels, _, logits, _ = some_rows(10, 4)
    loss = cross_entropy()
    whole = loss.parts(labels[:3], logits[:3]) + loss.parts(labels[3:], logits[3:])
    assert whole.mean() == pytest.approx(float(loss.compute(labels, logits)), rel=1e-6)


# ---- engines and algebra ----------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [4, 200])
def test_engines_agree_on_sums_of_losses(classes):
    labels, _, logits, _ = some_rows(300, classes)
    loss = 0.7 * cross_entropy(z_loss=0.01) + 0.3 * lk.CategoricalFocalLoss(from_logits=True)
    assert type(loss).__name__ == "RowSum"
    weight = np.random.default_rng(3).random(300)
    value, gradient = loss.value_and_derivative(labels, logits, sample_weight=weight)
    with lk.use_engine("numpy"):
        exact = loss.value_and_derivative(labels, logits, sample_weight=weight)
        parts = [k * part.compute(labels, logits, sample_weight=weight) for k, part in loss.summands]
    assert value == exact[0] == pytest.approx(sum(parts), rel=1e-6)
    np.testing.assert_allclose(gradient, exact[1], rtol=2e-6, atol=1e-11)


def test_losses_that_read_rows_differently_do_not_fuse():
    loss = cross_entropy() + cross_entropy(class_weights=(1.0, 2.0))
    assert type(loss).__name__ == "WeightedSum"
    assert float(loss.compute([1], [[0.0, 0.0]])) == pytest.approx(3 * np.log(2.0))


# ---- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize("validate", [True, False])
@pytest.mark.parametrize(("bad", "text"), [(3, "3"), (-1, "-1"), (2**40, "1099511627776")])
@pytest.mark.parametrize("from_logits", [True, False])
def test_an_index_out_of_range(bad, text, validate, from_logits, engine):
    loss = lk.SparseCategoricalCrossEntropy(from_logits=from_logits, validate=validate)
    message = f"y_true must be in 0..2, the classes of y_pred; got {text} at index 1"
    with pytest.raises(IndexError, match=re.escape(message)):
        loss.value_and_derivative([0, bad, 7], np.full((3, 3), 1 / 3))
    with pytest.raises(IndexError, match=re.escape("at index (1, 0)")):
        loss.compute([[0], [bad]], np.full((2, 1, 3), 1 / 3))


SOFT = lk.CategoricalCrossEntropy()
BAD = [
    (cross_entropy(), np.zeros((3, 1), int), np.zeros((3, 2)),
     "got y_true of shape (3, 1) and y_pred of shape (3, 2); pass y_true.reshape(3)"),
    (cross_entropy(), np.zeros((3, 2)), np.zeros((3, 2)),
     "one-hot targets become indices with y_true.argmax(-1)"),
    (SOFT, np.zeros(3, int), np.zeros((3, 2)), "indices become a distribution with numpy.eye(2)[y_true]"),
    (lk.CategoricalFocalLoss(), np.zeros(4, int), np.zeros((3, 2)),
     "class indices of shape (3,), y_pred's less its class axis 1, or a distribution over the classes"),
    (cross_entropy(axis=2), np.zeros(3, int), np.zeros((3, 2)),
     "must have an axis 2 for the classes, got shape (3, 2)"),
    (cross_entropy(), 0, 1.0, "a row of class scores has at least one dimension"),
    (cross_entropy(class_weights=(1.0, 2.0, 3.0)), [0], np.zeros((1, 2)),
     "class_weights has 3 numbers, but y_pred of shape (1, 2) has 2 classes on axis -1"),
    (SOFT, [[0.5, 0.6]], [[0.5, 0.5]],
     "y_true must be distributions whose rows sum to 1 (to 0.001), got a sum of 1.1 at row index 0"),
    (SOFT, [[0.5, 0.5]], [[0.5, 0.4]],
     "y_pred must be distributions whose rows sum to 1 (to 0.001), got a sum of 0.9 at row index 0; for logits"),
    (SOFT, [[-0.5, 1.5]], [[0.5, 0.5]], "y_true must be probabilities in [0, 1], got -0.5 at index (0, 0)"),
    (lk.SparseCategoricalCrossEntropy(), [0], [[2.0, -1.0]],
     "y_pred must be probabilities in [0, 1], got 2.0 at index (0, 0); for logits pass from_logits=True"),
    (lk.KLDivergence(log_input=True), [[0.5, 0.5]], [[0.5, 0.5]],
     "y_pred must be log-probabilities, at most 0, got 0.5 at index (0, 0)"),
    (lk.KLDivergence(log_input=True), [[0.5, 0.5]], [[-0.5, -0.5]], "whose exponentials sum to 1"),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "y", "p", "message"), BAD)
def test_bad_values_and_shapes(loss, y, p, message, engine):
    with pytest.raises(ValueError, match=re.escape(message)):
        loss.value_and_derivative(y, p)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0.5], "must be class indices, whole numbers; got 0.5 of dtype float64 at index 0"),
        ([NAN], "must be class indices, whole numbers; got nan"),
        (["a"], "must be class indices, integers; got dtype <U1"),
    ],
)
def test_targets_that_are_no_indices(y, message, engine):
    with pytest.raises(TypeError, match=re.escape(message)):
        cross_entropy().compute(y, [[0.0, 1.0]])


def test_validate_false_skips_the_values_only(engine):
    loss = lk.CategoricalCrossEntropy(validate=False)
    assert float(loss.compute([[0.5, 0.5]], [[0.5, 0.4]])) == pytest.approx(-0.5 * np.log(0.2))


def test_out_must_fit(engine):
    with pytest.raises(ValueError, match="out must be writable, of shape"):
        cross_entropy().derivative([0], np.zeros((1, 2)), out=np.zeros((1, 3)))
