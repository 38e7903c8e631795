"""losskit.jax beside optax: the same on ordinary input, the truth where optax is wrong."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import losskit as lk
import losskit.jax as losses

RANDOM = np.random.default_rng(8)
Z = jnp.asarray(RANDOM.normal(size=(4, 3)) * 2, jnp.float32)
Y = jnp.asarray(RANDOM.dirichlet(np.ones(3), 4), jnp.float32)
LOG = jax.nn.log_softmax(Z)
HARD = (Y > 0.4).astype(jnp.float32)
SIGNS = 2 * HARD - 1
INDEX = jnp.array([0, 2, 1, 1])
ROWS = jnp.array([True, False, True, True])
SOME = jnp.array([[True, False, True]] * 2 + [[True, True, True]] * 2)
KL_WHERE = [{"where": SOME}, {"where": ROWS[:, None]}]
BOTH = [
    {},
    {"axis": 0},
    {"axis": (0, 1)},
    {"axis": None},
    {"where": SOME},
    {"where": ROWS},
    {"axis": 1, "where": SOME},
]
CALLS = [
    *(("squared_error", a, {}) for a in [(Z, Y), (Z,)]),
    *(("l2_loss", a, {}) for a in [(Z, Y), (Z,)]),
    *(("huber_loss", a, {"delta": d}) for a in [(Z, Y), (Z,), (Z, 0.5)] for d in (1.0, 0.3)),
    ("huber_loss", (Z, Y), {"delta": jnp.array([0.5, 1.0, 2.0])}),
    *(("log_cosh", a, {}) for a in [(Z, Y), (Z,)]),
    *(("sigmoid_binary_cross_entropy", (Z, y), {}) for y in (Y, HARD, HARD.astype(int), HARD > 0, 1.0)),
    *(
        ("sigmoid_focal_loss", (Z, y), k)
        for y in (Y, HARD)
        for k in ({}, {"alpha": 0.25, "gamma": 1.5}, {"alpha": jnp.array([0.2, 0.5, 0.8])})
    ),
    ("hinge_loss", (Z, SIGNS), {}),
    ("perceptron_loss", (Z, SIGNS), {}),
    ("sparsemax_loss", (Z, HARD), {}),
    ("sparsemax_loss", (Z, HARD.astype(int)), {}),
    *(("poly_loss_cross_entropy", (Z, Y), k) for k in ({}, {"epsilon": -1.0}, {"axis": 0}, {"where": SOME})),
    *(("softmax_cross_entropy", (Z, Y), k) for k in BOTH),
    ("softmax_cross_entropy", (Z, 3 * HARD.astype(int)), {}),
    ("safe_softmax_cross_entropy", (Z, Y), {}),
    *(
        ("softmax_cross_entropy_with_integer_labels", (Z, INDEX), k)
        for k in ({}, {"where": ROWS}, {"axis": 1})
    ),
    (
        "softmax_cross_entropy_with_integer_labels",
        (Z, INDEX % 3),
        {"where": jnp.ones((4, 3), bool).at[0, 1].set(False)},
    ),
    (
        "softmax_cross_entropy_with_integer_labels",
        (Z.reshape(2, 2, 3), jnp.array([[0, 5, 1]]).ravel()[:2]),
        {"axis": (1, 2)},
    ),
    *(("kl_divergence", (LOG, Y), k) for k in [*BOTH[:4], *KL_WHERE]),
    ("kl_divergence_with_log_targets", (LOG, jnp.log(Y)), {}),
    ("kl_divergence_with_log_targets", (LOG, jnp.log(Y)), {"where": SOME}),
    *(("generalized_kl_divergence", (LOG, 2 * Y), k) for k in BOTH[:4]),
    *(("smooth_labels", (Y, 0.1), k) for k in ({}, {"axis": 0}, {"axis": None}, {"where": SOME})),
]


@pytest.mark.parametrize(
    ("name", "arguments", "options"), CALLS, ids=[f"{c[0]}-{i}" for i, c in enumerate(CALLS)]
)
def test_agrees_with_optax(name, arguments, options):
    ours, theirs = getattr(losses, name), getattr(optax.losses, name)
    close = {"rtol": 2e-5, "atol": 2e-6}

    def both(function):
        def call(x):
            return function(x, *arguments[1:], **options)

        def summed(x):
            return call(x).sum()

        return lambda x: (call(x), jax.grad(summed)(x))

    (got, gradient), (wanted, expected) = jax.jit(lambda x: (both(ours)(x), both(theirs)(x)))(arguments[0])
    assert got.shape == wanted.shape
    assert got.dtype == wanted.dtype
    np.testing.assert_allclose(got, wanted, **close)
    np.testing.assert_allclose(gradient, expected, **close)


@pytest.mark.parametrize("name", losses.OPTAX)
def test_signatures_are_those_of_optax(name):
    def shape(function):
        parameters = inspect.signature(function).parameters.values()
        return [(p.name, p.kind, p.default) for p in parameters]

    theirs = getattr(optax.losses, name)
    if name == "safe_softmax_cross_entropy":
        assert shape(getattr(losses, name))[:2] == shape(theirs)
    else:
        assert shape(getattr(losses, name)) == shape(theirs)


def test_tails_are_exact():
    z, t = jnp.array([20.0, 0.0]), jnp.array(0)
    ours, theirs = (
        losses.softmax_cross_entropy_with_integer_labels,
        optax.softmax_cross_entropy_with_integer_labels,
    )
    assert float(ours(z, t)) == pytest.approx(2.0611537e-09)
    np.testing.assert_allclose(jax.grad(ours)(z, t), [-2.0611537e-09, 2.0611537e-09], rtol=1e-6)
    assert float(theirs(z, t)) == 0.0
    assert float(jax.grad(theirs)(z, t)[0]) == 0.0
    assert float(losses.log_cosh(1e-4)) == pytest.approx(5e-9)
    assert float(optax.losses.log_cosh(jnp.array(1e-4))) == 0.0


def test_masked_logits():
    z, y = jnp.array([1.0, 2.0, -jnp.inf]), jnp.array([1.0, 0.0, 0.0])
    assert np.isfinite(losses.softmax_cross_entropy(z, y))
    assert np.isnan(optax.softmax_cross_entropy(z, y))
    assert np.isfinite(losses.kl_divergence(jax.nn.log_softmax(z), y))
    assert np.isnan(optax.losses.kl_divergence(jax.nn.log_softmax(z), y))
    assert float(losses.kl_divergence_with_log_targets(jnp.log(y), jnp.log(y))) == 0.0
    assert np.isnan(optax.losses.kl_divergence_with_log_targets(jnp.log(y), jnp.log(y)))
    assert float(losses.sigmoid_binary_cross_entropy(jnp.inf, 1.0)) == 0.0
    assert np.isnan(optax.sigmoid_binary_cross_entropy(jnp.array(jnp.inf), 1.0))


def test_second_derivatives_and_kinks():
    assert float(jax.hessian(losses.huber_loss)(1.0)) == 1.0
    assert float(jax.hessian(optax.huber_loss)(1.0)) == 0.25
    assert float(jax.grad(losses.hinge_loss)(1.0, 1.0)) == 0.0
    assert float(jax.grad(optax.hinge_loss)(1.0, 1.0)) == -0.5
    assert float(jax.grad(losses.perceptron_loss)(0.0, 1.0)) == 0.0
    assert float(jax.grad(optax.losses.perceptron_loss)(0.0, 1.0)) == -0.5


@pytest.mark.parametrize("label", [-1, 3])
def test_an_index_out_of_range_is_never_read(label):
    z = jnp.array([[1.0, 2.0, 3.0]])
    with pytest.raises(IndexError, match=rf"labels must be in 0\.\.2, the classes of logits; got {label}"):
        losses.softmax_cross_entropy_with_integer_labels(z, jnp.array([label]))
    both = jax.jit(
        jax.value_and_grad(lambda z, t: losses.softmax_cross_entropy_with_integer_labels(z, t).sum())
    )
    value, gradient = both(z, jnp.array([label]))
    assert np.isnan(value)
    assert np.isnan(gradient).all()
    kept = losses.softmax_cross_entropy_with_integer_labels(z, jnp.array([label]), where=jnp.array([False]))
    assert kept.tolist() == [0.0]


def test_a_label_that_is_excluded_has_no_probability():
    z, where = jnp.array([1.0, 2.0, 3.0]), jnp.array([True, False, True])
    assert float(losses.softmax_cross_entropy_with_integer_labels(z, jnp.array(1), where=where)) == np.inf


def test_soft_focal_loss_in_the_tails_and_its_derivatives():
    def textbook(z, y):
        p = jax.nn.sigmoid(z)
        missed = y * (1 - p) + (1 - y) * p
        return -(y * jnp.log(p) + (1 - y) * jnp.log1p(-p)) * missed**1.5

    def focal(z, y):
        return losses.sigmoid_focal_loss(z, y, gamma=1.5)

    def twice(f):
        return jax.jit(lambda z, y: (jax.grad(f)(z, y), jax.hessian(f)(z, y)))

    with jax.enable_x64(True):
        ours, true = twice(focal), twice(textbook)
        for y in (0.0, 0.3, 1.0):
            for z in (-3.0, 0.2, 2.5):
                np.testing.assert_allclose(ours(z, y), true(z, y), rtol=1e-12)
    extreme = jax.jit(jax.value_and_grad(lambda z, y: losses.sigmoid_focal_loss(z, y, gamma=0.5)))
    for z in (30.0, 200.0, -200.0, 1e30):
        for y in (0.0, 0.3, 1.0):
            assert np.isfinite(extreme(z, y)).all()
    assert float(losses.sigmoid_focal_loss(20.0, 1.0, gamma=0.0)) == pytest.approx(2.0611537e-09)


def test_generalized_divergence_does_not_cancel():
    d = 1e-3
    near = losses.generalized_kl_divergence(jnp.array([d]), jnp.array([1.0]))
    assert float(near) == pytest.approx(np.expm1(d) - d, rel=1e-4)
    assert float(near) == pytest.approx(d * d / 2 + d**3 / 6, rel=1e-6)
    assert float(losses.generalized_kl_divergence(jnp.array([0.5]), jnp.array([0.0]))) == pytest.approx(
        np.exp(0.5)
    )


def test_labels_are_broadcast_but_never_predictions():
    assert losses.huber_loss(Z, 0.0).shape == Z.shape
    assert losses.sigmoid_binary_cross_entropy(Z, HARD[0]).shape == Z.shape
    for function in (losses.squared_error, losses.huber_loss, losses.hinge_loss, losses.log_cosh):
        with pytest.raises(ValueError, match=r"[Ii]ncompatible shapes|broadcast"):
            function(jnp.zeros(3), jnp.zeros((3, 1)))
        with pytest.raises(ValueError, match=r"[Ii]ncompatible shapes|broadcast"):
            function(jnp.zeros((3, 1)), jnp.zeros(3))


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_halves_answer_in_float32(dtype):
    z, t = Z.astype(dtype), INDEX
    assert losses.softmax_cross_entropy_with_integer_labels(z, t).dtype == jnp.float32
    assert losses.sigmoid_focal_loss(z, HARD.astype(dtype)).dtype == jnp.float32
    assert jax.grad(lambda z: losses.sigmoid_focal_loss(z, HARD).sum())(z).dtype == dtype


def test_what_it_refuses():
    with pytest.raises(TypeError, match=r"predictions must be an array of float16.*got int32"):
        losses.squared_error(jnp.array([1]), jnp.array([1]))
    with pytest.raises(TypeError, match="labels must be integers, got float32"):
        losses.softmax_cross_entropy_with_integer_labels(Z, Y[:, 0])
    with pytest.raises(TypeError, match="gamma must be a number"):
        losses.sigmoid_focal_loss(Z, HARD, gamma=jnp.ones(3))
    with pytest.raises(ValueError, match="axis 5 is out of bounds"):
        losses.softmax_cross_entropy(Z, Y, axis=5)
    with pytest.raises(TypeError, match="labels must be floating"):
        losses.smooth_labels(INDEX, 0.1)


def test_a_loss_of_the_library_is_the_mean_of_its_namesake():
    assert float(lk.HuberLoss(delta=0.5)(Y, Z)) == pytest.approx(
        float(losses.huber_loss(Z, Y, delta=0.5).mean())
    )
