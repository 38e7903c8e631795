"""optax's ctc_loss and ours."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from losskit.jax.lattice import ctc_loss

FRAMES, LABELS = np.array([9, 8, 5]), np.array([3, 0, 2])


@pytest.fixture
def arguments():
    rng = np.random.default_rng(0)
    absent = [(np.arange(n) >= m[:, None]) * 1.0 for n, m in ((9, FRAMES), (4, LABELS))]
    absent[0][0, 4] = 1.0  # a frame left out within a sequence
    logits = rng.normal(size=(3, 9, 5)).astype(np.float32)
    return logits, absent[0], rng.integers(1, 5, (3, 4)), absent[1]


@pytest.mark.parametrize("blank", [0, 4])
def test_it_is_optaxs(blank, arguments):
    logits, frames, labels, others = arguments
    labels = labels - (blank == 4)
    values, slopes = [], []
    for function in (ctc_loss, optax.losses.ctc_loss):

        def loss(z, f=function):
            return f(z, frames, labels, others, blank_id=blank)

        values.append(loss(logits))
        slopes.append(jax.jit(jax.grad(lambda z, f=loss: f(z).sum()))(logits))
    np.testing.assert_allclose(*values, rtol=1e-5)
    np.testing.assert_allclose(*slopes, atol=1e-5)


def test_transforms(arguments):
    logits, frames, labels, others = arguments

    def one(z, f, y, o):
        return ctc_loss(z[None], f[None], y[None], o[None])[0]

    mapped = jax.vmap(one)(*map(jnp.asarray, arguments))
    np.testing.assert_allclose(mapped, ctc_loss(*arguments), rtol=1e-6)

    def total(z):
        return ctc_loss(z, frames, labels, others).sum()

    direction = jnp.ones_like(logits[:, :, :1]) * jnp.arange(5.0)
    _, rise = jax.jvp(total, (jnp.asarray(logits),), (direction,))
    np.testing.assert_allclose(rise, jnp.vdot(jax.grad(total)(logits), direction), rtol=1e-5)


def test_labels_that_no_path_spells(arguments):
    logits, frames, labels, others = arguments
    frames = np.ones_like(frames)
    frames[:, 0] = 0.0
    value = ctc_loss(logits, frames, labels, others, log_epsilon=-50.0)
    assert value[0] == 50.0
    assert not jax.grad(lambda z: ctc_loss(z, frames, labels, others)[0])(logits).any()
