"""Known limits and identities between losses, and values known from elsewhere."""

import numpy as np
import pytest

import losskit as lk
from losskit.laws.subject import with_parameters

RANDOM = np.random.default_rng(4)
Y, P = RANDOM.normal(size=(2, 500)) * 3
LABELS = RANDOM.integers(0, 2, 500).astype(float)
SOFT = RANDOM.uniform(size=500)
PROBABILITIES = RANDOM.uniform(0.001, 0.999, 500)
LOGITS = RANDOM.normal(size=500) * 6
CLASSES = RANDOM.integers(0, 5, 300)
ROWS = RANDOM.normal(size=(300, 5)) * 3
SHARES, OTHER_SHARES = RANDOM.dirichlet(np.ones(5), (2, 300))
ULP = 2.0**-52


@pytest.fixture(params=["numba", "numpy"], autouse=True)
def engine(request):
    with lk.use_engine(request.param):
        yield request.param


def answers(loss, y, p):
    """Value, derivative and second derivative, term by term."""
    loss = with_parameters(loss, reduction="none", validate=False)
    return [*loss.value_and_derivative(y, p), loss.second_derivative(y, p)]


def same(one, other, y, p, ulp=16.0, other_inputs=None):
    """Value and both derivatives of two losses within some ulp; soft labels cancel, so within that of 1 too."""
    pairs = zip(answers(one, y, p), answers(other, *(other_inputs or (y, p))), strict=True)
    for order, (a, b) in enumerate(pairs):
        np.testing.assert_allclose(a, b, rtol=ulp * ULP, atol=4 * ULP, err_msg=f"order {order}")


ELEMENTWISE_LIMITS = [
    ("huber(delta=1e9) is half the squared error", "huber(delta=1e9)", 0.5, "mse"),
    ("huber is delta times smooth l1", "huber(delta=2)", 2.0, "smooth_l1(beta=2)"),
    ("smooth l1 without a parabola is the absolute error", "smooth_l1(beta=0)", 1.0, "mae"),
    ("the median is half the absolute error", "quantile(quantile=0.5)", 0.5, "mae"),
    ("the middle expectile is half the squared error", "expectile(expectile=0.5)", 0.5, "mse"),
    ("no tube is the absolute error", "epsilon_insensitive(epsilon=0)", 1.0, "mae"),
    ("custom at 1 is the squared error", "custom_regression(alpha=1)", 1.0, "mse"),
    ("custom at 0 is the absolute error", "custom_regression(alpha=0)", 1.0, "mae"),
    ("custom is the mixture", "custom_regression(alpha=0.25)", 1.0, "0.25*mse + 0.75*mae"),
    ("Barron at 2 is half the squared error", "barron(alpha=2)", 0.5, "mse"),
    ("Barron at 1 is Charbonnier", "barron(alpha=1)", 1.0, "charbonnier"),
    (
        "Barron at 0 is Cauchy of another scale",
        "barron(alpha=0, scale=2)",
        0.25,
        "cauchy(scale=2.8284271247461903)",
    ),
    ("Barron at -2 is Geman-McClure of twice the scale", "barron(alpha=-2)", 1.0, "geman_mcclure(scale=2)"),
    ("a wide Charbonnier is half the squared error", "charbonnier(delta=1e12)", 0.5, "mse"),
    ("a wide Tukey is half the squared error", "tukey(scale=1e9)", 0.5, "mse"),
    ("a wide Welsch is half the squared error", "welsch(scale=1e9)", 0.5, "mse"),
]


@pytest.mark.parametrize(
    ("left", "factor", "right"), [c[1:] for c in ELEMENTWISE_LIMITS], ids=[c[0] for c in ELEMENTWISE_LIMITS]
)
def test_limits_of_residual_losses(left, factor, right):
    one, other = lk.parse(left), lk.parse(right)
    for a, b in zip(answers(one, Y, P), answers(other, Y, P), strict=True):
        np.testing.assert_allclose(a, factor * b, rtol=1e-13)


def test_barron_at_minus_infinity_is_welsch():
    a, b = lk.BarronLoss(alpha=-np.inf), lk.WelschLoss(scale=np.sqrt(2.0))
    np.testing.assert_allclose(a.derivative(Y, P), b.derivative(Y, P), rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("alpha", [2 - 1e-9, 2 + 1e-9, 1e-9, -1e-9])
def test_barron_is_continuous_in_alpha(alpha):
    limit = lk.BarronLoss(alpha=round(alpha))
    np.testing.assert_allclose(lk.BarronLoss(alpha=alpha)(Y, P), limit(Y, P), rtol=1e-6)


@pytest.mark.parametrize(("from_logits", "p"), [(False, PROBABILITIES), (True, LOGITS)])
def test_limits_of_binary_losses(from_logits, p):
    bce = lk.BinaryCrossEntropy(from_logits=from_logits)
    for y in (LABELS, SOFT):
        same(lk.FocalLoss(gamma=0.0, from_logits=from_logits), bce, y, p, 64)
        same(lk.WeightedCrossEntropy(class_weights=(1, 1), from_logits=from_logits), bce, y, p, 1)
        same(
            lk.BinaryCrossEntropy(from_logits=from_logits, label_smoothing=0.0, pos_weight=1.0), bce, y, p, 0
        )
    smoothed = lk.BinaryCrossEntropy(from_logits=from_logits, label_smoothing=0.25)
    same(smoothed, bce, LABELS, p, 1e4, (0.75 * LABELS + 0.125, p))
    one_sided = lk.FocalLoss(alpha=(0.75, 0.25), gamma=2.0, from_logits=from_logits)
    whole = lk.FocalLoss(gamma=2.0, from_logits=from_logits)
    weights = np.where(LABELS == 1, 0.25, 0.75)
    np.testing.assert_allclose(
        one_sided(LABELS, p), np.mean(weights * whole.replace(reduction="none")(LABELS, p)), rtol=1e-14
    )


def test_hinges():
    y = np.where(LABELS == 1, 1.0, -1.0)
    hinge, squared = lk.HingeLoss(reduction="none"), lk.SquaredHingeLoss(reduction="none")
    np.testing.assert_allclose(squared(y, P), hinge(y, P) ** 2, rtol=1e-15)
    assert hinge(np.array([1.0]), np.array([1.0])) == 0.0
    assert lk.HingeLoss().derivative([1.0], [1.0]) == 0.0


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_two_class_softmax_is_bce_of_the_difference(scale):
    z = scale * RANDOM.normal(size=(400, 2))
    t = RANDOM.integers(0, 2, 400)
    softmax = lk.SparseCategoricalCrossEntropy(from_logits=True, reduction="none")
    bce = lk.BinaryCrossEntropy(from_logits=True, reduction="none")
    d = z[:, 1] - z[:, 0]
    slope = bce.derivative(t.astype(float), d)
    np.testing.assert_allclose(softmax(t, z), bce(t.astype(float), d), rtol=scale * 1e-13, atol=1e-300)
    np.testing.assert_allclose(softmax.derivative(t, z)[:, 1], slope, rtol=scale * 1e-13, atol=1e-300)
    np.testing.assert_allclose(softmax.derivative(t, z)[:, 0], -slope, rtol=scale * 1e-13, atol=1e-300)


ROW_LOSSES = [
    lk.SparseCategoricalCrossEntropy(from_logits=True),
    lk.SparseCategoricalCrossEntropy(from_logits=True, label_smoothing=0.25, class_weights=(1, 2, 3, 4, 5)),
    lk.CategoricalCrossEntropy(from_logits=True),
    lk.LabelSmoothingCrossEntropy(smoothing=0.25, from_logits=True),
    lk.CategoricalFocalLoss(gamma=2.0, from_logits=True),
    lk.KLDivergence(from_logits=True),
    lk.KLDivergence(from_logits=True, reverse=True),
]


def targets_of(loss):
    return CLASSES if loss.form.target == "index" else SHARES


@pytest.mark.parametrize("loss", ROW_LOSSES, ids=repr)
def test_a_constant_added_to_all_logits_changes_nothing(loss):
    z = np.round(ROWS * 256) / 256  # so that adding 1024 is exact
    y = targets_of(loss)
    for verb in ("compute", "derivative", "second_derivative"):
        a, b = getattr(loss, verb)(y, z + 1024.0), getattr(loss, verb)(y, z)
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-18, err_msg=verb)


@pytest.mark.parametrize("loss", ROW_LOSSES, ids=repr)
def test_gradient_rows_sum_to_zero(loss):
    gradient = loss.replace(reduction="sum").derivative(targets_of(loss), ROWS)
    size = np.abs(gradient).sum(axis=1)
    assert np.all(np.abs(gradient.sum(axis=1)) <= 4e-15 * size + 1e-300)


def test_forms_of_cross_entropy_agree():
    one_hot = np.eye(5)[CLASSES]
    sparse = lk.SparseCategoricalCrossEntropy(from_logits=True)
    for other in (
        lk.LabelSmoothingCrossEntropy(smoothing=0.0, from_logits=True),
        lk.CategoricalFocalLoss(gamma=0.0, from_logits=True),
    ):
        np.testing.assert_allclose(other(CLASSES, ROWS), sparse(CLASSES, ROWS), rtol=1e-14)
        np.testing.assert_allclose(
            other.derivative(CLASSES, ROWS), sparse.derivative(CLASSES, ROWS), rtol=1e-13
        )
    dense = lk.CategoricalCrossEntropy(from_logits=True)
    np.testing.assert_allclose(dense(one_hot, ROWS), sparse(CLASSES, ROWS), rtol=1e-14)
    np.testing.assert_allclose(dense.derivative(one_hot, ROWS), sparse.derivative(CLASSES, ROWS), rtol=1e-13)
    smoothed = lk.CategoricalCrossEntropy(from_logits=True, label_smoothing=0.25)
    np.testing.assert_allclose(smoothed(one_hot, ROWS), dense(0.75 * one_hot + 0.05, ROWS), rtol=1e-14)
    z_loss = lk.SparseCategoricalCrossEntropy(from_logits=True, z_loss=0.5)
    lse = lk.log_sum_exp(ROWS)[:, 0]
    assert float(z_loss(CLASSES, ROWS)) == pytest.approx(float(sparse(CLASSES, ROWS)) + 0.5 * np.mean(lse**2))


def test_probabilities_and_logits_agree():
    p = lk.stable_softmax(ROWS)
    for make in (lk.SparseCategoricalCrossEntropy, lk.CategoricalFocalLoss):
        assert float(make()(CLASSES, p)) == pytest.approx(
            float(make(from_logits=True)(CLASSES, ROWS)), rel=1e-13
        )
    q = 1 / (1 + np.exp(-LOGITS))
    assert float(lk.FocalLoss()(LABELS, q)) == pytest.approx(
        float(lk.FocalLoss(from_logits=True)(LABELS, LOGITS))
    )


@pytest.mark.parametrize("reverse", [False, True])
def test_divergences(reverse):
    kl = lk.KLDivergence(reverse=reverse, reduction="none")
    np.testing.assert_array_equal(kl(SHARES, SHARES), 0.0)
    assert np.all(kl(SHARES, OTHER_SHARES) > 0.0)
    np.testing.assert_allclose(
        kl(SHARES, OTHER_SHARES), lk.KLDivergence(reverse=not reverse, reduction="none")(OTHER_SHARES, SHARES)
    )
    np.testing.assert_allclose(
        lk.KLDivergence(reverse=reverse, log_input=True)(SHARES, np.log(OTHER_SHARES)),
        np.mean(kl(SHARES, OTHER_SHARES)),
    )


def test_divergence_is_cross_entropy_less_entropy():
    entropy = -np.sum(SHARES * np.log(SHARES), axis=1).mean()
    cross = float(lk.CategoricalCrossEntropy()(SHARES, OTHER_SHARES))
    assert float(lk.KLDivergence()(SHARES, OTHER_SHARES)) == pytest.approx(cross - entropy)


KNOWN = [  # worked by hand, or printed by the sources named
    ("mse", [1, 2, 3, 4], [1.1, 1.9, 3.2, 3.8], 0.025),
    ("mae", [1, 2, 3, 4], [1.1, 1.9, 3.2, 3.8], 0.15),
    ("huber", [1, 2, 3, 4], [1.1, 1.9, 3.2, 3.8], 0.0125),
    ("huber(delta=1)", [0.0], [3.0], 2.5),
    ("log_cosh", [0.0], [1000.0], 1000.0 - np.log(2.0)),
    ("log_cosh", [0.0], [1e-8], 5e-17),
    ("charbonnier", [0.0], [1e-8], 5e-17),
    ("bce", [1, 0, 1, 0], [0.9, 0.1, 0.8, 0.2], 0.1642520335),
    ("bce(from_logits=True)", [1.0], [20.0], 2.0611536181902036e-09),
    ("focal(from_logits=True, gamma=0)", [1.0], [20.0], 2.0611536181902036e-09),
    ("hinge", [1.0, -1.0], [0.5, -2.0], 0.25),
    ("mape", [2.0], [3.0], 50.0),
    ("sparse_categorical_cross_entropy(from_logits=True)", [0], [[20.0, 0.0]], 2.0611536181902036e-09),
    ("quantile(quantile=0.9)", [1.0], [0.0], 0.9),
    ("tukey(scale=1)", [0.0], [5.0], 1 / 6),
]


@pytest.mark.parametrize(("text", "y", "p", "expected"), KNOWN, ids=[k[0] for k in KNOWN])
def test_known_values(text, y, p, expected):
    loss = lk.parse(text)
    assert float(loss(y, p)) == pytest.approx(expected, rel=1e-9)
    for dtype in (np.float32,):
        y32 = np.asarray(y) if np.ndim(p) == 2 else np.asarray(y, dtype)
        assert float(loss(y32, np.asarray(p, dtype))) == pytest.approx(expected, rel=2e-6)


def test_tails_in_float32():
    z = np.array([[20.0, 0.0]], np.float32)
    value, gradient = lk.SparseCategoricalCrossEntropy(from_logits=True).value_and_derivative([0], z)
    assert float(value) == pytest.approx(2.0611536e-9, rel=1e-6)
    np.testing.assert_allclose(gradient, [[-2.0611536e-9, 2.0611536e-9]], rtol=1e-6)
    assert float(
        lk.BinaryCrossEntropy(from_logits=True).derivative(np.float32([1]), np.float32([20]))[0]
    ) == pytest.approx(-2.0611536e-9, rel=1e-6)


def test_kinks_have_the_least_subgradient():
    zero = np.zeros(1)
    for text in ("mae", "quantile(quantile=0.9)", "smooth_l1(beta=0)", "epsilon_insensitive(epsilon=0)"):
        assert lk.parse(text).derivative(zero, zero) == 0.0, text
    assert lk.EpsilonInsensitiveLoss(epsilon=0.5).derivative(zero, np.array([0.5])) == 0.0
    assert lk.MeanAbsolutePercentageError().derivative(np.array([2.0]), np.array([2.0])) == 0.0
