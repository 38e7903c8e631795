"""Losses of a linear layer and the softmax over its outputs, whose logits are never stored whole."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from losskit.parameters import Legal, as_numbers, parameter
from losskit.rules import Term
from losskit.structures.arrays import ArrayLoss


class LinearLoss(ArrayLoss):
    """A loss of the rows of logits hidden @ weight.T + bias, one number a class.

    ``hidden`` is of shape (..., features), ``weight`` (classes, features) and ``bias`` (classes,) or left
    out. ``y_true`` are class indices of shape (...), or distributions of shape (..., classes) with
    ``targets="distribution"``. Rules take what those of a softmax row do: ``nll``, ``mean_nll`` or
    ``log_sum_exp``.
    """

    class_weights: tuple[float, ...] | None = parameter(
        default=None, kw_only=True, optional=True, convert=lambda v: as_numbers("class_weights", v, Legal(at_least=0)),
        doc="a weight a class, applied to its share of the loss",
    )  # fmt: skip
    ignore_index: int | None = parameter(
        default=None, kw_only=True, optional=True, doc="target of rows that do not count"
    )
    targets: str = parameter(
        default="index", kw_only=True, choices=("index", "distribution"), doc="what y_true holds"
    )

    structure: ClassVar[str] = "linear"
    arguments: ClassVar[tuple[str, ...]] = ("y_true", "hidden", "weight", "bias")
    differentiable: ClassVar[tuple[str, ...]] = ("hidden", "weight", "bias")
    optional: ClassVar[tuple[str, ...]] = ("bias",)
    term_axis: ClassVar[Mapping[str, int | None]] = {"weight": None, "bias": None}
    torch_order: ClassVar[tuple[str, ...] | None] = ("hidden", "weight", "y_true", "bias")

    @property
    def indices(self) -> tuple[str, ...]:  # type: ignore[override]
        """Targets are integers unless they are distributions."""
        return ("y_true",) if self.targets == "index" else ()

    def check_parameters(self) -> None:
        if self.ignore_index is not None and self.targets != "index":
            raise ValueError(
                f'ignore_index={self.ignore_index!r} is a class index: it needs targets="index"; '
                "rows of distributions are left out with mask="
            )

    def make_terms(self) -> tuple[Term, ...]:
        """The loss as coefficients times rule sets."""
        raise NotImplementedError(f"{type(self).__name__} does not say what rules it is made of")

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """What ``make_terms`` answers."""
        return self.make_terms()

    def example(self, random: Any, n: int) -> tuple[Any, ...]:
        features, classes = 3, 4 if self.class_weights is None else len(self.class_weights)
        hidden, weight, bias = (random.normal(size=s) for s in ((n, features), (classes, features), classes))
        labels = random.integers(0, classes, n)
        return labels if self.targets == "index" else np.eye(classes)[labels], hidden, weight, bias
