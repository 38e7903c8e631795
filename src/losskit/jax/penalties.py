"""Penalties on the gradient of a critic, with which adversarial training is kept stable."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

Array = jax.Array
Critic = Callable[[Array], Array]


def gradient_penalty(critic: Critic, real: Any, fake: Any, key: Any, *, target: float = 1.0) -> Array:
    """The mean of (|d critic / d x| - target)^2 at random points between real and fake samples.

    Parameters
    ----------
    critic : what scores a batch; its scores may have any shape, one or more to a sample
    real, fake : batches of one shape (n, ...)
    key : of the random points, as ``jax.random.key`` makes it
    target : the length that gradients should have

    Differentiable in what the critic closes over. Where a gradient is exactly 0 its length is 0 and has
    the subgradient 0, where the derivative of a plain square root is NaN.

    Raises ValueError where the shapes differ.

    Source: Gulrajani, Ahmed, Arjovsky, Dumoulin & Courville (2017), Improved training of Wasserstein GANs.

    >>> real, fake = jnp.zeros((4, 2)), jnp.ones((4, 2))
    >>> float(gradient_penalty(lambda x: 3.0 * x[:, 0], real, fake, jax.random.key(0)))
    4.0
    """
    real, fake = (jax.lax.stop_gradient(jnp.asarray(x)) for x in (real, fake))
    if real.shape != fake.shape:
        raise ValueError(f"real and fake must have the same shape, got {real.shape} and {fake.shape}")
    share = jax.random.uniform(key, (len(real),) + (1,) * (real.ndim - 1), real.dtype)
    lengths = _lengths(_gradient(critic, real + share * (fake - real)))
    return jnp.square(lengths - target).mean() if len(real) else lengths.sum()


def r1_penalty(critic: Critic, real: Any) -> Array:
    """Half the mean of |d critic / d x|^2 at real samples.

    Differentiable in what the critic closes over. Multiply by the paper's gamma.

    Source: Mescheder, Geiger & Nowozin (2018), Which training methods for GANs do actually converge?

    >>> float(r1_penalty(lambda x: 3.0 * x[:, 0], jnp.zeros((4, 2))))
    4.5
    """
    gradient = _gradient(critic, jax.lax.stop_gradient(jnp.asarray(real)))
    squares = jnp.square(gradient).reshape(len(gradient), gradient[0].size if len(gradient) else 0).sum(1)
    return 0.5 * squares.mean() if len(gradient) else squares.sum()


def _gradient(critic: Critic, x: Array) -> Array:
    gradient: Array = jax.grad(lambda x: jnp.sum(critic(x)))(x)
    return gradient


def _lengths(gradient: Array) -> Array:
    """The length of each sample's gradient, of any scale, with the derivative 0 at 0."""
    flat = gradient.reshape(len(gradient), gradient[0].size if len(gradient) else 0)
    largest = jax.lax.stop_gradient(jnp.abs(flat).max(1, keepdims=True, initial=0.0))
    lift = jnp.where((largest > 0.0) & jnp.isfinite(largest), largest, 1.0)
    squares = jnp.square(flat / lift).sum(1)
    root = jnp.sqrt(jnp.where(squares > 0.0, squares, 1.0))
    return lift[:, 0] * jnp.where(squares == 0.0, squares, root)
