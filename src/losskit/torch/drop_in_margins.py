"""Drop-ins of torch.nn for counts and for margins: one prediction at a time, or the scores of a row of classes."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from losskit.engines.torch.paths import is_known
from losskit.engines.torch.ready import Ready
from losskit.losses.binary import BinaryCrossEntropy
from losskit.losses.margin import LogisticLoss
from losskit.torch.drop_in import DropIn, reduced, reduction_of
from losskit.torch.module import LossModule, answered
from losskit.torch.rules import HingeEmbedding, Lead, PoissonNLL, SquaredLead


class PoissonNLLLoss(DropIn):
    """torch.nn.PoissonNLLLoss: e^input - target input, or input - target log(input + eps).

    ``full`` adds Stirling's formula for log target! where the target is above 1, as torch does;
    losskit.PoissonLoss(full=True) adds log target! itself.
    """

    constants: ClassVar[tuple[str, ...]] = ("log_input", "full", "eps", "reduction")

    def __init__(
        self, log_input: bool = True, full: bool = False, size_average: bool | None = None, eps: float = 1e-8,
        reduce: bool | None = None, reduction: str = "mean",
    ) -> None:  # fmt: skip
        super().__init__()
        self.log_input, self.full, self.eps = log_input, full, eps
        self.reduction = reduction_of(size_average, reduce, reduction)
        self._ready = Ready(PoissonNLL(log_input, full, eps, validate=False, reduction=self.reduction))

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss."""
        return answered(self._ready, input, target)


class SoftMarginLoss(LossModule):
    """torch.nn.SoftMarginLoss: log(1 + e^(-target input)), for any targets; exact for confident predictions."""

    def __init__(
        self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__(
            LogisticLoss(validate=False, reduction=reduction_of(size_average, reduce, reduction))
        )


class HingeEmbeddingLoss(DropIn):
    """torch.nn.HingeEmbeddingLoss: a distance for target 1, max(0, margin - input) for target -1.

    Where that is 0 exactly, so is the derivative; torch's is that of a positive loss.
    """

    constants: ClassVar[tuple[str, ...]] = ("margin", "reduction")

    def __init__(
        self, margin: float = 1.0, size_average: bool | None = None, reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:  # fmt: skip
        super().__init__()
        self.margin = margin
        self.reduction = reduction_of(size_average, reduce, reduction)
        self._ready = Ready(HingeEmbedding(margin, validate=False, reduction=self.reduction))

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss."""
        return answered(self._ready, input, target)


class MultiLabelSoftMarginLoss(DropIn):
    """torch.nn.MultiLabelSoftMarginLoss: binary cross-entropy of logits, its mean over the classes on the last axis."""

    weight: Tensor | None

    def __init__(
        self, weight: Tensor | None = None, size_average: bool | None = None, reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:  # fmt: skip
        super().__init__()
        self.reduction = reduction_of(size_average, reduce, reduction)
        self.hold(weight=weight)
        loss = BinaryCrossEntropy(from_logits=True, validate=False)
        self._mean, self._each = Ready(loss), Ready(loss.replace(reduction="none"))

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss."""
        if self.weight is None and self.reduction == "mean":
            return answered(self._mean, input, target)
        terms = answered(self._each, input, target)
        rows = (terms if self.weight is None else terms * self.weight).mean(-1)
        return reduced(rows, self.reduction)


class MultiMarginLoss(DropIn):
    """torch.nn.MultiMarginLoss: by how much the target's score fails to lead each other one, to the power ``p``.

    Σ_j max(0, margin - input[target] + input[j])^p / classes, times the target's weight. Where a lead is
    just enough the derivative is 0. A target out of range is an error, or NaN under a transform.
    """

    weight: Tensor | None
    constants: ClassVar[tuple[str, ...]] = ("p", "margin", "reduction")

    def __init__(
        self, p: int = 1, margin: float = 1.0, weight: Tensor | None = None, size_average: bool | None = None,
        reduce: bool | None = None, reduction: str = "mean",
    ) -> None:  # fmt: skip
        super().__init__()
        if p not in (1, 2):
            raise ValueError(f"p must be 1 or 2, got {p!r}")
        if weight is not None and weight.dim() != 1:
            raise ValueError(f"weight must have one axis, got shape {tuple(weight.shape)}")
        self.p, self.margin = p, margin
        self.reduction = reduction_of(size_average, reduce, reduction)
        self.hold(weight=weight)
        self._leads = Ready((Lead if p == 1 else SquaredLead)(margin, validate=False, reduction="none"))

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss."""
        if target.shape != input.shape[:-1]:
            raise ValueError(
                f"target must have input's shape without its classes, {tuple(input.shape[:-1])}; "
                f"got {tuple(target.shape)}"
            )
        safe, outside = _indices(target.unsqueeze(-1), input.shape[-1])
        own = input.gather(-1, safe).expand(input.shape)
        others = torch.arange(input.shape[-1], device=input.device) != safe
        terms = answered(self._leads, input, own, mask=others)
        if self.weight is not None:
            terms = terms * self.weight[safe]
        return reduced(_refused(terms, outside).mean(-1), self.reduction)


class MultiLabelMarginLoss(DropIn):
    """torch.nn.MultiLabelMarginLoss: by how much the targets' scores fail to lead all the others by 1.

    Targets are the indices of a row's classes up to the first -1, in any order and number.
    """

    def __init__(
        self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__()
        self.reduction = reduction_of(size_average, reduce, reduction)
        self._leads = Ready(Lead(validate=False, reduction="none"))

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss."""
        if target.shape != input.shape:
            raise ValueError(
                f"target must have input's shape {tuple(input.shape)}, got {tuple(target.shape)}"
            )
        classes = input.shape[-1]
        listed = (target >= 0).to(torch.int64).cumprod(-1).to(torch.bool)  # up to the first -1
        safe, outside = _indices(torch.where(listed, target, 0), classes)
        of_class = safe.unsqueeze(-1) == torch.arange(classes, device=input.device)
        wanted = (of_class & listed.unsqueeze(-1)).any(-2)
        pairs = (*input.shape, classes)  # (the targets, all classes)
        own = input.gather(-1, safe).unsqueeze(-1).expand(pairs)
        counted = listed.unsqueeze(-1) & ~wanted.unsqueeze(-2)
        terms = answered(self._leads, input.unsqueeze(-2).expand(pairs), own, mask=counted)
        return reduced(_refused(terms.sum(-1), outside).mean(-1), self.reduction)


def _indices(target: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Class indices that are safe to read by, and where an index was none: an error where that is known."""
    if target.is_floating_point():
        raise TypeError(f"target must hold class indices, integers; got {target.dtype}")
    labels = target.to(torch.int64)
    outside = (labels < 0) | (labels >= classes)
    if is_known(outside) and bool(outside.any()):
        first: Any = labels[outside][0].item()
        raise IndexError(f"target must be in 0..{classes - 1}, the classes of input; got {first}")
    return labels.clamp(0, max(classes - 1, 0)), outside


def _refused(terms: Tensor, outside: Tensor) -> Tensor:
    """NaN for rows with an index out of range, which a transform cannot raise for."""
    return terms + torch.where(outside, torch.nan, 0.0).to(terms.dtype)
