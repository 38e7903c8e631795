"""optax's losses of pairs, triplets and lists: its answers where they are right."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from losskit.jax.lists import ranking_softmax_loss
from losskit.jax.pairs import cosine_distance, cosine_similarity, triplet_margin_loss

RANDOM = np.random.default_rng(0)
A, P, N = (jnp.asarray(RANDOM.standard_normal((4, 5)), jnp.float32) for _ in range(3))
KEPT = jnp.asarray(RANDOM.random((4, 5)) < 0.7).at[2].set(False)
GRADES = jnp.asarray(RANDOM.integers(0, 3, (4, 5)))


def same(mine, theirs, *others, **options):
    """Values and gradients in the first argument, under jit as well."""
    np.testing.assert_allclose(
        mine(A, *others, **options), theirs(A, *others, **options), rtol=2e-5, atol=1e-6
    )
    slopes = [jax.jit(jax.grad(lambda x, f=f: f(x, *others, **options).sum()))(A) for f in (mine, theirs)]
    known = jnp.isfinite(slopes[1])
    np.testing.assert_allclose(slopes[0][known], slopes[1][known], rtol=1e-4, atol=1e-6)
    assert jnp.isfinite(slopes[0]).all()


@pytest.mark.parametrize("name", ["cosine_similarity", "cosine_distance"])
@pytest.mark.parametrize(
    "options",
    [{}, {"axis": 0}, {"axis": None}, {"where": KEPT.at[2].set(True)}, {"epsilon": 2.0}, {"epsilon": 1e-6, "where": KEPT}],
)  # fmt: skip
def test_cosines(name, options):
    mine = {"cosine_similarity": cosine_similarity, "cosine_distance": cosine_distance}[name]
    same(mine, getattr(optax.losses, name), P, **options)


def test_cosines_where_optax_is_nan_or_0():
    nothing, ones = jnp.zeros((1, 3)), jnp.ones((1, 3))
    assert jnp.isnan(optax.losses.cosine_distance(nothing, ones)).all()
    assert cosine_distance(nothing, ones) == 1.0
    assert not jax.grad(lambda x: cosine_distance(x, ones).sum())(nothing).any()
    near = jnp.array([[1.0, 1e-5]])
    np.testing.assert_allclose(cosine_distance(near, jnp.array([[1.0, 0.0]])), 5e-11, rtol=1e-6)


@pytest.mark.parametrize(
    "options", [{}, {"axis": 0}, {"margin": 0.3}, {"margin": -0.1}, {"norm_degree": 4}, {"eps": 0.1}]
)
def test_triplets(options):
    same(triplet_margin_loss, optax.losses.triplet_margin_loss, P, N, **options)


@pytest.mark.parametrize(
    "options",
    [{}, {"where": KEPT}, {"weights": jnp.abs(N)}, {"where": KEPT, "reduce_fn": None}, {"reduce_fn": None},
     {"where": KEPT, "reduce_fn": jnp.sum}, {"where": jnp.zeros_like(KEPT)}],
)  # fmt: skip
def test_ranking_softmax(options):
    same(ranking_softmax_loss, optax.losses.ranking_softmax_loss, GRADES, **options)
