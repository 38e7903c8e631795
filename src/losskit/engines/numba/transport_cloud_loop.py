"""The loops over pairs of points: a point against all points of a set, some of them at a time.

Points are (sets, points, features) and those they meet (sets, features, points), so that the loops over the latter
vectorise. transport_cloud.py copies the loops into a module for each ground cost, which supplies ``ground`` and
``ground_slope``. Where the cost is one of the squared distance, SQUARED, roots are taken for the force only: a root
takes longer than all else but the exponential. A task is some points of one set, and each point's sums are its own: no
answer depends on threads.
"""
# mypy: ignore-errors

from typing import Any

import numpy as np

from losskit.engines.numba.intrinsics import add_reassoc, select, sqrt
from losskit.engines.numba.math64 import exp, expm1

# Written above the loops in each generated module.
POINTS: Any
OTHERS: Any
SQUARED: Any
ground: Any
ground_slope: Any


def ways_to(point, others, lo, ways):
    """The distances, or their squares, from a point to the others from ``lo`` on."""
    ways[:] = 0.0
    for d in range(point.size):
        coordinate, O = point[d], others[d, lo : lo + ways.size]
        for k in range(ways.size):
            gap = coordinate - O[k]
            ways[k] += gap * gap
    if not SQUARED:
        for k in range(ways.size):
            ways[k] = sqrt(ways[k])


def cost(way, stretch, numbers):
    """The ground cost of a distance, or of a squared one, times ``stretch``; its square alone may overflow."""
    return ground(way * stretch * stretch, numbers) if SQUARED else ground(way * stretch, numbers)


def pull_by(point, others, lo, ways, stretch, numbers, pulls, force):
    """Add pulls, times the cost's slopes, along the lines from the others to a point; what coincides with it does not
    pull."""
    for k in range(ways.size):
        way = sqrt(ways[k]) if SQUARED else ways[k]
        pulls[k] *= ground_slope(way * stretch, numbers)
        ways[k] = way
    for k in range(ways.size):
        pulls[k] = select(ways[k] > 0.0, pulls[k] / ways[k], 0.0 * ways[k])
    for d in range(point.size):
        coordinate, O = point[d], others[d, lo : lo + ways.size]
        total = 0.0
        for k in range(ways.size):
            total = add_reassoc(total, pulls[k] * (coordinate - O[k]))
        force[d] += total


def mean(points, others, mass, numbers, stretch, potential, force, first, last):
    """The mean ground cost from each point of tasks first..last-1 to the others, of distances times ``stretch``."""
    per_set = -(-points.shape[1] // POINTS)
    buffers = np.empty((2, OTHERS))
    for task in range(first, last):
        b, begin = task // per_set, task % per_set * POINTS
        s = stretch[b]
        for i in range(begin, min(begin + POINTS, points.shape[1])):
            total = 0.0
            for lo in range(0, others.shape[2], OTHERS):
                M = mass[b, lo : lo + OTHERS]
                W, P = buffers[0, : M.size], buffers[1, : M.size]
                ways_to(points[b, i], others[b], lo, W)
                for k in range(M.size):
                    total = add_reassoc(total, M[k] * cost(W[k], s, numbers))
                if force is not None:
                    P[:] = M
                    pull_by(points[b, i], others[b], lo, W, s, numbers, P, force[b, i])
            potential[b, i] = total


def softmin(points, others, mass, numbers, stretch, shift, level, weight, rise, force, first, last):
    """The logarithm of the mean of exp(shift + level - cost / weight) for each point of tasks first..last-1: how much
    its potential, which is ``shift``, has to fall, in units of the weight. ``level`` is -inf for others without mass.
    """
    per_set = -(-points.shape[1] // POINTS)
    buffers = np.empty((3, OTHERS))
    for task in range(first, last):
        b, begin = task // per_set, task % per_set * POINTS
        s, inverse = stretch[b], 1.0 / weight[b]
        for i in range(begin, min(begin + POINTS, points.shape[1])):
            excess = 0.0
            for lo in range(0, others.shape[2], OTHERS):
                M = mass[b, lo : lo + OTHERS]
                W, X = buffers[0, : M.size], buffers[1, : M.size]
                exponents(points[b, i], others[b], numbers, s, shift[b, i], level[b], inverse, lo, W, X)
                for k in range(M.size):
                    excess = add_reassoc(excess, M[k] * expm1(X[k]))
            if -0.4 < excess < 0.65:
                rise[b, i] = np.log1p(excess)
            else:  # digits are lost, or exponentials over- or underflow: find the largest first
                rise[b, i] = logarithm(
                    points[b, i], others[b], mass[b], numbers, s, shift[b, i], level[b], inverse, buffers
                )
            if force is not None:
                for lo in range(0, others.shape[2], OTHERS):
                    M = mass[b, lo : lo + OTHERS]
                    W, X, P = buffers[0, : M.size], buffers[1, : M.size], buffers[2, : M.size]
                    exponents(points[b, i], others[b], numbers, s, shift[b, i], level[b], inverse, lo, W, X)
                    for k in range(M.size):
                        P[k] = M[k] * exp(X[k] - rise[b, i])
                    pull_by(points[b, i], others[b], lo, W, s, numbers, P, force[b, i])


def exponents(point, others, numbers, stretch, shift, level, inverse, lo, ways, out):
    """shift + level - cost / weight of the others from ``lo`` on, and their distances or the squares of these."""
    ways_to(point, others, lo, ways)
    L = level[lo : lo + ways.size]
    for k in range(ways.size):
        out[k] = (shift + L[k]) - cost(ways[k], stretch, numbers) * inverse


def logarithm(point, others, mass, numbers, stretch, shift, level, inverse, buffers):
    """The logarithm of the mean exponential, for exponents of any size."""
    top, total = -np.inf, 0.0
    for lo in range(0, others.shape[1], OTHERS):
        W, X = buffers[0, : mass.size - lo], buffers[1, : mass.size - lo]
        exponents(point, others, numbers, stretch, shift, level, inverse, lo, W, X)
        for k in range(W.size):
            top = select((X[k] > top) | (X[k] != X[k]), X[k], top)
    for lo in range(0, others.shape[1], OTHERS):
        M = mass[lo : lo + OTHERS]
        W, X = buffers[0, : M.size], buffers[1, : M.size]
        exponents(point, others, numbers, stretch, shift, level, inverse, lo, W, X)
        for k in range(M.size):
            total = add_reassoc(total, M[k] * exp(X[k] - top))
    return top + np.log(total)
