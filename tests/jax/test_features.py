"""Losses of activations, and penalties on gradients, on JAX functions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

import losskit as lk
import losskit.jax as losses
from losskit.jax.features import load_weights


def extractor(x):
    first = jnp.tanh(x @ jnp.array([[1.0, -0.5], [0.25, 2.0]]))
    return {"first": first, "second": first**2}


X = jnp.linspace(-1.0, 1.0, 12).reshape(2, 3, 2)
Y = jnp.cos(X)


def test_a_perceptual_loss_is_the_loss_of_activations():
    seen, wanted = extractor(X), extractor(Y)
    expected = (
        2.0 * jnp.abs(seen["first"] - wanted["first"]).mean()
        + jnp.abs(seen["second"] - wanted["second"]).mean()
    )
    layers = {"first": 2.0, "second": 1.0}
    value = jax.jit(lambda x: losses.perceptual_loss(extractor, x, Y, layers, loss=lk.MeanAbsoluteError()))(X)
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    assert losses.perceptual_loss(extractor, X, X, ["first"]) == 0.0
    assert jnp.abs(jax.grad(lambda x: losses.perceptual_loss(extractor, x, Y, ["second"]))(X)).sum() > 0.0


def test_style_does_not_ask_where():
    assert losses.style_loss(extractor, X[:, ::-1], X, ["first"]) < 1e-12
    assert losses.style_loss(extractor, 2.0 * X, X, ["first"]) > 1e-4


def test_layers_and_files_that_are_not_there(tmp_path):
    with pytest.raises(ValueError, match=r"no layer 'fist'. Did you mean \"first\""):
        losses.perceptual_loss(extractor, X, Y, ["fist"])
    with pytest.raises(ValueError, match="same shape"):
        losses.style_loss(extractor, X, Y[:1], ["first"])
    save_file({"w": np.ones(3, np.float32)}, tmp_path / "w.safetensors")
    assert load_weights(tmp_path / "w.safetensors")["w"].tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(ValueError, match="can run code"):
        load_weights(tmp_path / "w.npz")
    with pytest.raises(FileNotFoundError, match="there is no file"):
        load_weights(tmp_path / "v.safetensors")


def test_penalties():
    key = jax.random.key(0)

    def of(weight):
        return losses.gradient_penalty(lambda x: x @ weight, jnp.ones((5, 2)), jnp.zeros((5, 2)), key)

    np.testing.assert_allclose(of(jnp.array([3.0, 4.0])), 16.0, rtol=1e-6)
    value, slope = jax.value_and_grad(of)(jnp.zeros(2))
    assert value == 1.0
    assert slope.tolist() == [0.0, 0.0], "the subgradient of least size, not NaN"
    np.testing.assert_allclose(losses.r1_penalty(lambda x: x @ jnp.array([3.0, 4.0]), jnp.ones((5, 2))), 12.5)
    with pytest.raises(ValueError, match="same shape"):
        losses.gradient_penalty(lambda x: x, jnp.zeros(2), jnp.zeros(3), key)
