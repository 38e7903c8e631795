"""A loss made ready for repeated calls, eager or traced: what a module holds."""

import copy
from dataclasses import replace
from typing import Any

from torch import Tensor

from losskit.engines.torch import composite
from losskit.engines.torch.array_composite import make_ready
from losskit.engines.torch.evaluate import evaluate, summed
from losskit.engines.torch.paths import is_traced
from losskit.engines.torch.reductions import divided
from losskit.loss import LossFunction, WeightedSum
from losskit.registry import Wanted
from losskit.structures import ArrayLoss, RowLoss, RuleLoss

_VALUE = Wanted(value=True)


class Ready:
    """A loss whose rules are bound to torch beforehand, since a compiler cannot trace the binding."""

    def __init__(self, loss: LossFunction) -> None:
        self.loss = loss
        self._bounds = composite.bounds_of(loss) if isinstance(loss, RuleLoss | WeightedSum) else None
        if isinstance(loss, ArrayLoss):
            make_ready(loss)
        self._seen: tuple[Tensor | None, int | None] = None, None
        self._weighted = loss

    def __reduce__(self) -> Any:
        return Ready, (self.loss,)

    def __call__(
        self, y: Any, p: Any, sample_weight: Any = None, mask: Any = None, class_weights: Tensor | None = None,
        num_items: Any = None,
    ) -> Tensor:  # fmt: skip
        """The loss, with these class weights in the place of its own, and this denominator of a mean."""
        if is_traced() or (class_weights is not None and not class_weights.is_cpu):
            bounds = self._bounds or composite.bounds_of(self.loss)
            return composite.total(bounds, (y, p), sample_weight, mask, class_weights, num_items)
        loss = self.loss if class_weights is None else self._with(class_weights)
        if num_items is None:
            return evaluate(loss, (y, p), _VALUE, sample_weight, mask).value  # type: ignore[no-any-return]
        total = evaluate(summed(loss), (y, p), _VALUE, sample_weight, mask).value
        return divided(total, num_items, loss.empty)

    def _with(self, class_weights: Tensor) -> LossFunction:
        """The loss with class weights as they now are in a buffer, which may have been loaded or moved."""
        version = None if class_weights.is_inference() else class_weights._version
        if self._seen[0] is not class_weights or self._seen[1] != version:
            values = tuple(class_weights.double().tolist())
            assert isinstance(self.loss, RowLoss)
            self._weighted = copy.copy(self.loss)
            self._weighted.__dict__["form"] = replace(self.loss.form, class_weights=values)
            self._seen = class_weights, version
        return self._weighted
