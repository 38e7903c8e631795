"""The loop over the errors of a region in descending order; lovasz.py copies it into a module for each dtype.

An error travels with its place and target in one number, so that sorting numbers is all there is to
do: its bits, turned over to sort downwards, then the place, then the target. Errors of 64 bits do not
fit beside them and are sorted as they are.
"""
# mypy: ignore-errors

from typing import Any

import numpy as np

from losskit.engines.numba.intrinsics import bits, from_bits, iand, ixor, shift_right

# Written above the loop in each generated module.
FLOAT: Any
PACKED: Any


def pack(m, hit, keys):
    """Numbers that sort as the errors do, downwards."""
    for i in range(m.size):
        b = bits(np.float32(m[i]))
        b = ixor(b, iand(shift_right(b, np.int32(31)), np.int32(0x7FFFFFFF)))  # in the order of the floats
        high = np.uint64(np.int64(2**31 - 1) - np.int64(b))
        keys[i] = (high << np.uint64(32)) | np.uint64(2 * i) | np.uint64(hit[i])


def sort(keys, spare):
    """The keys in the order of their errors, in ``spare``: by 11 bits of the error at a time, the lowest first."""
    counts = np.zeros((3, 2048), np.int64)
    mask = np.uint64(2047)
    for i in range(keys.size):
        for digit in range(3):
            counts[digit, (keys[i] >> np.uint64(32 + 11 * digit)) & mask] += 1
    source, target = keys, spare
    for digit in range(3):
        shift, places, start = np.uint64(32 + 11 * digit), counts[digit], 0
        for bucket in range(places.size):
            places[bucket], start = start, start + places[bucket]
        for i in range(source.size):
            bucket = (source[i] >> shift) & mask
            target[places[bucket]] = source[i]
            places[bucket] += 1
        source, target = target, source


def alike(keys, m, j, k):
    """Whether two errors are equal."""
    if PACKED:
        return keys[j] >> np.uint64(32) == keys[k] >> np.uint64(32)
    return m[keys[j] >> np.uint64(1)] == m[keys[k] >> np.uint64(1)]


def error(keys, m, k):
    """The k-th largest error."""
    if PACKED:
        b = np.int32(np.int64(2**31 - 1) - np.int64(keys[k] >> np.uint64(32)))
        return from_bits(ixor(b, iand(shift_right(b, np.int32(31)), np.int32(0x7FFFFFFF))))
    return m[keys[k] >> np.uint64(1)]


def place(keys, k):
    """Where the k-th largest error is."""
    return np.int64((keys[k] & np.uint64(0xFFFFFFFF)) >> np.uint64(1))


def region(keys, m, weight, smooth, hinge, slopes):
    """The loss of one region; ``slopes``, where given, takes its derivative in each error."""
    target = 0.0
    for k in range(keys.size):
        if keys[k] & np.uint64(1):
            target += weight[place(keys, k)] if weight.size > 0 else 1.0
    total, true, other = 0.0, 0.0, 0.0
    first = 0
    while first < keys.size:
        e = np.float64(error(keys, m, first))
        last, of_block, others = first, 0.0, 0.0
        while last < keys.size and (last == first or alike(keys, m, first, last)):
            w = weight[place(keys, last)] if weight.size > 0 else 1.0
            if keys[last] & np.uint64(1):
                of_block += w
            else:
                others += w
            last += 1
        of_true, of_other = 0.0, 0.0
        if e != e:
            of_true, of_other = e, e
        elif not hinge or e > 0.0:
            of_true, of_other = least(target - true, target + other + smooth, of_block, others, smooth)
        total += e * (of_block * of_true + others * of_other)
        if slopes.size > 0:
            for k in range(first, last):
                i = place(keys, k)
                w = weight[i] if weight.size > 0 else 1.0
                slopes[i] = FLOAT(-w * of_true if keys[k] & np.uint64(1) else w * of_other)
        true, other, first = true + of_block, other + others, last
    return total


def least(left, before, of_block, others, smooth):
    """What each element of a block of equal errors adds: as equal as they can be.

    ``left``: elements of the target that were right so far; ``before``: those in the union, smoothed.
    """
    after = before + others
    if of_block + others == 0.0:
        return 0.0, 0.0
    if others == 0.0:
        return 1.0 / before, 0.0
    if before == 0.0:  # without target and smoothing the loss leaps to 1 at once
        return 1.0 / after, 1.0 / after
    other_most = (left + smooth) / (before * after)
    if of_block == 0.0:
        return 0.0, other_most
    other_least = (left - of_block + smooth) / (before * after)
    equal = (others * other_most + of_block / after) / (of_block + others)
    if equal < 1.0 / after:
        return 1.0 / after, other_most
    if equal > 1.0 / before:
        return 1.0 / before, other_least
    return equal, equal
