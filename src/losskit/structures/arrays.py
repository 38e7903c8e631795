"""Losses whose terms are functions of whole arrays: vectors, boxes, masks, sets, sequences."""

from collections.abc import Mapping
from typing import Any, ClassVar

from losskit.loss import ManyArguments


class ArrayLoss(ManyArguments):
    """A loss of whole arrays. Subclass one of its structures, not this class.

    A structure says what its arguments are; the array formula and the kernel of that structure, among
    the engines, say how they are evaluated. Arguments are taken by place or by name, in the order of
    ``arguments``; where several are differentiable, ``derivative`` answers with a tuple.
    """

    differentiable: ClassVar[tuple[str, ...]] = ("y_pred",)
    """The arguments that have a derivative, in order."""
    indices: ClassVar[tuple[str, ...]] = ()
    """The arguments that are integers: labels, lengths."""
    weighting: ClassVar[str] = "terms"
    """What ``sample_weight`` and ``mask`` weigh: whole "terms"; the "elements" of the arguments, inside of
    the sums that a term is made of; the "points" of the predictions alone, which the formula leaves out
    by itself; or terms by weight and the "items" of each by mask."""
    term_axis: ClassVar[Mapping[str, int | None]] = {}
    """Where the axes of the terms begin in an argument, if not at 0; None where it belongs to no single term."""
    recursive: ClassVar[bool] = False
    """Whether it is evaluated step after step, which a compiler would unroll."""
    torch_order: ClassVar[tuple[str, ...] | None] = None
    """The order of the arguments in losskit.torch: predictions first where it is None."""

    @property
    def merges_sums(self) -> bool:
        """Whether parts are the sums that terms are functions of, in place of sums of terms."""
        return False

    def example(self, random: Any, n: int) -> tuple[Any, ...]:
        """Ordinary arguments with ``n`` terms, as data have them, drawn from NumPy's generator ``random``."""
        raise NotImplementedError(f"{type(self).__name__} has no example of its arguments")
