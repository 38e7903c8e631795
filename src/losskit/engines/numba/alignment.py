"""One sequence against another on the CPU: alignments summed in extended range, a diagonal of the table at a time.

Sequences come as (features, length) in float64, the second from its end to its start: what a diagonal
pairs then lies side by side in both. Tables have two rows before the first diagonal and two after the
last, and a place before and after the rows of the first sequence, so that every cell has neighbours.
"""
# mypy: ignore-errors

from __future__ import annotations

import numpy as np

from losskit.engines.numba.extended import (
    NOTHING,
    RARE,
    add_3,
    exp_row,
    kernel,
    log,
    multiply,
    part,
    shares,
)
from losskit.engines.numba.intrinsics import add_reassoc, select


@part
def _cells(k, rows, columns):
    """Rows first..last-1 of diagonal k, and where their partners begin in the reversed second sequence."""
    first, last = max(0, k - columns + 1), min(rows, k + 1)
    return first, last, columns - 1 - k + first


@part
def _costs(x, y, k, cost):
    """The squared distances on diagonal k."""
    first, last, other = _cells(k, x.shape[1], y.shape[1])
    for i in range(last - first):
        cost[i] = 0.0
    for f in range(x.shape[0]):
        X, Y = x[f, first:last], y[f, other : other + last - first]
        for i in range(X.size):
            gap = X[i] - Y[i]
            cost[i] += gap * gap


@kernel
def emissions(x, y, gamma, pm, pn):
    """exp(-cost / gamma) of all cells; answers how many of them are out of range."""
    strange, cost = 0.0, np.empty(x.shape[1])
    for k in range(x.shape[1] + y.shape[1] - 1):
        first, last, _ = _cells(k, x.shape[1], y.shape[1])
        _costs(x, y, k, cost)
        score = cost[: last - first]
        for i in range(score.size):
            score[i] /= -gamma
            strange = add_reassoc(strange, select(score[i] > -RARE, 0.0, 1.0))
        exp_row(score, pm[k + 2, first + 1 : last + 1], pn[k + 2, first + 1 : last + 1])
    return strange


@kernel
def sweep(pm, pn, rows, columns, back, m, e):
    """The weight of all paths to each cell from the front, or (``back`` = 1) from the back."""
    diagonals = rows + columns - 1
    total, top, lift = np.empty(rows), np.empty(rows, np.int64), np.zeros(rows, np.int64)
    towards = 1 if back else -1  # the neighbours' rows, and diagonals
    for k in (diagonals, diagonals + 1) if back else (-1, -2):
        for j in range(rows + 2):
            m[k + 2, j], e[k + 2, j] = 1.0, NOTHING
    e[diagonals + 3 if back else 0, rows + 1 if back else 0] = 0
    for step in range(diagonals):
        k = diagonals - 1 - step if back else step
        first, last, _ = _cells(k, rows, columns)
        own, other = slice(first + 1, last + 1), slice(first + 1 + towards, last + 1 + towards)
        near, far, t, n = k + 2 + towards, k + 2 + 2 * towards, k + 2, last - first
        add_3(
            m[near, own], e[near, own], m[near, other], e[near, other], m[far, other], e[far, other],
            lift[:n], total[:n], top[:n],
        )  # fmt: skip
        multiply(total[:n], top[:n], pm[t, own], pn[t, own], m[t, own], e[t, own])
        m[t, first], e[t, first] = 1.0, NOTHING
        m[t, last + 1], e[t, last + 1] = 1.0, NOTHING


@kernel
def soft_minimum(m, e, rows, columns, gamma):
    """The weight of all paths, and -gamma times its logarithm."""
    tm, te = m[rows + columns, rows], e[rows + columns, rows]
    return tm, te, -gamma * log(tm, te)


@part
def _add_slopes(x, y, k, share, weight, gx, gy):
    """2 (x - y) for each cell of diagonal k, times its share of the paths."""
    first, last, other = _cells(k, x.shape[1], y.shape[1])
    for f in range(x.shape[0]):
        X, Y = x[f, first:last], y[f, other : other + last - first]
        GX, GY = gx[f, first:last], gy[f, other : other + last - first]
        for i in range(X.size):
            GX[i] += weight * (share[i] * (X[i] - Y[i]))
        for i in range(X.size):
            GY[i] -= weight * (share[i] * (X[i] - Y[i]))


@kernel
def slopes(x, y, weight, pm, pn, fm, fn, bm, bn, tm, tn, gx, gy):
    """Add the derivative of the soft minimum, times ``weight``, to the gradients of both sequences."""
    share = np.empty(x.shape[1])
    for k in range(x.shape[1] + y.shape[1] - 1):
        first, last, _ = _cells(k, x.shape[1], y.shape[1])
        t, own = k + 2, slice(first + 1, last + 1)
        part_of = share[: last - first]
        shares(fm[t, own], fn[t, own], bm[t, own], bn[t, own], pm[t, own], pn[t, own], tm, tn, part_of)
        _add_slopes(x, y, k, part_of, 2.0 * weight, gx, gy)


@kernel
def hard_minimum(x, y, least):
    """Dynamic time warping: the least cost of a path to each cell, in rows shifted like those above."""
    rows, columns = x.shape[1], y.shape[1]
    cost = np.empty(rows)
    for k in range(-2, rows + columns - 1):
        for j in range(rows + 2):
            least[k + 2, j] = np.inf
    least[0, 0] = 0.0
    for k in range(rows + columns - 1):
        first, last, _ = _cells(k, rows, columns)
        _costs(x, y, k, cost)
        for i in range(last - first):
            j = first + i
            before = min(least[k + 1, j + 1], least[k + 1, j], least[k, j])
            least[k + 2, j + 1] = cost[i] + before
    return least[rows + columns, rows]


@kernel
def hard_slopes(x, y, weight, least, share, gx, gy):
    """Add the derivative of the least cost; equally good ways to a cell share alike."""
    rows, columns = x.shape[1], y.shape[1]
    for k in range(-2, rows + columns - 1):
        for j in range(rows + 2):
            share[k + 2, j] = 0.0
    share[rows + columns, rows] = 1.0
    for k in range(rows + columns - 2, -1, -1):
        first, last, _ = _cells(k, rows, columns)
        for j in range(first, last):
            a, b, c = least[k + 1, j + 1], least[k + 1, j], least[k, j]
            best = min(a, b, c)
            wa, wb, wc = select(a == best, 1.0, 0.0), select(b == best, 1.0, 0.0), select(c == best, 1.0, 0.0)
            each = share[k + 2, j + 1] / (wa + wb + wc)
            share[k + 1, j + 1] += wa * each
            share[k + 1, j] += wb * each
            share[k, j] += wc * each
        _add_slopes(x, y, k, share[k + 2, first + 1 : last + 1], 2.0 * weight, gx, gy)
