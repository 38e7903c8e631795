"""Batch similarity on the CPU: tiles of the matrix of similarities, which is never stored whole.

A tile is the product of some anchors with all candidates. A fused pass over it gives the terms and
turns similarities into their derivatives, in place; two more products add those up for the anchors
and for the candidates. Rows that belong together are brought together first: then the positives of
an anchor are a range of columns, and no label is looked at inside of a loop.
"""

import inspect
from dataclasses import dataclass
from functools import cache, partial
from types import ModuleType
from typing import Any

import numpy as np

from losskit.engines import memory
from losskit.engines.formulas.similarity import in_double
from losskit.engines.inputs import Array
from losskit.engines.numba import pool, row_kernel, rows_loop
from losskit.engines.numba import similarity_loop as loops
from losskit.engines.numba.compile import Writer, load
from losskit.engines.numba.products import add_product
from losskit.structures.similarity import (
    ACROSS,
    BOTH_WAYS,
    CANDIDATES,
    NEGATIVES,
    POSITIVES,
    CosinesLoss,
    EmbeddingLoss,
    Pool,
    SimilarityLoss,
    ViewsLoss,
)

TILE = 256
"""Anchors in a tile."""
BLOCK = 16
"""Anchors that a thread takes at a time."""
_ALONE = 30_000  # numbers; below, waking a thread costs more than it saves
_SETS = {CANDIDATES: 0, POSITIVES: 1, NEGATIVES: 2}


@dataclass(slots=True)
class Side:
    """Anchors or candidates: unit vectors, and the derivative with respect to them, to be added to."""

    vectors: Array
    slopes: Array | None


@dataclass(slots=True)
class Columns:
    """Where the positives of each anchor begin and end among the candidates, and its own column or -1."""

    begin: Array
    end: Array
    own: Array


def kernel(
    loss: SimilarityLoss, arrays: tuple[Array, ...], cotangent: Array | None, needed: tuple[bool, ...]
) -> tuple[Array, tuple[Array, ...] | None]:
    """The terms, and the derivatives with respect to the embeddings or cosines."""
    if isinstance(loss, CosinesLoss):
        labels, cosines = arrays
        return _of_cosines(loss, labels, cosines, cotangent)
    assert isinstance(loss, EmbeddingLoss)
    embeddings = [a for name, a in zip(loss.arguments, arrays, strict=True) if name in loss.differentiable]
    rows = embeddings[0].shape[0]
    dtype = _working_dtype(loss, arrays)
    module = _module(dtype)
    made = [_unit(module, loss, z, dtype) for z in embeddings]
    sides = [Side(u, None if cotangent is None else _zeros(u.shape, dtype)) for u, _ in made]
    if isinstance(loss, ViewsLoss) and loss.compares() in (ACROSS, BOTH_WAYS):
        terms = _of_views(module, loss, sides, cotangent)
    else:
        keys = arrays[0] if not isinstance(loss, ViewsLoss) else np.tile(np.arange(rows), 2)
        terms = _among_all(module, loss, sides, keys, cotangent)
    if cotangent is None:
        return terms, None
    return terms, tuple(
        _through_length(module, loss, side, length, z.dtype)
        for z, side, (_, length) in zip(embeddings, sides, made, strict=True)
    )


def _working_dtype(loss: SimilarityLoss, arrays: tuple[Array, ...]) -> Any:
    return np.dtype(np.float64) if in_double(loss, *(a.shape for a in arrays)) else arrays[-1].dtype


def _of_cosines(
    loss: CosinesLoss, labels: Array, cosines: Array, cotangent: Array | None
) -> tuple[Array, tuple[Array, ...] | None]:
    """Rows of cosines with the classes; the margin is put on before the pass and taken through after it."""
    dtype = _working_dtype(loss, (labels, cosines))
    module = _module(dtype)
    target = labels.reshape(-1)
    rows, numbers = np.arange(len(target)), loss.target_numbers()
    s = memory.empty(cosines.size, dtype).reshape(len(target), -1)
    np.clip(cosines.reshape(s.shape), -1.0, 1.0, out=s)
    right = s[rows, target].astype(np.float64)
    s[rows, target] = loss.target(right, *numbers)
    terms = np.zeros(len(target))
    columns = Columns(target, target + 1, np.full_like(target, -1))
    _apply_pools(module, loss, s, columns, slice(None), cotangent is not None, terms)
    if cotangent is None:
        return terms.reshape(labels.shape), None
    s[rows, target] *= loss.target_slope(right, *numbers)
    s *= cotangent.reshape(-1, 1).astype(dtype)
    return terms.reshape(labels.shape), (s.reshape(cosines.shape).astype(cosines.dtype, copy=False),)


def _of_views(module: ModuleType, loss: EmbeddingLoss, sides: list[Side], cotangent: Array | None) -> Array:
    """The first view against the second, and where asked for the other way round."""
    one, two = sides
    index = np.arange(len(one.vectors))
    columns = Columns(index, index + 1, np.full_like(index, -1))
    if loss.compares() == ACROSS:
        return _compare(module, loss, one, two, columns, cotangent)
    half = None if cotangent is None else 0.5 * cotangent
    there = _compare(module, loss, one, two, columns, half)
    back = _compare(module, loss, two, one, columns, half)
    return np.asarray(0.5 * there + 0.5 * back)


def _among_all(
    module: ModuleType, loss: EmbeddingLoss, sides: list[Side], keys: Array, cotangent: Array | None
) -> Array:
    """Every row against every other, those of equal keys side by side; of several sides the mean."""
    order = np.argsort(keys, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    sorted_keys = keys[order]
    begin, end = (np.searchsorted(sorted_keys, sorted_keys, side) for side in ("left", "right"))
    together = np.concatenate([side.vectors for side in sides])[order]
    whole = Side(together, None if cotangent is None else _zeros(together.shape, together.dtype))
    share = None if cotangent is None else np.tile(cotangent / len(sides), len(sides))[order]
    terms = _compare(module, loss, whole, whole, Columns(begin, end, np.arange(len(keys))), share)
    if whole.slopes is not None:
        for side, rows in zip(sides, np.split(place, len(sides)), strict=True):
            side.slopes = whole.slopes[rows]
    return np.asarray(terms[place].reshape(len(sides), -1).mean(axis=0))


def _compare(
    module: ModuleType, loss: EmbeddingLoss, anchors: Side, candidates: Side, columns: Columns,
    cotangent: Array | None,
) -> Array:  # fmt: skip
    """The terms of the anchors; derivatives are added to the sides."""
    rows, width = len(anchors.vectors), len(candidates.vectors)
    dtype = anchors.vectors.dtype
    terms = np.zeros(rows)
    scratch = memory.empty(min(TILE, rows) * width, dtype).reshape(-1, width)
    for first in range(0, rows, TILE):
        part = slice(first, min(first + TILE, rows))
        tile = anchors.vectors[part]
        s = np.matmul(tile, candidates.vectors.T, out=scratch[: len(tile)])
        _apply_pools(module, loss, s, columns, part, cotangent is not None, terms[part])
        if cotangent is None:
            continue
        share = cotangent[part, None].astype(dtype)
        anchors.slopes[part] += share * np.matmul(s, candidates.vectors)  # type: ignore[index]
        add_product(candidates.slopes, s.T, share * tile)  # type: ignore[arg-type]
    return terms


def _apply_pools(
    module: ModuleType, loss: SimilarityLoss, s: Array, columns: Columns, part: slice, sloped: bool, terms: Array
) -> None:  # fmt: skip
    """Add the pools to the terms of a tile; where ``sloped``, its similarities become derivatives."""
    begin, end, own = columns.begin[part], columns.end[part], columns.own[part]

    def loop(first: int, last: int) -> None:
        lo, hi = first * BLOCK, min(last * BLOCK, len(s))
        for p in loss.pools:
            _bound(module, p, s, begin, end, own, sloped, terms)(lo, hi)
        if sloped and own[0] >= 0:
            s[np.arange(lo, hi), own[lo:hi]] = 0.0

    threads = pool.get_num_threads() if s.size > _ALONE else 1
    pool.run(loop, -(-len(s) // BLOCK), threads)


def _bound(
    module: ModuleType, p: Pool, s: Array, begin: Array, end: Array, own: Array, sloped: bool, terms: Array
) -> Any:
    """The loop for a pool, which lacks only the range of rows."""
    start = (s, begin, end, own, _SETS[p.over], p.scale, p.shift, p.coefficient)
    if p.each:
        return partial(module.logarithms, *start, terms)
    return partial(module.logarithm, *start, p.plus_one, p.less_positives, sloped, terms)


def _unit(
    module: ModuleType, loss: EmbeddingLoss, z: Array, dtype: np.dtype[Any]
) -> tuple[Array, Array | None]:
    """The rows divided by their lengths, and these."""
    if not loss.normalize:
        return z.astype(dtype, copy=False), None
    u, length = np.empty(z.shape, dtype), np.empty((len(z), 2))
    _by_rows(partial(module.unit_rows, z, u, length), z)
    return u, length


def _through_length(
    module: ModuleType, loss: EmbeddingLoss, side: Side, length: Array | None, dtype: np.dtype[Any]
) -> Array:
    assert side.slopes is not None
    if length is None:
        return side.slopes.astype(dtype, copy=False)
    out = memory.empty(side.slopes.size, dtype).reshape(side.slopes.shape)
    _by_rows(partial(module.through_length, side.slopes, side.vectors, length, out), out)
    return out


def _by_rows(loop: Any, z: Array) -> None:
    """Run a loop over the rows of an array."""
    blocks = -(-len(z) // BLOCK)
    threads = pool.get_num_threads() if z.size > _ALONE else 1
    pool.run(lambda first, last: loop(first * BLOCK, min(last * BLOCK, len(z))), blocks, threads)


def _zeros(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    zeros = memory.empty(int(np.prod(shape)), dtype).reshape(shape)
    zeros.fill(0.0)
    return zeros


@cache
def _module(dtype: np.dtype[Any]) -> ModuleType:
    """The loops, compiled for a dtype."""
    writer = Writer("float64")
    writer.add(row_kernel.DECORATORS)
    constants = {
        **row_kernel.CONSTANTS[dtype.name],
        "OVER_POSITIVES": _SETS[POSITIVES], "OVER_NEGATIVES": _SETS[NEGATIVES],
    }  # fmt: skip
    writer.add("\n".join(f"{name} = {value}" for name, value in constants.items()))
    bits = dtype.name[-2:]
    writer.add(f"from losskit.engines.numba.math_rows import exp_gap{bits} as exp_gap")
    writer.add(
        f"from losskit.engines.numba.math{bits} import sigmoid as row_sigmoid, softplus as row_softplus"
    )
    helpers = (
        rows_loop.ordered, loops.ranges, loops.highest, loops.powers_of, loops.gap_of, loops.scaled_by,
        loops.less_share, loops.softplus_of,
    )  # fmt: skip
    for helper in helpers:
        writer.add("@part\n" + inspect.getsource(helper))
    text = writer.text(
        f"batch similarity ({dtype.name})",
        (loops.logarithm, loops.logarithms, loops.unit_rows, loops.through_length),
    )
    return load(text, "similarity")
