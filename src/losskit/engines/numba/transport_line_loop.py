"""The loops of transport on the line: sorting with the order kept, merging levels, costs, and the way back.

Tasks are blocks of a fixed length of each row, so that no answer depends on the number of threads.
"""
# mypy: ignore-errors

from __future__ import annotations

import numpy as np
from numba import njit

from losskit.engines.numba.intrinsics import add_reassoc, fabs
from losskit.engines.numba.math64 import power, sign

BLOCK = 1 << 15
"""Moves or samples in a task."""

_kernel = njit(nogil=True, error_model="numpy", cache=True)
_inline = njit(forceinline=True, error_model="numpy")

_DIGIT = 11  # bits: three digits make 32
_BUCKETS = 1 << _DIGIT
_MASK = np.uint64(_BUCKETS - 1)
_LOW = np.uint64(0xFFFFFFFF)
_SIGN = np.uint64(0x80000000)
_INFINITY = np.uint64(0x7F800000)


@_kernel
def sort_float32(bits, packed, spare, order):
    """Sort the numbers with these bits: afterwards ``bits`` are in order, and ``order`` says where each was.

    A radix sort of (ordered bits, index) packed in 64 bits: five times as fast as comparing. -0 comes before 0,
    any NaN last.
    """
    counts = np.zeros((3, _BUCKETS), np.int64)
    for i in range(bits.size):
        b = np.uint64(bits[i])
        key = (b ^ _LOW) if b & _SIGN else (b | _SIGN)
        if (b & ~_SIGN) > _INFINITY:
            key = _LOW
        packed[i] = (key << np.uint64(32)) | np.uint64(i)
        for digit in range(3):
            counts[digit, (key >> np.uint64(_DIGIT * digit)) & _MASK] += 1
    for digit in range(3):
        places = counts[digit]
        start = 0
        for bucket in range(_BUCKETS):
            start, places[bucket] = start + places[bucket], start
        shift = np.uint64(32 + _DIGIT * digit)
        for i in range(packed.size):
            bucket = (packed[i] >> shift) & _MASK
            spare[places[bucket]] = packed[i]
            places[bucket] += 1
        packed, spare = spare, packed
    for i in range(packed.size):
        key = packed[i] >> np.uint64(32)
        bits[i] = (key ^ _SIGN) if key & _SIGN else (key ^ _LOW)
        order[i] = packed[i] & _LOW


@_kernel
def merge(upto_i, upto_j, i, j, share, first_i, first_j, first, last):
    """The plan of rows first..last-1: the levels of both sets in order, each the end of a move.

    ``first_i[r, k]`` is the first move of sample k, which ends where that of sample k+1 begins.
    """
    n, m = upto_i.shape[1], upto_j.shape[1]
    for r in range(first, last):
        a = b = 0
        low = 0.0
        first_i[r, 0] = first_j[r, 0] = 0
        for move in range(n + m - 1):
            i[r, move], j[r, move] = a, b
            step = b == m - 1 or (a < n - 1 and upto_i[r, a] <= upto_j[r, b])
            high = upto_i[r, a] if step else upto_j[r, b]
            share[r, move] = high - low
            low = high
            if step:
                a += 1
                first_i[r, a] = move + 1
            else:
                b += 1
                first_j[r, b] = move + 1
        first_i[r, n] = first_j[r, m] = n + m - 1


@_kernel
def farthest(x, y, i, j, out, first, last):
    """The longest way in each task, NaN if one is NaN; see ``costs``."""
    moves = x.shape[1] if i is None else i.shape[1]
    for task in range(first, last):
        r, block = task // out.shape[1], task % out.shape[1]
        plan = 0 if i is None or i.shape[0] == 1 else r
        most = 0.0
        for k in range(block * BLOCK, min(block * BLOCK + BLOCK, moves)):
            a, b = (x[r, k], y[r, k]) if i is None else (x[r, i[plan, k]], y[r, j[plan, k]])
            way = fabs(np.float64(a) - np.float64(b))
            if not way <= most:
                most = way
        out[r, block] = most


@_inline
def _moved(gap, p, unit):
    """The cost of a way and its slope, in units."""
    way = fabs(gap) / unit
    if p == 1.0:
        return way, sign(gap)
    if p == 2.0:
        return way * way, way * sign(gap)
    slope = power(way, p - 1.0)
    return slope * way, slope * sign(gap)


@_kernel
def costs(x, y, i, j, share, p, unit, slopes, totals, first, last):
    """Tasks first..last-1 of all moves: each adds up its costs and writes the slopes that are wanted.

    Without a plan (i is None) sample k goes to sample k, and all shares are 1. A plan may be common to all rows.
    """
    moves = x.shape[1] if i is None else i.shape[1]
    per_row = totals.shape[1]
    for task in range(first, last):
        r, block = task // per_row, task % per_row
        lo, hi = block * BLOCK, min(block * BLOCK + BLOCK, moves)
        plan = 0 if i is None or i.shape[0] == 1 else r
        X, Y, u = x[r], y[r], unit[r]
        if slopes is not None:
            S = slopes[r, lo:hi]
        total = 0.0
        if i is None:
            A, B = X[lo:hi], Y[lo:hi]
            for k in range(A.size):
                cost, slope = _moved(np.float64(A[k]) - np.float64(B[k]), p, u)
                total = add_reassoc(total, cost)
                if slopes is not None:
                    S[k] = slope
        else:
            I, J, W = i[plan, lo:hi], j[plan, lo:hi], share[plan, lo:hi]
            for k in range(I.size):
                cost, slope = _moved(np.float64(X[I[k]]) - np.float64(Y[J[k]]), p, u)
                total += W[k] * cost if W[k] != 0.0 else 0.0  # nothing goes to or from infinity
                if slopes is not None:
                    S[k] = W[k] * slope if W[k] != 0.0 else 0.0
        totals[r, block] = total


@_kernel
def to_samples(values, order, weight, slopes, starts, factor, gradient, per_row, first, last):
    """Tasks first..last-1 of all samples: ``factor`` times the slopes of its moves, in the place it came from.

    Equal samples share theirs, in proportion to their weights. A run of them belongs to the task it begins in.
    """
    n = values.shape[1]
    for task in range(first, last):
        r, block = task // per_row, task % per_row
        lo, hi = block * BLOCK, min(block * BLOCK + BLOCK, n)
        V, O, S, G, c = values[r], order[r], slopes[r], gradient[r], factor[r]
        plan = 0 if starts is None or starts.shape[0] == 1 else r
        while 0 < lo < hi and V[lo] == V[lo - 1]:
            lo += 1
        while lo < hi:
            end = lo + 1
            while end < n and V[end] == V[lo]:
                end += 1
            total, together = 0.0, 0.0
            begin, stop = (lo, end) if starts is None else (starts[plan, lo], starts[plan, end])
            for k in range(begin, stop):
                total += S[k]
            for k in range(lo, end):
                together += 1.0 if weight is None else weight[r, k]
            for k in range(lo, end):
                one = 1.0 if weight is None else weight[r, k]
                G[O[k]] = c * (total * (one / together)) if one != 0.0 and total != 0.0 else 0.0
            lo = end
