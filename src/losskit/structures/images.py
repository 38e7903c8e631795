"""Losses of images: arrays (n, ..., height, width), one term an image."""

from functools import cached_property
from typing import Any, ClassVar

from losskit.structures.arrays import ArrayLoss


class VariationLoss(ArrayLoss):
    """A loss of an image's own differences between neighbours on its last two axes.

    A subclass says how the two differences at a pixel are measured together: ``kind`` "anisotropic" for
    the sum of their sizes, "isotropic" for the length of the vector that they are.
    """

    structure: ClassVar[str] = "variation"
    arguments: ClassVar[tuple[str, ...]] = ("y_pred",)
    kind: str

    def example(self, random: Any, n: int) -> tuple[Any, ...]:
        return (random.random((n, 1, 3, 4)),)


class SimilarityOfImagesLoss(ArrayLoss):
    """A loss of the structural similarity of two images, in windows, at one or several scales.

    A subclass answers ``window_weights``, the weights of a window along an axis, ``constants`` (C1, C2),
    and ``scale_weights``, the exponent of each scale from the finest to the coarsest; None for one scale
    without exponent.
    """

    structure: ClassVar[str] = "ssim"

    @cached_property
    def window_weights(self) -> tuple[float, ...]:
        """Of a window along an axis; they sum to 1 and are symmetric."""
        raise NotImplementedError

    @cached_property
    def constants(self) -> tuple[float, float]:
        """(C1, C2), which keep the quotients finite where an image is 0 or flat."""
        raise NotImplementedError

    @cached_property
    def scale_weights(self) -> tuple[float, ...] | None:
        """The exponents of the scales."""
        return None
