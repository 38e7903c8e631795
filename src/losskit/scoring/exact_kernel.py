"""Exact sums of float64: the kernel.

A sum is kept as a fixed-point number wide enough for any float64, in limbs of 32 bits: limb i counts units of
2**(32 i - 1074). Each limb is an int64, so 2**30 numbers can be added before a carry is due (Neal 2015).

Adding single numbers to limbs does not vectorise. Therefore a block of numbers is first sliced by bits (Rump, Ogita &
Oishi 2008): with a power of two ``anchor`` that is large enough, (anchor + x) - anchor are the upper bits of x, whose
sum is exact in float64 in any order, and x less its upper bits is exact too. Each slice takes 42 bits off the largest
number, until nothing is left; two or three slices are the rule, and only their sums go to the limbs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from losskit.engines.numba import intrinsics

BLOCK = 1024
"""Numbers that are sliced at once: they stay in the first cache."""

LIMBS = 68
"""66 limbs hold any float64; two more hold the carries of any sum."""

# BLOCK numbers below 2**e, and what rounding them to slices adds, come to less than 2**(e + 11).
_HEADROOM = 11
_MAGNITUDE = np.int64(0x7FFF_FFFF_FFFF_FFFF)
INFINITE = np.int64(0x7FF << 52)  # from here on: bits of magnitudes
_TOO_LARGE = np.int64((0x7FE - _HEADROOM) << 52)  # the anchor would overflow
_SMALLEST_NORMAL = np.int64(1 << 52)  # below, a number has fewer bits than a slice takes off

add_reassoc: Any = intrinsics.add_reassoc  # they have another signature here than in Python
bits: Any = intrinsics.bits
from_bits: Any = intrinsics.from_bits

inline: Any = njit(forceinline=True, error_model="numpy")
kernel: Any = njit(nogil=True, error_model="numpy", cache=True)


@inline
def add_one(limbs, x):  # type: ignore[no-untyped-def]
    """Add a finite number to the limbs."""
    pattern = bits(x)
    exponent = (pattern & _MAGNITUDE) >> 52
    mantissa = pattern & np.int64((1 << 52) - 1)
    if exponent > 0:
        mantissa |= np.int64(1 << 52)
        exponent -= 1
    if pattern < 0:
        mantissa = -mantissa
    place, shift = exponent >> 5, exponent & 31
    # 53 bits shifted by up to 31 reach into three limbs; the upper one carries the sign
    low = mantissa << shift
    limbs[place] += low & 0xFFFF_FFFF
    high = mantissa >> (32 - shift) if shift else mantissa >> 32
    limbs[place + 1] += high & 0xFFFF_FFFF
    limbs[place + 2] += high >> 32


@inline
def magnitude(x):  # type: ignore[no-untyped-def]
    """The bits of |x|, which are ordered as the numbers are; those of infinity and NaN are above all others."""
    return bits(x) & _MAGNITUDE


@inline
def copied(X, R):  # type: ignore[no-untyped-def]
    """Copy X to R; the largest magnitude."""
    largest = np.int64(0)
    for i in range(X.size):
        x = X[i]
        R[i] = x
        largest = max(largest, magnitude(x))
    return largest


@inline
def sliced(R, anchor):  # type: ignore[no-untyped-def]
    """Take the upper bits off each number: their exact sum, and the largest magnitude that is left."""
    total, largest = 0.0, np.int64(0)
    for i in range(R.size):
        x = R[i]
        upper = (anchor + x) - anchor
        rest = x - upper
        R[i] = rest
        total = add_reassoc(total, upper)
        largest = max(largest, magnitude(rest))
    return total, largest


@inline
def without_special(R):  # type: ignore[no-untyped-def]
    """Put 0 in the place of infinity and NaN; their sum."""
    special = 0.0
    for i in range(R.size):
        if magnitude(R[i]) >= INFINITE:
            special += R[i]
            R[i] = 0.0
    return special


@inline
def add_block(R, largest, limbs):  # type: ignore[no-untyped-def]
    """Add at most BLOCK numbers to the limbs and destroy them; the sum of those that limbs cannot hold."""
    special = 0.0
    if largest >= INFINITE:
        special = without_special(R)
        largest = copied(R, R)
    while _SMALLEST_NORMAL <= largest < _TOO_LARGE:
        anchor = from_bits(((largest >> 52) + 1 + _HEADROOM) << 52)
        total, largest = sliced(R, anchor)
        add_one(limbs, total)
    if largest != 0:
        for i in range(R.size):
            add_one(limbs, R[i])
    return special


@kernel
def add_all(x, limbs):  # type: ignore[no-untyped-def]
    """Add numbers to the limbs; the sum of those that are infinite or NaN, which limbs cannot hold."""
    scratch = np.empty(BLOCK)
    special = 0.0
    for first in range(0, x.size, BLOCK):
        X = x[first : min(first + BLOCK, x.size)]
        R = scratch[: X.size]
        special += add_block(R, copied(X, R), limbs)
    return special


@kernel
def add_by_group(x, groups, limbs, special):  # type: ignore[no-untyped-def]
    """Add each number to the limbs of its group, or to ``special`` where it is infinite or NaN."""
    for i in range(x.size):
        group = groups[i]
        if magnitude(x[i]) >= INFINITE:
            special[group] += x[i]
        else:
            add_one(limbs[group], x[i])


@kernel
def widen(x, out):  # type: ignore[no-untyped-def]
    """Copy to float64; whether every number is finite."""
    largest = np.int64(0)
    for i in range(x.size):
        number = np.float64(x[i])
        out[i] = number
        largest = max(largest, magnitude(number))
    return largest < INFINITE
