"""The loops over masks; masks.py copies them into a module for each dtype and link.

Arrays have the shape (outer, classes, inner). A block is a tile of ``inner`` in one sample, with all
classes; what a softmax needs of a tile lives in scratch of that size and nowhere else. Targets are
masks, or one row of class indices for all classes (``by_index``); weights may be one row for all
classes too, and are empty where there are none: an argument that is sometimes None is one more kernel
to compile, and a condition that does not change within the loop costs nothing in ``select``.
"""
# mypy: ignore-errors

from typing import Any

import numpy as np

from losskit.engines.numba.intrinsics import add_reassoc, fabs, select

# Written above the loops in each generated module.
FLOAT: Any
LINK: Any
LIFT: Any
UNLIFT: Any
exp_gap: Any
sigmoid: Any


def place(block, tile, inner):
    """The sample of a block, where its tile begins and how long it is."""
    tiles = -(-inner // tile)
    lo = block % tiles * tile
    return block // tiles, lo, min(tile, inner - lo)


def powers(z, sample, lo, n, E, near, top, rest):
    """Of a tile of logits exp(z - largest), lifted; with near * E the softmax, ``top`` the class of the
    largest logit, and ``rest`` the share of all others, which is 1 - p for that class."""
    first, m, t, o = z[sample, 0, lo : lo + n], near[:n], top[:n], rest[:n]
    for r in range(first.size):
        m[r], t[r], o[r] = first[r], FLOAT(0), 0.0
    for c in range(1, z.shape[1]):
        row, k = z[sample, c, lo : lo + n], FLOAT(c)
        for r in range(row.size):
            above = row[r] > m[r]
            m[r] = select(above, row[r], m[r])
            t[r] = select(above, k, t[r])
    for c in range(z.shape[1]):
        row, e, k = z[sample, c, lo : lo + n], E[c, :n], FLOAT(c)
        for r in range(row.size):
            e[r] = select(t[r] == k, LIFT, exp_gap(row[r], m[r]))
        for r in range(e.size):  # apart: in float64 a vector holds half as many
            o[r] += np.float64(select(t[r] == k, FLOAT(0), e[r]))
    for r in range(o.size):
        others = o[r] * UNLIFT
        share = 1.0 / (1.0 + others)
        m[r] = FLOAT(share * UNLIFT)
        o[r] = others * share


def pair(x, near, rest, is_top):
    """p and 1 - p, each with all its digits: of a probability, a logit, or a power from ``powers``."""
    one = FLOAT(1)
    if LINK == "softmax":
        p = x * near
        return p, select(is_top, FLOAT(rest), one - p)
    if LINK == "sigmoid":
        small = sigmoid(-fabs(x))
        large = one - small
        return select(x < FLOAT(0), small, large), select(x < FLOAT(0), large, small)
    return x, one - x


def ratio(z, y, w, by_index, squared, ignored, tile, totals, partials, gradient, first, last):
    """Of each block and class tp, fp and fn; or, given the derivatives in them, the gradient.

    Both in one function, since most of the time to compile it goes into the probabilities.
    """
    classes, inner = z.shape[1:]
    width = tile + 16  # no power of 2, which would crowd the cache
    E = np.empty((classes if LINK == "softmax" else 0, width), FLOAT)
    near, top, base = np.empty((3, width), FLOAT)
    rest, mean = np.empty((2, width))
    for block in range(first, last):
        sample, lo, n = place(block, tile, inner)
        if LINK == "softmax":
            powers(z, sample, lo, n, E, near, top, rest)
        for c in range(classes):
            x = E[c, :n] if LINK == "softmax" else z[sample, c, lo : lo + n]
            t = y[sample, 0 if by_index else c, lo : lo + n]
            weighted = w.size > 0
            k = w[sample, min(c, w.shape[1] - 1), lo : lo + n] if weighted else x
            row = FLOAT(c)
            if gradient.size == 0:
                totals[block, c] = add_up(x, t, k, weighted, near, rest, top, row, by_index, squared, ignored)
            else:
                g = gradient[sample, c, lo : lo + n]
                slope(
                    x, t, k, weighted, near, rest, top, row, by_index, squared, ignored,
                    partials[sample, c], g,
                )  # fmt: skip
        if LINK == "softmax" and gradient.size > 0:
            through_softmax(gradient, sample, lo, n, E, near, top, base, mean)


def element(x, t, k, weighted, near, rest, is_top, row, by_index, ignored):
    """Target, weight, p and 1 - p of an element; where it does not count, 0 each."""
    zero, one = FLOAT(0), FLOAT(1)
    weight = select(t == ignored, zero, select(weighted, k, one))
    gone = weight == zero
    p, q = pair(x, near, rest, is_top)
    hit = select(t == row, one, select(t == t, zero, t))
    t = select(by_index, hit, t)
    return select(gone, zero, t), weight, select(gone, zero, p), select(gone, zero, q)


def add_up(x, t, k, weighted, near, rest, top, row, by_index, squared, ignored):
    """tp, fp and fn of a tile of one class."""
    zero, one = FLOAT(0), FLOAT(1)
    tp, fp, fn = 0.0, 0.0, 0.0
    for r in range(x.size):
        y, weight, p, q = element(
            x[r], t[r], k[r], weighted, near[r], rest[r], top[r] == row, row, by_index, ignored
        )
        over, under = (one - y) * p, y * q
        d = under - over
        below = d < zero
        over = select(squared, select(below, d * d, zero), over)
        under = select(squared, select(below, zero, d * d), under)
        tp = add_reassoc(tp, np.float64(weight * (y * p)))
        fp = add_reassoc(fp, np.float64(weight * over))
        fn = add_reassoc(fn, np.float64(weight * under))
    return tp, fp, fn


def slope(
    x, t, k, weighted, near, rest, top, row, by_index, squared, ignored, partials, g
):  # fmt: skip
    """The gradient of a tile of one class; of a softmax, in its probabilities."""
    zero, one, two = FLOAT(0), FLOAT(1), FLOAT(2)
    of_tp, of_fp, of_fn = partials
    for r in range(x.size):
        is_top = top[r] == row
        y, weight, p, q = element(
            x[r], t[r], k[r], weighted, near[r], rest[r], is_top, row, by_index, ignored
        )
        d = y * q - (one - y) * p
        below = d < zero
        over = select(squared, two * select(below, -d, zero), one - y)
        under = select(squared, two * select(below, zero, d), y)
        s = weight * ((of_tp * y - of_fn * under) + of_fp * over)
        if LINK == "sigmoid":
            s = s * (p * q)
        g[r] = select(p == p, s, p)  # linear in p, but a NaN must not be lost


def through_softmax(gradient, sample, lo, n, E, near, top, base, mean):
    """Slopes in probabilities into slopes in logits: p_j (d_j - sum p_k d_k).

    Slopes are taken beside that of the largest logit: equal ones leave 0, and 1 - p need not be known.
    Where none is left, an element that does not count may have a probability that is no number.
    """
    zero = FLOAT(0)
    b, s, m, t = base[:n], mean[:n], near[:n], top[:n]
    for r in range(b.size):
        b[r], s[r] = zero, 0.0
    for c in range(gradient.shape[1]):
        g, k = gradient[sample, c, lo : lo + n], FLOAT(c)
        for r in range(g.size):
            b[r] = select(t[r] == k, g[r], b[r])
    for c in range(gradient.shape[1]):
        e, g = E[c, :n], gradient[sample, c, lo : lo + n]
        for r in range(g.size):
            d = g[r] - b[r]
            g[r] = d
            s[r] += np.float64(select(d == zero, zero, e[r] * m[r] * d))
    for c in range(gradient.shape[1]):
        e, g = E[c, :n], gradient[sample, c, lo : lo + n]
        for r in range(g.size):
            d = g[r] - FLOAT(s[r])
            g[r] = select(d == zero, zero, e[r] * m[r] * d)


def errors(z, y, w, by_index, hinge, ignored, tile, m, hit, weight, first, last):
    """By how much each element errs: |y - p|, or of scores 1 - (2y - 1) z; its target and its weight."""
    classes, inner = z.shape[1:]
    width = tile + 16
    E = np.empty((classes if LINK == "softmax" else 0, width), FLOAT)
    near, top = np.empty((2, width), FLOAT)
    rest = np.empty(width)
    one, two = FLOAT(1), FLOAT(2)
    for block in range(first, last):
        sample, lo, n = place(block, tile, inner)
        if LINK == "softmax":
            powers(z, sample, lo, n, E, near, top, rest)
        for c in range(classes):
            x = E[c, :n] if LINK == "softmax" else z[sample, c, lo : lo + n]
            t = y[sample, 0 if by_index else c, lo : lo + n]
            weighted = w.size > 0
            k = w[sample, min(c, w.shape[1] - 1), lo : lo + n] if weighted else x
            e, h, v = m[sample, c, lo : lo + n], hit[sample, c, lo : lo + n], weight[sample, c, lo : lo + n]
            for r in range(n):
                target, v[r], p, q = element(
                    x[r],
                    t[r],
                    k[r],
                    weighted,
                    near[r],
                    rest[r],
                    top[r] == FLOAT(c),
                    FLOAT(c),
                    by_index,
                    ignored,
                )
                h[r] = target == one
                e[r] = select(hinge, one - (two * target - one) * p, target * q + (one - target) * p)


def chain(z, tile, gradient, first, last):
    """Slopes in probabilities into slopes in logits, in place."""
    classes, inner = z.shape[1:]
    width = tile + 16
    E = np.empty((classes if LINK == "softmax" else 0, width), FLOAT)
    near, top, base = np.empty((3, width), FLOAT)
    rest, mean = np.empty((2, width))
    for block in range(first, last):
        sample, lo, n = place(block, tile, inner)
        if LINK == "softmax":
            powers(z, sample, lo, n, E, near, top, rest)
            through_softmax(gradient, sample, lo, n, E, near, top, base, mean)
        else:
            for c in range(classes):
                x, g = z[sample, c, lo : lo + n], gradient[sample, c, lo : lo + n]
                for r in range(n):
                    p, q = pair(x[r], near[r], rest[r], False)
                    g[r] = select(g[r] == FLOAT(0), FLOAT(0), g[r] * (p * q))
