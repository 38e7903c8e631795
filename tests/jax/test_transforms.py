"""jit, grad, vmap, jvp and hessian of every loss: derivatives of any kind are the rules' own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import losskit as lk
from laws.cases import RULE_CASES, THOROUGH, name_of


def one_for_each_link():
    """Of every class one loss for each way its predictions are read."""
    kinds = {}
    for cls, parameters in RULE_CASES:
        loss = cls(**parameters)
        kinds.setdefault(
            (cls, getattr(loss, "from_logits", None), getattr(loss, "log_input", None)), (cls, parameters)
        )
    more = [
        (
            lk.SparseCategoricalCrossEntropy,
            {"from_logits": True, "z_loss": 0.125, "class_weights": (0.5, 1.0, 2.0), "label_smoothing": 0.25},
        ),
        (lk.CategoricalFocalLoss, {"from_logits": True, "gamma": 0.5, "class_weights": (0.5, 1.0, 2.0)}),
        (lk.KLDivergence, {"from_logits": True, "reverse": True}),
        (lk.KLDivergence, {"reverse": True}),
    ]
    chosen = kinds.values() if THOROUGH else {_kind_of(*case): case for case in kinds.values()}.values()
    return [pytest.param(*case, id=name_of(*case)) for case in [*chosen, *more]]


def _kind_of(cls, parameters):
    """What the engine tells apart: links and targets of rows, arguments and targets of elements."""
    loss = cls(**parameters)
    if loss.structure == "rows":
        return loss.form.link, loss.form.target
    return frozenset((t.rules.argument, str(t.rules.targets)) for t in loss.terms)


def test_a_target_of_a_residual_or_a_margin_has_a_derivative():
    y, p = jnp.array([1.0, -1.0]), jnp.array([0.25, 2.0])
    in_y = jax.jit(lambda y, p: [jax.grad(loss, 0)(y, p) for loss in (lk.HuberLoss(), lk.HingeLoss())])
    np.testing.assert_allclose(in_y(y, p), [[0.375, -0.5], [-0.125, -1.0]])


def inputs(loss):
    """A few ordinary targets and predictions, in float64, away from kinks."""
    random = np.random.default_rng(11)
    if loss.structure == "rows":
        z = random.normal(size=(2, 3))
        p = {"softmax": z, "probability": np.exp(z) / np.exp(z).sum(1, keepdims=True)}.get(
            loss.form.link, z - 2.0
        )
        y = np.array([2, 0]) if loss.form.target == "index" else random.dirichlet(np.ones(3), 2)
        return y, p
    targets = {str(t.rules.targets) for t in loss.terms}
    if "-1 or +1" in targets:
        return np.array([1.0, -1.0, 1.0]), np.array([0.3, 0.4, -1.2])
    if targets != {"None"}:
        return np.array([0.2, 0.9, 1.0]), np.array([0.35, 0.6, 0.15])
    return np.array([1.0, -2.0, 0.5]), np.array([1.3, -2.7, 3.1])


def difference(function, x, step=1e-5):
    """The derivative of a NumPy function by central differences, its axes first."""
    columns = []
    for i in range(x.size):
        up, down = (x.ravel() + s * step * (np.arange(x.size) == i) for s in (1, -1))
        columns.append((function(up.reshape(x.shape)) - function(down.reshape(x.shape))) / (2 * step))
    return np.array(columns).reshape(x.shape + np.shape(columns[0]))


@pytest.mark.parametrize(("cls", "parameters"), one_for_each_link())
def test_derivatives_in_predictions_and_targets(cls, parameters):
    loss = cls(**parameters, validate=False)
    y, p = inputs(loss)
    soft = y.dtype.kind == "f" and (
        loss.structure == "rows" or {t.rules.argument for t in loss.terms} == {"pair"}
    )

    def numpy(verb, y, p):
        with lk.use_engine("numpy"):
            return np.asarray(getattr(loss, verb)(y, p))

    arguments = (0, 1) if soft else (1,)
    gradients = jax.grad(loss, arguments)

    def everything(y, p, v):
        along = jax.jvp(lambda p: loss(y, p), (p,), (v,))
        return gradients(y, p), jax.jacfwd(gradients, arguments)(y, p), along, loss.second_derivative(y, p)

    with jax.enable_x64(True):
        v = np.linspace(-1.0, 2.0, p.size).reshape(p.shape)
        found, jacobian, along, second = jax.tree.map(np.asarray, jax.jit(everything)(y, p, v))
    gradient = numpy("derivative", y, p)
    exact, near = {"rtol": 1e-12, "atol": 1e-15}, {"rtol": 1e-7, "atol": 1e-9}
    np.testing.assert_allclose(found[-1], gradient, **exact)
    np.testing.assert_allclose(along, (numpy("compute", y, p), (gradient * v).sum()), **exact)
    hessian = jacobian[-1][-1].reshape(p.size, p.size)
    by_difference = difference(lambda p: numpy("derivative", y, p), p)
    np.testing.assert_allclose(hessian, by_difference.reshape(hessian.shape), **near)
    for one in (np.diag(hessian).reshape(p.shape), second):
        np.testing.assert_allclose(one, numpy("second_derivative", y, p), rtol=1e-11, atol=1e-14)
    if soft:
        np.testing.assert_allclose(found[0], difference(lambda y: numpy("compute", y, p), y), **near)
        mixed = difference(lambda y: numpy("derivative", y, p), y).reshape(hessian.shape)  # y first, then p
        np.testing.assert_allclose(jacobian[0][1].reshape(hessian.shape), mixed, **near)
        np.testing.assert_allclose(jacobian[1][0].reshape(hessian.shape).T, mixed, **near)


@pytest.mark.parametrize("name", ["categorical_cross_entropy", "charbonnier"])
def test_transforms_of_transforms(name):
    loss = lk.get(name, **({"from_logits": True} if name.startswith("cat") else {}))
    y, p = jnp.array([[0.25, 0.75], [0.5, 0.5]]), jnp.array([[0.3, -0.2], [1.0, 3.0]])
    gradient = jax.grad(loss, 1)
    with lk.use_engine("numpy"):
        expected = loss.derivative(np.asarray(y), np.asarray(p))
    close = {"rtol": 1e-6, "atol": 1e-7}
    np.testing.assert_allclose(gradient(y, p), expected, **close)

    @jax.jit
    def everything(y, p):
        first = [
            jax.vmap(lambda y, p: gradient(y[None], p[None])[0])(y, p) / 2,
            jax.vmap(jax.jit(gradient))(y[None], p[None])[0],
            jax.checkpoint(gradient)(y, p),
        ]
        along = jax.linearize(lambda p: loss(y, p), p)[1](jnp.ones_like(p))
        return (
            first,
            along,
            [
                jax.hessian(loss, 1)(y, p),
                jax.jacrev(gradient, 1)(y, p),
                jax.jacfwd(jax.jacfwd(loss, 1), 1)(y, p),
            ],
        )

    first, along, second = everything(y, p)
    for one in first:
        np.testing.assert_allclose(one, expected, **close)
    np.testing.assert_allclose(along, expected.sum(), **close)
    for one in second[1:]:
        np.testing.assert_allclose(one, second[0], **close)


@pytest.mark.parametrize("text", ["0.7*huber(delta=2) + 0.3*mae", "0.5*categorical_cross_entropy + 2*mse"])
def test_sums(text):
    loss = lk.parse(text)
    y, p = np.array([[0.25, 0.75]], np.float32), np.array([[0.5, 0.5]], np.float32)
    with lk.use_engine("numpy"):
        value, slope, curvature = (
            getattr(loss, verb)(y, p) for verb in ("compute", "derivative", "second_derivative")
        )
    np.testing.assert_allclose(loss(jnp.asarray(y), jnp.asarray(p)), value, rtol=1e-6)
    for got in (loss.derivative(jnp.asarray(y), jnp.asarray(p)), jax.jit(jax.grad(loss, 1))(y, p)):
        np.testing.assert_allclose(got, slope, rtol=1e-6)
    np.testing.assert_allclose(loss.second_derivative(jnp.asarray(y), jnp.asarray(p)), curvature, rtol=1e-6)


def test_tails_of_cross_entropy():
    loss = lk.SparseCategoricalCrossEntropy(from_logits=True)
    z, t = jnp.array([[20.0, 0.0]]), jnp.array([0])
    small = 2.0611536e-09
    assert loss(t, z) == pytest.approx(small, rel=2e-7)
    gradient, hessian = jax.jit(lambda z: (jax.grad(loss, 1)(t, z), jax.hessian(loss, 1)(t, z)))(z)
    np.testing.assert_allclose(gradient, [[-small, small]], rtol=2e-7)
    np.testing.assert_allclose(hessian.reshape(2, 2), [[small, -small], [-small, small]], rtol=2e-7)


def test_first_and_second_derivative_at_special_logits():
    """Autodiff of the value would make -1 of the slope at 0, and 0 or NaN of the tails."""
    loss = lk.BinaryCrossEntropy(from_logits=True, reduction="sum")
    p = np.array([0.0, -1.0, 1.0, 40.0, -40.0, 1e4, np.inf, -np.inf], np.float32)
    both = jax.jit(lambda y, p: (jax.grad(loss, 1)(y, p), jax.hessian(loss, 1)(y, p)))
    for y in (np.zeros_like(p), np.ones_like(p)):
        with lk.use_engine("numpy"), np.errstate(all="ignore"):
            slope, curvature = loss.derivative(y, p), loss.second_derivative(y, p)
        gradient, hessian = both(y, p)
        np.testing.assert_allclose(gradient, slope, rtol=4e-7, atol=1e-37)
        np.testing.assert_allclose(hessian, np.diag(curvature), rtol=4e-7, atol=1e-37)


def test_a_masked_class_has_no_gradient_and_no_nan():
    z, y = jnp.array([[1.0, -jnp.inf, 2.0]]), jnp.array([[0.5, 0.0, 0.5]])
    for loss in (lk.CategoricalCrossEntropy(from_logits=True), lk.KLDivergence(from_logits=True)):
        in_y, in_z = jax.jit(jax.grad(loss, (0, 1)))(y, z)
        assert np.isfinite(in_y).all()
        assert np.isfinite(in_z).all()
        assert in_z[0, 1] == 0.0
        forward = jax.jit(lambda z, t, loss=loss: jax.jvp(lambda z: loss(y, z), (z,), (t,))[1])
        assert np.isfinite(forward(z, jnp.ones_like(z)))

    def through_teacher(t):
        return lk.CategoricalCrossEntropy(from_logits=True)(jax.nn.softmax(t), z)

    assert np.isfinite(jax.jit(jax.grad(through_teacher))(z)).all()


def test_third_derivatives_are_those_of_the_curvature():
    third = jax.grad(jax.grad(jax.grad(lambda p: lk.LogCoshLoss()(jnp.zeros(1), p[None]))))(0.5)
    assert third == pytest.approx(-2 * np.tanh(0.5) / np.cosh(0.5) ** 2, rel=1e-5)


def test_a_scan_and_a_batch_of_weights():
    loss = lk.MeanSquaredError()
    x, y = jnp.linspace(0, 1, 8), jnp.linspace(1, 3, 8)

    def step(w, _):
        value, slope = jax.value_and_grad(lambda w: loss(y, w[0] * x + w[1]))(w)
        return w - 0.5 * slope, value

    _, values = jax.lax.scan(step, jnp.zeros(2), length=50)
    assert values[-1] < values[0] / 50
    weights = jnp.eye(8)
    each = jax.vmap(lambda w: loss(y, x, sample_weight=w))(weights)
    np.testing.assert_allclose(each, (x - y) ** 2, rtol=1e-6)
    in_weights = jax.grad(lambda w: loss(y, x, sample_weight=w))(jnp.ones(8))
    np.testing.assert_allclose(in_weights, ((x - y) ** 2 - ((x - y) ** 2).mean()) / 8, rtol=1e-5, atol=1e-6)


def test_parts_leave_jitted_code_and_merge():
    loss = lk.HuberLoss()
    y, p = jnp.zeros(6), jnp.arange(6.0)
    parts = jax.jit(loss.parts)
    whole = parts(y[:2], p[:2]) + parts(y[2:], p[2:])
    assert float(whole.mean()) == pytest.approx(float(loss(y, p)))
    assert int(whole.count) == 6
