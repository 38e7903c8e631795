"""Squared Euclidean distances to the nearest element of a mask, exact, in time linear in the elements.

One axis after the other: along a line, the least of f(j) + (i - j)^2 over all j is the lower envelope
of parabolas (Felzenszwalb & Huttenlocher 2012, Theory of Computing 8).
"""
# mypy: ignore-errors

import numpy as np
from numba import njit


@njit(nogil=True, error_model="numpy", cache=True)
def squares(sites, lengths):
    """The squared distance of each element of a flat mask of the shape ``lengths``."""
    far = 0.0
    for n in lengths:
        far += np.float64(n) * n
    answer = np.where(sites, 0.0, far)
    longest = lengths.max()
    line, bounds, roots = np.empty(longest), np.empty(longest + 1), np.empty(longest, np.int64)
    step = 1  # between neighbours on the axis
    for axis in range(lengths.size - 1, -1, -1):
        n = lengths[axis]
        for start in range(sites.size // n):
            first = start // step * step * n + start % step
            for i in range(n):
                line[i] = answer[first + i * step]
            _envelope(line[:n], roots, bounds)
            k = 0
            for i in range(n):
                while bounds[k + 1] < i:
                    k += 1
                d = i - roots[k]
                answer[first + i * step] = d * d + line[roots[k]]
        step *= n
    return answer


@njit(nogil=True, error_model="numpy", cache=True)
def _envelope(line, roots, bounds):
    """Which parabolas are lowest somewhere, from left to right, and where each begins to be."""
    k = 0
    roots[0], bounds[0], bounds[1] = 0, -np.inf, np.inf
    for j in range(1, line.size):
        meet = _meeting(line, roots[k], j)
        while meet <= bounds[k]:
            k -= 1
            meet = _meeting(line, roots[k], j)
        k += 1
        roots[k], bounds[k], bounds[k + 1] = j, meet, np.inf


@njit(error_model="numpy", cache=True)
def _meeting(line, i, j):
    """Where the parabola of j falls below that of i."""
    return ((line[j] + j * j) - (line[i] + i * i)) / (2.0 * (j - i))
