"""Drop-ins of torch.nn for pairs and triplets of vectors."""

from typing import ClassVar

import torch
from torch import Tensor

from losskit.engines.torch.array_composite import make_ready
from losskit.losses.pairs import CosineEmbeddingLoss as _CosineEmbedding
from losskit.losses.pairs import TripletLoss
from losskit.torch.array_module import answered
from losskit.torch.drop_in import DropIn, reduced, reduction_of


class CosineEmbeddingLoss(DropIn):
    """torch.nn.CosineEmbeddingLoss; losskit.CosineEmbeddingLoss is the same loss, but takes the labels first.

    Vectors of any scale are exact: torch adds 1e-12 to the squared lengths and its cosines of tiny
    vectors are 0. As in torch, a target that is neither 1 nor -1 costs nothing and counts for the mean.
    """

    constants: ClassVar[tuple[str, ...]] = ("margin", "reduction")

    def __init__(
        self, margin: float = 0.0, size_average: bool | None = None, reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:  # fmt: skip
        super().__init__()
        self.margin = margin
        self.reduction = reduction_of(size_average, reduce, reduction)
        self._each = _CosineEmbedding(margin, validate=False, reduction="none")
        make_ready(self._each)

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        """The loss."""
        terms = answered(self._each, (target, input1, input2), mask=target.abs() == 1)
        return reduced(terms, self.reduction)


class TripletMarginLoss(DropIn):
    """torch.nn.TripletMarginLoss: max(0, |a - p + eps| - |a - n + eps| + margin) in the norm of degree ``p``.

    With ``swap`` the negative is compared with the positive where it is nearer to that than to the
    anchor. Distances neither overflow nor underflow for p = 2; where a triplet has its margin exactly,
    the derivative is 0.
    """

    constants: ClassVar[tuple[str, ...]] = ("margin", "p", "eps", "swap", "reduction")

    def __init__(
        self, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6, swap: bool = False,
        size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean",
    ) -> None:  # fmt: skip
        super().__init__()
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap
        self.reduction = reduction_of(size_average, reduce, reduction)
        self._triplets = TripletLoss(margin, validate=False, reduction=self.reduction)
        make_ready(self._triplets)

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """The loss."""
        to_positive, to_negative = anchor - positive + self.eps, anchor - negative + self.eps
        if self.swap:
            between = positive - negative + self.eps
            nearer = self._norm(between.detach()) < self._norm(to_negative.detach())
            to_negative = torch.where(nearer.unsqueeze(-1), between, to_negative)
        if self.p == 2.0:  # differences from a common origin are triplets themselves
            return answered(self._triplets, (torch.zeros_like(to_positive), to_positive, to_negative))
        excess = self._norm(to_positive) - self._norm(to_negative)
        return reduced(torch.relu(excess + self.margin), self.reduction)

    def _norm(self, difference: Tensor) -> Tensor:
        length: Tensor = torch.linalg.vector_norm(difference, self.p, dim=-1)
        return length
