"""Losses of three sums on the CPU: a pass for the sums, the rule, and a pass for the gradient."""

from functools import partial

import numpy as np

from losskit.engines import memory
from losskit.engines.formulas.ratios import regions
from losskit.engines.inputs import Array
from losskit.engines.numba.masks import MaskInputs, mask_inputs, merged, restored
from losskit.engines.numpy.array_words import xp
from losskit.structures.overlap import OverlapLoss


def kernel(
    loss: OverlapLoss, arrays: tuple[Array, Array], cotangent: Array | None, weight: Array | None
) -> tuple[Array, Array | None]:
    """Terms, and where a cotangent is given their derivative in the predictions."""
    given = mask_inputs(loss, *arrays, weight)
    x = merged(loss, given)
    sums, share, own = regions(xp, loss, sums_of(x, loss.squares))
    terms = (loss.value(*sums, *loss.rule_parameters) * own).reshape(x.axes.terms(loss.per))
    if cotangent is None:
        return terms, None
    seed = np.reshape(cotangent, x.axes.regions(loss.per)) * own * share
    slopes = tuple(seed * slope for slope in loss.slopes(*sums, *loss.rule_parameters))
    gradient = restored(gradient_of(x, slopes, loss.squares), given.axes)
    return terms, gradient.reshape(arrays[1].shape)


def sums_of(x: MaskInputs, squared: bool = False) -> tuple[Array, Array, Array]:
    """tp, fp and fn of each class of each sample, added in the order of the tiles."""
    outer, classes, _ = x.axes.shape
    totals = np.empty((outer * x.tiles, classes, 3))
    nothing = np.empty((0, 0, 0), x.z.dtype)
    _run(x, squared, totals, nothing, nothing)
    tp, fp, fn = np.moveaxis(totals.reshape(outer, x.tiles, classes, 3).sum(axis=1), -1, 0)[..., None]
    return tp, fp, fn


def gradient_of(x: MaskInputs, slopes: tuple[Array, ...], squared: bool = False) -> Array:
    """The derivative in the predictions, from those in the three sums."""
    partials = np.empty((*x.axes.shape[:2], 3), x.z.dtype)
    for k, slope in enumerate(slopes):
        partials[..., k] = slope[..., 0]
    gradient = memory.empty(x.z.size, x.z.dtype).reshape(x.z.shape)
    _run(x, squared, np.empty((0, 0, 0)), partials, gradient)
    return gradient


def _run(x: MaskInputs, squared: bool, totals: Array, partials: Array, gradient: Array) -> None:
    start = (x.z, x.y, x.w, x.axes.by_index, squared, x.ignored, x.tile)
    x.run(partial(x.module.ratio, *start, totals, partials, gradient))
