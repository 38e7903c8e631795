"""A student's logits against labels and a teacher's logits on the CPU, one pass a row, in float64."""
# mypy: ignore-errors

from functools import partial

import numpy as np
from numba import njit

from losskit.engines import memory
from losskit.engines.inputs import Array
from losskit.engines.numba import cache as _cache  # noqa: F401 - before anything is compiled
from losskit.engines.numba import pool
from losskit.engines.numba.intrinsics import add_reassoc, select
from losskit.engines.numba.math64 import exp, expm1, log1p
from losskit.structures.distillation import StudentLoss

BLOCK = 1 << 13
"""Numbers in the rows that one turn of a thread takes."""
_ALONE = 10_000  # numbers; below, waking a thread costs more than it saves


def kernel(
    loss: StudentLoss, arrays: tuple[Array, ...], cotangent: Array | None, needed: tuple[bool, ...],
    weight: None = None,
) -> tuple[Array, tuple[Array | None, ...] | None]:  # fmt: skip
    """Terms, and with a cotangent the gradients of student and teacher."""
    y, z, u = arrays
    rows = z.reshape(-1, z.shape[-1])
    terms = np.empty(len(rows))
    each, gradients = None, [None, None]
    if cotangent is not None:
        each = np.ascontiguousarray(np.broadcast_to(cotangent, y.shape), np.float64).reshape(-1)
        gradients = [memory.empty(z.size, z.dtype).reshape(rows.shape) if n else None for n in needed]
    step = max(1, BLOCK // rows.shape[1])
    loop = partial(
        _rows,
        y.reshape(-1),
        rows,
        u.reshape(rows.shape),
        loss.alpha,
        loss.temperature,
        step,
        each,
        terms,
        *gradients,
    )
    threads = pool.get_num_threads() if z.size > _ALONE else 1
    pool.run(loop, -(-len(rows) // step), threads)
    if cotangent is None:
        return terms.reshape(y.shape), None
    return terms.reshape(y.shape), tuple(None if g is None else g.reshape(z.shape) for g in gradients)


@njit(error_model="numpy")
def _powers(z, temperature, gap, e):
    """Gaps to the largest logit over the temperature, their exponentials, the column of the largest, and the
    sum of the others."""
    top = 0
    for j in range(z.size):
        if z[j] > z[top] or z[j] != z[j]:
            top = j
    largest = np.float64(z[top])
    total = 0.0
    for j in range(z.size):
        x = np.float64(z[j])
        gap[j] = select(j == top, 0.0, x - largest) / temperature  # not inf - inf
        e[j] = exp(gap[j])
        total = add_reassoc(total, select(j == top, 0.0, e[j]))
    return top, total


@njit(error_model="numpy")
def _beyond_line(x):
    """e^x - 1 - x, whose mean under q, for x = log(p / q) less its mean, is e^KL(q, p) - 1."""
    if abs(x) >= 0.25:
        return expm1(x) - x
    series = 1.0 / 14.0
    for n in range(13, 2, -1):
        series = (1.0 + x * series) / n
    return 0.5 * x * x * (1.0 + x * series)


@njit(nogil=True, error_model="numpy", cache=True)
def _rows(y, z, u, alpha, temperature, step, each, terms, student, teacher, first, last):
    classes = z.shape[1]
    hard, soft, given = np.empty((2, classes)), np.empty((2, classes)), np.empty((2, classes))
    gap = np.empty(classes)
    for row in range(first * step, min(last * step, z.shape[0])):
        t = y[row]
        if t < 0 or t >= classes:  # ignored
            terms[row] = 0.0
            if student is not None:
                student[row, :] = 0.0
            if teacher is not None:
                teacher[row, :] = 0.0
            continue
        top, others = _powers(z[row], 1.0, hard[0], hard[1])
        _, below = _powers(z[row], temperature, soft[0], soft[1])
        peak, beside = _powers(u[row], temperature, given[0], given[1])
        shift, near, share = log1p(below) - log1p(beside), 1.0 / (1.0 + below), 1.0 / (1.0 + beside)
        far = shift - soft[0, peak]
        mean, most, beyond = 0.0, 0.0, 0.0
        for j in range(classes):  # log(q / p) of each class, less that of the teacher's choice
            shared = j != peak and given[1, j] != 0.0
            gap[j] = (given[0, j] - (soft[0, j] - soft[0, peak])) if shared else 0.0
            mean += share * given[1, j] * gap[j]
        for j in range(classes):
            gap[j] = gap[j] - mean if given[1, j] != 0.0 else 0.0
            most = max(most, np.inf if given[1, j] == 0.0 and soft[1, j] != 0.0 else abs(gap[j]))
        for j in range(classes if most < 8.0 else 0):
            beyond += share * given[1, j] * _beyond_line(-gap[j])
        divergence = log1p(beyond) if most < 8.0 else far + mean
        value = 0.0 if alpha == 0.0 else alpha * (log1p(others) - hard[0, t])
        terms[row] = value + (0.0 if alpha == 1.0 else (1.0 - alpha) * temperature**2 * divergence)
        if student is not None:
            G, s, k = (
                student[row],
                each[row] * alpha / (1.0 + others),
                each[row] * (1.0 - alpha) * temperature,
            )
            for j in range(classes):
                ratio = gap[j] + divergence
                apart = near * soft[1, j] - share * given[1, j]
                if abs(ratio) < 1.0 and given[1, j] != 0.0:
                    apart = share * given[1, j] * expm1(-ratio)
                elif j == top and j == peak:  # 1 - p of each is known without cancellation
                    apart = share * beside - near * below
                p = -(others if j == top else 1.0 + others - hard[1, j]) if j == t else hard[1, j]
                G[j] = s * p + k * apart
        if teacher is not None:
            G, k = teacher[row], each[row] * (1.0 - alpha) * temperature * share
            for j in range(classes):
                G[j] = k * given[1, j] * gap[j]
