"""The loops over masks; masks.py copies them into a module for each dtype and link.

Arrays have the shape (outer, classes, inner). A block is a tile of ``inner`` in one sample, with all
classes; what a softmax needs of a tile lives in scratch of that size and nowhere else. Targets are
masks, or one row of class indices for all classes (``by_index``); weights may be one row for all
classes too, and are empty where there are none: an argument that is sometimes None is one more kernel
to compile, and a condition that does not change within the loop costs little in ``select``. Only
indices that all count ``alike``, which are most of all calls, have loops of their own; that is an
argument since LLVM, which sees what follows from what, would break the other loops up.
"""
# mypy: ignore-errors

from typing import Any

import numpy as np

from losskit.engines.numba.intrinsics import add_reassoc, fabs, fma, select

# Written above the loops in each generated module.
FLOAT: Any
LINK: Any
LIFT: Any
UNLIFT: Any
exact_sum: Any
exp_gap: Any
sigmoid: Any


def place(block, tile, inner):
    """The sample of a block, where its tile begins and how long it is."""
    tiles = -(-inner // tile)
    lo = block % tiles * tile
    return block // tiles, lo, min(tile, inner - lo)


def softmax(z, sample, lo, n, P, top, rest, near, others):
    """Of a tile of logits the softmax, the class of the largest logit and 1 - p of that class.

    ``others`` is left with the sum of exp(z - largest) over the other classes.
    """
    m, t, o, low = near[:n], top[:n], others[:n], rest[:n]
    row = z[sample, 0, lo : lo + n]
    for r in range(row.size):
        m[r], t[r], o[r], low[r] = row[r], FLOAT(0), FLOAT(0), FLOAT(0)
    for c in range(1, z.shape[1]):
        row, k = z[sample, c, lo : lo + n], FLOAT(c)
        for r in range(row.size):
            above = row[r] > m[r]
            m[r] = select(above, row[r], m[r])
            t[r] = select(above, k, t[r])
    for c in range(z.shape[1]):
        row, p, k = z[sample, c, lo : lo + n], P[c, :n], FLOAT(c)
        for r in range(row.size):
            is_top = t[r] == k
            power = select(is_top, LIFT, exp_gap(row[r], m[r]))
            p[r] = power
            o[r], lost = exact_sum(o[r], select(is_top, FLOAT(0), power))
            low[r] += lost
    for r in range(o.size):
        whole = o[r] + low[r]
        m[r], low[r] = shares(o[r], low[r])
        o[r] = whole * UNLIFT
    for c in range(z.shape[1]):
        p = P[c, :n]
        for r in range(p.size):
            p[r] = p[r] * m[r]


def shares(others, low):
    """1 / (LIFT + others) and others / (LIFT + others), as if rounded once: rounding took ``low`` from others.

    Pairs of the working dtype, since a vector of float64 holds half as many and takes long to divide.
    """
    total, lost = exact_sum(LIFT, others)
    guess = FLOAT(1) / total
    step = guess * (fma(-guess, total, FLOAT(1)) - guess * (lost + low))
    near = guess + step
    near_low = step - (near - guess)
    rest = others * near
    return near, rest + (fma(others, near, -rest) + (low * near + others * near_low))


def pair(x, rest, is_top):
    """p and 1 - p, each with all its digits: of a probability, a logit, or a probability from ``softmax``."""
    one = FLOAT(1)
    if LINK == "softmax":
        return x, select(is_top, rest, one - x)
    if LINK == "sigmoid":
        small = sigmoid(-fabs(x))
        large = one - small
        return select(x < FLOAT(0), small, large), select(x < FLOAT(0), large, small)
    return x, one - x


def sums(z, y, w, by_index, squared, alike, ignored, tile, totals, kept, first, last):
    """Of each block tp, fp and fn; a softmax goes into ``kept`` as well, where that is not empty."""
    classes, inner = z.shape[1:]
    width = tile + 16  # no power of 2, which would crowd the cache
    P = np.empty((classes if LINK == "softmax" else 0, width), FLOAT)
    top, rest, near, others = np.empty((4, width), FLOAT)
    weighted = w.size > 0
    for block in range(first, last):
        sample, lo, n = place(block, tile, inner)
        if LINK == "softmax":
            softmax(z, sample, lo, n, P, top, rest, near, others)
        for c in range(classes):
            x = P[c, :n] if LINK == "softmax" else z[sample, c, lo : lo + n]
            t = y[sample, 0 if by_index else c, lo : lo + n]
            k = w[sample, min(c, w.shape[1] - 1), lo : lo + n] if weighted else x
            if alike:
                totals[block, c] = add_hits(x, t, rest, top, FLOAT(c))
            else:
                totals[block, c] = add_up(x, t, k, weighted, rest, top, FLOAT(c), by_index, squared, ignored)
            if kept.size > 0:
                copy(x, kept[sample, c, lo : lo + n])


def copy(a, b):
    """Write a into b; a slice assigned to a slice would look for overlap each time."""
    for r in range(a.size):
        b[r] = a[r]


def element(x, t, k, weighted, rest, is_top, row, by_index, ignored):
    """Target, weight, p and 1 - p of an element; where it does not count, 0 each."""
    zero, one = FLOAT(0), FLOAT(1)
    weight = select(t == ignored, zero, select(weighted, k, one))
    gone = weight == zero
    p, q = pair(x, rest, is_top)
    hit = select(t == row, one, select(t == t, zero, t))
    t = select(by_index, hit, t)
    return select(gone, zero, t), weight, select(gone, zero, p), select(gone, zero, q)


def add_up(x, t, k, weighted, rest, top, row, by_index, squared, ignored):
    """tp, fp and fn of a tile of one class."""
    zero, one = FLOAT(0), FLOAT(1)
    tp, fp, fn = 0.0, 0.0, 0.0
    for r in range(x.size):
        y, weight, p, q = element(x[r], t[r], k[r], weighted, rest[r], top[r] == row, row, by_index, ignored)
        over, under = (one - y) * p, y * q
        d = under - over
        below = d < zero
        over = select(squared, select(below, d * d, zero), over)
        under = select(squared, select(below, zero, d * d), under)
        tp = add_reassoc(tp, np.float64(weight * (y * p)))
        fp = add_reassoc(fp, np.float64(weight * over))
        fn = add_reassoc(fn, np.float64(weight * under))
    return tp, fp, fn


def add_hits(x, t, rest, top, row):
    """tp, fp and fn of a tile of one class, for indices that all count the same."""
    zero, one = FLOAT(0), FLOAT(1)
    tp, fp, fn = 0.0, 0.0, 0.0
    for r in range(x.size):
        p, q = pair(x[r], rest[r], top[r] == row)
        y = select(t[r] == row, one, zero)
        tp = add_reassoc(tp, np.float64(y * p))
        fp = add_reassoc(fp, np.float64((one - y) * p))
        fn = add_reassoc(fn, np.float64(y * q))
    return tp, fp, fn


def slopes(z, y, w, by_index, squared, alike, ignored, tile, partials, gradient, first, last):
    """The gradient, from the derivatives in tp, fp and fn; where it comes to lie a softmax has been kept."""
    classes, inner = z.shape[1:]
    width = tile + 16
    D = np.empty((classes if LINK == "softmax" else 0, width), FLOAT)
    top, rest, base, mean, low = np.empty((5, width), FLOAT)
    weighted = w.size > 0
    for block in range(first, last):
        sample, lo, n = place(block, tile, inner)
        if LINK == "softmax" and squared:
            leading(gradient, sample, lo, n, top, rest, mean, low)
        for c in range(classes):
            x = gradient[sample, c, lo : lo + n] if LINK == "softmax" else z[sample, c, lo : lo + n]
            g = D[c, :n] if LINK == "softmax" else gradient[sample, c, lo : lo + n]
            t = y[sample, 0 if by_index else c, lo : lo + n]
            k = w[sample, min(c, w.shape[1] - 1), lo : lo + n] if weighted else x
            if alike and LINK == "softmax":
                slope_of_hits(x, t, FLOAT(c), partials[sample, c], g)
            else:
                slope(
                    x, t, k, weighted, rest, top, FLOAT(c), by_index, squared, ignored, partials[sample, c], g
                )
        if LINK == "softmax":
            through_softmax(D, gradient, sample, lo, n, base, mean, low)


def leading(P, sample, lo, n, top, rest, largest, low):
    """The class of the largest probability, and the sum of the others, which is 1 - p of it with all its digits."""
    m, t, o, lost = largest[:n], top[:n], rest[:n], low[:n]
    for r in range(n):
        m[r], t[r], o[r], lost[r] = FLOAT(-1), FLOAT(0), FLOAT(0), FLOAT(0)
    for c in range(P.shape[1]):
        p, k = P[sample, c, lo : lo + n], FLOAT(c)
        for r in range(p.size):
            above = p[r] > m[r]
            m[r] = select(above, p[r], m[r])
            t[r] = select(above, k, t[r])
    for c in range(P.shape[1]):
        p, k = P[sample, c, lo : lo + n], FLOAT(c)
        for r in range(p.size):
            o[r], error = exact_sum(o[r], select(t[r] == k, FLOAT(0), p[r]))
            lost[r] += error
    for r in range(n):
        o[r] += lost[r]


def slope(x, t, k, weighted, rest, top, row, by_index, squared, ignored, partials, g):
    """The gradient of a tile of one class; of a softmax, in its probabilities."""
    zero, one, two = FLOAT(0), FLOAT(1), FLOAT(2)
    of_tp, of_fp, of_fn = partials
    for r in range(x.size):
        is_top = top[r] == row
        y, weight, p, q = element(x[r], t[r], k[r], weighted, rest[r], is_top, row, by_index, ignored)
        d = y * q - (one - y) * p
        below = d < zero
        over = select(squared, two * select(below, -d, zero), one - y)
        under = select(squared, two * select(below, zero, d), y)
        s = weight * ((of_tp * y - of_fn * under) + of_fp * over)
        if LINK == "sigmoid":
            s = s * (p * q)
        g[r] = select(p == p, s, p)  # linear in p, but a NaN must not be lost


def slope_of_hits(p, t, row, partials, g):
    """The gradient in the probabilities of a tile of one class, for indices that all count the same."""
    of_tp, of_fp, of_fn = partials
    for r in range(p.size):
        s = select(t[r] == row, of_tp - of_fn, of_fp)
        g[r] = select(p[r] == p[r], s, p[r])


def through_softmax(D, gradient, sample, lo, n, base, mean, low):
    """Slopes ``D`` in the probabilities that stand in ``gradient`` into slopes in logits: p_j (d_j - sum p_k d_k).

    Slopes are taken beside that of the largest probability: equal ones leave 0, and 1 - p need not be known.
    Where none is left, an element that does not count may have a probability that is no number.
    """
    zero = FLOAT(0)
    b, s, lost = base[:n], mean[:n], low[:n]
    largest = s
    for r in range(n):
        b[r], largest[r] = zero, FLOAT(-1)
    for c in range(gradient.shape[1]):
        p, d = gradient[sample, c, lo : lo + n], D[c, :n]
        for r in range(p.size):
            above = p[r] > largest[r]
            largest[r] = select(above, p[r], largest[r])
            b[r] = select(above, d[r], b[r])
    for r in range(n):
        s[r], lost[r] = zero, zero
    for c in range(gradient.shape[1]):
        p, d = gradient[sample, c, lo : lo + n], D[c, :n]
        for r in range(p.size):
            beside = d[r] - b[r]
            s[r], error = exact_sum(s[r], select(beside == zero, zero, p[r] * beside))
            lost[r] += error
    for r in range(n):
        s[r] += lost[r]
    for c in range(gradient.shape[1]):
        g, d = gradient[sample, c, lo : lo + n], D[c, :n]
        for r in range(g.size):
            left = (d[r] - b[r]) - s[r]
            g[r] = select(left == zero, zero, g[r] * left)


def errors(z, y, w, by_index, hinge, ignored, tile, m, hit, weight, first, last):
    """By how much each element errs: |y - p|, or of scores 1 - (2y - 1) z; its target and, if asked, its weight."""
    classes, inner = z.shape[1:]
    width = tile + 16
    P = np.empty((classes if LINK == "softmax" else 0, width), FLOAT)
    top, rest, near, others = np.empty((4, width), FLOAT)
    one, two = FLOAT(1), FLOAT(2)
    for block in range(first, last):
        sample, lo, n = place(block, tile, inner)
        if LINK == "softmax":
            softmax(z, sample, lo, n, P, top, rest, near, others)
        for c in range(classes):
            x = P[c, :n] if LINK == "softmax" else z[sample, c, lo : lo + n]
            t = y[sample, 0 if by_index else c, lo : lo + n]
            weighted = w.size > 0
            k = w[sample, min(c, w.shape[1] - 1), lo : lo + n] if weighted else x
            e, h, v = m[sample, c, lo : lo + n], hit[sample, c, lo : lo + n], weight[sample, c, lo : lo + n]
            for r in range(v.size):
                v[r] = select(t[r] == ignored, FLOAT(0), select(weighted, k[r], one))
            for r in range(n):
                target, _, p, q = element(
                    x[r], t[r], k[r], weighted, rest[r], top[r] == FLOAT(c), FLOAT(c), by_index, ignored
                )
                h[r] = target == one
                e[r] = select(hinge, one - (two * target - one) * p, target * q + (one - target) * p)


def chain(z, tile, gradient, first, last):
    """Slopes in probabilities into slopes in logits, in place."""
    classes, inner = z.shape[1:]
    width = tile + 16
    P, D = np.empty((2, classes if LINK == "softmax" else 0, width), FLOAT)
    top, rest, near, others, base = np.empty((5, width), FLOAT)
    for block in range(first, last):
        sample, lo, n = place(block, tile, inner)
        if LINK == "softmax":
            softmax(z, sample, lo, n, P, top, rest, near, others)
            for c in range(classes):
                copy(gradient[sample, c, lo : lo + n], D[c, :n])
                copy(P[c, :n], gradient[sample, c, lo : lo + n])
            through_softmax(D, gradient, sample, lo, n, base, near, others)
        else:
            for c in range(classes):
                x, g = z[sample, c, lo : lo + n], gradient[sample, c, lo : lo + n]
                for r in range(n):
                    p, q = pair(x[r], rest[r], False)
                    g[r] = select(g[r] == FLOAT(0), FLOAT(0), g[r] * (p * q))
