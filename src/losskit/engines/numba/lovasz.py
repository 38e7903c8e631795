"""The Lovasz extension on the CPU: errors, one sort a region, and one pass over the sorted errors."""

import inspect
from collections.abc import Callable
from functools import cache, partial
from types import ModuleType
from typing import Any

import numpy as np

from losskit.engines import memory
from losskit.engines.formulas.masks import class_weights
from losskit.engines.inputs import Array
from losskit.engines.numba import lovasz_loop, pool
from losskit.engines.numba.compile import Writer, load
from losskit.engines.numba.masks import DECORATORS, TILE, MaskInputs, mask_inputs, merged, restored
from losskit.engines.numpy.array_words import xp
from losskit.structures.overlap import LovaszExtension

_STEPS = (
    lovasz_loop.alike, lovasz_loop.error, lovasz_loop.place, lovasz_loop.weight_at, lovasz_loop.size_of_target,
    lovasz_loop.block, lovasz_loop.alone, lovasz_loop.least,
)  # fmt: skip


@cache
def module_of(dtype: np.dtype[Any]) -> ModuleType:
    """The compiled loops in one dtype."""
    writer = Writer(dtype.name)
    writer.add(DECORATORS)
    writer.add(f"PACKED = {dtype == np.float32}")
    for helper in _STEPS:
        writer.add(f"@step\n{inspect.getsource(helper)}")
    loops: list[Callable[..., Any]] = [lovasz_loop.pack, lovasz_loop.sort, lovasz_loop.region]
    return load(writer.text(f"lovasz ({dtype.name})", loops), "lovasz")


def kernel(
    loss: LovaszExtension, arrays: tuple[Array, Array], cotangent: Array | None, weight: Array | None
) -> tuple[Array, Array | None]:
    """Terms, and where a cotangent is given their derivative in the predictions."""
    given = mask_inputs(loss, *arrays, weight)
    x = merged(loss, given)
    regions = int(np.prod(x.axes.regions(loss.per)))
    terms = np.empty(regions)
    slopes = memory.empty(x.z.size if cotangent is not None else 0, x.z.dtype)
    m, hit, w = (_rows(loss, a, regions) for a in _errors(loss, x))
    out = slopes.reshape(regions, -1)

    def run(first: int, last: int) -> None:
        room = memory.empty(2 * m.shape[1], np.dtype(np.uint64)).reshape(2, -1)
        for k in range(first, last):
            terms[k] = _region(loss, m[k], hit[k], w[k], out[k], room)

    pool.run(run, regions, min(pool.get_num_threads(), regions))
    factors = (
        np.broadcast_to(class_weights(xp, loss), x.axes.regions(loss.per)) if "class" in loss.per else 1.0
    )
    terms = (terms.reshape(x.axes.regions(loss.per)) * factors).reshape(x.axes.terms(loss.per))
    if cotangent is None:
        return terms, None
    seed = np.reshape(cotangent, x.axes.regions(loss.per)) * factors
    gradient = restored(_gradient(loss, x, out, seed.astype(x.z.dtype)), given.axes)
    return terms, gradient.reshape(arrays[1].shape)


def _errors(loss: LovaszExtension, x: MaskInputs) -> tuple[Array, Array, Array]:
    """Every element's error, whether the target has it, and its weight; none where all weigh the same."""
    m, hit = (memory.empty(x.z.size, np.dtype(d)).reshape(x.z.shape) for d in (x.z.dtype, np.bool_))
    of_classes = "class" not in loss.per and loss.class_weights is not None
    same = not of_classes and x.w.size == 0 and loss.ignore_index is None
    w = np.empty((*x.z.shape[:2], 0), m.dtype) if same else np.empty_like(m)
    x.run(partial(x.module.errors, x.z, x.y, x.w, x.axes.by_index, loss.hinge, x.ignored, TILE, m, hit, w))
    if of_classes:
        w *= class_weights(xp, loss).astype(w.dtype)
    return m, hit, w


def _rows(loss: LovaszExtension, a: Array, regions: int) -> Array:
    """(outer, classes, inner) as a row for each region."""
    if loss.per == "class":
        a = np.ascontiguousarray(np.swapaxes(a, 0, 1))
    return a.reshape(regions, -1) if a.size else np.empty((regions, 0), a.dtype)


def _region(loss: LovaszExtension, m: Array, hit: Array, w: Array, slopes: Array, room: Array) -> float:
    """The loss of a region; ``room`` is for its keys, before and after they are sorted."""
    module = module_of(m.dtype)
    if m.dtype == np.float32:
        packed, keys = room
        module.sort(packed, keys, module.pack(m, hit, packed))
    else:
        order = np.argsort(-m)
        keys = (2 * order + hit[order]).astype(np.uint64)
    return float(module.region(keys, m, w, loss.smooth, loss.hinge, slopes))


def _gradient(loss: LovaszExtension, x: MaskInputs, rows: Array, seed: Array) -> Array:
    """The derivative in the predictions, from those in the errors."""
    outer, classes, inner = x.axes.shape
    gradient = rows.reshape(x.z.shape)
    if loss.per == "class":
        gradient = np.ascontiguousarray(np.swapaxes(rows.reshape(classes, outer, inner), 0, 1))
    gradient *= seed
    if loss.link in ("sigmoid", "softmax"):
        x.run(partial(x.module.chain, x.z, TILE, gradient))
    return gradient
