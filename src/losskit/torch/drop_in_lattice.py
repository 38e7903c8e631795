"""The drop-in of torch.nn for label sequences without places: CTCLoss."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from losskit.engines.torch.array_composite import make_ready
from losskit.losses.lattice import CTCLoss as _CTCLoss
from losskit.structures.lattice import padded
from losskit.torch.array_module import answered
from losskit.torch.drop_in import DropIn, reduction_of

Lengths = Tensor | tuple[int, ...] | list[int]


class CTCLoss(DropIn):
    """torch.nn.CTCLoss: log-probabilities (frames, batch, classes) against (batch, labels), or labels in a row.

    Called with (log_probs, targets, input_lengths, target_lengths); a single sequence has no batch axis.
    As in torch, a mean divides each sequence's loss by the length of its target first.

    The derivative is that in the log-probabilities, minus the share of the paths that have a class at a
    frame. torch answers the derivative in the logits behind a log-softmax: the same, once it has gone
    back through one. A target that no path spells has the gradient 0, where torch's is NaN. Labels in a row
    need lengths that are known, so not under ``torch.compile``.
    """

    constants: ClassVar[tuple[str, ...]] = ("blank", "reduction", "zero_infinity")

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False) -> None:
        super().__init__()
        self.blank, self.zero_infinity = blank, zero_infinity
        self.reduction = reduction_of(None, None, reduction)
        self._loss = _CTCLoss(
            blank, zero_infinity, validate=False, reduction="none" if reduction == "none" else "sum"
        )
        make_ready(self._loss)

    def forward(
        self, log_probs: Tensor, targets: Tensor, input_lengths: Lengths, target_lengths: Lengths
    ) -> Tensor:
        """The loss."""
        device = log_probs.device
        frames, lengths = (
            torch.as_tensor(n, device=device).reshape(-1) for n in (input_lengths, target_lengths)
        )
        alone = log_probs.dim() == 2
        if alone:
            log_probs, targets = log_probs.unsqueeze(1), targets.reshape(1, -1)
        elif targets.dim() == 1:
            targets = padded(targets, lengths.cpu().numpy())
        weight: Any = None
        if self.reduction == "mean":
            weight = 1.0 / (lengths.clamp(min=1) * lengths.shape[0]).to(log_probs.dtype)
        value = answered(self._loss, (targets, log_probs, lengths, frames), weight)
        return value[0] if alone and self.reduction == "none" else value
