"""Labels against frames whose probabilities lie far apart: paths summed in extended range.

It holds any probability, at two to three times the cost of floats on scales of their own. The table of
a sequence has a row before each frame and one after the last. A row holds the blanks, then the labels
between a place before the first and one after the last, where no path goes. It is swept from the front
and from the back, and the product says which share of the paths passes a state.
"""
# mypy: ignore-errors

from __future__ import annotations

import numpy as np

from losskit.engines.numba import math64
from losskit.engines.numba.extended import (
    NOTHING,
    RARE,
    add_2,
    add_3,
    exp_row,
    kernel,
    larger,
    log,
    multiply,
    part,
    power_of_2,
    shares,
)
from losskit.engines.numba.intrinsics import add_reassoc, fabs, select


@part
def _normaliser(row):
    """The largest logit, and log(sum(exp(logit - largest))), whose digits a probability near 1 needs."""
    top = -np.inf
    for c in range(row.size):
        z = np.float64(row[c])
        top = select(z > top, z, top)
    others, ties = 0.0, 0.0
    for c in range(row.size):
        z = np.float64(row[c])
        others = add_reassoc(others, select(z == top, 0.0, math64.exp(z - top)))
        ties = add_reassoc(ties, select(z == top, 1.0, 0.0))
    return top, math64.log1p(others + (ties - 1.0))


@kernel
def emissions(x, b, y, blank, from_logits, tops, rests, pm, pn):
    """The probability of each state at each frame; answers how many numbers are NaN or out of range."""
    n = y.size + 1
    strange, scores = 0.0, np.empty(n)
    for t in range(tops.size):
        row, top, rest = x[t, b], 0.0, 0.0
        if from_logits:
            top, rest = _normaliser(row)
        tops[t], rests[t] = top, rest
        for c in range(row.size):
            strange = add_reassoc(strange, select(row[c] == row[c], 0.0, 1.0))
        scores[0] = np.float64(row[blank])
        for j in range(y.size):
            scores[j + 1] = np.float64(row[y[j]])
        for j in range(n):
            z = (scores[j] - top) - rest
            scores[j] = z
            strange = add_reassoc(strange, select((fabs(z) < RARE) | (z == -np.inf), 0.0, 1.0))
        exp_row(scores, pm[t, n:], pn[t, n:])
        for j in range(n):  # the blank's lies on the place before the labels
            pm[t, j], pn[t, j] = pm[t, n], pn[t, n]
        pm[t, 2 * n], pn[t, 2 * n] = 1.0, 0
    return strange


@kernel
def sweep(pm, pn, lift, frames, n, back, m, e):
    """The probability of all paths to each state from the front, or (``back`` = 1) from the back.

    ``lift[j]`` is NOTHING where the blank between labels j and j - 1 must not be skipped.
    """
    total, top = np.empty(2 * n + 1), np.empty(2 * n + 1, np.int64)
    start = frames if back else 0
    for j in range(total.size):
        total[j], top[j] = 1.0, NOTHING
        m[start, j], e[start, j] = 1.0, NOTHING
    e[start, n - 1 if back else 0] = 0
    # From the front, blank j is entered from label j - 1, and label j from the blank before and from
    # label j - 1. Place 0 of the labels is free, so that is place j, and seen from the back it is j + 1.
    once, twice = slice(back, back + n), slice(2 * back, 2 * back + n - 1)
    own, blanks, labels = slice(1, n), slice(back, back + n - 1), slice(n + 1, 2 * n)
    for i in range(frames):
        t = frames - 1 - i if back else i
        before, after = (t + 1, t) if back else (t, t + 1)
        bm, be, lm, le = m[before, :n], e[before, :n], m[before, n:], e[before, n:]
        add_2(bm, be, lm[once], le[once], total[:n], top[:n])
        add_3(
            lm[own],
            le[own],
            bm[blanks],
            be[blanks],
            lm[twice],
            le[twice],
            lift[blanks],
            total[labels],
            top[labels],
        )
        multiply(total, top, pm[t], pn[t], m[after], e[after])


@kernel
def total(m, e, frames, labels):
    """The probability of all paths, in extended range and its logarithm: they end in the last blank or label."""
    blank, label = labels, 2 * labels + 1
    top = larger(e[frames, blank], e[frames, label])
    bm, lm = m[frames, blank], m[frames, label]
    tm = bm * power_of_2(e[frames, blank] - top) + lm * power_of_2(e[frames, label] - top)
    return tm, top, log(tm, top)


@part
def _slope_of_logits(row, top, rest, share, cotangent, slope, out):
    """cotangent * (softmax - share); of the largest logit minus the sum of the others, exact also near 1."""
    for c in range(row.size):
        slope[c] = math64.exp((np.float64(row[c]) - top) - rest) - share[c]
    best = 0
    while row[best] != top:
        best += 1
    slope[best] = 0.0
    others = 0.0
    for c in range(row.size):
        others = add_reassoc(others, slope[c])
    slope[best] = -others
    for c in range(row.size):
        out[c] = cotangent * slope[c]


@kernel
def slopes(x, b, y, blank, from_logits, cotangent, tops, rests, pm, pn, fm, fn, bm, bn, tm, tn, gradient):
    """The derivative of one sequence's loss, in the frames that it has."""
    classes, n = x.shape[2], y.size + 1
    state, share, slope = np.empty(2 * n), np.empty(classes), np.empty(classes)
    for t in range(tops.size):
        shares(fm[t + 1], fn[t + 1], bm[t], bn[t], pm[t], pn[t], tm, tn, state)
        for c in range(classes):
            share[c] = 0.0
        for j in range(n):
            share[blank] += state[j]
        for j in range(y.size):
            share[y[j]] += state[n + 1 + j]
        out = gradient[t, b]
        if from_logits:
            _slope_of_logits(x[t, b], tops[t], rests[t], share, cotangent, slope, out)
        else:
            for c in range(classes):
                out[c] = -cotangent * share[c]
