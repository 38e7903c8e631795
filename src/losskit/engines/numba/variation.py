"""Total variation on the CPU: an image read once, its differences summed and their adjoint written in one pass."""
# mypy: disable-error-code="untyped-decorator, call-arg"

from functools import partial
from typing import Any

import numpy as np
from numba import njit

from losskit.engines import memory
from losskit.engines.array_formula import Arrays
from losskit.engines.inputs import Array
from losskit.engines.numba import pool
from losskit.engines.numba.intrinsics import add_reassoc
from losskit.structures.images import VariationLoss

_ALONE = 30_000  # pixels; below, waking a thread costs more than it saves


def kernel(
    loss: VariationLoss,
    arrays: Arrays,
    cotangent: Array | None,
    needed: tuple[bool, ...],
    weight: None = None,
) -> tuple[Array, Arrays | None]:
    """Terms, and with a cotangent the gradient."""
    (images,) = arrays
    planes = images.reshape(-1, *images.shape[-2:])
    per_image = len(planes) // len(images)
    sums = np.zeros(len(planes))
    gradient: Any = None
    factors = np.zeros(len(planes))
    if cotangent is not None:
        factors = np.repeat(np.asarray(cotangent, np.float64).reshape(-1), per_image)
        gradient = memory.empty(images.size, images.dtype).reshape(planes.shape)
    loop = _anisotropic if loss.kind == "anisotropic" else _isotropic
    threads = pool.get_num_threads() if images.size > _ALONE else 1
    pool.run(partial(loop, planes, factors, sums, gradient), len(planes), threads)
    terms = sums.reshape(len(images), per_image).sum(axis=1)
    return terms, None if gradient is None else (gradient.reshape(images.shape),)


@njit(nogil=True, error_model="numpy", cache=True)
def _anisotropic(planes, factors, sums, gradient, first, last):  # type: ignore[no-untyped-def]
    """Planes first..last-1: the sum of absolute differences, and signs carried back to pixels."""
    _, high, wide = planes.shape
    for n in range(first, last):
        total = 0.0
        factor = planes.dtype.type(factors[n])
        for i in range(high):
            row = planes[n, i]
            below = planes[n, min(i + 1, high - 1)]
            above = planes[n, max(i - 1, 0)]
            for j in range(wide):
                total = add_reassoc(total, np.float64(abs(below[j] - row[j])))
            for j in range(wide - 1):
                total = add_reassoc(total, np.float64(abs(row[j + 1] - row[j])))
            if gradient is not None:
                out = gradient[n, i]
                for j in range(wide):
                    out[j] = factor * (np.sign(row[j] - below[j]) + np.sign(row[j] - above[j]))
                for j in range(wide - 1):
                    out[j] += factor * np.sign(row[j] - row[j + 1])
                for j in range(1, wide):
                    out[j] += factor * np.sign(row[j] - row[j - 1])
        sums[n] = total


@njit(nogil=True, error_model="numpy", cache=True)
def _isotropic(planes, factors, sums, gradient, first, last):  # type: ignore[no-untyped-def]
    """Planes first..last-1: the sum of lengths, and directions carried back to pixels."""
    _, high, wide = planes.shape
    for n in range(first, last):
        total = 0.0
        if gradient is not None:
            gradient[n] = 0.0
        for i in range(high):
            for j in range(wide):
                here = np.float64(planes[n, i, j])
                down = np.float64(planes[n, min(i + 1, high - 1), j]) - here
                across = np.float64(planes[n, i, min(j + 1, wide - 1)]) - here
                largest = max(abs(down), abs(across))
                if largest == 0.0:
                    continue
                lift = largest if np.isfinite(largest) else 1.0
                x, y = down / lift, across / lift
                root = np.sqrt(x * x + y * y)
                total += lift * root
                if gradient is not None:
                    u, v = factors[n] * (x / root), factors[n] * (y / root)
                    gradient[n, i, j] -= u + v
                    gradient[n, min(i + 1, high - 1), j] += u
                    gradient[n, i, min(j + 1, wide - 1)] += v
        sums[n] = total
