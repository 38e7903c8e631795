"""The loops over rows with a target distribution, and over rows of probabilities.

row_kernel.py copies them under the rules, after the functions of rows_loop.py, whose arguments they share.
``check`` is how far the sum of a distribution may be from 1; nothing is checked if it is negative.
"""
# mypy: ignore-errors

from typing import Any

import numpy as np

from losskit.engines.numba.intrinsics import add_reassoc, select
from losskit.engines.numba.rows_loop import largest, powers

# Written above the loops in each generated module.
ROW: Any
UNLIFT: Any
MEAN: Any
PAIRS: Any
LARGEST: Any
exp: Any
log1p: Any
outer_of_row: Any
outer_weight: Any
class_value: Any
class_slope: Any
mean_value: Any
mean_slope: Any
lse_value: Any
lse_slope: Any
nll_value: Any
nll_slope: Any
surprise: Any
divisor: Any
direct_value: Any
direct_slope: Any
portion: Any
EXCESS: Any


def fault_of_target(y, tolerance):
    """1.0 unless a row holds numbers in [0, 1] with a sum of 1; NaN is no fault."""
    total, bad = 0.0, 0.0
    for j in range(y.size):
        q = np.float64(y[j])
        total = add_reassoc(total, q)
        bad = add_reassoc(bad, select((q < 0.0) | (q > 1.0), 1.0, 0.0))
    return 1.0 if bad > 0.0 or abs(total - 1.0) > tolerance else 0.0


def fault_of_prediction(p, tolerance):
    """The same of a prediction, which may be a logarithm."""
    total, bad = 0.0, 0.0
    for j in range(p.size):
        q = portion(np.float64(p[j]))
        total = add_reassoc(total, q)
        bad = add_reassoc(bad, select((q < 0.0) | (q > 1.0 + EXCESS * tolerance), 1.0, 0.0))
    return 1.0 if bad > 0.0 or abs(total - 1.0) > tolerance else 0.0


def shares(z, y, w, each, cw, cw_sum, k, scale, step, check, terms, gradient, totals, faults, first, last):
    """Rows of logits against distributions, blocks first..last-1 of ``step`` rows."""
    rows, classes = z.shape
    buffer = np.empty(classes, ROW)
    for block in range(first, last):
        block_total, fault = 0.0, 0.0
        for row in range(block * step, min(block * step + step, rows)):
            weight = w[each * row]
            if weight == 0.0:
                if terms.size > 0:
                    terms[row] = ROW(0)
                if gradient is not None:
                    gradient[row, :] = ROW(0)
                continue
            Z, Y = z[row], y[row]
            if check >= 0.0:
                fault += fault_of_target(Y, check)
            m = largest(Z)
            G = buffer
            if gradient is not None:
                G = gradient[row]
            others = powers(Z, m, G)
            log_sum = log1p(others)
            base = np.float64(m)
            whole, reference, norm = outer_of_row(Z, Y, base, log_sum, k)
            v, u_sum, u_rest, gaps, top = sums_of_row(Z, Y, m, log_sum, cw, reference, norm, k)
            mean = gaps / classes
            lse = np.float64(m) + log_sum
            v += lse_value(lse, k) + whole
            if MEAN:
                v += mean_value(mean, k)
            v = weight * v
            block_total += v
            if terms.size > 0:
                terms[row] = ROW(v)
            if gradient is not None:
                s = scale * weight
                u = mean_slope(mean, k) / classes if MEAN else 0.0
                of_lse = lse_slope(lse, k)
                total = u_sum + u * cw_sum + of_lse
                gradient_of_row(Z, Y, G, m, log_sum, others, total, u, cw, s, reference, norm, k)
                if others < 1.0 and not np.isinf(
                    u_sum
                ):  # the largest logit is a single one and rounds off the others
                    c, q = 1.0, np.float64(Y[top])
                    if cw is not None:
                        c = cw[top]
                    own = (
                        class_slope(q, c, log_sum, k) - outer_weight(q, -log_sum, reference, norm, k) + u * c
                    )
                    rest = u_rest + u * (cw_sum - c) + of_lse
                    G[top] = ROW(s * (rest - own * others) / (1.0 + others))
        totals[block] = block_total
        faults[block] = fault


def sums_of_row(Z, Y, m, log_sum, cw, reference, norm, k):
    """The sums over the classes of the values, of the slopes, of the slopes without the largest
    logit, and of the weighted -log p; and the column of the largest."""
    v, u_sum, u_rest, gaps = 0.0, 0.0, 0.0, 0.0
    top = np.int64(0)
    for j in range(Z.size):
        tied = Z[j] == m
        n = select(tied, 0.0, np.float64(m) - np.float64(Z[j])) + log_sum
        c = 1.0
        if cw is not None:
            c = cw[j]
        q = np.float64(Y[j])
        u = class_slope(q, c, n, k) - outer_weight(q, -n, reference, norm, k)
        v = add_reassoc(v, class_value(q, c, n, k))
        u_sum = add_reassoc(u_sum, u)
        u_rest = add_reassoc(u_rest, select(tied, 0.0, u))
        if MEAN:
            gaps = add_reassoc(gaps, select(c == 0.0, 0.0, c * n))
        i = select(tied, np.int64(j), np.int64(0))
        top = select(i > top, i, top)
    return v, u_sum, u_rest, gaps, top


def gradient_of_row(Z, Y, G, m, log_sum, others, total, u, cw, s, reference, norm, k):
    """From lifted exponentials to a row of the gradient."""
    near = 1.0 / (1.0 + others)
    endless = np.isinf(total)  # probability where the target rules it out: limits, not inf - inf
    for j in range(Z.size):
        n = select(Z[j] == m, 0.0, np.float64(m) - np.float64(Z[j])) + log_sum
        c = 1.0
        if cw is not None:
            c = cw[j]
        q = np.float64(Y[j])
        own = class_slope(q, c, n, k) - outer_weight(q, -n, reference, norm, k)
        if MEAN:
            own += u * c
        if endless:
            G[j] = ROW(select(np.isinf(own), -s * own, select(Z[j] == -np.inf, 0.0, s * total)))
        else:
            # What rules of a pair make of p goes with it: then p must be as exact as that.
            p = exp(-n) if PAIRS else np.float64(G[j]) * UNLIFT * near
            G[j] = ROW(p * (s * total) - s * own)


def clipped(x):
    """A slope at a floored probability stops at the largest finite number."""
    return ROW(select(x > LARGEST, LARGEST, select(x < -LARGEST, -LARGEST, x)))


def direct_shares(
    p, y, w, each, cw, cw_sum, k, floor, scale, step, check, terms, gradient, totals, faults, first, last
):
    """Rows of probabilities, or of their logarithms, against distributions."""
    rows, classes = p.shape
    for block in range(first, last):
        block_total, fault = 0.0, 0.0
        for row in range(block * step, min(block * step + step, rows)):
            weight = w[each * row]
            if weight == 0.0:
                if terms.size > 0:
                    terms[row] = ROW(0)
                if gradient is not None:
                    gradient[row, :] = ROW(0)
                continue
            P, Y = p[row], y[row]
            if check >= 0.0:
                fault += fault_of_target(Y, check) + fault_of_prediction(P, check)
            v, reference, norm = outer_of_row(P, Y, 0.0, 0.0, k)
            mean = 0.0
            for j in range(classes):
                x, q = np.float64(P[j]), np.float64(Y[j])
                c = 1.0
                if cw is not None:
                    c = cw[j]
                v = add_reassoc(v, direct_value(q, c, x, floor, k))
                if MEAN:
                    mean = add_reassoc(mean, select(c == 0.0, 0.0, c * surprise(x, floor)))
            mean = mean / classes
            if MEAN:
                v += mean_value(mean, k)
            v = weight * v
            block_total += v
            if terms.size > 0:
                terms[row] = ROW(v)
            if gradient is not None:
                G = gradient[row]
                s = scale * weight
                u = mean_slope(mean, k) / classes if MEAN else 0.0
                for j in range(classes):
                    x, c = np.float64(P[j]), 1.0
                    if cw is not None:
                        c = cw[j]
                    q = np.float64(Y[j])
                    g = direct_slope(q, c, x, floor, k) + outer_weight(q, x, reference, norm, k)
                    if MEAN:
                        g -= u * c / divisor(x, floor)
                    G[j] = clipped(s * g)
        totals[block] = block_total
        faults[block] = fault


def direct(
    p, labels, w, each, cw, cw_sum, k, floor, scale, step, check, terms, gradient, totals, faults, first, last
):
    """Rows of probabilities against class indices; ``faults`` counts indices, and above 2**32 rows."""
    rows, classes = p.shape
    for block in range(first, last):
        block_total, fault = 0.0, 0.0
        for row in range(block * step, min(block * step + step, rows)):
            weight = w[each * row]
            t = labels[row]
            outside = t < 0 or t >= classes
            if gradient is not None:
                gradient[row, :] = ROW(0)
            if weight == 0.0 or outside:
                if weight != 0.0:
                    fault += 1.0
                if terms.size > 0:
                    terms[row] = ROW(0)
                continue
            P = p[row]
            if check >= 0.0:
                fault += fault_of_prediction(P, check) * 4294967296.0
            c, mean = 1.0, 0.0
            if cw is not None:
                c = cw[t]
            if MEAN:
                for j in range(classes):
                    n = surprise(np.float64(P[j]), floor)
                    if cw is not None:
                        n = select(cw[j] == 0.0, 0.0, cw[j] * n)
                    mean = add_reassoc(mean, n)
                mean /= classes
            x = np.float64(P[t])
            nll = surprise(x, floor)
            v = select((c == 0.0) & (nll == nll), 0.0, c * nll_value(nll, k))
            if MEAN:
                v += mean_value(mean, k)
            v = weight * v
            block_total += v
            if terms.size > 0:
                terms[row] = ROW(v)
            if gradient is not None:
                G = gradient[row]
                s = scale * weight
                own = select(c == 0.0, 0.0, c * nll_slope(nll, k))
                if MEAN:
                    u = mean_slope(mean, k) / classes
                    own += u * c
                    for j in range(classes):
                        q = 1.0
                        if cw is not None:
                            q = cw[j]
                        G[j] = clipped(-s * u * q / divisor(np.float64(P[j]), floor))
                G[t] = clipped(-s * own / divisor(x, floor))
        totals[block] = block_total
        faults[block] = fault
