"""Losses of masks: a region that was predicted against the one that is there."""

import inspect
from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar

from losskit.parameters import Legal, as_numbers, parameter
from losskit.structures.arrays import ArrayLoss

INTERACT = "its terms are functions of sums over many elements, and no sum over them"
NO_MERGE = (
    "it is a function of sums over all elements of a region, not a mean of anything over batches; pass what belongs "
    "together in one call"
)


def smooth_parameter(default: float) -> Any:
    """``smooth``, in the place that a loss's constructor gives it."""
    return parameter(
        default=default, at_least=0,
        doc="added to the overlap and to what it is divided by, in elements; with 0 two empty masks still cost 0",
    )  # fmt: skip


class MaskLoss(ArrayLoss):
    """A loss of predicted masks. Subclass one of its kinds, such as ``OverlapLoss``, not this class.

    Predictions have the shape (n, classes, *space), or any shape where nothing asks for classes:
    probabilities, or with ``from_logits`` scores that go through ``activation``. Targets are masks of
    the same shape with values in [0, 1], or class indices of the shape (n, *space).

    ``sample_weight`` and ``mask`` weigh elements inside of the sums: they have the shape of the
    predictions, or (n, *space) for class indices and for a softmax, whose classes stand or fall
    together; a leading part of the shape will do.
    """

    per: str = parameter(
        default="all", kw_only=True, choices=("all", "class", "sample", "sample_class"),
        doc="what a term sums over: everything, or each class, each sample, each class of each sample",
    )  # fmt: skip
    from_logits: bool = parameter(
        default=False, kw_only=True, doc="y_pred holds logits instead of probabilities"
    )
    activation: str = parameter(
        default="sigmoid", kw_only=True, choices=("sigmoid", "softmax"),
        doc="what makes probabilities of logits: a sigmoid each, or a softmax over the classes",
    )  # fmt: skip
    class_weights: tuple[float, ...] | None = parameter(
        default=None, kw_only=True, optional=True, convert=lambda v: as_numbers("class_weights", v, Legal(at_least=0)),
        doc="a weight a class: of its term, or of its share of a sum over several classes",
    )  # fmt: skip
    ignore_index: int | None = parameter(
        default=None, kw_only=True, optional=True, doc="target value whose elements are left out"
    )

    structure: ClassVar[str] = "overlap"
    weighting: ClassVar[str] = "elements"
    not_separable: ClassVar[str | None] = INTERACT
    measure: ClassVar[str]
    """How masks are compared; engines have a formula and a kernel for each measure."""
    hard: ClassVar[bool] = False
    """Whether targets are 0 or 1 and nothing between."""

    @property
    def not_mergeable(self) -> str | None:  # type: ignore[override]
        """Why parts do not merge: they do where each sample has terms of its own."""
        return None if "sample" in self.per else NO_MERGE

    @property
    def link(self) -> str:
        """What predictions are: a "probability", the argument of a "sigmoid" or "softmax", or a "score" as it is."""
        return self.activation if self.from_logits else self.plain

    @property
    def plain(self) -> str:
        """What predictions are that are no logits."""
        return "probability"

    @property
    def needs_classes(self) -> bool:
        """Whether axis 1 must be that of the classes, whatever the targets."""
        return "class" in self.per or self.link == "softmax" or self.class_weights is not None

    def example(self, random: Any, n: int) -> tuple[Any, ...]:
        """Masks of ``n`` samples with a few classes, and predictions that are mostly right."""
        classes = 3 if self.class_weights is None else len(self.class_weights)
        masks = (random.random((n, classes, 6)) < 0.4).astype(float)
        scores = random.normal(size=masks.shape) + 2.0 * masks - 1.0
        if self.from_logits:
            return masks, scores
        return masks, 1.0 / (1.0 + 2.0**-scores)


class OverlapLoss(MaskLoss):
    """A loss of how far a region and its prediction overlap: rules of three sums over their elements.

    - ``tp`` = sum y p, what both have;
    - ``fp`` = sum (1 - y) p, what is predicted but not there;
    - ``fn`` = sum y (1 - p), what is there but not predicted.

    A loss that is 0 for a perfect prediction is written in ``fp`` and ``fn``: 1 - overlap loses its
    digits exactly where the prediction is good. ``value(tp, fp, fn, ...)`` is followed by parameters
    of the loss, by name; ``slopes`` takes the same and answers the three partial derivatives.

    >>> from losskit.rules import rule
    >>> class Volume(OverlapLoss):
    ...     @rule
    ...     def value(tp, fp, fn):
    ...         return abs(fp - fn)
    ...     @rule
    ...     def slopes(tp, fp, fn):
    ...         return 0.0 * tp, sign(fp - fn), sign(fn - fp)
    >>> float(Volume().compute([1.0, 0.0], [0.75, 0.5]))
    0.25
    """

    measure: ClassVar[str] = "ratio"
    value: ClassVar[Callable[..., Any]]
    slopes: ClassVar[Callable[..., Any]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in ("value", "slopes"):
            if not hasattr(cls, name):
                raise TypeError(f"{cls.__name__} has no rule {name!r}; write one and mark it with @rule")

    @property
    def not_mergeable(self) -> None:  # type: ignore[override]
        """Nothing: where ratios do not merge, their sums do."""

    @property
    def merges_sums(self) -> bool:
        return "sample" not in self.per

    @property
    def needs_classes(self) -> bool:
        return super().needs_classes or self.volume_power != 0.0

    @property
    def squares(self) -> bool:
        """Whether elements enter ``fp`` and ``fn`` by the square of y - p: one where p is above y, the other below."""
        return getattr(self, "squared", False)

    @property
    def volume_power(self) -> float:
        """In a sum over classes each counts by its target's volume to the power of minus this; 0: all alike."""
        return 0.0

    @cached_property
    def rule_parameters(self) -> tuple[float, ...]:
        """The values of the parameters that the rules take."""
        names = tuple(inspect.signature(self.value).parameters)[3:]
        missing = [name for name in names if not hasattr(self, name)]
        if missing:
            raise TypeError(
                f"the rules of {type(self).__name__} take {missing[0]!r}, which is no parameter of it"
            )
        return tuple(getattr(self, name) for name in names)


class LovaszExtension(MaskLoss):
    """A loss of sets, extended to probabilities through the order of the elements' errors."""

    measure: ClassVar[str] = "lovasz"
    hard: ClassVar[bool] = True

    kind: str = parameter(
        default="probability", choices=("probability", "hinge"),
        doc="errors of probabilities, or of scores the positive part of 1 - (2y - 1) z",
    )  # fmt: skip
    smooth: float = smooth_parameter(0.0)

    def check_parameters(self) -> None:
        if self.hinge and self.from_logits:
            raise ValueError("kind='hinge' takes scores as they are: leave from_logits out")

    def example(self, random: Any, n: int) -> tuple[Any, ...]:
        """Masks, and predictions whose errors are all apart: where two are equal the loss has a kink."""
        masks, scores = super().example(random, n)
        order = scores.reshape(-1).argsort().argsort().reshape(scores.shape)
        places = (order + 0.5) / scores.size
        errors = places if self.link == "probability" else 4.0 * places - 2.0
        return masks, errors + masks * (1.0 - 2.0 * errors) if self.link == "probability" else errors * (
            1.0 - 2.0 * masks
        )

    @property
    def hinge(self) -> bool:
        """Whether errors are those of scores, 1 - (2y - 1) z, of which only positive ones count."""
        return self.kind == "hinge"

    @property
    def plain(self) -> str:
        return "score" if self.hinge else "probability"


class DistanceLoss(MaskLoss):
    """A loss of how far predicted elements are from a boundary: the mean of p times the target's signed distance.

    The distance is that to the nearest element of the target, and inside of it minus that to the
    nearest one outside, less 1; a mask that is empty or full has no boundary and distance 0.
    """

    measure: ClassVar[str] = "distance"
    hard: ClassVar[bool] = True

    @property
    def needs_classes(self) -> bool:
        return True


class EdgeLoss(MaskLoss):
    """A log loss of each element, and how far the steepness of the prediction is from that of the target."""

    measure: ClassVar[str] = "edges"

    boundary_weight: float = parameter(default=0.3, at_least=0, doc="weight of the difference in steepness")
    spatial_dims: int | None = parameter(
        default=None, kw_only=True, optional=True, at_least=1,
        doc="how many of the last axes are space; None: those after (n, classes), or all of up to three",
    )  # fmt: skip

    def check_parameters(self) -> None:
        if self.activation != "sigmoid":
            raise ValueError(
                f"activation must be 'sigmoid', got {self.activation!r}: each element has a log loss of its own"
            )
