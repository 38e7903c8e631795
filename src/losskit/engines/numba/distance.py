"""The mean of p times a signed distance on the CPU: exact distance maps, then a pass of three sums.

The distance map is a target like any other to that pass, of which only sum y p is asked.
"""

from dataclasses import replace

import numpy as np

from losskit.engines.formulas.masks import class_weights
from losskit.engines.formulas.ratios import AXES
from losskit.engines.inputs import Array
from losskit.engines.numba import distance_loop, pool
from losskit.engines.numba.masks import MaskInputs, mask_inputs
from losskit.engines.numba.ratios import fill, room, sums_of
from losskit.engines.numpy.array_words import xp
from losskit.structures.overlap import DistanceLoss


def kernel(
    loss: DistanceLoss, arrays: tuple[Array, Array], cotangent: Array | None, weight: Array | None
) -> tuple[Array, Array | None]:
    """Terms, and where a cotangent is given their derivative in the predictions."""
    x = _mapped(mask_inputs(loss, *arrays, weight), arrays[1].shape[2:])
    axes, factors = AXES[loss.per], class_weights(xp, loss)
    size = np.broadcast_to(x.w, x.axes.shape).sum(axis=(*axes, 2), keepdims=True, dtype=np.float64)
    factors = factors / np.where(size == 0.0, 1.0, size)
    gradient = room(x, cotangent is not None)
    terms = (factors * sums_of(x, gradient)[0]).sum(axis=axes, keepdims=True).reshape(x.axes.terms(loss.per))
    if cotangent is None:
        return terms, None
    of_tp = factors * np.reshape(cotangent, x.axes.regions(loss.per))
    fill(gradient, x, (of_tp, 0.0 * of_tp, 0.0 * of_tp))
    return terms, gradient.reshape(arrays[1].shape)


def _mapped(x: MaskInputs, space: tuple[int, ...]) -> MaskInputs:
    """The inputs with the signed distance of each element in place of its target."""
    outer, classes, _ = x.axes.shape
    distances = np.empty(x.axes.shape, x.z.dtype)
    weights, lengths = x.weights, np.array(space)

    def run(first: int, last: int) -> None:
        for k in range(first, last):
            n, c = divmod(k, classes)
            target = x.y[n, 0] == c if x.axes.by_index else x.y[n, c] == 1.0
            counts = weights[n, min(c, weights.shape[1] - 1)] != 0.0
            distances[n, c] = _signed(target & counts, lengths)
            if not x.axes.by_index:
                distances[n, c][np.isnan(x.y[n, c])] = np.nan

    if distances.size:
        pool.run(run, outer * classes, min(pool.get_num_threads(), outer * classes))
    axes, never = replace(x.axes, by_index=False), x.z.dtype.type(np.nan)
    return replace(x, y=distances, w=weights, axes=axes, ignored=never)


def _signed(inside: Array, lengths: Array) -> Array:
    """Outside of a mask the distance to it, inside minus the distance to its outside less 1."""
    if inside.all() or not inside.any():
        return np.zeros(inside.shape)
    outer = distance_loop.squares(inside, lengths)
    inner = distance_loop.squares(~inside, lengths)
    return np.asarray(np.where(inside, 1.0 - np.sqrt(inner), np.sqrt(outer)))
