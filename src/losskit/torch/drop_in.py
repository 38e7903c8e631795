"""Modules under torch.nn's names, with its constructor arguments, shapes and meaning.

Where torch's answer is finite and right, theirs is the same, also for inputs that losskit's own losses
refuse: values outside a loss's domain are checked only where torch checks them, too. Two things are
never done: arrays are not broadcast against each other, and an empty set has no NaN for a mean but 0.
"""

from typing import Any, ClassVar

import torch
import torch.nn._reduction as legacy
from torch import Tensor

from losskit.engines.torch.array_composite import make_ready
from losskit.engines.torch.expansion import times
from losskit.engines.torch.ready import Ready
from losskit.engines.torch.reductions import divided
from losskit.losses.binary import BinaryCrossEntropy
from losskit.losses.residual import HuberLoss as _Huber
from losskit.losses.residual import MeanAbsoluteError, MeanSquaredError
from losskit.losses.residual import SmoothL1Loss as _SmoothL1
from losskit.losses.softmax import LabelSmoothingCrossEntropy
from losskit.structures import RowLoss
from losskit.torch.module import LossModule, answered, shown
from losskit.torch.rules import Divergence, LogLoss, LogProbability

REDUCTIONS = ("none", "mean", "sum")


def reduction_of(
    size_average: bool | None, reduce: bool | None, reduction: str, more: tuple[str, ...] = ()
) -> str:
    """The reduction that torch's arguments ask for, the two deprecated ones first, with its warning."""
    if size_average is not None or reduce is not None:
        return legacy.legacy_get_string(size_average, reduce)
    if reduction not in (*REDUCTIONS, *more):
        raise ValueError(
            f"reduction must be one of {', '.join(map(repr, (*REDUCTIONS, *more)))}, got {reduction!r}"
        )
    return reduction


class L1Loss(LossModule):
    """torch.nn.L1Loss: the absolute error."""

    def __init__(
        self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__(MeanAbsoluteError(reduction=reduction_of(size_average, reduce, reduction)))


class MSELoss(LossModule):
    """torch.nn.MSELoss: the squared error."""

    def __init__(
        self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__(MeanSquaredError(reduction=reduction_of(size_average, reduce, reduction)))


class HuberLoss(LossModule):
    """torch.nn.HuberLoss; losskit.HuberLoss is the same loss, but takes ``delta`` first."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(_Huber(delta, reduction=reduction_of(None, None, reduction)))


class SmoothL1Loss(LossModule):
    """torch.nn.SmoothL1Loss; losskit.SmoothL1Loss is the same loss, but takes ``beta`` first."""

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        beta: float = 1.0,
    ) -> None:
        super().__init__(_SmoothL1(beta, reduction=reduction_of(size_average, reduce, reduction)))


class DropIn(torch.nn.Module):
    """What the drop-ins have in common that are more than one loss of losskit."""

    constants: ClassVar[tuple[str, ...]] = ("reduction",)
    """Arguments of the constructor that a repr shows, less the weights."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        if "_loss" in state:
            make_ready(state["_loss"])  # what a loss is bound to is not saved with it

    def extra_repr(self) -> str:
        return shown(dict(self.named_buffers()) | {k: getattr(self, k) for k in self.constants})

    def hold(self, **weights: Tensor | None) -> None:
        """Keep weights as buffers, under torch's names."""
        for name, weight in weights.items():
            if weight is not None and not isinstance(weight, Tensor):
                raise TypeError(
                    f"{name} must be a tensor, got {type(weight).__name__}: pass torch.tensor({name})"
                )
            self.register_buffer(name, weight)


class BCELoss(DropIn):
    """torch.nn.BCELoss: binary cross-entropy of probabilities, times ``weight``; the mean is over all elements.

    torch clamps log p at -100 and its slope at 1e12; here p is floored at the smallest normal number
    instead: log 0 is -87.3 in float32 and -708.4 in float64, and the slope there is 1/p.
    """

    weight: Tensor | None

    def __init__(
        self, weight: Tensor | None = None, size_average: bool | None = None, reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:  # fmt: skip
        super().__init__()
        self.reduction = reduction_of(size_average, reduce, reduction)
        self.hold(weight=weight)
        self._plain, self._each = (Ready(LogLoss(reduction=r)) for r in (self.reduction, "none"))

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss."""
        if self.weight is None:
            return answered(self._plain, input, target)
        return reduced(answered(self._each, input, target) * self.weight, self.reduction)


class BCEWithLogitsLoss(DropIn):
    """torch.nn.BCEWithLogitsLoss: binary cross-entropy of logits, times ``weight``; the mean is over all elements.

    ``pos_weight`` multiplies the part of the positive class and is broadcast against the target, most
    often one number a class on the last axis. The derivative is exact in both tails.
    """

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(
        self, weight: Tensor | None = None, size_average: bool | None = None, reduce: bool | None = None,
        reduction: str = "mean", pos_weight: Tensor | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.reduction = reduction_of(size_average, reduce, reduction)
        self.hold(weight=weight, pos_weight=pos_weight)
        loss = BinaryCrossEntropy(from_logits=True, validate=False, reduction=self.reduction)
        self._plain, self._each = Ready(loss), Ready(loss.replace(reduction="none"))

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss."""
        if self.weight is None and self.pos_weight is None:
            return answered(self._plain, input, target)
        if self.pos_weight is None:
            terms = answered(self._each, input, target)
        else:  # the loss is linear in the target: a part of each class
            positive = answered(self._each, input, torch.ones_like(target, dtype=input.dtype))
            negative = answered(self._each, input, torch.zeros_like(target, dtype=input.dtype))
            target = target.to(positive.dtype)
            terms = times(self.pos_weight * target, positive) + times(1.0 - target, negative)
        return reduced(terms if self.weight is None else terms * self.weight, self.reduction)


def reduced(terms: Tensor, reduction: str) -> Tensor:
    """The terms, their sum or their mean."""
    if reduction == "none":
        return terms
    total = terms.sum()
    return total if reduction == "sum" else divided(total, terms.numel(), "zero")


class CrossEntropyLoss(DropIn):
    """torch.nn.CrossEntropyLoss: softmax cross-entropy of logits; classes on axis 1, or 0 of a single row.

    Targets are class indices or probabilities of the input's shape. As in torch, the mean of weighted
    classes divides by the sum of the weights of the targets, for probabilities by the number of rows.
    Where everything is ignored the loss is 0 with a gradient of 0, not NaN; a logit of -inf where the
    target is 0 costs nothing. ``num_items`` is another denominator of the mean.
    """

    weight: Tensor | None
    constants: ClassVar[tuple[str, ...]] = ("ignore_index", "label_smoothing", "reduction")

    def __init__(
        self, weight: Tensor | None = None, size_average: bool | None = None, ignore_index: int = -100,
        reduce: bool | None = None, reduction: str = "mean", label_smoothing: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.reduction = reduction_of(size_average, reduce, reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        self.hold(weight=weight)
        self._of_rows = _OfRows(
            LabelSmoothingCrossEntropy(
                label_smoothing,
                from_logits=True,
                ignore_index=ignore_index,
                validate=False,
                reduction=self.reduction,
            )
        )

    def forward(self, input: Tensor, target: Tensor, *, num_items: Any = None) -> Tensor:
        """The loss."""
        return self._of_rows(input, target, self.weight, num_items)


class NLLLoss(DropIn):
    """torch.nn.NLLLoss: the negative of the target class's input, which holds log-probabilities.

    Classes are on axis 1, or 0 of a single row; a mean divides by the sum of the weights of the
    targets. Where everything is ignored the loss is 0, not NaN.
    """

    weight: Tensor | None
    constants: ClassVar[tuple[str, ...]] = ("ignore_index", "reduction")

    def __init__(
        self, weight: Tensor | None = None, size_average: bool | None = None, ignore_index: int = -100,
        reduce: bool | None = None, reduction: str = "mean",
    ) -> None:  # fmt: skip
        super().__init__()
        self.reduction = reduction_of(size_average, reduce, reduction)
        self.ignore_index = ignore_index
        self.hold(weight=weight)
        self._of_rows = _OfRows(
            LogProbability(ignore_index=ignore_index, validate=False, reduction=self.reduction)
        )

    def forward(self, input: Tensor, target: Tensor, *, num_items: Any = None) -> Tensor:
        """The loss."""
        return self._of_rows(input, target, self.weight, num_items)


class _OfRows:
    """A loss of rows with torch's class axis and torch's mean."""

    def __init__(self, loss: RowLoss) -> None:
        self.loss = loss
        self.at_axis = tuple(Ready(loss.replace(axis=axis)) for axis in (0, 1))
        self.sum_at_axis = tuple(Ready(loss.replace(axis=axis, reduction="sum")) for axis in (0, 1))

    def __call__(self, input: Tensor, target: Tensor, weight: Tensor | None, num_items: Any) -> Tensor:
        axis = 1 if input.dim() > 1 else 0
        own_mean = weight is None or target.shape == input.shape or num_items is not None
        if self.loss.reduction != "mean" or own_mean:
            return answered(self.at_axis[axis], input, target, class_weights=weight, num_items=num_items)
        total = answered(self.sum_at_axis[axis], input, target, class_weights=weight)
        assert weight is not None
        ignored = self.loss.form.ignore_index
        counted = torch.ones_like(target, dtype=torch.bool) if ignored is None else target.ne(ignored)
        weights = weight[torch.where(counted, target, 0).clamp(0, weight.shape[0] - 1)]
        return divided(total, torch.where(counted, weights, 0.0).sum(), self.loss.empty)


class KLDivLoss(DropIn):
    """torch.nn.KLDivLoss: target * (log(target) - input) of each element, input holding log-probabilities.

    "batchmean" is the Kullback-Leibler divergence, the mean over rows; "mean" divides by the number of
    classes as well. A target of 0 costs nothing, also where the input is -inf: torch has NaN there.
    """

    constants: ClassVar[tuple[str, ...]] = ("log_target", "reduction")

    def __init__(
        self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean",
        log_target: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.reduction = reduction_of(size_average, reduce, reduction, ("batchmean",))
        self.log_target = log_target
        own = "sum" if self.reduction == "batchmean" else self.reduction
        self._plain = Ready(Divergence(log_target, validate=False, reduction=own))

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss."""
        loss = answered(self._plain, input, target)
        rows = input.shape[0] if input.dim() else 1
        return divided(loss, rows, "zero") if self.reduction == "batchmean" else loss
