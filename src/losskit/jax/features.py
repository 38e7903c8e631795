"""Losses of what a network sees in two inputs: its activations, or how these go together."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from losskit.errors import nearest, needs
from losskit.loss import LossFunction
from losskit.losses.residual import MeanSquaredError
from losskit.weight_files import weight_file

Array = jax.Array
Extractor = Callable[[Array], Mapping[str, Array]]
"""A network as a function of its input: the activations of its layers by name."""


def perceptual_loss(
    extractor: Extractor, predictions: Any, targets: Any, layers: Iterable[str] | Mapping[str, float], *,
    loss: LossFunction | None = None,
) -> Array:  # fmt: skip
    """How differently a network sees predictions and targets: a loss of its activations at some layers.

    Parameters
    ----------
    extractor : the network as a function that answers the activations of its layers by name
    predictions, targets : two batches of one shape that it takes; differentiable in the predictions
    layers : names of layers, or a mapping from names to weights
    loss : of target and predicted activations, mean squared error by default; any loss of losskit

    Raises ValueError for a layer that the extractor does not answer and for inputs whose shapes differ.

    Source: Johnson, Alahi & Fei-Fei (2016), Perceptual losses for real-time style transfer and super-resolution.

    >>> def extractor(x):
    ...     return {"edges": jnp.diff(x), "sizes": jnp.abs(x)}
    >>> float(perceptual_loss(extractor, jnp.array([[1.0, 3.0]]), jnp.array([[1.0, 1.0]]), ["edges"]))
    4.0
    """
    return _compared(extractor, predictions, targets, layers, loss, lambda x: x)


def style_loss(
    extractor: Extractor, predictions: Any, targets: Any, layers: Iterable[str] | Mapping[str, float], *,
    loss: LossFunction | None = None,
) -> Array:  # fmt: skip
    """How differently the features of a network go together in predictions and targets, wherever they lie.

    As ``perceptual_loss``, but what is compared of activations (n, ..., channels) is ``gram_matrix`` of them.

    Source: Gatys, Ecker & Bethge (2016), Image style transfer using convolutional neural networks.

    >>> x = jnp.ones((1, 4, 2))
    >>> float(style_loss(lambda x: {"all": x}, 2.0 * x, x, {"all": 0.5}))
    1.125
    """
    return _compared(extractor, predictions, targets, layers, loss, gram_matrix)


def gram_matrix(x: Any) -> Array:
    """The products of all pairs of channels of (n, ..., channels), over channels times positions: (n, c, c).

    >>> gram_matrix(jnp.ones((1, 3, 2))).tolist()
    [[[0.5, 0.5], [0.5, 0.5]]]
    """
    x = jnp.asarray(x)
    if x.ndim < 3:
        raise ValueError(f"activations must have shape (n, ..., channels), got {x.shape}")
    flat = x.reshape(x.shape[0], -1, x.shape[-1])
    products: Array = jnp.einsum("npc,npd->ncd", flat, flat) / (flat.shape[1] * flat.shape[2])
    return products


def load_weights(path: str | Path) -> dict[str, Array]:
    """Arrays by name from a safetensors file: never a pickle, which could run code."""
    path = weight_file(path)
    with needs("features"):
        from safetensors.numpy import load_file
    return {name: jnp.asarray(array) for name, array in load_file(path).items()}


def _compared(
    extractor: Extractor, predictions: Any, targets: Any, layers: Iterable[str] | Mapping[str, float],
    loss: LossFunction | None, described: Callable[[Array], Array],
) -> Array:  # fmt: skip
    shapes = jnp.shape(predictions), jnp.shape(targets)
    if shapes[0] != shapes[1]:
        raise ValueError(f"predictions and targets must have the same shape, got {shapes[0]} and {shapes[1]}")
    weights = layers if isinstance(layers, Mapping) else dict.fromkeys(layers, 1.0)
    if not weights:
        raise ValueError("layers must name at least one layer")
    wanted = extractor(jax.lax.stop_gradient(jnp.asarray(targets)))
    seen = extractor(jnp.asarray(predictions))
    compare = MeanSquaredError() if loss is None else loss
    total = jnp.zeros(())
    for name, weight in weights.items():
        if name not in seen:
            raise ValueError(f"the extractor answers no layer {name!r}.{nearest(name, seen)}")
        total = total + weight * compare(
            described(jax.lax.stop_gradient(wanted[name])), described(seen[name])
        )
    return total
