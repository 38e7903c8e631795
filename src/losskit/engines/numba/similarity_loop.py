"""The loops of batch similarity over a tile: some anchors' similarities with all candidates, one row each.

The driver has the rows sorted so that an anchor's positives are the columns begin..end-1, less the
anchor's own column (-1 if it has none). A set of columns is then two ranges. similarity.py copies the
loops into a module for each dtype, after ``ordered`` of rows_loop.py.
"""
# mypy: ignore-errors

from typing import Any

import numpy as np

from losskit.engines.numba.intrinsics import (
    add_reassoc,
    fma,
    from_bits,
    iadd,
    iand,
    ixor,
    select,
    shift_right,
)
from losskit.engines.numba.rows_loop import ordered

# Written above the loops in each generated module.
ROW: Any
INT: Any
LIFT: Any
UNLIFT: Any
SIGN_BIT: Any
ALL_BUT_SIGN: Any
OVER_POSITIVES: Any
OVER_NEGATIVES: Any
exp_gap: Any
log1p: Any
row_softplus: Any
row_sigmoid: Any


def ranges(over, begin, end, own, columns):
    """The two ranges of columns that a set is made of."""
    if over == OVER_NEGATIVES:
        return 0, begin, end, columns
    first, last = 0, columns
    if over == OVER_POSITIVES:
        first, last = begin, end
    if own < first or own >= last:
        return first, last, last, last
    return first, own, own + 1, last


def highest(s, scale, best):
    """The largest exponent of a row, or ``best``, as ordered bits; a float's maximum does not vectorise."""
    for j in range(s.size):
        i = ordered(scale * s[j])
        best = select(i > best, i, best)
    return best


def powers_of(s, scale, m):
    """s becomes exp(x - m), lifted; the sum over those below m, and how many are at it."""
    total, ties = 0.0, INT(0)
    for start in range(0, s.size, 1024):  # few additions in a row: the partial sums keep their digits
        S = s[start : min(start + 1024, s.size)]
        part = 0.0
        for j in range(S.size):
            x = scale * S[j]
            tied = x == m
            e = exp_gap(x, m)
            part = add_reassoc(part, np.float64(select(tied, ROW(0), e)))
            ties = iadd(ties, select(tied, INT(1), INT(0)))
            S[j] = select(tied, LIFT, e)
        total += part
    return total, ties


def gap_of(s, scale, m):
    """The sum of m - x over a row."""
    total = 0.0
    for j in range(s.size):
        total = add_reassoc(total, np.float64(m) - np.float64(scale * s[j]))
    return total


def scaled_by(s, factor):
    """s = factor * s."""
    for j in range(s.size):
        s[j] = s[j] * factor


def less_share(s, others, share, factor):
    """From lifted exponentials to factor * (softmax - share); at the largest nothing cancels."""
    for j in range(s.size):
        e = np.float64(s[j]) * UNLIFT
        w = select(e == 1.0, (1.0 - share) - others * share, e - share * (1.0 + others))
        s[j] = ROW(factor * w / (1.0 + others))


def logarithm(
    s, begin, end, own, over, scale, shift, coefficient, plus_one, less, sloped, terms, first, last
):
    """Adds a pool to the terms of rows first..last-1, and puts its derivative in the place of its similarities.

    Exponents are scale * s, and that of the 1 is -shift: so a large shift rounds nothing off.
    """
    a, one = ROW(scale), ROW(-shift if plus_one else -np.inf)
    for row in range(first, last):
        S = s[row]
        lo, mid, start, hi = ranges(over, begin[row], end[row], own[row], S.size)
        if lo == mid and start == hi:
            continue
        left, right = S[lo:mid], S[start:hi]
        best = highest(right, a, highest(left, a, ordered(one)))
        m = from_bits(ixor(best, iand(shift_right(best, SIGN_BIT), ALL_BUT_SIGN)))
        p, q, r, t = ranges(OVER_POSITIVES, begin[row], end[row], own[row], S.size)
        count = q - p + t - r
        level = np.float64(m) + shift
        if less and count > 0:
            level = (gap_of(S[p:q], a, m) + gap_of(S[r:t], a, m)) / count
        total, ties = powers_of(left, a, m)
        more, again = powers_of(right, a, m)
        total, ties = total + more, iadd(ties, again)
        if plus_one:
            level = np.float64(m) - np.float64(one)
            total += np.float64(select(m == one, ROW(0), exp_gap(one, m)))
            ties = iadd(ties, select(m == one, INT(1), INT(0)))
        others = total * UNLIFT + (np.float64(ties) - 1.0)
        terms[row] += coefficient * (level + log1p(others))
        if not sloped:
            continue
        factor = coefficient * scale
        each = ROW(factor * UNLIFT / (1.0 + others))
        if less and count > 0:
            less_share(S[p:q], others, 1.0 / count, factor)
            less_share(S[r:t], others, 1.0 / count, factor)
            scaled_by(S[: begin[row]], each)
            scaled_by(S[end[row] :], each)
        else:
            scaled_by(left, each)
            scaled_by(right, each)


def softplus_of(s, scale, shift, factor):
    """The sum of log(1 + exp(x)) over a row, which becomes factor / (1 + exp(-x))."""
    total = 0.0
    for start in range(0, s.size, 1024):
        S = s[start : min(start + 1024, s.size)]
        part = 0.0
        for j in range(S.size):
            x = fma(scale, S[j], shift)
            part = add_reassoc(part, np.float64(row_softplus(x)))
            S[j] = factor * row_sigmoid(x)
        total += part
    return total


def logarithms(s, begin, end, own, over, scale, shift, coefficient, terms, first, last):
    """The same for a pool with a logarithm for each pair."""
    a, b, factor = ROW(scale), ROW(shift), ROW(coefficient * scale)
    for row in range(first, last):
        S = s[row]
        lo, mid, start, hi = ranges(over, begin[row], end[row], own[row], S.size)
        total = softplus_of(S[lo:mid], a, b, factor) + softplus_of(S[start:hi], a, b, factor)
        terms[row] += coefficient * total


def unit_rows(z, u, length, first, last):
    """Rows divided by their lengths, which are length[:, 0] * length[:, 1]; 0 * 1 for a row of zeros."""
    for row in range(first, last):
        Z, U = z[row], u[row]
        top = 0.0
        for k in range(Z.size):
            a = abs(np.float64(Z[k]))
            top = a if a > top or a != a else top
        square = 0.0
        for k in range(Z.size):
            a = np.float64(Z[k]) / top if top != 0.0 else 0.0
            square = add_reassoc(square, a * a)
        rest = np.sqrt(square) if top != 0.0 else 1.0
        for k in range(Z.size):
            U[k] = np.float64(Z[k]) / top / rest if top != 0.0 else 0.0
        length[row, 0], length[row, 1] = top, rest


def through_length(slope, u, length, out, first, last):
    """From the derivative in unit rows to that in the rows, slope - u (u·slope); 0 for a row of zeros."""
    for row in range(first, last):
        G, U, O = slope[row], u[row], out[row]
        top, rest = length[row, 0], length[row, 1]
        if top == 0.0:
            O[:] = 0.0
            continue
        large = 0
        for k in range(U.size):
            if abs(U[k]) > abs(U[large]):
                large = k
        along, square = 0.0, 0.0
        for k in range(U.size):
            x = select(k == large, 0.0, np.float64(U[k]))
            along = add_reassoc(along, np.float64(G[k]) * x)
            square = add_reassoc(square, x * x)
        g, x = np.float64(G[large]), np.float64(U[large])
        whole = along + g * x
        for k in range(U.size):
            O[k] = (np.float64(G[k]) - np.float64(U[k]) * whole) / rest / top
        O[large] = (g * square - x * along) / rest / top  # square is 1 - x², without the difference
