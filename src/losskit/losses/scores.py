"""Losses of a row of class scores that are no logarithms of probabilities."""

from typing import ClassVar

from losskit.about import CONVEX, ROBUST, About
from losskit.parameters import parameter
from losskit.structures.gaps import GapLoss


class CategoricalHingeLoss(GapLoss):
    r"""The hinge of many classes: how far other scores come within ``margin`` of the target's.

    ``kind="crammer_singer"`` is max(0, margin + max_{j≠t} z_j - z_t), Keras's CategoricalHinge for one-hot
    targets; ``kind="weston_watkins"`` is Σ_{j≠t} max(0, margin + z_j - z_t), of which torch's MultiMarginLoss
    is one C-th, with C classes. ``margin=0`` of the first is the perceptron's loss.

    y_true are class indices of shape (...), y_pred scores of shape (..., classes); a mean is over rows. An
    index out of range is an IndexError. At a kink the derivative is the subgradient of least size: other
    classes that tie for the largest score share it.

    >>> float(CategoricalHingeLoss().compute([0], [[2.0, 1.5, 0.0]]))
    0.5
    >>> float(CategoricalHingeLoss(kind="weston_watkins").compute([2], [[2.0, 1.5, 0.0]]))
    5.5

    Source: Crammer & Singer (2001), JMLR 2; Weston & Watkins (1999), ESANN.
    """

    kind: str = parameter(
        default="crammer_singer", kw_only=True, choices=("crammer_singer", "weston_watkins"),
        doc="the most that another class costs, or the sum over them",
    )  # fmt: skip

    @property
    def largest_only(self) -> bool:
        return self.kind == "crammer_singer"

    def traits(self) -> frozenset[str]:
        return frozenset({CONVEX} if self.squared else {CONVEX, ROBUST})

    about: ClassVar = About(
        formula=r"\max\left(0, m + \max_{j \ne t} \hat y_j - \hat y_t\right)",
        tasks={"multiclass"},
        traits={CONVEX, ROBUST},
        estimates="the most probable class, where one has more than half of the probability",
        strengths=("rows that are right by the margin no longer count",),
        weaknesses=(
            "scores are no probabilities",
            "where no class has half of the probability, its best prediction may be another one",
        ),
        uses=("support vector machines of many classes", "structured prediction"),
        references=(
            "Crammer & Singer (2001), Journal of Machine Learning Research 2",
            "Weston & Watkins (1999), ESANN",
        ),
        aliases=("multi_margin", "multiclass_hinge"),
        elsewhere=(
            "keras.losses.CategoricalHinge: the same, for one-hot targets and scores of at least 0",
            "optax.multiclass_hinge_loss: the same, unreduced",
            'torch.nn.MultiMarginLoss: kind "weston_watkins", divided by the number of classes',
            "sklearn.metrics.hinge_loss: the value alone",
        ),
    )
