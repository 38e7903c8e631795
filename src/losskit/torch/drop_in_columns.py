"""Drop-ins of torch.nn whose losses take a few numbers at a time: the Gaussian likelihood and margin ranking.

As torch's, they have a derivative in every floating argument, the target included.
"""

from typing import ClassVar

import torch
from torch import Tensor

from losskit.engines.torch.array_composite import make_ready
from losskit.engines.torch.paths import is_known
from losskit.losses.likelihood_scale import GaussianNLLLoss as _Gaussian
from losskit.losses.ranking import MarginRankingLoss as _Ranking
from losskit.parameters import parameter
from losskit.rules import rule
from losskit.scalar import Scalar, where
from losskit.structures.columns import ColumnLoss
from losskit.torch.array_module import answered
from losskit.torch.drop_in import DropIn, reduction_of

_gaussian, _gaussian_slopes, _gaussian_curvatures = _Gaussian.value, _Gaussian.slopes, _Gaussian.curvatures
_ranking, _ranking_slopes, _ranking_curvatures = _Ranking.value, _Ranking.slopes, _Ranking.curvatures


class Gaussian(ColumnLoss):
    """The Gaussian likelihood with a derivative in the target, too."""

    full: bool = parameter(default=False, doc="add ½ log 2π")

    arguments: ClassVar = ("y_true", "mean", "variance")
    differentiable: ClassVar = arguments
    example: ClassVar = _Gaussian.example
    value: ClassVar = staticmethod(_gaussian)

    @rule
    def slopes(y: Scalar, mean: Scalar, variance: Scalar, full: Scalar) -> tuple[Scalar, ...]:
        in_mean, in_variance = _gaussian_slopes(y, mean, variance, full)
        return -in_mean, in_mean, in_variance

    @rule
    def curvatures(y: Scalar, mean: Scalar, variance: Scalar, full: Scalar) -> tuple[Scalar, ...]:
        in_mean, in_variance = _gaussian_curvatures(y, mean, variance, full)
        return in_mean, in_mean, in_variance


class Ranking(ColumnLoss):
    """Margin ranking with any margin and labels, and a derivative in the labels."""

    margin: float = parameter(default=0.0, doc="by how much the one score should exceed the other")

    arguments: ClassVar = ("y_true", "x1", "x2")
    differentiable: ClassVar = arguments
    example: ClassVar = _Ranking.example
    value: ClassVar = staticmethod(_ranking)

    @rule
    def slopes(y: Scalar, x1: Scalar, x2: Scalar, margin: Scalar) -> tuple[Scalar, ...]:
        in_x1, in_x2 = _ranking_slopes(y, x1, x2, margin)
        return where(_ranking(y, x1, x2, margin) > 0.0, x2 - x1, 0.0 * in_x1), in_x1, in_x2

    @rule
    def curvatures(y: Scalar, x1: Scalar, x2: Scalar, margin: Scalar) -> tuple[Scalar, ...]:
        none, _ = _ranking_curvatures(y, x1, x2, margin)
        return none, none, none


class GaussianNLLLoss(DropIn):
    """torch.nn.GaussianNLLLoss: ½ (log(var) + (input - target)²/var), with ``full`` also ½ log 2π.

    ``var`` is a number, or a tensor that may lack the last axis or have one of length 1, and counts as
    ``eps`` where it is below; its derivative there is that at ``eps``. losskit.GaussianNLLLoss refuses
    such variances instead. A negative one is an error, which compiled code cannot raise.
    """

    constants: ClassVar[tuple[str, ...]] = ("full", "eps", "reduction")

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__()
        self.full, self.eps = full, eps
        self.reduction = reduction_of(None, None, reduction)
        self._loss = Gaussian(full, reduction=reduction, validate=False)
        make_ready(self._loss)

    def forward(self, input: Tensor, target: Tensor, var: Tensor | float) -> Tensor:
        """The loss."""
        variance = _floored(_spread(var, input), self.eps)
        return answered(self._loss, (target, input, variance))


def _spread(var: Tensor | float, input: Tensor) -> Tensor:
    """The variance of each number of ``input``, as torch takes it."""
    if not isinstance(var, Tensor):
        var = torch.full_like(input, float(var), requires_grad=False)
    if is_known(var) and bool((var < 0.0).any()):
        raise ValueError("var has negative entry/entries")
    if var.shape == input.shape:
        return var
    if var.shape == input.shape[:-1]:
        return var.unsqueeze(-1).expand(input.shape)
    lengths = [n for n, m in zip(var.shape, input.shape, strict=False) if n != m]
    if var.dim() == input.dim() and lengths == [1]:
        return var.expand(input.shape)
    raise ValueError(
        f"var must be of input's shape {tuple(input.shape)}, or that without its last axis or with one axis of "
        f"length 1; got {tuple(var.shape)}"
    )


def _floored(var: Tensor, eps: float) -> Tensor:
    """At least ``eps``, but moving with ``var``: the clamp has no part in the derivative."""
    return torch.where(var < eps, eps + (var - var.detach()), var)


class MarginRankingLoss(DropIn):
    """torch.nn.MarginRankingLoss: max(0, margin - target (input1 - input2)); target 0 costs the margin.

    Where that is 0 exactly, so is the derivative; torch's is the one of a positive loss.
    """

    constants: ClassVar[tuple[str, ...]] = ("margin", "reduction")

    def __init__(
        self, margin: float = 0.0, size_average: bool | None = None, reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:  # fmt: skip
        super().__init__()
        self.margin = margin
        self.reduction = reduction_of(size_average, reduce, reduction)
        self._loss = Ranking(margin, reduction=self.reduction, validate=False)
        make_ready(self._loss)

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        """The loss."""
        return answered(self._loss, (target, input1, input2))
