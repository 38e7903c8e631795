"""The kernels of masks: the loops in a module for each dtype and link, and how they are called."""

import hashlib
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from losskit.engines.formulas.masks import Layout, layout
from losskit.engines.inputs import Array
from losskit.engines.numba import masks_loop, math_rows, pool
from losskit.engines.numba.compile import Writer, load
from losskit.structures.overlap import MaskLoss

TILE = 192
"""Elements of a class that are worked on together: rows of all classes stay in the first caches meanwhile, and no
power of 2, since rows that lie a power of 2 apart crowd the same places there."""
_SHORT = 64  # elements of a class in a sample; fewer are not worth a tile
_ALONE = 30_000  # elements; below, waking a thread costs more than it saves

DECORATORS = """
step = njit(forceinline=True, error_model="numpy", no_cfunc_wrapper=True, no_cpython_wrapper=True)
part = njit(inline="always", error_model="numpy")
"""

_STEPS = (masks_loop.place, masks_loop.shares, masks_loop.pair, masks_loop.element)
_PARTS = (
    masks_loop.softmax, masks_loop.copy, masks_loop.add_up, masks_loop.add_hits, masks_loop.leading, masks_loop.slope,
    masks_loop.slope_of_hits, masks_loop.through_softmax,
)  # fmt: skip


@cache
def module_of(link: str, dtype: np.dtype[Any]) -> ModuleType:
    """The compiled loops for one link in one dtype."""
    writer = Writer(dtype.name)
    writer.add(DECORATORS)
    add_constants(writer, link)
    for decorator, helpers in (("step", _STEPS), ("part", _PARTS)):
        for helper in helpers:
            writer.add(f"@{decorator}\n{inspect.getsource(helper)}")
    loops: list[Callable[..., Any]] = [
        masks_loop.sums,
        masks_loop.slopes,
        masks_loop.errors,
        masks_loop.chain,
    ]
    return load(writer.text(f"masks ({link}, {dtype.name})", loops), f"masks_{link}")


def add_constants(writer: Writer, link: str) -> None:
    """What the loops find written above them."""
    bits = writer.dtype[-2:]
    lift = getattr(math_rows, f"LIFT{bits}")
    writer.add(f"LINK = {link!r}\nLIFT = FLOAT({lift!r})\nUNLIFT = FLOAT({1.0 / lift!r})")
    digest = hashlib.sha256(inspect.getsource(math_rows).encode()).hexdigest()[:16]
    writer.add(f"from losskit.engines.numba.math_rows import exact_sum, exp_gap{bits} as exp_gap  # {digest}")


@dataclass(frozen=True)
class MaskInputs:
    """One call's arrays in the shape that the loops take, and how they are cut."""

    module: ModuleType
    axes: Layout
    z: Array
    y: Array
    w: Array
    """Empty where all elements weigh the same."""
    ignored: Any

    @property
    def tiles(self) -> int:
        """Tiles in a sample."""
        return -(-self.axes.inner // TILE)

    @property
    def weights(self) -> Array:
        """The weight of each element, 0 where it is ignored; may have one row for all classes."""
        kept: Array = (self.y != self.ignored).astype(self.z.dtype)
        return kept * self.w if self.w.size else kept

    def run(self, loop: Callable[[int, int], Any]) -> None:
        """Call ``loop(first, last)`` for all blocks."""
        blocks = self.axes.outer * self.tiles
        if blocks == 0:
            return
        threads = pool.get_num_threads() if math.prod(self.axes.shape) > _ALONE else 1
        pool.run(loop, blocks, threads)


def mask_inputs(loss: MaskLoss, y: Array, p: Array, weight: Array | None) -> MaskInputs:
    """The arguments of a kernel as its loops take them."""
    axes = layout(loss, y.shape, p.shape)
    w = np.empty((0, 0, 0), p.dtype)
    if weight is not None:
        w = weight.reshape(axes.shape if weight.shape == p.shape else axes.pixels)
    ignored = p.dtype.type(math.nan if loss.ignore_index is None else loss.ignore_index)
    if loss.ignore_index is not None and loss.link == "softmax" and not axes.by_index:
        kept = (y != ignored).all(axis=1).astype(p.dtype).reshape(axes.pixels)
        w = kept * w if w.size else kept
    return MaskInputs(
        module_of(loss.link, p.dtype), axes, p.reshape(axes.shape),
        y.reshape(axes.pixels if axes.by_index else axes.shape), w, ignored,
    )  # fmt: skip


def merged(loss: MaskLoss, x: MaskInputs) -> MaskInputs:
    """Samples of little space put behind one another, where no term asks for samples: a tile is as long as its rows."""
    if x.axes.inner >= _SHORT or x.axes.outer == 1 or "sample" in loss.per:
        return x

    def moved(a: Array) -> Array:
        return np.ascontiguousarray(np.swapaxes(a, 0, 1)).reshape(1, a.shape[1], -1)

    axes = replace(x.axes, outer=1, inner=x.axes.outer * x.axes.inner)
    return replace(x, axes=axes, z=moved(x.z), y=moved(x.y), w=moved(x.w) if x.w.size else x.w)


def restored(gradient: Array, axes: Layout) -> Array:
    """A gradient in the layout of the predictions, from that of merged samples."""
    if gradient.shape == axes.shape:
        return gradient
    outer, classes, inner = axes.shape
    return np.ascontiguousarray(np.swapaxes(gradient.reshape(classes, outer, inner), 0, 1))
