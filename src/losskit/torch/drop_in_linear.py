"""The drop-in of torch.nn that holds a linear layer and takes the cross-entropy of its outputs."""

import math
from typing import Any, ClassVar

import torch
from torch import Tensor

from losskit.engines.torch.array_composite import make_ready
from losskit.engines.torch.reductions import divided
from losskit.losses.linear import LinearCrossEntropy
from losskit.torch.array_module import answered
from losskit.torch.drop_in import CrossEntropyLoss, DropIn, reduction_of

IGNORED = -100
"""The class index that torch ignores unless told otherwise."""


class LinearCrossEntropyLoss(DropIn):
    """torch.nn.LinearCrossEntropyLoss: cross-entropy of the outputs of a linear layer that it holds.

    Logits exist a tile of rows at a time, whatever ``options`` says, which is taken and not used; backward
    may be called twice, and every transform works. With ``out_features`` the logits are stored whole.
    As in torch, the mean of weighted classes divides by the sum of the weights of the targets, for
    probabilities by the number of rows; where everything is ignored the loss is 0, not NaN. Compiled
    code takes ``weight`` as it was when the module was made or last called in eager code.
    """

    weight: Tensor | None
    constants: ClassVar[tuple[str, ...]] = (
        "in_features", "num_classes", "out_features", "bias", "reduction", "ignore_index", "label_smoothing",
    )  # fmt: skip

    def __init__(
        self, in_features: int, num_classes: int, *, out_features: tuple[int, ...] = (), bias: bool = False,
        device: Any = None, dtype: Any = None, reduction: str = "mean", weight: Tensor | None = None,
        ignore_index: int | None = None, label_smoothing: float = 0.0, options: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if weight is not None and weight.shape != (num_classes,):
            raise ValueError(f"weight must be of shape ({num_classes},), got {tuple(weight.shape)}")
        self.in_features, self.num_classes, self.out_features = in_features, num_classes, tuple(out_features)
        self.bias, self.options = bias, options
        self.reduction = reduction_of(None, None, reduction)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing
        self.hold(weight=weight)
        rows = math.prod(self.out_features, start=num_classes)
        self.linear = torch.nn.Linear(in_features, rows, bias=bias, device=device, dtype=dtype)
        self._loss = self._with(weight)
        whole = CrossEntropyLoss(
            ignore_index=self._ignored(), reduction=reduction, label_smoothing=label_smoothing
        )
        self._of_logits = whole._of_rows  # the module itself would hold the weights a second time

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss."""
        if self.out_features:
            shape = (*input.shape[:-1], self.num_classes, *self.out_features)
            return self._of_logits(self.linear(input).reshape(shape), target, self.weight, None)
        arguments = target, input, self.linear.weight, self.linear.bias
        loss = self._loss_of(target)
        if self.weight is None or target.is_floating_point() or self.reduction != "mean":
            return answered(loss, arguments)
        counted = target.ne(self._ignored())
        weights = self.weight[torch.where(counted, target, 0).clamp(0, self.num_classes - 1)]
        total = answered(loss.replace(reduction="sum"), arguments)
        return divided(total, torch.where(counted, weights, 0.0).sum(), loss.empty)

    def _ignored(self) -> int:
        return IGNORED if self.ignore_index is None else self.ignore_index

    def _loss_of(self, target: Tensor) -> LinearCrossEntropy:
        """The loss with the weights as they are now, for one kind of targets or the other."""
        eager = self.weight is not None and not torch.compiler.is_compiling()
        if eager and self._loss.class_weights != tuple(self.weight.tolist()):  # type: ignore[union-attr]
            self._loss = self._with(self.weight)
        if not target.is_floating_point():
            return self._loss
        return self._loss.replace(targets="distribution", ignore_index=None)  # type: ignore[no-any-return]

    def _with(self, weight: Tensor | None) -> LinearCrossEntropy:
        loss = LinearCrossEntropy(
            self.label_smoothing,
            class_weights=None if weight is None else tuple(weight.tolist()),
            ignore_index=self._ignored(),
            reduction=self.reduction,
            validate=False,
        )
        make_ready(loss)
        return loss
