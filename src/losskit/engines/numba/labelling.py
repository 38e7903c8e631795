"""Labels against frames on the CPU: all paths summed from the front and from the back, a row a frame.

A row has a pair for each label, the blank before it and the label, and a last pair for the blank at
the end; there is one before each frame and one after the last. The product of the sums from both sides,
over that of all paths, is the share of the paths that pass a state.

Probabilities so small, or so different, that floats on scales of their own lose them are left to numbers
of extended range.
"""
# mypy: ignore-errors

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from losskit.engines import memory
from losskit.engines.inputs import Array
from losskit.engines.numba import math64
from losskit.engines.numba.extended import kernel, larger, log, part, power_of_2
from losskit.engines.numba.intrinsics import (
    add_reassoc,
    bits,
    fma,
    from_bits,
    iand,
    ixor,
    select,
    shift_right,
)
from losskit.engines.numba.scaled import STRETCH, exponent, frames_until, ratios, renew, step, unscale

_SIGN_BIT, _ALL_BUT_SIGN = np.int64(63), np.int64(2**63 - 1)
_MOST = 16.0  # that a row of probabilities may exceed 1 by, where nobody checks it
_LANES = 8  # float64 numbers of a vector


class Tables(NamedTuple):
    """What is kept of a sequence from the front to the back."""

    p_blank: Array
    """(frames,): the probability of the blank."""
    best: Array
    """(frames,): the likeliest class."""
    rest: Array
    """(frames,): the probability of all others."""
    p: Array
    """(frames, pairs): the probability of each label; 0 where there is none."""
    rows: Array
    """(frames + 1, 2, pairs): the sums of all paths to each blank and label."""
    scales: Array
    """(frames + 1, pairs): exponents of 2, of which each set serves several rows."""
    scale_of: Array
    """(frames + 1,): which set a row has."""


def tables(frames: int, labels: int) -> Tables:
    """Memory for sequences of up to so many frames and labels."""
    wide, pairs = np.dtype(np.float64), -(-(labels + 1) // _LANES) * _LANES + 2
    p = memory.empty(frames * pairs, wide).reshape(frames, pairs)
    p[:, 0] = p[:, -1] = 0.0
    rows = memory.empty((frames + 1) * 2 * pairs, wide).reshape(frames + 1, 2, pairs)
    counts = np.empty(frames, np.int64), np.empty(frames + 1, np.int64)
    scales = np.empty((frames + 1, pairs), np.int64)
    return Tables(np.empty(frames), counts[0], np.empty(frames), p, rows, scales, counts[1])


@part
def _ordered(i):
    """The bits of a float as an integer of the same order, and back; a float's maximum does not vectorise."""
    return ixor(i, iand(shift_right(i, _SIGN_BIT), _ALL_BUT_SIGN))


@part
def _largest(row):
    """The largest number of a row."""
    best = _ordered(bits(np.float64(row[0])))
    for c in range(row.size):
        best = larger(_ordered(bits(np.float64(row[c]))), best)
    return from_bits(_ordered(best))


@part
def _powers(row, top, power):
    """exp(z - top) of each number z; where z is ``top``, and the sum of all but that one, NaN where one is NaN."""
    others, ties, best = 0.0, 0.0, np.int64(0)
    for c in range(row.size):
        z = np.float64(row[c])
        x, is_top = math64.exp(z - top), z == top
        power[c] = x
        others = add_reassoc(others, select(is_top, 0.0, x))
        ties = add_reassoc(ties, select(is_top, 1.0, 0.0))
        best = larger(select(is_top, np.int64(c), np.int64(0)), best)
    return best, others + (ties - 1.0)


@kernel
def emissions(x, b, y, frames, blank, from_logits, cotangent, tables, gradient):
    """The probabilities of blank and labels at each frame; answers their least, NaN where a number is NaN.

    What the softmax adds to the derivative is written there.
    """
    least, power, n = 1.0, np.empty(x.shape[2]), y.size + 1
    for t in range(frames):
        row, top, share = x[t, b], 0.0, 1.0
        if from_logits:
            top = _largest(row)
        tables.best[t], others = _powers(row, top, power)
        if others != others or (others > _MOST and not from_logits):
            return np.nan
        if from_logits:
            share = 1.0 / (1.0 + others)
            tables.rest[t] = others * share
        if gradient is not None:
            out, factor = gradient[t, b], cotangent * share if from_logits else 0.0
            for c in range(out.size):
                out[c] = factor * power[c]
        tables.p_blank[t] = share * power[blank]
        least = min(least, tables.p_blank[t])
        p = tables.p[t]
        for j in range(y.size):
            p[j + 1] = share * power[y[j]]
        for j in range(1, n):
            least = select(p[j] < least, p[j], least)
        for j in range(n, p.size):
            p[j] = 0.0
    return least


@part
def _advance(row, p_blank, p, ratio, skip, to):
    """The sums one frame on: from the pair itself, and from the label of the one before."""
    end = p.size - 1
    B, L, before = row[0, 1:end], row[1, 1:end], row[1, : end - 1]
    to_B, to_L, S, K, P = to[0, 1:end], to[1, 1:end], ratio[1:end], skip[1:end], p[1:end]
    for j in range(to_B.size):
        to_B[j] = fma(before[j], S[j], B[j]) * p_blank
    for j in range(to_L.size):
        to_L[j] = fma(before[j], K[j], L[j] + B[j]) * P[j]
    to[1, 0] = 0.0


@kernel
def front(tables, frames, labels, passable, need):
    """Sum the paths from the front; answers their sum m 2**n, its logarithm, and whether no number was lost.

    ``passable`` is 1 where the blank before a label may be skipped, else 0. ``need`` is by how many bits
    the probabilities of a frame may lessen a number.
    """
    rows, scales, scale_of = tables.rows, tables.scales, tables.scale_of
    ratio, skip, e = np.empty(passable.size), np.empty(passable.size), scales[0]
    for j in range(passable.size):
        rows[0, 0, j], rows[0, 1, j], e[j], ratio[j], skip[j] = 0.0, 0.0, 0, 1.0, passable[j]
    rows[0, 0, 1], scale_of[0], now = 1.0, 0, 0
    until = frames_until(need)
    for t in range(frames):
        _advance(rows[t], tables.p_blank[t], tables.p[t], ratio, skip, rows[t + 1])
        until -= 1
        if until == 0:
            now += 1
            for j in range(e.size):
                scales[now, j] = e[j]
            e = scales[now]
            until = frames_until(larger(renew(rows[t + 1, 0], rows[t + 1, 1], e), need))
            if until == 0:
                return 0.0, 0, 0.0, False
            ratios(e[1:], e[:-1], ratio[1:])
            for j in range(skip.size):
                skip[j] = ratio[j] * passable[j]
        scale_of[t + 1] = now
    return _all_paths(rows[frames], e, labels)


@step
def _all_paths(row, e, labels):
    """What ``front`` answers: paths end in the last blank or the last label."""
    n = larger(e[labels + 1], e[labels])
    m = row[0, labels + 1] * power_of_2(e[labels + 1] - n) + row[1, labels] * power_of_2(e[labels] - n)
    if m == 0.0:
        return m, n, -np.inf, True
    k = exponent(m)
    m *= power_of_2(-k)
    return m, n + k, log(m, n + k), True


@part
def _retreat(B, L, front_row, factor, factor1, p_blank, p, ratio, skip, state, scratch):
    """The sums B and L one frame back, and the shares of the paths at it: of each label, and of all blanks."""
    end = p.size - 1
    b, l, b_after, l_after, S, K = B[1:end], L[1:end], B[2:], L[2:], ratio[1:end], skip[1:end]
    front_B, front_L, P = front_row[0, 1:end], front_row[1, 1:end], p[1:end]
    f, f1, new = factor[1:end], factor1[1:end], scratch
    for j in range(new.size):
        new[j] = fma(b_after[j], S[j], fma(l_after[j], K[j], l[j]))
    blanks = 0.0
    for j in range(b.size):
        either = b[j] + l[j]
        blanks = add_reassoc(blanks, (front_B[j] * f[j]) * (either * f1[j]))
        b[j] = either * p_blank
    for j in range(state.size):
        state[j] = (front_L[j] * f[j]) * (new[j] * f1[j])
    for j in range(l.size):
        l[j] = new[j] * P[j]
    return blanks


@part
def _write(y, classes, places, state, p, of_softmax, cotangent, share, out):
    """The derivative in the scores of the labels' classes; ``share`` is 0 before and after."""
    for j in range(y.size):
        share[y[j]] += state[j]
    for k in range(classes.size):
        c = classes[k]
        out[c] = cotangent * (of_softmax * p[places[k] + np.uint64(1)] - share[c])
        share[c] = 0.0


@part
def _others(y, best, state):
    """The shares of all labels but one class."""
    others = 0.0
    for j in range(y.size):
        others = add_reassoc(others, select(y[j] == best, 0.0, state[j]))
    return others


@kernel
def back(
    y, classes, places, frames, blank, from_logits, cotangent, tables, passable, need, m, n, gradient, b
):  # fmt: skip
    """Sum the paths from the back and write the derivative; answers whether no number was lost."""
    pairs = passable.size
    B, L, e, share = np.zeros(pairs), np.zeros(pairs), np.zeros(pairs, np.int64), np.zeros(gradient.shape[2])
    ratio, skip, factor, factor1 = np.zeros(pairs), np.zeros(pairs), np.empty(pairs), np.empty(pairs)
    state, scratch = np.empty(pairs - 2), np.empty(pairs - 2)
    B[y.size + 1] = 1.0
    until, now, of_softmax = 1, -1, 1.0 if from_logits else 0.0
    for t in range(frames - 1, -1, -1):
        until -= 1
        if until == 0:
            until = frames_until(larger(renew(B, L, e), need))
            if until == 0:
                return False
            ratios(e[:-1], e[1:], ratio[:-1])
            for j in range(pairs - 1):
                skip[j] = ratio[j] * passable[j + 1]
            now = -1
        if now != tables.scale_of[t + 1]:
            now = tables.scale_of[t + 1]
            unscale(tables.scales[now], e, m, n, factor, factor1)
        p_blank, p, out = tables.p_blank[t], tables.p[t], gradient[t, b]
        blanks = _retreat(B, L, tables.rows[t + 1], factor, factor1, p_blank, p, ratio, skip, state, scratch)
        _write(y, classes, places, state, p, of_softmax, cotangent, share, out)
        out[blank] = cotangent * (of_softmax * p_blank - blanks)
        if from_logits:
            # The derivatives of a frame sum to 0: that of a probability near 1 is what the others are.
            best = tables.best[t]
            others = _others(y, np.uint64(best), state) + (0.0 if best == blank else blanks)
            out[best] = cotangent * (others - tables.rest[t])
    return True


@step
def _distinct(y, classes):
    """The classes that occur among labels, and the first place of each."""
    found, places, seen, n = np.empty_like(y), np.empty_like(y), np.zeros(classes, np.bool_), 0
    for j in range(y.size):
        if not seen[y[j]]:
            found[n], places[n], seen[y[j]] = y[j], j, True
            n += 1
    return found[:n], places[:n]


@kernel
def label(x, b, y, frames, blank, from_logits, cotangent, tables, gradient):
    """The log-probability of a sequence's labels, NaN where numbers were lost; writes the derivative.

    Labels are unsigned, which are indices without a test for their sign.
    """
    passable = np.zeros(tables.p.shape[1])
    for j in range(1, y.size):
        passable[j + 1] = 1.0 if y[j] != y[j - 1] else 0.0
    least = emissions(x, b, y, frames, blank, from_logits, cotangent, tables, gradient)
    if not least > power_of_2(-STRETCH):
        return np.nan
    need = -exponent(least)
    m, n, score, sound = front(tables, frames, y.size, passable, need)
    if sound and gradient is not None and score > -np.inf:
        classes, places = _distinct(y, x.shape[2])
        sound = back(
            y, classes, places, frames, blank, from_logits, cotangent, tables, passable, need, m, n, gradient, b
        )  # fmt: skip
    return score if sound else np.nan
