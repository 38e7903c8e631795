"""optax's loss of label sequences without places."""

import jax.numpy as jnp

from losskit.jax.shapes import Array, ArrayLike
from losskit.losses.lattice import CTCLoss


def ctc_loss(
    logits: ArrayLike,
    logit_paddings: ArrayLike,
    labels: ArrayLike,
    label_paddings: ArrayLike,
    *,
    blank_id: int = 0,
    log_epsilon: ArrayLike = -1e5,
) -> Array:
    """-log of the probability of each label sequence, of logits (batch, frames, classes); (batch,).

    Paddings are 1 where there is no frame, or no label, and 0 where there is; labels come before their
    padding. A sequence that its frames cannot spell costs ``-log_epsilon``, with a gradient of 0; that is
    all that ``log_epsilon`` is for, while optax adds it up in place of log 0.
    """
    z, absent = jnp.asarray(logits), jnp.asarray(logit_paddings) > 0.0
    order = jnp.argsort(absent, axis=1, stable=True)  # a frame left out within a sequence is skipped
    frames = jnp.moveaxis(jnp.take_along_axis(z, order[..., None], axis=1), 1, 0)
    lengths = [(jnp.asarray(p) <= 0.0).sum(axis=1) for p in (label_paddings, logit_paddings)]
    loss = CTCLoss(blank_id, from_logits=True, validate=False, reduction="none")
    value: Array = loss(jnp.asarray(labels), frames, *lengths)
    return jnp.where(jnp.isposinf(value), -jnp.asarray(log_epsilon, value.dtype), value)
