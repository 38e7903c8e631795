"""What the verbs accept of JAX arrays, what they refuse, and what becomes of that under a transform."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import losskit as lk
from losskit.rules import rule
from losskit.scalar import sqrt

HUBER = lk.HuberLoss()
TWO = np.float64(2.0)
SPARSE = lk.SparseCategoricalCrossEntropy(from_logits=True)


def test_nothing_imports_jax_but_the_user():
    program = "import losskit as lk, sys; lk.HuberLoss()([0.0], [1.0]); assert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_numpy_arrays_lists_and_numbers_beside_jax_arrays():
    p = jnp.array([1.0, 3.0])
    for y in (np.zeros(2), [0.0, 0.0], 0.0, 0, np.zeros(2, int), np.zeros(2, bool), jnp.zeros(2, jnp.int8)):
        value = HUBER(y, p)
        assert isinstance(value, jax.Array)
        assert value.dtype == jnp.float32
        assert float(value) == 1.5
    assert float(HUBER(p, 0.0)) == 1.5
    assert float(HUBER(jnp.zeros(2), np.array([1.0, 3.0]))) == 1.5  # JAX takes NumPy arrays anywhere
    assert HUBER(np.zeros(2), p).dtype == jnp.float32  # float64 only where it is switched on
    with jax.enable_x64(True):
        assert HUBER(np.zeros(2), p).dtype == jnp.float64
        assert HUBER(jnp.zeros(2, int), p).dtype == jnp.float32
        assert HUBER.derivative(np.zeros(2), p).dtype == jnp.float32


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: HUBER(jnp.zeros(2), jnp.zeros(2, int)),
            TypeError,
            r"y_pred must be .*float32.*got int32; pass y_pred.astype",
        ),
        (
            lambda: HUBER(jnp.zeros(3), jnp.zeros((3, 1))),
            ValueError,
            r"\(3,\) and \(3, 1\); y_pred has axes of length 1",
        ),
        (lambda: HUBER(jnp.zeros(2), jnp.zeros(2, complex)), TypeError, "y_pred must be an array of float16"),
        (
            lambda: HUBER("ab", jnp.zeros(2)),
            TypeError,
            "y_true must be a JAX or NumPy array beside a JAX array, got str",
        ),
        (lambda: HUBER(jnp.zeros(2), jnp.zeros(2), mask=jnp.ones(2)), TypeError, "mask must be boolean"),
        (
            lambda: HUBER(jnp.zeros(2), jnp.zeros(2), mask=jnp.ones(3, bool)),
            ValueError,
            r"mask must have the shape .*\(2,\)",
        ),
        (
            lambda: HUBER(jnp.zeros(2), jnp.zeros(2), sample_weight=jnp.array([1.0, -1.0])),
            ValueError,
            "at least 0, got -1.0 at index 1",
        ),
        (
            lambda: HUBER.derivative(jnp.zeros(2), jnp.zeros(2), out=np.zeros(2)),
            TypeError,
            "out must be None beside JAX arrays",
        ),
        (
            lambda: lk.BinaryCrossEntropy()(jnp.array([0.0, 1.0]), jnp.array([0.5, 1.5])),
            ValueError,
            r"y_pred must be in \[0, 1\], got 1.5 at index 1",
        ),
        (
            lambda: lk.HingeLoss()(jnp.array([0.0]), jnp.array([0.5])),
            ValueError,
            r"y_true must be -1 or \+1, got 0.0",
        ),
        (
            lambda: SPARSE(jnp.array([0, 3]), jnp.zeros((2, 3))),
            IndexError,
            r"y_true must be in 0\.\.2.*got 3 at index 1",
        ),
        (lambda: SPARSE(jnp.array([0.5, 1.0]), jnp.zeros((2, 3))), TypeError, "whole numbers; got 0.5"),
        (lambda: SPARSE(jnp.zeros((2, 3)), jnp.zeros((2, 3))), ValueError, "argmax"),
        (
            lambda: lk.CategoricalCrossEntropy()(jnp.array([[1.0, 0.0]]), jnp.array([[2.0, 1.0]])),
            ValueError,
            "pass from_logits=True",
        ),
    ],
)
def test_errors_are_those_of_numpy(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_tensor_beside_a_jax_array_is_an_error():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="y_pred must be a JAX or NumPy array beside a JAX array, got Tensor"):
        HUBER(jnp.zeros(2), torch.zeros(2))


@pytest.mark.parametrize(
    ("loss", "y", "p"),
    [
        (lk.BinaryCrossEntropy(), [0.0, 1.0], [0.5, 1.5]),
        (lk.BinaryCrossEntropy(from_logits=True), [0.0, 1.5], [0.5, 1.5]),
        (lk.HingeLoss(), [1.0, 0.0], [0.5, 0.5]),
        (lk.MeanAbsolutePercentageError(), [1.0, 0.0], [0.5, 0.5]),
        (lk.MeanSquaredLogarithmicError(), [1.0, 0.5], [0.5, -0.5]),
        (SPARSE, [0, 3], [[0.0, 1.0, 2.0]] * 2),
        (SPARSE, [0, -1], [[0.0, 1.0, 2.0]] * 2),
        (lk.SparseCategoricalCrossEntropy(from_logits=True, validate=False), [0, 2**31 - 1], [[0.0, 1.0, 2.0]] * 2),
        (SPARSE, [0.0, 0.5], [[0.0, 1.0, 2.0]] * 2),
        (lk.SparseCategoricalCrossEntropy(), [0, 1], [[0.5, 0.5], [0.5, 1.0]]),
        (lk.CategoricalCrossEntropy(from_logits=True), [[1.0, 0.0], [1.0, 1.0]], [[0.0, 1.0]] * 2),
        (lk.KLDivergence(), [[1.0, 0.0], [0.5, 0.5]], [[0.5, 0.5], [1.5, -0.5]]),
        (lk.KLDivergence(log_input=True), [[1.0, 0.0], [0.5, 0.5]], [[-0.6931472, -0.6931472], [0.5, -3.0]]),
    ],
)  # fmt: skip
def test_illegal_input_under_a_transform_is_nan(loss, y, p):
    """And stays where it is: the first term is legal, the second is not."""
    loss = loss.replace(reduction="none")
    y, p = jnp.array(y), jnp.array(p)
    with pytest.raises((ValueError, IndexError, TypeError)):
        loss(y, p)
    mask = jnp.array([True, False])

    @jax.jit
    def everything(y, p, mask):
        value, pull = jax.vjp(lambda p: loss(y, p), p)
        return (value, *pull(jnp.ones_like(value)), loss.second_derivative(y, p)), loss(y, p, mask=mask)

    answers, masked = everything(y, p, mask)
    for answer in answers:
        assert np.isnan(answer).reshape(2, -1).any(1).tolist() == [False, True]
    assert np.isfinite(masked).all()


def test_known_values_are_checked_inside_transforms_too():
    z = jnp.zeros((2, 3))
    for labels in (jnp.array([0, 7]), np.array([0, 7])):
        for transform in (jax.jit, jax.grad):
            with pytest.raises(IndexError, match="got 7 at index 1"):
                transform(lambda z, labels=labels: SPARSE(labels, z))(z)
    assert float(jax.jit(lambda z: SPARSE(jnp.array([0, 1]), z))(z)) == pytest.approx(np.log(3))
    with pytest.raises(ValueError, match="y_true must be in"):
        jax.jit(lambda z: lk.BinaryCrossEntropy(from_logits=True)(np.array([2.0]), z))(z[0, :1])


def test_integers_too_large_for_jax_do_not_become_others():
    p = jnp.array([1.0])
    assert float(HUBER(np.array([2**40]), p)) == pytest.approx(2.0**40)
    with pytest.raises(IndexError, match=r"y_true must be in 0\.\.2"):
        SPARSE(np.array([2**32]), jnp.zeros((1, 3)))


def test_bad_weights_under_jit_are_nan():
    y, p = jnp.zeros(2), jnp.ones(2)
    for weight in (-1.0, jnp.nan, jnp.inf):
        assert np.isnan(jax.jit(HUBER)(y, p, sample_weight=jnp.array([1.0, weight])))
    assert jax.jit(HUBER)(y, p, sample_weight=jnp.array([1.0, jnp.nan]), mask=jnp.array([True, False])) == 0.5


@pytest.mark.parametrize("name", ["bce", "barron", "sparse_categorical_cross_entropy", "kl_divergence"])
def test_what_is_masked_touches_nothing(name):
    loss = lk.get(name, **({"alpha": 0.5} if name == "barron" else {}))
    random = np.random.default_rng(5)
    p = random.dirichlet(np.ones(3), 4).astype(np.float32)
    y = (
        random.integers(0, 3, 4)
        if name.startswith("sparse")
        else random.dirichlet(np.ones(3), 4).astype(np.float32)
    )
    keep = np.array([True, False, True, False])
    bad_p = np.where(keep[:, None], p, np.array([np.nan, np.inf, -5.0], np.float32))
    bad_y = np.where(keep, y, 99) if y.ndim == 1 else np.where(keep[:, None], y, np.nan).astype(np.float32)
    with lk.use_engine("numpy"):
        expected, slope = loss(y[keep], p[keep]), loss.derivative(y[keep], p[keep])

    @jax.jit
    def both(y, p, options):
        return jax.grad(loss, 1)(y, p, **options), jax.jvp(
            lambda p: loss(y, p, **options), (p,), (jnp.ones_like(p),)
        )

    for options in ({"mask": jnp.asarray(keep)}, {"sample_weight": jnp.asarray(keep, jnp.float32)}):
        np.testing.assert_allclose(
            loss(jnp.asarray(bad_y), jnp.asarray(bad_p), **options), expected, rtol=1e-6
        )
        gradient, (value, change) = both(bad_y, bad_p, options)
        np.testing.assert_allclose(value, expected, rtol=1e-6)
        np.testing.assert_allclose(gradient[keep], slope, rtol=1e-5, atol=1e-7)
        assert not np.asarray(gradient[~keep]).any()
        np.testing.assert_allclose(change, slope.sum(), rtol=1e-4, atol=1e-5)


def test_ignored_rows_do_not_count():
    loss = lk.SparseCategoricalCrossEntropy(from_logits=True, ignore_index=-100)
    z = jnp.array([[1.0, 2.0], [jnp.nan, 0.0], [0.0, 3.0]])
    t = jnp.array([1, -100, 0])
    with lk.use_engine("numpy"):
        expected = loss(np.array([1, 0]), np.asarray(z)[[0, 2]])
    for call in (loss, jax.jit(loss)):
        assert call(t, z) == pytest.approx(float(expected))
    assert not np.asarray(jax.jit(jax.grad(loss, 1))(t, z)[1]).any()
    assert float(loss.parts(t, z).weight) == 2.0
    assert int(loss.parts(t.astype(jnp.int8), z).count) == 2


@pytest.mark.parametrize(
    ("dtype", "loss"),
    [(jnp.float16, lk.HuberLoss()), (jnp.bfloat16, lk.CategoricalCrossEntropy(from_logits=True))],
)
def test_halves_are_computed_in_float32(dtype, loss):
    y, p = jnp.array([[1.0, 0.0], [0.0, 1.0]], dtype), jnp.array([[9.0, -2.0], [0.5, 0.25]], dtype)
    value, slope = loss.value_and_derivative(y, p)
    gradient, second = jax.jit(lambda y, p: (jax.grad(loss, 1)(y, p), loss.second_derivative(y, p)))(y, p)
    assert value.dtype == jnp.float32
    assert slope.dtype == gradient.dtype == second.dtype == dtype
    with lk.use_engine("numpy"):
        expected = loss.value_and_derivative(np.asarray(y, np.float32), np.asarray(p, np.float32))
    np.testing.assert_allclose(value, expected[0], rtol=3e-7)
    for got in (slope, gradient):
        narrow = jnp.asarray(expected[1]).astype(dtype)
        np.testing.assert_array_equal(np.asarray(got, np.float32), np.asarray(narrow, np.float32))
    many = jnp.full(70000, 1.0, dtype)
    assert float(lk.MeanSquaredError(reduction="sum")(jnp.zeros_like(many), many)) == 70000.0


def test_slopes_of_floored_probabilities_saturate():
    for dtype in (jnp.float16, jnp.float32):
        loss = lk.WeightedCrossEntropy(class_weights=(1.0, 1e6))
        y, p = jnp.ones(1, dtype), jnp.zeros(1, dtype)
        for slope in (loss.derivative(y, p), jax.jit(jax.grad(loss, 1))(y, p)):
            assert float(slope[0]) == -float(jnp.finfo(dtype).max)
        assert np.isfinite(loss.second_derivative(y, p)).all()


@pytest.mark.parametrize("empty", ["zero", "nan"])
def test_the_empty_set(empty):
    loss = lk.MeanSquaredError(empty=empty)
    for y, p, options in [
        (jnp.zeros(0), jnp.zeros(0), {}),
        (jnp.zeros(2), jnp.full(2, jnp.nan), {"mask": jnp.zeros(2, bool)}),
        (jnp.zeros(2), jnp.ones(2), {"sample_weight": jnp.zeros(2)}),
    ]:
        value = loss(y, p, **options)
        assert float(value) == 0.0 if empty == "zero" else np.isnan(value)
        assert not np.asarray(jax.jit(jax.grad(loss, 1))(y, p, **options)).any()
        assert loss.parts(y, p, **options).count == 0
    assert float(SPARSE(jnp.zeros(0, int), jnp.zeros((0, 3)))) == 0.0
    assert SPARSE.derivative(jnp.zeros(0, int), jnp.zeros((0, 3))).shape == (0, 3)


def test_a_mean_that_does_not_overflow_with_its_sum():
    p = jnp.full(4, 3e38, jnp.float32)
    assert float(lk.MeanAbsoluteError()(jnp.zeros(4), p)) == pytest.approx(3e38)
    np.testing.assert_array_equal(
        jax.grad(lk.MeanAbsoluteError(), 1)(jnp.zeros(4), p), np.full(4, 0.25, np.float32)
    )


@pytest.mark.parametrize("axis", [0, 1, -2])
def test_any_axis_may_be_that_of_the_classes(axis):
    random = np.random.default_rng(4)
    z, t = random.normal(size=(2, 3, 4)).astype(np.float32), None
    shape = [n for i, n in enumerate(z.shape) if i != axis % 3]
    t = random.integers(0, 2, shape)
    loss = lk.SparseCategoricalCrossEntropy(from_logits=True, axis=axis)
    for verb in ("compute", "derivative", "second_derivative"):
        got = getattr(loss, verb)(jnp.asarray(t), jnp.asarray(z))
        with lk.use_engine("numpy"):
            np.testing.assert_allclose(got, getattr(loss, verb)(t, z), rtol=1e-5, atol=1e-7)


class Quartic(lk.LossFunction):
    def compute(self, y_true, y_pred):
        return np.mean((y_pred - y_true) ** 4)

    def derivative(self, y_true, y_pred):
        return 4 * (y_pred - y_true) ** 3 / y_true.size


def test_losses_written_by_hand():
    loss, y, p = Quartic(), jnp.array([1.0, 2.0]), jnp.array([3.0, 2.5])
    expected = loss(np.asarray(y), np.asarray(p))
    slope = loss.derivative(np.asarray(y), np.asarray(p))
    for value in (loss(y, p), jax.jit(loss)(y, p), jax.jvp(lambda p: loss(y, p), (p,), (p,))[0]):
        assert float(value) == pytest.approx(float(expected))
    for got in (
        loss.derivative(y, p),
        jax.grad(loss, 1)(y, p),
        jax.jit(jax.grad(loss, 1))(y, p),
        jax.vmap(jax.grad(loss, 1))(y[None], p[None])[0],
    ):
        np.testing.assert_allclose(got, slope, rtol=1e-6)
    assert float(jax.jit(lambda m: loss(y, p, mask=m))(jnp.array([True, False]))) == 16.0
    assert loss.parts(y, p).count == 2
    with pytest.raises(TypeError, match="has a derivative for y_pred only"):
        jax.grad(loss, 0)(y, p)


def test_rules_of_ones_own():
    class Quadratic(lk.ResidualLoss):
        @rule
        def value(r):
            return np.square(r) * np.pi

        @rule
        def slope(r):
            return 2.0 * np.pi * r

        @rule
        def curvature(r):
            return 2.0 * np.pi

    class Derived(lk.ResidualLoss):
        @rule
        def value(r):
            return TWO * (sqrt(1.0 + r**2) - 1.0)

    slope = jax.jit(jax.grad(Derived(), 1))(jnp.zeros(1), jnp.array([0.75]))
    assert float(slope[0]) == pytest.approx(1.2)
    loss, y, p = Quadratic(), jnp.zeros(2), jnp.array([1.0, 2.0])
    np.testing.assert_allclose(jax.grad(loss, 1)(y, p), np.pi * np.array([1.0, 2.0]), rtol=1e-6)
    assert float(loss(y, p)) == pytest.approx(2.5 * np.pi)
