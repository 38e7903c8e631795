"""The loop over masks with a loss of each element's class beside the overlap, on one softmax.

shared_softmax.py copies it into a module with the parts of masks_loop.py and the rules of the loss.
"""
# mypy: ignore-errors

from typing import Any

import numpy as np

from losskit.engines.numba.intrinsics import select
from losskit.engines.numba.masks_loop import add_up, copy, place, slope, softmax, through_softmax

# Written above the loop in the generated module.
FLOAT: Any
log1p: Any
nll_value: Any
nll_slope: Any


def shared(
    z, y, w, classes_weight, numbers, factor, squared, ignored, tile, totals, sums, partials, gradient, first, last
):  # fmt: skip
    """Of each block tp, fp and fn of each class, and the sums of weight and of loss of its elements; or, given
    the derivatives in the former and a factor for the latter, the gradient of both."""
    classes, inner = z.shape[1:]
    width = tile + 16  # no power of 2, which would crowd the cache
    P, D = np.empty((2, classes, width), FLOAT)
    top, rest, near, others, log_sum, base, mean, low = np.empty((8, width), FLOAT)
    weighted = w.size > 0
    for block in range(first, last):
        sample, lo, n = place(block, tile, inner)
        softmax(z, sample, lo, n, P, top, rest, near, others)
        t = y[sample, 0, lo : lo + n]
        k = w[sample, 0, lo : lo + n] if weighted else t
        surprise(others, log_sum, n)
        if gradient.size == 0:
            for c in range(classes):
                totals[block, c] = add_up(
                    P[c, :n], t, k, weighted, rest, top, FLOAT(c), True, squared, ignored
                )
            sums[block] = add_losses(
                z, sample, lo, t, k, weighted, classes_weight, numbers, ignored, top, log_sum
            )
            continue
        for c in range(classes):
            slope(
                P[c, :n], t, k, weighted, rest, top, FLOAT(c), True, squared, ignored,
                partials[sample, c], D[c, :n],
            )  # fmt: skip
            copy(P[c, :n], gradient[sample, c, lo : lo + n])
        through_softmax(D, gradient, sample, lo, n, base, mean, low)
        steepness(z, sample, lo, t, k, weighted, classes_weight, numbers, factor, ignored, top, log_sum, base)
        for c in range(classes):
            add_slopes(gradient[sample, c, lo : lo + n], P[c, :n], t, rest, top, base, FLOAT(c))


def surprise(others, log_sum, n):
    """-log p of the class of the largest logit: log(1 + the sum of the others over it)."""
    o, s = others[:n], log_sum[:n]
    for r in range(s.size):
        s[r] = log1p(o[r])


def nll_at(z, sample, at, target, top, log_sum):
    """-log p of the target's class."""
    gap = select(target == top, FLOAT(0), z[sample, int(top), at] - z[sample, int(target), at])
    return log_sum + gap


def add_losses(z, sample, lo, t, k, weighted, classes_weight, numbers, ignored, top, log_sum):
    """The sum of the weights of a tile's elements, and that of their losses."""
    weight, total = 0.0, 0.0
    for r in range(t.size):
        one = k[r] if weighted else FLOAT(1)
        if t[r] == ignored or one == FLOAT(0):
            continue
        nll = nll_at(z, sample, lo + r, t[r], top[r], log_sum[r])
        of_class = classes_weight[int(t[r])] if classes_weight.size > 0 else FLOAT(1)
        weight += one
        total += np.float64(one * of_class) * np.float64(nll_value(nll, numbers))
    return weight, total


def steepness(z, sample, lo, t, k, weighted, classes_weight, numbers, factor, ignored, top, log_sum, steep):
    """The derivative of a tile's losses in the nll of each element's class, 0 where an element does not count."""
    for r in range(t.size):
        one = k[r] if weighted else FLOAT(1)
        if t[r] == ignored or one == FLOAT(0):
            steep[r] = FLOAT(0)
            continue
        nll = nll_at(z, sample, lo + r, t[r], top[r], log_sum[r])
        of_class = classes_weight[int(t[r])] if classes_weight.size > 0 else FLOAT(1)
        steep[r] = FLOAT(factor * np.float64(one * of_class) * np.float64(nll_slope(nll, numbers)))


def add_slopes(g, p, t, rest, top, steep, row):
    """d nll_t / dz_c = p_c - [c = t], with 1 - p known in the column of the largest logit."""
    zero, one = FLOAT(0), FLOAT(1)
    for r in range(g.size):
        without = select(top[r] == row, rest[r], one - p[r])
        s = steep[r] * select(t[r] == row, -without, p[r])
        g[r] += select(steep[r] == zero, zero, s)
