"""Losses of the boundary of a region: how far predictions are from it, and how steep they are across it."""

from typing import ClassVar

from losskit.about import CONVEX, About
from losskit.structures.overlap import DistanceLoss, EdgeLoss


class BoundaryLoss(DistanceLoss):
    r"""The mean of p times the signed distance to the boundary of the target: Kervadec's boundary loss.

    Outside of the target the distance is that to its nearest element, inside it is minus the distance
    to the nearest element outside, less 1, as in the authors' program; both in elements, exact and
    Euclidean over the axes after (n, classes). A class that is absent, or everywhere, has no boundary
    and costs nothing. Negative where the prediction is good: it is meant to be added to another loss.

    Predictions have the shape (n, classes, *space). Targets are 0 or 1, or class indices; what is
    masked or ignored counts as outside of the target.

    >>> y, p = [[[0, 0, 1, 1]]], [[[0.5, 0.25, 0.75, 1.0]]]
    >>> float(BoundaryLoss().compute(y, p))
    0.0625
    """

    about: ClassVar = About(
        formula=r"\frac1n\sum_q \phi_G(q)\, p_q",
        tasks={"segmentation", "imbalance"},
        traits={CONVEX},
        estimates="the mask: 1 inside of the boundary, 0 outside",
        strengths=(
            "an error far off costs more than one next to the boundary",
            "independent of the region's size",
        ),
        weaknesses=(
            "alone it may collapse to an empty prediction: add it to an overlap loss",
            "negative values",
        ),
        uses=("small or thin structures, added to Dice with a growing weight",),
        references=("Kervadec et al. (2019), MIDL; (2021), Medical Image Analysis 67",),
        aliases=("surface", "boundary_distance"),
        elsewhere=('monai.losses.BoundaryLoss: the same as per="sample_class", for images and volumes',),
    )


class MedicalImagingLoss(EdgeLoss):
    r"""Binary cross-entropy plus boundary_weight times the mean of | |grad p| - |grad y| |.

    The second part asks the prediction to be as steep as the target, wherever it is. The gradient is
    that of central differences, one-sided at the border, as in numpy.gradient; its length goes over the
    axes of space. An array of up to three axes is one image, unless ``per``, class weights or class
    indices ask for samples or classes; then, and with more axes, space is what follows (n, classes).
    The derivative is exact, through the adjoint of the differences.

    Parameters
    ----------
    boundary_weight : weight of the difference in steepness
    spatial_dims : how many of the last axes are space

    >>> y, p = [0.0, 0.0, 1.0, 1.0], [0.25, 0.25, 0.75, 0.75]
    >>> round(float(MedicalImagingLoss(boundary_weight=0.3).compute(y, p)), 4)
    0.3252
    """

    about: ClassVar = About(
        formula=r"-y\log p - (1-y)\log(1-p) + w\,\bigl|\lVert\nabla p\rVert - \lVert\nabla y\rVert\bigr|",
        tasks={"segmentation", "binary", "multilabel"},
        estimates="a probability, sharpened at boundaries",
        strengths=("calibrated away from boundaries, crisp at them",),
        weaknesses=(
            "the second part is not convex and has kinks",
            "it does not look at where an edge is, only how steep",
        ),
        uses=("segmentation of images with clear outlines",),
        references=("Good (1952), JRSS B 14 (the log loss)",),
    )
