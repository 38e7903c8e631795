"""Losses of a few numbers at a time: known answers, kinks, bad input, the kernel against the formula."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from itertools import product

import numpy as np
import pytest

import losskit as lk
from losskit.losses.adversarial import KINDS, DiscriminatorLoss, GeneratorLoss
from losskit.losses.boxes import BoxIoULoss
from losskit.losses.latent import GaussianKLDivergence
from losskit.losses.likelihood_scale import GaussianNLLLoss, LaplaceNLLLoss, StudentTLoss
from losskit.losses.ranking import MarginRankingLoss
from losskit.rules import rule
from losskit.structures.columns import ColumnLoss

ENGINES = ("numba", "numpy")
LOSSES = [
    GaussianNLLLoss(full=True), LaplaceNLLLoss(), StudentTLoss(df=3.0), MarginRankingLoss(0.25), GaussianKLDivergence(),
    *(GeneratorLoss(kind) for kind in KINDS), *(DiscriminatorLoss(kind) for kind in KINDS),
    *(BoxIoULoss(kind) for kind in ("iou", "giou", "diou", "ciou")), BoxIoULoss("ciou", detach_weight=True),
]  # fmt: skip
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=repr)
every_engine = pytest.mark.parametrize("engine", ENGINES)


def examples(loss, n=50, dtype=np.float64, seed=0):
    return tuple(x.astype(dtype) for x in loss.example(np.random.default_rng(seed), n))


def as_tuple(x):
    return x if isinstance(x, tuple) else (x,)


# --- the kernel against the formula -------------------------------------------------------------------


@every_loss
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_kernel_and_formula_agree(loss, dtype, reduction):
    loss, arguments = loss.replace(reduction=reduction), examples(loss, 12_000, dtype)  # enough for threads
    random = np.random.default_rng(1)
    weights = random.uniform(0.0, 2.0, 12_000) * (random.random(12_000) < 0.8)
    for options in ({}, {"sample_weight": weights}, {"mask": weights > 0.5}):
        answers = {}
        for engine in ENGINES:
            with lk.use_engine(engine):
                value, gradients = loss.value_and_derivative(*arguments, **options)
                answers[engine] = (value, *as_tuple(gradients))
        for got, expected in zip(*answers.values(), strict=True):
            assert got.dtype == expected.dtype == dtype
            np.testing.assert_allclose(got, expected, rtol=16 * np.finfo(dtype).eps, atol=1e-15)


@every_loss
def test_any_number_of_threads_gives_the_same_bits(loss):
    arguments, before = examples(loss, 12_000, np.float32), lk.get_num_threads()
    answers = []
    try:
        for threads in (1, 2, 3):
            lk.set_num_threads(threads)
            value, gradients = loss.value_and_derivative(*arguments)
            answers.append((value, *as_tuple(gradients)))
    finally:
        lk.set_num_threads(before)
    for other in answers[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(answers[0], other, strict=True))


@every_loss
@every_engine
def test_nan_in_nan_out(loss, engine):
    """In any number of a term; the other terms do not notice."""
    loss = loss.replace(reduction="none")
    arguments = examples(loss, 3)
    with lk.use_engine(engine):
        clean = loss.value_and_derivative(*arguments)
        for i, argument in enumerate(arguments):
            for j in np.ndindex(argument[1].shape):
                spoilt = [a.copy() for a in arguments]
                spoilt[i][(1, *j)] = np.nan
                value, gradients = loss.value_and_derivative(*spoilt)
                assert np.isnan(value[1])
                assert np.array_equal(value[[0, 2]], clean[0][[0, 2]])
                if type(loss) is not DiscriminatorLoss and not isinstance(loss, GaussianKLDivergence):
                    assert all(np.isnan(g[1]).any() for g in as_tuple(gradients)), (i, j)


@every_loss
def test_arrays_are_read_as_they_come(loss):
    """Strided and read-only ones, and more axes than one, which are terms as well."""
    arguments = examples(loss, 12)
    value, gradients = loss.value_and_derivative(*arguments)
    strided = tuple(np.repeat(a, 2, axis=0)[::2] for a in arguments)
    for a in strided:
        a.flags.writeable = False
    folded = tuple(a.reshape(3, 4, *a.shape[1:]) for a in arguments)
    for others in (strided, folded):
        got, several = loss.value_and_derivative(*others)
        assert got == value
        for g, expected, a in zip(as_tuple(several), as_tuple(gradients), _moving(loss, others), strict=True):
            assert g.shape == a.shape
            assert np.array_equal(g.reshape(expected.shape), expected)


def _moving(loss, arguments):
    return [arguments[loss.arguments.index(name)] for name in loss.differentiable]


# --- boxes: exact answers by rational arithmetic ---------------------------------------------------------


class Moved:
    """a + b e with e infinitely small and of a given sign: ordered, so that min and max pick a side."""

    def __init__(self, a, b=0, sign=1):
        self.a, self.b, self.sign = Fraction(a), Fraction(b), sign

    def __add__(self, o):
        return Moved(self.a + o.a, self.b + o.b, self.sign)

    def __sub__(self, o):
        return Moved(self.a - o.a, self.b - o.b, self.sign)

    def __mul__(self, o):
        return Moved(self.a * o.a, self.a * o.b + self.b * o.a, self.sign)

    def __truediv__(self, o):
        return Moved(self.a / o.a, (self.b * o.a - self.a * o.b) / (o.a * o.a), self.sign)

    def __lt__(self, o):
        return (self.a, self.sign * self.b) < (o.a, self.sign * o.b)


def exact(t, p, kind, moving=None, sign=1):
    """The loss of integer boxes, where ``moving`` is the edge of the prediction that moves."""
    t = [Moved(x, 0, sign) for x in t]
    p = [Moved(x, i == moving, sign) for i, x in enumerate(p)]
    nothing, one, four = (Moved(x, 0, sign) for x in (0, 1, 4))
    lengths = [max(min(p[i + 2], t[i + 2]) - max(p[i], t[i]), nothing) for i in (0, 1)]
    hull = [max(p[i + 2], t[i + 2]) - min(p[i], t[i]) for i in (0, 1)]
    common = lengths[0] * lengths[1]
    union = (p[2] - p[0]) * (p[3] - p[1]) + (t[2] - t[0]) * (t[3] - t[1]) - common
    loss = one - common / union if union.a else nothing if [x.a for x in p] == [x.a for x in t] else one
    if kind == "giou" and (hull[0] * hull[1]).a:
        loss = loss + one - union / (hull[0] * hull[1])
    diagonal = hull[0] * hull[0] + hull[1] * hull[1]
    if kind == "diou" and diagonal.a:
        dx, dy = (p[i] + p[i + 2] - t[i] - t[i + 2] for i in (0, 1))
        loss = loss + (dx * dx + dy * dy) / (four * diagonal)
    return loss


def least(t, p, kind, i):
    """The derivative of least size at coordinate i; an empty prediction can only grow."""
    inverts = {0: 1, 1: 1, 2: -1, 3: -1}[i] if p[i] == p[(i + 2) % 4] else 0
    sides = [exact(t, p, kind, i, sign).b for sign in (-1, 1) if sign != inverts]
    return min(sides, key=abs) if min(sides) * max(sides) > 0 else 0


def small_boxes(n, seed):
    """Integer boxes so small that many are empty, nested, equal, or share an edge."""
    corners = np.random.default_rng(seed).integers(0, 5, (n, 2, 2))
    return np.sort(corners, axis=1).reshape(n, 4)


@every_engine
@pytest.mark.parametrize("kind", ["iou", "giou", "diou"])
@pytest.mark.parametrize("scale", [1.0, 2.0**1021, 2.0**-1000], ids=["", "huge", "tiny"])
def test_boxes_by_rational_arithmetic(kind, engine, scale):
    y, p = small_boxes(150, 1), small_boxes(150, 2)
    y[:10] = p[:10]
    loss = BoxIoULoss(kind, reduction="none")
    with lk.use_engine(engine):
        value, gradient = loss.value_and_derivative(y * scale, p * scale)
    expected = [float(exact(a, b, kind).a) for a, b in zip(y.tolist(), p.tolist(), strict=True)]
    slopes = [
        [float(least(a, b, kind, i)) for i in range(4)] for a, b in zip(y.tolist(), p.tolist(), strict=True)
    ]
    np.testing.assert_allclose(value, expected, rtol=1e-15, atol=0)
    np.testing.assert_allclose(gradient * scale, slopes, rtol=4e-15, atol=2e-16)


@every_engine
@pytest.mark.parametrize("kind", ["iou", "giou", "diou", "ciou"])
def test_empty_boxes(kind, engine):
    loss = BoxIoULoss(kind, reduction="none")
    point, line, box = [1.0, 1.0, 1.0, 1.0], [1.0, 0.0, 1.0, 3.0], [0.0, 0.0, 2.0, 2.0]
    with lk.use_engine(engine):
        for same in (point, line, box):
            value, gradient = loss.value_and_derivative([same], [same])
            assert value[0] == 0.0
            assert not gradient.any()
        for a, b in product((point, line, box), repeat=2):
            value, gradient = loss.value_and_derivative([a], [b])
            assert np.isfinite(value).all()
            assert np.isfinite(gradient).all()
            assert (value[0] == 0.0) == (a == b)
            assert np.isfinite(loss.second_derivative([a], [b])).all()


def test_second_derivatives_of_boxes():
    """Against differences of the first one."""
    y, p = examples(BoxIoULoss(), 40)
    for loss in LOSSES[-5:]:
        loss, step = loss.replace(reduction="sum"), 2.0**-18
        got = loss.second_derivative(y, p)
        for i in range(4):
            move = step * np.eye(4)[i]
            rise = (loss.derivative(y, p + move) - loss.derivative(y, p - move))[:, i] / (2.0 * step)
            np.testing.assert_allclose(got[:, i], rise, rtol=1e-5, atol=1e-7)


def test_ciou_with_its_weight_detached():
    """Its derivative is that of a loss whose alpha is a number."""
    y, p = examples(BoxIoULoss(), 20)

    def v(q):
        slants = [np.arctan((b[:, 2] - b[:, 0]) / (b[:, 3] - b[:, 1])) for b in (y, q)]
        return 4.0 / np.pi**2 * (slants[0] - slants[1]) ** 2

    alpha = v(p) / (BoxIoULoss("iou", reduction="none")(y, p) + v(p))
    step, expected = 1e-6, np.empty(p.shape)
    for i in range(4):
        move = step * np.eye(4)[i]
        rise = alpha * (v(p + move) - v(p - move)) / (2.0 * step)
        expected[:, i] = BoxIoULoss("diou", reduction="sum").derivative(y, p)[:, i] + rise
    got = BoxIoULoss("ciou", detach_weight=True, reduction="sum").derivative(y, p)
    np.testing.assert_allclose(got, expected, atol=1e-9)
    with pytest.raises(ValueError, match="detach_weight is about the weight of kind='ciou', got kind='giou'"):
        BoxIoULoss("giou", detach_weight=True)


# --- likelihoods, latent variables, adversaries, ranking -----------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "density"),
    [
        (GaussianNLLLoss(full=True), lambda r, v: math.exp(-r * r / (2 * v)) / math.sqrt(2 * math.pi * v)),
        (LaplaceNLLLoss(full=True), lambda r, b: math.exp(-abs(r) / b) / (2 * b)),
        (StudentTLoss(df=1.0, full=True), lambda r, s: 1 / (math.pi * s * (1 + (r / s) ** 2))),
        (StudentTLoss(df=3.0, full=True),
         lambda r, s: 6 * math.sqrt(3) / (math.pi * s * (3 + (r / s) ** 2) ** 2)),
    ],
    ids=lambda x: repr(x) if isinstance(x, lk.LossFunction) else "",
)  # fmt: skip
def test_full_likelihoods_are_those_of_densities(loss, density):
    y, mean, spread = examples(loss)
    expected = [-math.log(density(b - a, s)) for a, b, s in zip(y, mean, spread, strict=True)]
    np.testing.assert_allclose(loss.replace(reduction="none")(y, mean, spread), expected, rtol=1e-13)


def test_student_with_many_degrees_of_freedom_is_gaussian():
    y, mean, scale = examples(StudentTLoss())
    got = StudentTLoss(df=1e12, full=True).compute(y, mean, scale)
    np.testing.assert_allclose(got, GaussianNLLLoss(full=True).compute(y, mean, scale * scale), rtol=1e-10)


def test_divergence_of_a_gaussian():
    loss = GaussianKLDivergence()
    mean, log_variance = (np.random.default_rng(0).normal(size=(4, 3)) for _ in range(2))
    value, gradients = loss.value_and_derivative(mean, log_variance, mean, log_variance)
    assert value == 0.0
    assert not any(g.any() for g in gradients)
    nothing = np.zeros((4, 3))
    assert loss(mean, log_variance) == loss(mean, log_variance, nothing, nothing)
    assert len(loss.derivative(mean, log_variance)) == 2
    assert len(loss.derivative(mean, log_variance, other_log_variance=log_variance)) == 3
    small = np.full((1, 1), 1e-4, np.float32)  # ½ (e^x - 1 - x) is x²/4 + x³/12
    np.testing.assert_allclose(loss(0 * small, small), 2.5000833e-9, rtol=2e-7)


GAMES = {
    "minimax": (lambda s: np.log1p(np.exp(-s)), lambda s: np.log1p(np.exp(s))),
    "nonsaturating": (lambda s: np.log1p(np.exp(-s)), lambda s: np.log1p(np.exp(s))),
    "least_squares": (lambda s: (s - 1.0) ** 2 / 2.0, lambda s: s**2 / 2.0),
    "hinge": (lambda s: np.maximum(0.0, 1.0 - s), lambda s: np.maximum(0.0, 1.0 + s)),
    "wasserstein": (lambda s: -s, lambda s: s),
}


@every_engine
@pytest.mark.parametrize("kind", KINDS)
def test_a_discriminator_has_two_means(kind, engine):
    """One of the real, one of the fake samples, of which there may be another number."""
    random = np.random.default_rng(0)
    real, fake = random.normal(size=(7, 2)), random.normal(size=5)
    of_real, of_fake = (game(s) for game, s in zip(GAMES[kind], (real, fake), strict=True))
    loss = DiscriminatorLoss(kind)
    with lk.use_engine(engine):
        value, gradients = loss.value_and_derivative(real, fake)
        total, slopes = loss.replace(reduction="sum").value_and_derivative(real, fake)
        np.testing.assert_allclose(value, of_real.mean() + of_fake.mean(), rtol=1e-14)
        np.testing.assert_allclose(total, of_real.sum() + of_fake.sum(), rtol=1e-14)
        for gradient, slope in zip(gradients, slopes, strict=True):
            np.testing.assert_allclose(gradient * slope.size, slope, rtol=1e-14)
        alone = DiscriminatorLoss(kind).derivative(real, real[::-1])[0]
        np.testing.assert_allclose(gradients[0], alone, rtol=1e-14)
        assert loss(real, []) == pytest.approx(of_real.mean())


def test_kinks_have_the_subgradient_of_least_size():
    for gradient in DiscriminatorLoss("hinge").derivative([1.0], [-1.0]):
        assert gradient[0] == 0.0
    for gradient in MarginRankingLoss().derivative([1.0, -1.0], [2.0, 3.0], [2.0, 3.0]):
        assert not gradient.any()
    in_mean, in_scale = LaplaceNLLLoss().derivative([2.0], [2.0], [0.5])
    assert in_mean[0] == 0.0
    assert in_scale[0] == 2.0


# --- what is refused --------------------------------------------------------------------------------------


@every_engine
@pytest.mark.parametrize(
    ("loss", "arguments", "message"),
    [
        (GaussianNLLLoss(), ([1.0, 2.0], [1.0, 2.0], [1.0, 0.0]),
         "variance must be greater than 0, got 0.0 at index 1"),
        (LaplaceNLLLoss(), ([1.0], [1.0], [-1.0]), "scale must be greater than 0, got -1.0 at index 0"),
        (MarginRankingLoss(), ([1.0, 0.0], [1.0, 2.0], [1.0, 2.0]), "y_true must be -1 or +1, got 0.0 at index 1"),
        (BoxIoULoss(), ([[0.0, 0.0, 1.0, 1.0]], [[0.0, 0.0, 1.0, -1.0]]),
         "y_pred must be x1 <= x2 and y1 <= y2, got -1.0 at index (0, 3)"),
        (BoxIoULoss(), ([[2.0, 0.0, 1.0, 1.0]], [[0.0, 0.0, 1.0, 1.0]]),
         "y_true must be x1 <= x2 and y1 <= y2, got 1.0 at index (0, 2)"),
        (BoxIoULoss(), (np.zeros((2, 3)), np.zeros((2, 3))),
         "y_true must have 4 entries (x1, y1, x2, y2) on its last axis, got shape (2, 3)"),
        (GaussianNLLLoss(), (np.zeros(2), np.zeros(2), np.ones((2, 1))),
         "y_true and variance must have the same shape, got (2,) and (2, 1); reshape variance to (2,)"),
        (GaussianKLDivergence(), (np.float64(1.0), np.float64(1.0)), "mean must have an axis to sum along"),
        (DiscriminatorLoss(reduction="none"), (np.zeros(2), np.zeros(3)),
         'real and fake must have the same shape, got (2,) and (3,); with reduction="mean" or "sum" they may differ'),
    ],
    ids=lambda x: repr(x) if isinstance(x, lk.LossFunction) else "",
)  # fmt: skip
def test_what_is_refused(loss, arguments, message, engine):
    with lk.use_engine(engine), pytest.raises(ValueError, match=re.escape(message)):
        loss(*arguments)


def test_unchecked_values_are_not_refused():
    assert np.isnan(GaussianNLLLoss(validate=False)([1.0], [1.0], [-1.0]))
    with pytest.raises(ValueError, match="margin must be >= 0, got -1"):
        MarginRankingLoss(-1)
    assert GaussianNLLLoss()([1.0, 2.0], [1.0, 2.0], [1.0, -1.0], mask=[True, False]) == 0.0


# --- losses of one's own --------------------------------------------------------------------------------------


class Mahalanobis(ColumnLoss):
    """Half the squared distance of two coordinates, each with a precision."""

    arguments = ("y_true", "y_pred", "precision")
    entries = ("x", "y")
    differentiable = ("y_pred",)

    @rule
    def value(tx, ty, px, py, wx, wy, factor):
        return 0.5 * factor * (wx * (px - tx) ** 2 + wy * (py - ty) ** 2)

    @rule
    def slopes(tx, ty, px, py, wx, wy, factor):
        return factor * wx * (px - tx), factor * wy * (py - ty)

    @rule
    def curvatures(tx, ty, px, py, wx, wy, factor):
        return factor * wx, factor * wy

    factor: float = lk.parameter(default=2.0, doc="in front of it")


@every_engine
def test_a_loss_of_ones_own(engine):
    y, p, w = np.random.default_rng(0).random((3, 5, 2))
    with lk.use_engine(engine):
        value, gradient = Mahalanobis().value_and_derivative(y, p, w)
        np.testing.assert_allclose(value, (w * (p - y) ** 2).sum(axis=1).mean(), rtol=1e-14)
        np.testing.assert_allclose(gradient, 2.0 * w * (p - y) / 5, rtol=1e-14)
        np.testing.assert_allclose(Mahalanobis().second_derivative(y, p, w), 2.0 * w / 5, rtol=1e-14)


def test_what_is_said_of_rules_that_do_not_fit():
    class NoCurvatures(ColumnLoss):
        arguments = ("y_true", "y_pred")

        @rule
        def value(y, p):
            return y * p

        @rule
        def slopes(y, p):
            return (y,)

    class Unknown(ColumnLoss):
        arguments = differentiable = ("x",)

        @rule
        def value(x, width):
            return x * width

        slopes = curvatures = value

    class Branches(ColumnLoss):
        arguments = differentiable = ("x",)

        @rule
        def value(x):
            return x if True else -x

        slopes = curvatures = rule(lambda x: (1.0 + 0.0 * x,))

    with pytest.raises(TypeError, match="NoCurvatures has no rule 'curvatures'"):
        NoCurvatures()([1.0], [1.0])
    with pytest.raises(TypeError, match="the rules of Unknown take 'width'"):
        Unknown()([1.0])
    with pytest.warns(UserWarning, match="ifexp in line .* runs on the NumPy engine"):
        assert Branches()([1.0, 2.0]) == 1.5
