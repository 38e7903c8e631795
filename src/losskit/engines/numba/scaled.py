"""Sums over paths as floats, each on a scale of its own: pairs of numbers that share a power of 2.

Sums of paths leave the range of floats within a hundred frames. So each pair of a row has a scale, and
a few frames later a new one; what passes between neighbours is multiplied by the ratio of their scales.
Powers of 2 round nothing, and until the scales are renewed a frame costs a few multiplications.

Rows have a place before the first pair and one after the last, so that every pair has neighbours.
"""
# mypy: ignore-errors

from __future__ import annotations

import numpy as np
from numba import njit

from losskit.engines.numba.extended import larger, part, power_of_2
from losskit.engines.numba.intrinsics import bits, from_bits, select, shift_left, shift_right

STRETCH = np.int64(300)
"""By how many bits numbers may grow or shrink until their scales are renewed.

New ones are above 2**-600, as half the gap within a pair counts, so that none falls below 2**-900.
"""
_AT_MOST = np.int64(8)  # frames; more would save little
_FAR = 4 * STRETCH  # a product that counts does not lie further below the sum of all paths

_BIAS, _MANTISSA, _ONE = np.int64(1023), np.int64(52), np.int64(1023 << 52)

step = njit(error_model="numpy", no_cfunc_wrapper=True, no_cpython_wrapper=True)


@part
def exponent(x):
    """n of a positive x = m 2**n with m in [1, 2)."""
    return shift_right(bits(x), _MANTISSA) - _BIAS


@part
def frames_until(gap):
    """For how many frames scales last where numbers move by ``gap`` bits a frame; 0: not for one."""
    return min(_AT_MOST, STRETCH // max(gap, np.int64(1)))


@step
def renew(a, b, e):
    """Give each pair (a, b) 2**e the scale that brings its larger number to [1, 2).

    Pairs of 0 take the scale of the nearest other one, from which they will be reached. Answers a gap in
    bits: the largest between scales of neighbours, or half of that between the numbers of a pair.
    """
    end = e.size - 1
    for j in range(1, end):
        n = shift_right(larger(bits(a[j]), bits(b[j])), _MANTISSA) - _BIAS
        to_1 = from_bits(shift_left(_BIAS - n, _MANTISSA))
        a[j] *= to_1
        b[j] *= to_1
        e[j] += n
    least, gap = _ONE, np.int64(0)
    for j in range(1, end):
        i, k = bits(a[j]), bits(b[j])  # which are ordered like the numbers, as none is negative
        i, k = select(i == 0, _ONE, i), select(k == 0, _ONE, k)
        i = select(i < k, i, k)
        least = select(i < least, i, least)
    first, last = 1, end - 1
    while a[first] == 0.0 and b[first] == 0.0:
        first += 1
    while a[last] == 0.0 and b[last] == 0.0:
        last -= 1
    for j in range(first):
        e[j] = e[first]
    for j in range(last + 1, e.size):
        e[j] = e[last]
    for j in range(end):
        n = e[j] - e[j + 1]
        gap = larger(larger(n, -n), gap)
    return larger(gap, (_BIAS - shift_right(least, _MANTISSA)) // 2)


@step
def ratios(e, neighbour, ratio):
    """The scales of neighbours over each pair's own."""
    for j in range(ratio.size):
        ratio[j] = power_of_2(neighbour[j] - e[j])


@step
def unscale(e, e1, m, n, factor, factor1):
    """Factors for numbers on the scales e and e1 that make of their product a share of m 2**n."""
    for j in range(e.size):
        i = e[j] + e1[j] - n
        i = select(i > _FAR, _FAR, i)  # one of the numbers is 0; the other must not become infinite
        half = shift_right(i, np.int64(1))
        factor[j] = power_of_2(half) / m
        factor1[j] = power_of_2(i - half)
