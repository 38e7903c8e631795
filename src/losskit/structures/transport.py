"""Distances between sets of points or between distributions, each of which is compared as a whole."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from losskit.parameters import parameter
from losskit.rules import RuleFunction
from losskit.structures.arrays import ArrayLoss

SAMPLES, BINS, SLICES, KERNEL, PLAN = "samples", "bins", "slices", "kernel", "plan"
"""What is compared, and how: see ``TransportLoss.form``."""


class TransportLoss(ArrayLoss):
    """A distance between two sets. Subclass ``LineLoss``, ``SlicesLoss``, ``KernelLoss`` or ``PlanLoss``.

    The sets may differ in size. ``sample_weight`` and ``mask`` are one a point of ``y_pred`` and
    ``target_weight`` is one a point of ``y_true``; each set's weights are divided by their sum. Axes
    before those of a set are a batch: a term is the distance between one pair of sets. Both sets have a
    derivative.
    """

    structure: ClassVar[str] = "transport"
    recursive: ClassVar[bool] = True
    arguments: ClassVar[tuple[str, ...]] = ("y_true", "y_pred", "target_weight")
    optional: ClassVar[tuple[str, ...]] = ("target_weight",)
    differentiable: ClassVar[tuple[str, ...]] = ("y_true", "y_pred")
    weighting: ClassVar[str] = "points"
    not_separable: ClassVar[str | None] = (
        "a set is compared as a whole: what a point adds depends on the others"
    )
    not_mergeable: ClassVar[str | None] = (
        "the distance between two sets does not follow from those between their parts"
    )

    form: ClassVar[str]
    """What is compared: "samples" (numbers), "slices" (projections of points on lines), "bins" (histograms on
    the last axis), or points, by a "kernel" of their distance or by an entropic "plan"."""

    def example(self, random: Any, n: int) -> tuple[Any, ...]:
        if self.form == BINS:
            return random.dirichlet(np.ones(5), n), random.dirichlet(np.ones(5), n), None
        features = () if self.form == SAMPLES else (2,)
        return random.normal(size=(n, 4, *features)), random.normal(0.5, size=(n, 3, *features)), None


class LineLoss(TransportLoss):
    """The optimal transport between distributions of numbers, at the cost of distance to the power ``p``.

    On the line the optimal plan is known: the quantiles of one go to those of the other.
    """

    p: float = parameter(
        default=1.0, at_least=1, doc="the cost of moving a unit of mass is its way to this power"
    )
    root: bool = parameter(
        default=False, kw_only=True, doc="the distance W_p instead of the cost, its p-th power"
    )


class SlicesLoss(LineLoss):
    """The mean cost of transport between projections of points on lines of random directions."""

    projections: int = parameter(default=50, at_least=1, doc="how many lines to project on")
    seed: int = parameter(default=0, at_least=0, doc="of the random directions")
    p: float = parameter(
        default=2.0,
        at_least=1,
        kw_only=True,
        doc="the cost of moving a unit of mass is its way to this power",
    )

    form: ClassVar[str] = SLICES

    def directions(self, features: int) -> npt.NDArray[np.float64]:
        """The unit vectors that points are projected on: (projections, features)."""
        drawn = np.random.default_rng(self.seed).standard_normal((self.projections, features))
        return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))


@dataclass(frozen=True)
class Ground:
    """What two points at the distance r are apart: a rule, its slope, and the numbers they take after r."""

    value: RuleFunction
    slope: RuleFunction
    numbers: tuple[float, ...] = ()
    of_square: RuleFunction | None = None
    """The same value as a rule of r², where that has one: a kernel then takes no root."""


class CloudLoss(TransportLoss):
    """A distance between sets of points, (points, features), which depends on the distances between points.

    Of a kernel or a plan it is < a, f(x, y) - f(x, x) > + < b, f(y, x) - f(y, y) >, where a and b are the
    weights of the points x and y, and f(x, y) is a potential that the set y has at the points x.
    """

    ground: ClassVar[Ground]


class KernelLoss(CloudLoss):
    """The potential is the mean of a ground cost: 2 E c(x, y) - E c(x, x') - E c(y, y').

    Means are over all pairs, a point with itself included (a V-statistic), so the distance is never negative
    and 0 for equal sets.
    """

    form: ClassVar[str] = KERNEL

    @property
    def units(self) -> tuple[float, ...] | None:
        """The lengths by which distances are divided before the ground cost, which is the mean over them all; None for
        the median distance."""
        return (1.0,)


class PlanLoss(CloudLoss):
    """The potentials are those of entropic optimal transport, in units of ``blur``: for the cost c and the entropy's
    weight 1, found by ``iterations`` of Sinkhorn's algorithm."""

    blur: float = parameter(
        default=0.05, above=0, doc="the length below which details are blurred, in units of y"
    )
    p: float = parameter(default=2.0, at_least=1, doc="the cost is distance to this power, over it")
    iterations: int = parameter(default=50, at_least=1, doc="how often the potentials are improved")

    form: ClassVar[str] = PLAN

    def example(self, random: Any, n: int) -> tuple[Any, ...]:
        """Points within a blur of each other, between which the iterations come to an end."""
        y_true, y_pred, _ = super().example(random, n)
        return 0.25 * self.blur * y_true, 0.25 * self.blur * y_pred, None
