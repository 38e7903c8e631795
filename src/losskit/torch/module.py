"""Losses as modules: ``module(input, target)``, predictions first, as everything in torch.nn is called."""

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor

from losskit.engines.torch.ready import Ready
from losskit.loss import LossFunction
from losskit.structures import RowLoss

P = ParamSpec("P")
R = TypeVar("R")

_SHOWN = 8
"""Class weights that a repr shows."""


class LossModule(torch.nn.Module):
    """A loss as a module: one of losskit's, a sum of them, or one of your own.

    >>> import losskit as lk
    >>> module = LossModule(0.7 * lk.HuberLoss() + 0.3 * lk.MeanSquaredError())
    >>> module(torch.tensor([3.0]), torch.tensor([0.0]))
    tensor(4.4500)

    ``module(input, target)`` takes, by name, ``sample_weight`` and ``mask`` as every loss of losskit does,
    and ``num_items``: what a mean is divided by, in the place of the total weight. That is the right
    denominator where a batch comes in parts, as under gradient accumulation.

    Class weights are a buffer: they move with the module and are saved with it. What a loss refuses, and
    an index out of range, is an error in eager code; under ``torch.compile``, ``torch.func`` and ``vmap``,
    which cannot raise for values, the answer is NaN.
    """

    class_weights: Tensor | None

    def __init__(self, loss: LossFunction, *, weights_like: Tensor | None = None) -> None:
        super().__init__()
        if not isinstance(loss, LossFunction):
            raise TypeError(f"loss must be a losskit loss, got {type(loss).__name__}")
        weights = loss.form.class_weights if isinstance(loss, RowLoss) else None
        dtype = torch.get_default_dtype() if weights_like is None else weights_like.dtype
        device = None if weights_like is None else weights_like.device
        buffer = None if weights is None else torch.tensor(weights, dtype=dtype, device=device)
        self.register_buffer("class_weights", buffer)
        self._ready = Ready(loss)

    @property
    def loss(self) -> LossFunction:
        """The loss as losskit has it, which takes NumPy arrays and tensors, targets first."""
        return self._ready.loss

    @property
    def reduction(self) -> str:
        """mean, sum or none."""
        return self.loss.reduction

    def forward(
        self, input: Any, target: Any, *, sample_weight: Any = None, mask: Any = None, num_items: Any = None
    ) -> Tensor:
        """The loss: a scalar, or one number a term with ``reduction="none"``."""
        return answered(self._ready, input, target, sample_weight, mask, self.class_weights, num_items)

    def extra_repr(self) -> str:
        parameters = self.loss.parameters()
        if self.loss.weighted_terms() != ((1.0, self.loss),):  # a sum is known by its terms
            common = {k: parameters[k] for k in ("reduction", "validate", "empty")}
            return f"{self.loss!r}, {shown(common)}"
        own = self.loss.form.class_weights if isinstance(self.loss, RowLoss) else None
        buffered = {k: self.class_weights for k, v in parameters.items() if own is not None and v == own}
        return shown(parameters | buffered)


def in_words_of_torch(function: Callable[P, R]) -> Callable[P, R]:
    """The function with ``y_pred`` called input, ``y_true`` target in the errors that it raises."""

    @functools.wraps(function)
    def translated(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except (TypeError, ValueError, IndexError) as error:
            if torch.compiler.is_compiling():
                raise
            message = str(error).replace("y_pred", "input").replace("y_true", "target")
            raise type(error)(message).with_traceback(error.__traceback__) from None

    return translated


@in_words_of_torch
def answered(
    ready: Ready, input: Any, target: Any, sample_weight: Any = None, mask: Any = None,
    class_weights: Tensor | None = None, num_items: Any = None,
) -> Tensor:  # fmt: skip
    """What a loss answers to a module's arguments."""
    if num_items is not None and ready.loss.reduction != "mean":
        raise ValueError(f"num_items is the denominator of a mean, but reduction={ready.loss.reduction!r}")
    return ready(target, input, sample_weight, mask, class_weights, num_items)


def shown(parameters: dict[str, Any]) -> str:
    """Parameters as a constructor takes them; of many weights the first."""
    return ", ".join(f"{name}={_text(value)}" for name, value in parameters.items())


def _text(value: Any) -> str:
    if isinstance(value, Tensor):
        value = tuple(value.detach().reshape(-1)[: _SHOWN + 1].tolist()) + (0,) * max(
            0, value.numel() - _SHOWN - 1
        )
    if isinstance(value, tuple) and value and all(isinstance(v, int | float) for v in value):
        more = f", ... {len(value)} numbers" if len(value) > _SHOWN else ""
        return "[" + ", ".join(f"{v:.6g}" for v in value[:_SHOWN]) + more + "]"
    return repr(value)
