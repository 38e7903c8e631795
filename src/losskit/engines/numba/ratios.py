"""Losses of three sums on the CPU: a pass for the sums, the rule, and a pass for the gradient."""

from functools import partial

import numpy as np

from losskit.engines import memory
from losskit.engines.formulas.ratios import regions
from losskit.engines.inputs import Array
from losskit.engines.numba.masks import TILE, MaskInputs, mask_inputs, merged, restored
from losskit.engines.numpy.array_words import xp
from losskit.structures.overlap import OverlapLoss


def kernel(
    loss: OverlapLoss, arrays: tuple[Array, Array], cotangent: Array | None, weight: Array | None
) -> tuple[Array, Array | None]:
    """Terms, and where a cotangent is given their derivative in the predictions."""
    given = mask_inputs(loss, *arrays, weight)
    x = merged(loss, given)
    gradient = room(x, cotangent is not None)
    sums, share, own = regions(xp, loss, sums_of(x, gradient, loss.squares))
    terms = (loss.value(*sums, *loss.rule_parameters) * own).reshape(x.axes.terms(loss.per))
    if cotangent is None:
        return terms, None
    seed = np.reshape(cotangent, x.axes.regions(loss.per)) * own * share
    slopes = tuple(seed * slope for slope in loss.slopes(*sums, *loss.rule_parameters))
    fill(gradient, x, slopes, loss.squares)
    return terms, restored(gradient, given.axes).reshape(arrays[1].shape)


def room(x: MaskInputs, wanted: bool) -> Array:
    """Memory for a gradient; empty where none is wanted."""
    shape = x.z.shape if wanted else (0, 0, 0)
    return memory.empty(x.z.size if wanted else 0, x.z.dtype).reshape(shape)


def sums_of(x: MaskInputs, gradient: Array, squared: bool = False) -> tuple[Array, Array, Array]:
    """tp, fp and fn of each class of each sample, added in the order of the tiles.

    The gradient's memory keeps a softmax until ``fill`` makes the gradient of it: no exponential twice.
    """
    outer, classes, _ = x.axes.shape
    totals = np.empty((outer * x.tiles, classes, 3))
    x.run(partial(x.module.sums, *_start(x, squared), totals, gradient))
    tp, fp, fn = np.moveaxis(totals.reshape(outer, x.tiles, classes, 3).sum(axis=1), -1, 0)[..., None]
    return tp, fp, fn


def fill(gradient: Array, x: MaskInputs, slopes: tuple[Array, ...], squared: bool = False) -> None:
    """Write the derivative in the predictions, from those in the three sums, where ``sums_of`` left off."""
    partials = np.empty((*x.axes.shape[:2], 3), x.z.dtype)
    for k, slope in enumerate(slopes):
        partials[..., k] = slope[..., 0]
    x.run(partial(x.module.slopes, *_start(x, squared), partials, gradient))


def _start(x: MaskInputs, squared: bool) -> tuple[object, ...]:
    alike = x.axes.by_index and x.w.size == 0 and bool(np.isnan(x.ignored)) and not squared
    return x.z, x.y, x.w, x.axes.by_index, squared, alike, x.ignored, TILE
