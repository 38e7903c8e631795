"""Losses for training loops that bring their own conventions."""

from typing import Any

from torch import Tensor

from losskit.loss import LossFunction
from losskit.losses.softmax import SparseCategoricalCrossEntropy
from losskit.torch.module import LossModule

IGNORED = -100
"""The label of tokens that do not count, in Hugging Face's data collators."""


def compute_loss_func(loss: LossFunction | LossModule | None = None, *, shift: bool = False) -> "TrainerLoss":
    """A loss for the ``compute_loss_func`` of Hugging Face's Trainer.

    The default is cross-entropy of the logits that ignores the label -100. ``shift=True`` compares each
    position's logits with the next position's label, as language models are trained. With the number of
    items that the Trainer counts over all micro-batches of a step as the denominator, gradient
    accumulation gives the gradient of the mean over the whole step, not a mean of means.

    >>> import torch
    >>> f = compute_loss_func()
    >>> logits, labels = torch.zeros(1, 3, 2), torch.tensor([[0, 1, -100]])
    >>> f({"logits": logits}, labels), f({"logits": logits}, labels, num_items_in_batch=4)
    (tensor(0.6931), tensor(0.3466))
    """
    if loss is None:
        loss = SparseCategoricalCrossEntropy(from_logits=True, ignore_index=IGNORED)
    return TrainerLoss(loss if isinstance(loss, LossModule) else LossModule(loss), shift)


class TrainerLoss:
    """``f(outputs, labels, num_items_in_batch=None)``."""

    def __init__(self, module: LossModule, shift: bool) -> None:
        self.module = module
        self.shift = shift

    def __call__(self, outputs: Any, labels: Tensor, num_items_in_batch: Any = None) -> Tensor:
        logits = _logits(outputs)
        if self.shift:
            logits, labels = logits[..., :-1, :], labels[..., 1:]
        if logits.shape == (*labels.shape, 1):  # a regression head of one output
            logits = logits.squeeze(-1)
        weights = self.module.class_weights
        if weights is not None and weights.device != logits.device:
            self.module.to(logits.device)  # no part of the model, so nobody else moves it
        return self.module(logits, labels, num_items=num_items_in_batch)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"compute_loss_func({self.module!r}, shift={self.shift})"


def _logits(outputs: Any) -> Tensor:
    if isinstance(outputs, Tensor):
        return outputs
    if isinstance(outputs, tuple | list):
        return outputs[0]  # type: ignore[no-any-return]
    try:
        return outputs["logits"]  # type: ignore[no-any-return]
    except (KeyError, TypeError):
        raise TypeError(
            f"the model's outputs must hold 'logits', or be a tensor or a tuple that starts with them; got "
            f"{type(outputs).__name__}"
        ) from None
