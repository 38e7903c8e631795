"""A module class for each loss class, made from it."""

import inspect
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from torch import Tensor

from losskit.catalogue import all_losses
from losskit.loss import LossFunction
from losskit.parameters import signature_of
from losskit.structures import ArrayLoss
from losskit.torch.array_module import ArrayModule, names_of
from losskit.torch.module import LossModule


class Generated(LossModule):
    """A module of one loss class, constructed with the parameters of the loss."""

    loss_class: ClassVar[type[LossFunction]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        weights = [v for v in (*args, *kwargs.values()) if isinstance(v, Tensor) and v.dim() == 1]
        super().__init__(self.loss_class(*args, **kwargs), weights_like=weights[0] if weights else None)


class GeneratedOfArrays(Generated, ArrayModule):
    """A module of one class of losses of whole arrays."""


def modules(home: str, taken: Iterable[str]) -> Iterator[type[Generated]]:
    """A class a built-in loss, but for names that are taken; they say that they live in the module ``home``."""
    reserved = set(taken)
    for loss in all_losses():
        if loss.__module__.startswith("losskit.losses.") and loss.__name__ not in reserved:
            yield module_class(loss, home)


def module_class(loss: type[LossFunction], home: str) -> type[Generated]:
    """The module class of one loss class."""
    text = inspect.cleandoc(loss.__doc__ or "").partition("\n>>>")[0].rstrip()
    names = ", ".join(names_of(loss)) if issubclass(loss, ArrayLoss) else "input, target"
    doc = f"{text}\n\nCalled with ({names}), as ``losskit.torch.LossModule`` says; of ``losskit.{loss.__name__}``."
    members = {"loss_class": loss, "__doc__": doc, "__module__": home, "__signature__": signature_of(loss)}
    return type(loss.__name__, (GeneratedOfArrays if issubclass(loss, ArrayLoss) else Generated,), members)
