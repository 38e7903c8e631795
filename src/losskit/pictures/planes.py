"""What a map of a loss is drawn over: two logits, the probabilities of three classes, or two elements of a mask."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from losskit.errors import InputError
from losskit.loss import LossFunction
from losskit.registry import use_engine
from losskit.structures import RowLoss
from losskit.structures.gaps import GapLoss
from losskit.structures.overlap import MaskLoss

Array = NDArray[np.float64]
Arguments = Callable[[Any, Array], tuple[Any, Any]]
"""arguments(loss, point) -> (y_true, y_pred), where y_pred has the point's numbers in their order."""

CORNERS = np.array([[0.5, np.sqrt(0.75)], [0.0, 0.0], [1.0, 0.0]])
"""Where each of three classes is certain: the first on top."""

SHARES = (0.6, 0.3, 0.1)
"""The target of losses of distributions."""


@dataclass(frozen=True)
class Plane:
    """Two axes of predictions, and how a loss is asked at a point of them."""

    title: str
    names: tuple[str, ...]
    """Of the two axes, or of the three corners of a triangle."""
    low: float
    high: float
    arguments: Arguments
    target: tuple[float, ...] | None = None
    """The prediction that is the target itself, where it lies in the plane and not at its edge."""

    @property
    def is_triangle(self) -> bool:
        """Whether its points are the shares of three classes."""
        return len(self.names) == 3

    def points(self, count: int) -> Array:
        """Points of the plane, ``count`` along a side, each as the numbers of a prediction."""
        if not self.is_triangle:
            side = np.linspace(self.low, self.high, count)
            return np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
        steps = np.array([(i, j, count - 1 - i - j) for i in range(count) for j in range(count - i)])
        inside = self.low + (1.0 - 3.0 * self.low) * steps / (count - 1)
        return np.asarray(inside / inside.sum(axis=1, keepdims=True))

    def places(self, points: Array) -> Array:
        """Where points are drawn: x and y."""
        return points @ CORNERS if self.is_triangle else points


@use_engine("numpy")  # a picture is worth no kernel
def sampled(loss: LossFunction, plane: Plane, points: Array) -> tuple[Array, Array]:
    """The loss at points, and its derivative in the numbers of each."""
    values, slopes = np.empty(len(points)), np.empty(points.shape)
    for i, point in enumerate(points):
        try:
            value, slope = loss.value_and_derivative(*plane.arguments(loss, point))
        except (ValueError, TypeError, NotImplementedError) as error:
            why = " ".join(str(error).split())
            raise InputError(f"{loss!r} has no map: {why}") from error
        values[i], slopes[i] = np.ravel(value)[0], np.ravel(slope)
    return values, slopes


def _row(loss: Any, point: Array) -> tuple[Any, Any]:
    """A row whose target is its first class."""
    by_index = not isinstance(loss, RowLoss) or loss.form.target == "index"
    return np.array([0]) if by_index else np.eye(1, len(point)), point[None]


def _shares(loss: Any, point: Array) -> tuple[Any, Any]:
    return np.array([SHARES]), point[None]


def _mask(loss: Any, point: Array) -> tuple[Any, Any]:
    """One sample of one class: an element inside of the region, and one outside."""
    return np.array([[[1.0, 0.0]]]), point[None, None]


_ELEMENTS = ("of an element inside of the region", "of one outside")

LOGITS = Plane("two classes", ("logit of the true class", "logit of the other"), -4.0, 4.0, _row)
SIMPLEX = Plane("three classes", ("the true class", "another", "a third"), 0.004, 1.0, _row)
DISTRIBUTIONS = Plane(
    "a distribution over three classes", tuple(f"class {i}: {p:g}" for i, p in enumerate(SHARES)), 0.004, 1.0, _shares,
    target=SHARES,
)  # fmt: skip
PROBABILITIES = Plane(
    "a mask of two elements", tuple(f"probability {name}" for name in _ELEMENTS), 0.002, 0.998, _mask
)
SCORES = Plane("a mask of two elements", tuple(f"score {name}" for name in _ELEMENTS), -4.0, 4.0, _mask)


def plane_of(loss: LossFunction) -> Plane:
    """The plane on which a loss has a map.

    >>> from losskit import catalogue
    >>> plane_of(catalogue.parse("dice + iou")).title
    'a mask of two elements'
    """
    planes = {_plane(loss, part) for _, part in loss.weighted_terms()}
    if len(planes) > 1:
        raise InputError(f"{loss!r} has no map: its terms are functions of different things.")
    return planes.pop()


def _plane(loss: LossFunction, part: LossFunction) -> Plane:
    if isinstance(part, MaskLoss):
        return PROBABILITIES if part.link == "probability" else SCORES
    if isinstance(part, GapLoss):
        return LOGITS
    if isinstance(part, RowLoss):
        link, target = part.form.link, part.form.target
        if link == "softmax":
            return LOGITS
        if link == "probability":
            return DISTRIBUTIONS if target == "distribution" else SIMPLEX
    raise InputError(
        f"{loss!r} has no map: it is drawn for losses of rows of classes and of masks; "
        "losskit plot without --map draws this one."
    )
