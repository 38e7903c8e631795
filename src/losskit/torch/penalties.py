"""Penalties on the gradient of a critic, with which adversarial training is kept stable."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Critic = Callable[[Tensor], Tensor]


def gradient_penalty(
    critic: Critic,
    real: Tensor,
    fake: Tensor,
    *,
    target: float = 1.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """The mean of (|d critic / d x| - target)^2 at random points between real and fake samples.

    Parameters
    ----------
    critic : what scores a batch; its scores may have any shape, one or more to a sample
    real, fake : batches of one shape (n, ...)
    target : the length that gradients should have
    generator : of the random points

    Differentiable in the critic's parameters. Where a gradient is exactly 0 its length is 0 and has
    the subgradient 0, where the derivative of a plain square root is NaN.

    Raises ValueError where the shapes differ or the scores do not depend on the samples.

    Source: Gulrajani, Ahmed, Arjovsky, Dumoulin & Courville (2017), Improved training of Wasserstein GANs.

    >>> real, fake = torch.zeros(4, 2), torch.ones(4, 2)
    >>> gradient_penalty(lambda x: 3.0 * x[:, 0], real, fake)
    tensor(4.)
    """
    if real.shape != fake.shape:
        raise ValueError(
            f"real and fake must have the same shape, got {tuple(real.shape)} and {tuple(fake.shape)}"
        )
    shape = (len(real),) + (1,) * (real.dim() - 1)
    share = torch.rand(shape, generator=generator, dtype=real.dtype, device=real.device)
    between = real.detach() + share * (fake.detach() - real.detach())
    lengths = _lengths(_gradient(critic, between))
    return torch.square(lengths - target).mean() if len(real) else lengths.sum()


def r1_penalty(critic: Critic, real: Tensor) -> Tensor:
    """Half the mean of |d critic / d x|^2 at real samples.

    Differentiable in the critic's parameters. Multiply by the paper's gamma.

    Source: Mescheder, Geiger & Nowozin (2018), Which training methods for GANs do actually converge?

    >>> r1_penalty(lambda x: 3.0 * x[:, 0], torch.zeros(4, 2))
    tensor(4.5000)
    """
    squares = torch.square(_gradient(critic, real.detach())).flatten(1).sum(1)
    return 0.5 * squares.mean() if len(real) else squares.sum()


def _gradient(critic: Critic, x: Tensor) -> Tensor:
    """The derivative of the sum of the scores, itself differentiable."""
    with torch.enable_grad():
        x = x.requires_grad_()
        scores = critic(x)
        found: Any = None
        if isinstance(scores, Tensor) and scores.requires_grad:
            (found,) = torch.autograd.grad(scores.sum(), x, create_graph=True, allow_unused=True)
        if found is None:
            raise ValueError(
                "the critic's scores must depend on the samples it is given; it detaches or ignores them"
            )
        return found  # type: ignore[no-any-return]


def _lengths(gradient: Tensor) -> Tensor:
    """The length of each sample's gradient, of any scale, with the derivative 0 at 0."""
    flat = gradient.flatten(1)
    largest = flat.detach().abs().amax(1, keepdim=True) if flat.shape[1] else flat.new_zeros(len(flat), 1)
    there = (largest > 0.0) & torch.isfinite(largest)
    lift = torch.where(there, largest, 1.0)
    squares = torch.square(flat / lift).sum(1)
    root = torch.sqrt(torch.where(squares > 0.0, squares, 1.0))
    return lift[:, 0] * torch.where(squares == 0.0, squares, root)
