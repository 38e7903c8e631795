"""Losses that sum over every path through a table: of labels against frames, or of one sequence against another."""

from typing import Any, ClassVar

import numpy as np

from losskit.parameters import parameter
from losskit.structures.arrays import ArrayLoss


class LatticeLoss(ArrayLoss):
    """A loss of all paths through a table, each as likely as the scores it passes. Subclass one of the two below."""

    structure: ClassVar[str] = "lattice"
    recursive: ClassVar[bool] = True
    table: ClassVar[str]
    """What the table is made of: "labels" against frames, or a "sequences" against each other."""


class LabellingLoss(LatticeLoss):
    """A loss of frames of class scores against a shorter sequence of labels, whose places are not known.

    Predictions are (frames, batch, classes), as torch and the speech toolkits lay them out; targets
    are (batch, labels), padded with anything, or all labels in a row, one sequence after the other.
    Lengths are one a sequence, whole where they are left out. A term is one sequence.
    """

    arguments: ClassVar[tuple[str, ...]] = ("y_true", "y_pred", "target_lengths", "logit_lengths")
    indices: ClassVar[tuple[str, ...]] = ("y_true", "target_lengths", "logit_lengths")
    optional: ClassVar[tuple[str, ...]] = ("target_lengths", "logit_lengths")
    term_axis: ClassVar[dict[str, int | None]] = {"y_pred": 1}
    table: ClassVar[str] = "labels"

    blank: int = parameter(default=0, at_least=0, doc="the class that stands for no label")
    zero_infinity: bool = parameter(
        default=False, doc="a sequence that its frames cannot spell costs 0 instead of infinity"
    )
    from_logits: bool = parameter(
        default=False, kw_only=True, doc="predictions are logits, to be put through a softmax"
    )

    def _ordered(self, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
        targets, predictions, lengths, frames = super()._ordered(given, named)
        if lengths is not None:
            targets = targets if hasattr(targets, "shape") else np.asarray(targets)
            if len(targets.shape) == 1:
                targets = padded(targets, np.asarray(lengths))
        return targets, predictions, lengths, frames

    def example(self, random: Any, n: int) -> tuple[Any, ...]:
        frames, classes, most = 5, max(4, self.blank + 1), 2
        lengths = random.integers(1, most + 1, n)
        others = [c for c in range(classes) if c != self.blank]
        logits = 2.0 * random.standard_normal((frames, n, classes))
        if not self.from_logits:
            logits = logits - np.log(np.sum(np.exp(logits), axis=-1, keepdims=True))
        return random.choice(others, (n, most)), logits, lengths, random.integers(2 * most, frames + 1, n)


def padded(targets: Any, lengths: Any) -> Any:
    """Labels in a row, one sequence after the other, as one row a sequence; arrays of any framework.

    >>> padded(np.array([1, 2, 3]), np.array([2, 1]))
    array([[1, 2],
           [3, 3]])
    """
    total = len(targets)
    if lengths.ndim != 1 or lengths.sum() != total or (lengths < 0).any():
        raise ValueError(
            f"y_true holds {total} labels in a row, but target_lengths {lengths.tolist()} add up to "
            f"{lengths.sum()}; pass the lengths of all sequences, or labels of shape (batch, labels)"
        )
    starts = np.cumsum(lengths) - lengths
    places = starts[:, None] + np.arange(lengths.max(initial=0))
    return targets[np.minimum(places, total - 1).astype(np.int64)]


class AlignmentLoss(LatticeLoss):
    """A loss of two sequences of vectors, (..., length, features), whose lengths may differ.

    It sums over every way to step through both at once. A term is one pair of sequences.
    """

    differentiable: ClassVar[tuple[str, ...]] = ("y_true", "y_pred")
    torch_order: ClassVar[tuple[str, ...] | None] = ("y_pred", "y_true")
    table: ClassVar[str] = "sequences"

    gamma: float = parameter(default=1.0, at_least=0, doc="softness of the minimum over paths; 0 is hard")
    normalize: bool = parameter(
        default=False, doc="subtract half of each sequence's loss against itself: the divergence"
    )

    def example(self, random: Any, n: int) -> tuple[Any, ...]:
        return random.standard_normal((n, 3, 2)), random.standard_normal((n, 4, 2))
