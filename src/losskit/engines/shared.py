"""Sums whose losses need the same softmax: Dice and cross-entropy of the same logits."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from losskit.loss import WeightedSum
from losskit.structures import RowLoss
from losskit.structures.overlap import OverlapLoss


@dataclass(frozen=True)
class Shared:
    """A sum whose two losses need the softmax of the same logits."""

    overlap: OverlapLoss
    overlap_factor: float
    rows: RowLoss
    rows_factor: float


def shared_of(loss: WeightedSum, arguments: tuple[Any, ...]) -> Shared | None:
    """The two losses of such a sum; None for another, or where targets are no class indices."""
    if (
        len(loss.summands) != 2
        or loss.reduction == "none"
        or np.ndim(arguments[0]) != np.ndim(arguments[1]) - 1
    ):
        return None
    factors = {type(term).structure: (term, k) for k, term in loss.summands}
    (overlap, k), (rows, c) = factors.get("overlap", (None, 0.0)), factors.get("rows", (None, 0.0))
    if not (isinstance(overlap, OverlapLoss) and overlap.link == "softmax" and isinstance(rows, RowLoss)):
        return None
    form = rows.form
    alike = (
        form.link == "softmax"
        and form.axis == 1
        and form.shift is None
        and form.ignore_index == overlap.ignore_index
    )
    plain = form.target != "distribution" and all(t.rules.argument == "nll" for t in rows.index_terms)
    classes = {len(w) for w in (form.class_weights, overlap.class_weights) if w is not None}
    if not (alike and plain and classes <= {np.shape(arguments[1])[1]}):
        return None
    return Shared(overlap, k, rows, c)
