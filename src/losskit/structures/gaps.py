"""Losses of how far the score of every other class comes near that of the target, or passes it."""

from typing import Any, ClassVar

from losskit.parameters import Legal, as_numbers, parameter
from losskit.structures.arrays import ArrayLoss


class GapLoss(ArrayLoss):
    """A loss of the gaps z_j - z_t of a row of scores, of shape (..., classes), with its class index t.

    Each gap costs max(0, margin + gap), or its square; a row costs the sum over the other classes, or the
    most that one of them does.
    """

    margin: float = parameter(default=1.0, at_least=0, doc="by how much the target's score should lead")
    squared: bool = parameter(default=False, kw_only=True, doc="the square of each hinge")
    class_weights: tuple[float, ...] | None = parameter(
        default=None, kw_only=True, optional=True, convert=lambda v: as_numbers("class_weights", v, Legal(at_least=0)),
        doc="a weight a class, applied to the rows of that target",
    )  # fmt: skip
    ignore_index: int | None = parameter(
        default=None, kw_only=True, optional=True, doc="target of rows that do not count"
    )

    structure: ClassVar[str] = "gaps"
    indices: ClassVar[tuple[str, ...]] = ("y_true",)

    @property
    def largest_only(self) -> bool:
        """Whether a row costs the most that one class does, and not the sum over all others."""
        raise NotImplementedError

    def example(self, random: Any, n: int) -> tuple[Any, ...]:
        classes = len(self.class_weights or (1.0,) * 4)
        return random.integers(0, classes, n), 2.0 * random.normal(size=(n, classes))
