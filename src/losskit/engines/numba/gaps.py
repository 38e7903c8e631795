"""Hinges of the gaps between a row's scores and that of its target on the CPU, one pass a row."""
# mypy: ignore-errors

from functools import partial

import numpy as np
from numba import njit

from losskit.engines import memory
from losskit.engines.inputs import Array
from losskit.engines.numba import cache as _cache  # noqa: F401 - before anything is compiled
from losskit.engines.numba import pool
from losskit.structures.gaps import GapLoss

BLOCK = 1 << 14
"""Numbers in the rows that one turn of a thread takes."""
_ALONE = 30_000  # numbers; below, waking a thread costs more than it saves


def kernel(
    loss: GapLoss,
    arrays: tuple[Array, ...],
    cotangent: Array | None,
    needed: tuple[bool, ...],
    weight: None = None,
) -> tuple[Array, tuple[Array | None, ...] | None]:
    """Terms, and with a cotangent the gradient."""
    y, z = arrays
    rows = z.reshape(-1, z.shape[-1])
    terms = np.empty(len(rows))
    gradient = each = None
    if cotangent is not None:
        each = np.ascontiguousarray(np.broadcast_to(cotangent, y.shape), np.float64).reshape(-1)
        gradient = memory.empty(z.size, z.dtype).reshape(rows.shape)
    of_class = np.array(loss.class_weights or (1.0,) * rows.shape[1])
    step = max(1, BLOCK // rows.shape[1])
    loop = partial(
        _most if loss.largest_only else _all, y.reshape(-1), rows, of_class, loss.margin, loss.squared, step, each,
        terms, gradient,
    )  # fmt: skip
    threads = pool.get_num_threads() if z.size > _ALONE else 1
    pool.run(loop, -(-len(rows) // step), threads)
    return terms.reshape(y.shape), None if gradient is None else (gradient.reshape(z.shape),)


@njit(error_model="numpy")
def _hinge(x):
    return 0.0 if x <= 0.0 else x  # NaN stays NaN


@njit(nogil=True, error_model="numpy", cache=True)
def _all(y, z, of_class, margin, squared, step, each, terms, gradient, first, last):
    """The sum over the other classes."""
    for row in range(first * step, min(last * step, z.shape[0])):
        Z, t = z[row], y[row]
        if t < 0 or t >= Z.size:  # ignored
            terms[row] = 0.0
            if gradient is not None:
                gradient[row, :] = 0.0
            continue
        score, total = np.float64(Z[t]), 0.0
        for j in range(Z.size):
            hinge = _hinge(margin + (np.float64(Z[j]) - score))
            total += 0.0 if j == t else hinge * hinge if squared else hinge
        terms[row] = of_class[t] * total
        if gradient is not None:
            G, scale, whole = gradient[row], each[row] * of_class[t], 0.0
            for j in range(Z.size):
                hinge = _hinge(margin + (np.float64(Z[j]) - score))
                slope = 2.0 * hinge if squared else 1.0 if hinge > 0.0 else 0.0 * hinge
                slope = 0.0 if j == t else slope
                whole += slope
                G[j] = scale * slope
            G[t] = -scale * whole


@njit(nogil=True, error_model="numpy", cache=True)
def _most(y, z, of_class, margin, squared, step, each, terms, gradient, first, last):
    """The most that another class costs; those that are largest share its slope."""
    for row in range(first * step, min(last * step, z.shape[0])):
        Z, t = z[row], y[row]
        if gradient is not None:
            gradient[row, :] = 0.0
        terms[row] = 0.0
        if t < 0 or t >= Z.size or Z.size == 1:  # ignored, or nobody to compare with
            continue
        highest, ties = -np.inf, 0.0
        for j in range(Z.size):
            x = np.float64(Z[j])
            if j != t and highest == highest and not x <= highest:
                highest, ties = x, 0.0
            ties += 1.0 if j != t and x == highest else 0.0
        hinge = _hinge(margin + (highest - np.float64(Z[t])))
        terms[row] = of_class[t] * (hinge * hinge if squared else hinge)
        if gradient is not None and hinge != 0.0:
            slope = each[row] * of_class[t] * (2.0 * hinge if squared else hinge / hinge)
            for j in range(Z.size):
                if j != t and Z[j] == highest:
                    gradient[row, j] = slope / ties
            gradient[row, t] = -slope
