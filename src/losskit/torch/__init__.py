"""Losses for PyTorch: every loss of losskit as a module, and drop-ins under torch.nn's own names.

>>> import torch
>>> import losskit.torch as nn_losses
>>> criterion = nn_losses.LogCoshLoss()
>>> loss = criterion(torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor([0.0, 0.0]))
>>> loss.backward()
>>> criterion
LogCoshLoss(reduction='mean', validate=True, empty='zero')

A module is called ``module(input, target)``, where the losses themselves take the target first. The
names of torch.nn (``CrossEntropyLoss``, ``MSELoss``, ...) have its constructor arguments, shapes and
meaning; where torch and losskit use one name (``HuberLoss``, ``SmoothL1Loss``) it is torch's.
"""

from typing import TYPE_CHECKING, Any

from losskit.errors import needs

with needs("torch"):
    import torch as _torch  # noqa: F401

from losskit.torch.drop_in import (
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    HuberLoss,
    KLDivLoss,
    L1Loss,
    MSELoss,
    NLLLoss,
    SmoothL1Loss,
)
from losskit.torch.drop_in_columns import GaussianNLLLoss, MarginRankingLoss
from losskit.torch.drop_in_lattice import CTCLoss
from losskit.torch.drop_in_linear import LinearCrossEntropyLoss
from losskit.torch.drop_in_margins import (
    HingeEmbeddingLoss,
    MultiLabelMarginLoss,
    MultiLabelSoftMarginLoss,
    MultiMarginLoss,
    PoissonNLLLoss,
    SoftMarginLoss,
)
from losskit.torch.drop_in_pairs import CosineEmbeddingLoss, TripletMarginLoss
from losskit.torch.features import PerceptualLoss, StyleLoss
from losskit.torch.generated import modules
from losskit.torch.module import LossModule
from losskit.torch.penalties import gradient_penalty, r1_penalty
from losskit.torch.trainer import compute_loss_func

DROP_INS = (
    BCELoss, BCEWithLogitsLoss, CTCLoss, CosineEmbeddingLoss, CrossEntropyLoss, GaussianNLLLoss,
    HingeEmbeddingLoss, HuberLoss, KLDivLoss, L1Loss, LinearCrossEntropyLoss, MSELoss, MarginRankingLoss,
    MultiLabelMarginLoss, MultiLabelSoftMarginLoss, MultiMarginLoss, NLLLoss, PoissonNLLLoss, SmoothL1Loss,
    SoftMarginLoss, TripletMarginLoss,
)  # fmt: skip
"""The modules with torch.nn's names and meaning."""

GENERATED = tuple(modules(__name__, taken=[cls.__name__ for cls in DROP_INS]))
"""The modules made from losskit's own losses."""
globals().update({cls.__name__: cls for cls in GENERATED})

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """The modules made from the losses, which a type checker cannot see."""


__all__ = [  # pyright: ignore
    *(cls.__name__ for cls in (*DROP_INS, *GENERATED)),
    "LossModule", "PerceptualLoss", "StyleLoss", "compute_loss_func", "gradient_penalty", "r1_penalty",
]  # fmt: skip
