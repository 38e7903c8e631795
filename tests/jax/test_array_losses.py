"""What must hold of every loss of whole arrays on JAX arrays, eager and traced."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import losskit as lk
from array_cases import CASES, FIRST
from laws.cases import own

WORSE = {"InfoNCELoss": 16.0, "CLIPLoss": 16.0}
"""Similarities are divided by a temperature, which multiplies their rounding: it is that of float32 where JAX has no
float64."""
SOME = 12
"""Entries of a second derivative that are looked at."""

every = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
first = pytest.mark.parametrize("case", FIRST, ids=lambda case: case.name)


def on_jax(arguments):
    return tuple(None if a is None else jnp.asarray(a) for a in arguments)


def of_moving(case, arguments):
    """The loss as a function of its differentiable arguments, and these."""
    places = case.moving(arguments)

    def function(*moving):
        full = list(arguments)
        for i, x in zip(places, moving, strict=True):
            full[i] = x
        return case.loss(*full)

    return function, [arguments[i] for i in places]


def as_tuple(x):
    return x if isinstance(x, tuple) else (x,)


def units_of(case):
    return WORSE.get(type(case.loss).__name__, 4.0)


def close(got, expected, eps, units):
    """Equal but for rounding, measured at the largest number there is."""
    expected = np.asarray(expected)
    assert np.shape(got) == expected.shape
    scale = np.abs(expected).max(initial=np.finfo(np.float32).tiny)
    assert np.abs(np.asarray(got, np.float64) - expected).max(initial=0.0) <= units * eps * scale, (
        got,
        expected,
    )


@every
def test_float32_agrees_with_the_reference(case):
    arguments = case.arguments(dtype=np.float32)
    with lk.use_engine("numpy"):
        value, derivative = case.loss.value_and_derivative(*arguments)
    function, moving = of_moving(case, on_jax(arguments))
    numbers = tuple(range(len(moving)))
    got, slopes = jax.jit(jax.value_and_grad(function, numbers))(*moving)
    eps = float(np.finfo(np.float32).eps)
    close(got, value, eps, units_of(case))
    for g, expected in zip(slopes, as_tuple(derivative), strict=True):
        assert g.dtype == jnp.float32
        close(g, expected, eps, units_of(case))


@first
def test_transforms(case):
    eps = 1e-14
    with jax.enable_x64(True):
        arguments = on_jax(case.arguments())
        function, moving = of_moving(case, arguments)
        ones = [jnp.ones_like(x) for x in moving]

        @jax.jit  # whatever is not within is compiled operation by operation, which takes ten times as long
        def all_firsts():
            slopes = jax.grad(function, tuple(range(len(moving))))(*moving)
            return as_tuple(case.loss.derivative(*arguments)), slopes, jax.jvp(function, moving, ones)

        derivative, slopes, (value, slope) = all_firsts()
        for got, expected in zip(slopes, derivative, strict=True):
            close(got, expected, eps, 64.0)
        close(value, case.loss(*case.arguments()), eps, 64.0)
        np.testing.assert_allclose(slope, sum(g.sum() for g in derivative), rtol=1e-9, atol=1e-12)


@first
def test_second_derivatives(case):
    with jax.enable_x64(True):
        arguments = on_jax(case.arguments())
        function, moving = of_moving(case, arguments)
        for i, expected in enumerate(as_tuple(case.loss.second_derivative(*arguments))):
            n = moving[i].size
            rows = jnp.eye(n)[:SOME].reshape(-1, *moving[i].shape)
            gradient = jax.grad(function, i)

            def product(row, i=i, gradient=gradient):
                return jax.jvp(lambda x: gradient(*moving[:i], x, *moving[i + 1 :]), (moving[i],), (row,))[1]

            diagonal = jax.jit(jax.vmap(product))(rows).reshape(len(rows), n).diagonal()
            np.testing.assert_allclose(
                diagonal, expected.ravel()[:SOME], rtol=1e-6, atol=1e-7 * (1 + np.abs(diagonal).max())
            )


@first
def test_vmap(case):
    batch = [on_jax(case.arguments(seed, dtype=np.float32)) for seed in range(2)]
    stacked = [None if column[0] is None else jnp.stack(column) for column in zip(*batch, strict=True)]
    axes = tuple(None if x is None else 0 for x in stacked)
    values = jax.jit(jax.vmap(case.loss, axes))(*stacked)
    close(
        values,
        [float(case.loss(*arguments)) for arguments in batch],
        float(np.finfo(np.float32).eps),
        units_of(case),
    )


@first
def test_verbs(case):
    arguments = case.arguments(dtype=np.float32)
    loss = case.loss.replace(reduction="none")
    with lk.use_engine("numpy"):
        expected = loss(*arguments)
    got = loss(*on_jax(arguments))
    assert isinstance(got, jax.Array)
    close(got, expected, float(np.finfo(np.float32).eps), units_of(case))
    with pytest.raises(TypeError, match="out must be None"):
        loss.derivative(*on_jax(arguments), out=np.zeros(3))


def test_sums_of_an_overlap_merge_outside_of_traced_code():
    loss, y, p = lk.DiceLoss(), jnp.array([1.0, 0.0, 1.0, 0.0]), jnp.array([0.75, 0.25, 0.5, 0.0])
    merged = loss.parts(y[:1], p[:1]) + loss.parts(y[1:], p[1:])
    assert merged.mean() == pytest.approx(float(loss(y, p)), rel=1e-6)
    with pytest.raises(NotImplementedError, match="parts of DiceLoss cannot be traced"):
        jax.jit(lambda y, p: loss.parts(y, p).total)(y, p)


@pytest.mark.parametrize(
    ("loss", "name"),
    [
        (lk.CosineSimilarityLoss(), "equal"),
        (lk.CosineEmbeddingLoss(), "almost orthogonal, label -1"),
        (lk.ApproxNDCGLoss(), "a wide list"),
    ],
    ids=["equal", "orthogonal", "far apart"],
)
def test_what_cancels_does_so_exactly(loss, name):
    """XLA merges a product with the sum it enters, and what rounding took from one of two equal products stays."""
    book = importlib.import_module(f"truth.{loss.structure}")
    facts = own(loss)
    (sample,) = (s for s in book.samples(type(loss).__name__, facts, np.float32) if s.name == name)
    loss = loss.replace(reduction="none")
    answers = []
    for arguments in (on_jax(sample.arguments), sample.arguments):
        with lk.use_engine("numpy"):
            answers.append(
                (loss(*arguments), *as_tuple(loss.replace(reduction="sum").derivative(*arguments)))
            )
    for got, expected in zip(*answers, strict=True):
        np.testing.assert_array_equal(np.asarray(got) == 0.0, expected == 0.0)
