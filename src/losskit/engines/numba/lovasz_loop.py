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
    """Numbers that sort as the errors do, downwards, and how many there are of each digit."""
    counts = np.zeros((3, 2048), np.int64)
    mask = np.uint64(2047)
    for i in range(m.size):
        b = bits(np.float32(m[i]))
        b = ixor(b, iand(shift_right(b, np.int32(31)), np.int32(0x7FFFFFFF)))  # in the order of the floats
        high = np.uint64(np.int64(2**31 - 1) - np.int64(b))
        keys[i] = (high << np.uint64(32)) | np.uint64(2 * i) | np.uint64(hit[i])
        for digit in range(3):
            counts[digit, (high >> np.uint64(11 * digit)) & mask] += 1
    return counts


def sort(keys, spare, counts):
    """The keys in the order of their errors, in ``spare``: by 11 bits of the error at a time, the lowest first."""
    mask = np.uint64(2047)
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
    target = size_of_target(keys, weight)
    total, true, other = 0.0, 0.0, 0.0
    first = 0
    while first < keys.size:
        e = np.float64(error(keys, m, first))
        counts = not hinge or not (e <= 0.0)
        left, before = target - true, target + other + smooth
        if first + 1 == keys.size or not alike(keys, m, first, first + 1):
            w, hit = weight_at(keys, weight, first), np.float64(keys[first] & np.uint64(1))
            share = alone(left, before, w, hit, smooth) if counts else 0.0
            share = w * (e if e != e else share)
            total += e * share
            if slopes.size > 0:
                slopes[place(keys, first)] = FLOAT(share * (1.0 - 2.0 * hit))
            true, other, first = true + w * hit, other + w * (1.0 - hit), first + 1
            continue
        last, of_block, others = block(keys, m, weight, first)
        of_true, of_other = 0.0, 0.0
        if e != e:
            of_true, of_other = e, e
        elif counts:
            of_true, of_other = least(left, before, of_block, others, smooth)
        total += e * (of_block * of_true + others * of_other)
        if slopes.size > 0:
            for k in range(first, last):
                share = -of_true if keys[k] & np.uint64(1) else of_other
                slopes[place(keys, k)] = FLOAT(weight_at(keys, weight, k) * share)
        true, other, first = true + of_block, other + others, last
    return total


def weight_at(keys, weight, k):
    """The weight of the element with the k-th largest error."""
    return np.float64(weight[place(keys, k)]) if weight.size > 0 else 1.0


def size_of_target(keys, weight):
    """The weight of all elements of the target."""
    count, target = np.uint64(0), 0.0
    for k in range(keys.size):
        count += keys[k] & np.uint64(1)
    if weight.size == 0:
        return np.float64(count)
    for k in range(keys.size):
        target += weight_at(keys, weight, k) * np.float64(keys[k] & np.uint64(1))
    return target


def block(keys, m, weight, first):
    """Where a block of equal errors ends, and the weights of its elements in the target and of the others."""
    last, of_block, others = first, 0.0, 0.0
    while last < keys.size and alike(keys, m, first, last):
        w, hit = weight_at(keys, weight, last), np.float64(keys[last] & np.uint64(1))
        of_block, others = of_block + w * hit, others + w * (1.0 - hit)
        last += 1
    return last, of_block, others


def alone(left, before, w, hit, smooth):
    """What an element adds whose error no other has: ``least`` for a block of one.

    ``hit`` is 1 or 0, since a branch on it could not be foreseen, and would cost more than all the rest.
    """
    if w == 0.0:
        return 0.0
    after = before + w
    if before == 0.0:  # without target and smoothing the loss leaps to 1 at once
        return 1.0 / after
    miss = 1.0 - hit
    return (hit + miss * (left + smooth)) / (before * (hit + miss * after))


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
