"""The loops over rows of logits with class indices for targets; row_kernel.py copies them under the rules.

Rules are evaluated in float64, once a row; what is done once a number is done in the working dtype
and vectorised. ``gradient`` and ``cw`` may be None, which is compiled away; no ``terms`` are an empty
array, and weights are ``w[each * row]``, where ``each`` is 0 if all rows weigh the same: an argument
that is sometimes None is one more kernel to compile.
"""

from typing import Any

import numpy as np

from losskit.engines.numba.intrinsics import (
    add_reassoc,
    bits,
    fabs,
    from_bits,
    iadd,
    iand,
    ixor,
    select,
    shift_right,
)

# Written above the loops in each generated module.
ROW: Any
INT: Any
TILE: Any
LIFT: Any
UNLIFT: Any
LEAST: Any
MEAN: Any
SIGN_BIT: Any
ALL_BUT_SIGN: Any
exp_gap: Any
log1p: Any
nll_value: Any
nll_slope: Any
mean_value: Any
mean_slope: Any
lse_value: Any
lse_slope: Any


def ordered(x):
    """The bits of a float as an integer with the same order; a float's maximum does not vectorise."""
    i = bits(x)
    return ixor(i, iand(shift_right(i, SIGN_BIT), ALL_BUT_SIGN))


def largest(z):
    """The largest number of a row; of a row with a NaN, any number or NaN."""
    best = ordered(z[0])
    for j in range(z.size):
        i = ordered(z[j])
        best = select(i > best, i, best)
    return from_bits(ixor(best, iand(shift_right(best, SIGN_BIT), ALL_BUT_SIGN)))


def powers(z, m, e):
    """The sum of exp(z - m) over all but one of the largest logits; e, where given, takes each, lifted."""
    total = 0.0
    ties = INT(0)
    for start in range(0, z.size, 1024):  # few additions in a row: the partial sums keep their digits
        stop = min(start + 1024, z.size)
        Z = z[start:stop]
        if e is not None:
            E = e[start:stop]
        part = 0.0
        for j in range(Z.size):
            tied = Z[j] == m
            x = exp_gap(Z[j], m)
            part = add_reassoc(part, np.float64(select(tied, ROW(0), x)))
            ties = iadd(ties, select(tied, INT(1), INT(0)))
            if e is not None:
                E[j] = select(tied, LIFT, x)
        total += part
    others = total * UNLIFT + (np.float64(ties) - 1.0)
    # Several +inf, or nothing but -inf, have no limit.
    return np.nan if np.isinf(m) and (m < 0.0 or ties > 1) else others


def mean_of(z, m, log_sum, cw, cw_sum):
    """The mean over the classes of -log p, each times its class's weight."""
    total = 0.0
    for j in range(z.size):
        gap = select(z[j] == m, 0.0, np.float64(m) - np.float64(z[j]))
        if cw is not None:
            gap = select(cw[j] == 0.0, 0.0, cw[j] * gap)
        total = add_reassoc(total, gap)
    return (total + cw_sum * log_sum) / z.size


def scale_row(g, factor, shift, cw):
    """g = factor * g - shift * cw: from lifted exponentials to a row of the gradient."""
    if abs(factor) < LEAST and factor != 0.0:  # would lose digits as a float of the working dtype
        for j in range(g.size):
            g[j] = ROW(np.float64(g[j]) * UNLIFT * factor)
    else:
        f = ROW(factor * UNLIFT)
        for j in range(g.size):
            g[j] = g[j] * f
    if MEAN:
        if cw is not None:
            for j in range(g.size):
                g[j] = ROW(np.float64(g[j]) - shift * cw[j])
        else:
            s = ROW(shift)
            for j in range(g.size):
                g[j] = g[j] - s


def value_of(nll, mean, lse, c, k):
    """The value of a row whose target has -log probability nll and class weight c."""
    v = select((c == 0.0) & (nll == nll), 0.0, c * nll_value(nll, k))  # 0 times inf is 0, but NaN is not lost
    if MEAN:
        v += mean_value(mean, k)
    return v + lse_value(lse, k)


def slopes_of(nll, mean, lse, c, classes, k):
    """The value's derivatives with respect to the target's nll, to each class's, and to lse."""
    b = select(c == 0.0, 0.0, c * nll_slope(nll, k))
    u = mean_slope(mean, k) / classes if MEAN else 0.0
    return b, u, lse_slope(lse, k)


def at_target(top, p, others, b, u, of_lse, c, cw_sum):
    """The derivative with respect to the target's logit, without cancellation if it is the largest."""
    if top:
        return (u * (cw_sum - c) + of_lse - (b + u * c) * others) / (1.0 + others)
    return (b + u * cw_sum + of_lse) * p - b - u * c


def wide(z, labels, w, each, cw, cw_sum, k, scale, step, terms, gradient, totals, faults, first, last):
    """Blocks first..last-1 of ``step`` rows, row by row; each vectorised along the row."""
    rows, classes = z.shape
    for block in range(first, last):
        block_total, fault = 0.0, 0.0
        for row in range(block * step, min(block * step + step, rows)):
            weight = w[each * row]
            t = labels[row]
            outside = t < 0 or t >= classes
            if weight == 0.0 or outside:
                if weight != 0.0:
                    fault += 1.0
                if terms.size > 0:
                    terms[row] = ROW(0)
                if gradient is not None:
                    gradient[row, :] = ROW(0)
                continue
            Z = z[row]
            m = largest(Z)
            if gradient is not None:
                G = gradient[row]
                others = powers(Z, m, G)
                p = np.float64(G[t]) * UNLIFT / (1.0 + others)
            else:
                others = powers(Z, m, None)
            log_sum = log1p(others)
            top = Z[t] == m
            nll = select(top, 0.0, np.float64(m) - np.float64(Z[t])) + log_sum
            lse = np.float64(m) + log_sum
            mean = mean_of(Z, m, log_sum, cw, cw_sum) if MEAN else 0.0
            c = 1.0
            if cw is not None:
                c = cw[t]
            v = weight * value_of(nll, mean, lse, c, k)
            block_total += v
            if terms.size > 0:
                terms[row] = ROW(v)
            if gradient is not None:
                s = scale * weight
                b, u, of_lse = slopes_of(nll, mean, lse, c, classes, k)
                factor = s * (b + u * cw_sum + of_lse) / (1.0 + others)
                scale_row(G, factor, s * u, cw)
                G[t] = ROW(s * at_target(top, p, others, b, u, of_lse, c, cw_sum))
        totals[block] = block_total
        faults[block] = fault


def narrow(
    z, labels, w, each, cw, cw_sum, k, scale, step, terms, gradient, totals, faults, first, last
):  # fmt: skip
    """The same for short rows: a tile of rows is transposed and vectorised across them.

    z has the axes (outer, classes, inner): a row is a column of a matrix, or with inner = 1 a row of
    it.
    """
    outer, classes, inner = z.shape
    E = np.empty((classes + 2, TILE + 16), ROW)  # no power of 2, which would crowd the cache
    F, I = np.empty((8, TILE)), np.empty((2, TILE), INT)
    tiles = (inner + TILE - 1) // TILE  # to a matrix
    m, label, top = E[classes + 1], I[0], I[1]
    others, gap, target, c, weight, mean, factor, at = F[0], F[1], F[2], F[3], F[4], F[5], F[6], F[7]
    c[:] = 1.0
    for block in range(first, last):
        matrix, start = block // tiles, block % tiles * TILE
        lo, n = matrix * inner + start, min(TILE, inner - start)
        if inner == 1:
            lo = block * TILE
            n = min(TILE, outer - lo)
            Z = z[lo : lo + n]
            for j in range(classes):
                e, column = E[j], Z[:, j, 0]
                for r in range(n):
                    e[r] = column[r]
        else:
            for j in range(classes):
                e, row = E[j], z[matrix, j, start : start + n]
                for r in range(n):
                    e[r] = row[r]
        L = labels[lo : lo + n]
        if n < TILE:  # the last tile is filled up with rows that have no weight
            E[:, n:] = ROW(0)
            label[n:] = INT(0)
            weight[n:] = 0.0
        E[classes, :] = ROW(-np.inf)  # classes are taken in pairs: joins the odd one out

        fault = 0.0
        for r in range(n):
            t = L[r]
            weight[r] = w[each * (lo + r)]
            if t < 0 or t >= classes:
                if weight[r] != 0.0:
                    fault += 1.0
                t = 0
            label[r] = INT(t)
            if cw is not None:
                c[r] = cw[t]
        faults[block] = fault

        e = E[0]
        for r in range(TILE):
            m[r] = e[r]
            top[r] = INT(0)
            others[r] = 0.0
            mean[r] = 0.0
        for j in range(1, classes):
            e, i = E[j], INT(j)
            for r in range(TILE):
                above = e[r] > m[r]
                m[r] = select(above, e[r], m[r])
                top[r] = select(above, i, top[r])
        for r in range(TILE):
            gap[r] = np.float64(m[r]) - np.float64(E[label[r], r])
        if MEAN:
            for j in range(classes):
                e, i = E[j], INT(j)
                q = 1.0
                if cw is not None:
                    q = cw[j]
                for r in range(TILE):
                    x = q * (np.float64(m[r]) - np.float64(e[r]))
                    mean[r] += select((top[r] == i) | (q == 0.0), 0.0, x)
        for j in range(0, classes, 2):
            e, f, i, h = E[j], E[j + 1], INT(j), INT(j + 1)
            for r in range(TILE):
                x, y = exp_gap(e[r], m[r]), exp_gap(f[r], m[r])
                others[r] += np.float64(select(top[r] == i, ROW(0), x) + select(top[r] == h, ROW(0), y))
                e[r] = select(top[r] == i, LIFT, x)
                f[r] = select(top[r] == h, LIFT, y)
        for r in range(TILE):
            target[r] = np.float64(E[label[r], r])

        total, tiny = 0.0, 0.0
        for r in range(TILE):
            in_top = label[r] == top[r]
            rest = others[r] * UNLIFT
            log_sum = log1p(rest)
            nll = select(in_top, 0.0, gap[r]) + log_sum
            lse = np.float64(m[r]) + log_sum
            mean_nll = (mean[r] + cw_sum * log_sum) / classes
            v = value_of(nll, mean_nll, lse, c[r], k)
            v = select(weight[r] == 0.0, 0.0, weight[r] * v)
            total = add_reassoc(total, v)
            if gradient is not None:
                b, u, of_lse = slopes_of(nll, mean_nll, lse, c[r], classes, k)
                near = 1.0 / (1.0 + rest)
                s = scale * weight[r]
                a = b + u * cw_sum + of_lse
                x = (u * (cw_sum - c[r]) + of_lse - (b + u * c[r]) * rest) * near
                y = a * (target[r] * UNLIFT * near) - b - u * c[r]
                at[r] = s * select(in_top, x, y)
                x = s * a * near
                factor[r] = x
                tiny = add_reassoc(tiny, select(fabs(x) < LEAST, fabs(x), 0.0))
                mean[r] = s * u
            others[r] = v
        totals[block] = total
        if terms.size > 0:
            for r in range(n):
                terms[lo + r] = ROW(others[r])
        if gradient is None:
            continue

        if MEAN or tiny != 0.0:  # a tiny factor would lose digits as a float of the working dtype
            for j in range(classes):
                e = E[j]
                q = 1.0
                if cw is not None:
                    q = cw[j]
                for r in range(TILE):
                    e[r] = ROW(np.float64(e[r]) * UNLIFT * factor[r] - mean[r] * q)
        else:
            for r in range(TILE):
                m[r] = ROW(factor[r] * UNLIFT)
            for j in range(classes):
                e = E[j]
                for r in range(TILE):
                    e[r] = e[r] * m[r]
        for r in range(TILE):
            E[label[r], r] = ROW(at[r])
        if each != 0:
            for r in range(n):
                if weight[r] == 0.0:
                    for j in range(classes):
                        E[j, r] = ROW(0)
        if inner == 1:
            G = gradient[lo : lo + n]
            for j in range(classes):
                e, column = E[j], G[:, j, 0]
                for r in range(n):
                    column[r] = e[r]
        else:
            for j in range(classes):
                e, row = E[j], gradient[matrix, j, start : start + n]
                for r in range(n):
                    row[r] = e[r]
