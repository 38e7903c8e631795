"""The loops of transport between histograms: the levels of both cumulative sums, met in order."""
# mypy: ignore-errors

from __future__ import annotations

import numpy as np
from numba import njit

from losskit.engines.numba.intrinsics import fabs
from losskit.engines.numba.math64 import sign

BLOCK = 1 << 14
"""Bins in a task."""

_kernel = njit(nogil=True, error_model="numpy", cache=True)
_inline = njit(forceinline=True, error_model="numpy")


@_kernel
def costs(p, q, ways, totals, step, first, last):
    """The cost of the rows of blocks first..last-1 of ``step``; ``ways`` is what a way of 0, 1, 2, ... bins costs,
    None where it costs what it is long.
    """
    for r in range(first * step, min(last * step, p.shape[0])):
        totals[r] = _between(p[r], q[r]) if ways is None else _merged(p[r], q[r], ways)


@_kernel
def slopes(p, q, ways, factor, out, step, first, last):
    """The derivative with respect to p: each bin is in all cumulative sums from its own on, but the last."""
    levels = np.empty(p.shape[1])
    for r in range(first * step, min(last * step, p.shape[0])):
        if ways is None:
            _signs(p[r], q[r], levels)
        else:
            _rises(p[r], q[r], ways, levels)
        slope = 0.0
        for k in range(p.shape[1] - 1, -1, -1):
            slope += levels[k]
            out[r, k] = factor[r] * slope


@_inline
def _between(P, Q):
    """The area between the cumulative sums."""
    gap = total = 0.0
    for k in range(P.size - 1):
        gap += np.float64(P[k]) - np.float64(Q[k])
        total += fabs(gap)
    return total


@_inline
def _signs(P, Q, levels):
    """The derivative of that area in each cumulative sum of P."""
    gap = 0.0
    for k in range(P.size - 1):
        gap += np.float64(P[k]) - np.float64(Q[k])
        levels[k] = sign(gap)
    levels[P.size - 1] = 0.0


@_inline
def _merged(P, Q, ways):
    """Mass goes from bin a of P to bin b of Q up to the lower of their levels."""
    last = P.size - 1
    a = b = 0
    upto_a, upto_b, low, total = np.float64(P[0]), np.float64(Q[0]), 0.0, 0.0
    while a < last or b < last:
        step = b == last or (a < last and upto_a <= upto_b)
        high = upto_a if step else upto_b
        total += (high - low) * ways[abs(a - b)]
        low = high
        if step:
            a += 1
            upto_a += np.float64(P[a])
        else:
            b += 1
            upto_b += np.float64(Q[b])
    return total


@_inline
def _rises(P, Q, ways, levels):
    """The derivative of that cost in each cumulative sum of P. Raising it takes mass from bin k+1 to bin k and
    costs ways[|k - j|] - ways[|k + 1 - j|], where Q reaches the level in bin j. Where Q ends a bin there too, that
    jumps, and the number of least size in between is taken.
    """
    last = P.size - 1
    level = 0.0
    below = above = 0  # the bins in which Q reaches the level and passes it
    upto_below = upto_above = np.float64(Q[0])
    for k in range(last):
        level += np.float64(P[k])
        while below < last and upto_below < level:
            below += 1
            upto_below += np.float64(Q[below])
        while above < last and upto_above <= level:
            above += 1
            upto_above += np.float64(Q[above])
        low = ways[abs(k - below)] - ways[abs(k + 1 - below)]
        high = ways[abs(k - above)] - ways[abs(k + 1 - above)]
        levels[k] = max(low, 0.0) + min(high, 0.0) if level == level else level
    levels[last] = 0.0
