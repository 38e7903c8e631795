"""Losses of whole arrays as modules: several inputs, predictions first."""

from typing import Any

from torch import Tensor

from losskit.engines.torch.array_evaluate import evaluate
from losskit.engines.torch.evaluate import summed
from losskit.engines.torch.reductions import divided
from losskit.loss import VALUE
from losskit.structures import ArrayLoss
from losskit.torch.module import LossModule, in_words_of_torch

_TORCH = {"y_pred": "input", "y_true": "target"}
_OURS = {name: ours for ours, name in _TORCH.items()}


class ArrayModule(LossModule):
    """A loss of whole arrays as a module, called with its arguments in torch's order, by place or by name."""

    def forward(
        self, *inputs: Any, sample_weight: Any = None, mask: Any = None, num_items: Any = None, **named: Any
    ) -> Tensor:
        """The loss: a scalar, or one number a term with ``reduction="none"``."""
        loss: Any = self.loss
        names = names_of(loss)
        if len(inputs) > len(names) or named.keys() & set(names[: len(inputs)]) or named.keys() - set(names):
            raise TypeError(f"{type(self).__name__} takes ({', '.join(names)}); got {len(inputs)} by place")
        given = dict(zip(names, inputs, strict=False)) | named
        arguments = loss._ordered((), {_OURS.get(name, name): x for name, x in given.items()})
        return answered(loss, arguments, sample_weight, mask, num_items)


def names_of(loss: ArrayLoss | type[ArrayLoss]) -> tuple[str, ...]:
    """A module's arguments: what is differentiated, then the rest, unless the structure says otherwise."""
    order = loss.torch_order
    if order is None:
        first = [n for n in loss.differentiable if n not in loss.optional]
        rest = [n for n in loss.arguments if n not in first and n not in loss.optional]
        order = (*first, *rest, *(n for n in loss.arguments if n in loss.optional))
    return tuple(_TORCH.get(name, name) for name in order)


@in_words_of_torch
def answered(
    loss: ArrayLoss,
    arguments: tuple[Any, ...],
    sample_weight: Any = None,
    mask: Any = None,
    num_items: Any = None,
) -> Tensor:
    """What a loss answers to a module's arguments."""
    if num_items is None:
        return evaluate(loss, arguments, VALUE, sample_weight, mask).value  # type: ignore[no-any-return]
    if loss.reduction != "mean":
        raise ValueError(f"num_items is the denominator of a mean, but reduction={loss.reduction!r}")
    total = evaluate(summed(loss), arguments, VALUE, sample_weight, mask).value
    return divided(total, num_items, loss.empty)
