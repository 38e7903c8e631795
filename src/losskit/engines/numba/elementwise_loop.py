"""The loop that every elementwise kernel is made of; compile.py copies it under the rules.

An argument that is None is compiled away: one function serves every combination of outputs, weights
and mask, and each combination becomes its own machine code when first used.
"""

from typing import Any

import numpy as np

from losskit.engines.numba.intrinsics import add_reassoc, select

# Written above the loop in each generated module.
BLOCK: Any
FLOAT: Any
value: Any
slope: Any
curvature: Any
outside: Any


def loop(y, p, w, keep, k, scale, check, terms, gradient, second, totals, faults, first, last):  # type: ignore[no-untyped-def]
    """Blocks first..last-1: each writes its terms, slopes and curvatures and its own partial sums.

    k: coefficients and parameters; scale: 1/weight of a mean. The loops run over slices, because with
    an offset range the check for negative indices stays inside and stops vectorisation.
    """
    zero = FLOAT(0.0)
    for block in range(first, last):
        lo = block * BLOCK
        hi = min(lo + BLOCK, p.size)
        Y, P = y[lo:hi], p[lo:hi]
        if w is not None:
            W = w[lo:hi]
        if keep is not None:
            K = keep[lo:hi]
        if terms is not None:
            T = terms[lo:hi]
        if gradient is not None:
            G = gradient[lo:hi]
        if second is not None:
            H = second[lo:hi]
        total = 0.0
        fault = zero
        for i in range(P.size):
            a, b = Y[i], P[i]
            if totals is not None:
                v = value(a, b, k)
                if w is not None:
                    v = select(W[i] != zero, W[i] * v, zero)
                if keep is not None:
                    v = select(K[i], v, zero)
                total = add_reassoc(total, np.float64(v))
                if terms is not None:
                    T[i] = v
            if gradient is not None:
                g = slope(a, b, k)
                if w is not None:
                    g = select(W[i] != zero, (W[i] * scale) * g, zero)
                else:
                    g = scale * g
                if keep is not None:
                    g = select(K[i], g, zero)
                G[i] = g
            if second is not None:
                h = curvature(a, b, k)
                if w is not None:
                    h = select(W[i] != zero, (W[i] * scale) * h, zero)
                else:
                    h = scale * h
                if keep is not None:
                    h = select(K[i], h, zero)
                H[i] = h
            if check is not None:
                bad = outside(a, b)
                if w is not None:
                    bad = select(W[i] != zero, bad, zero)
                if keep is not None:
                    bad = select(K[i], bad, zero)
                fault = add_reassoc(fault, bad)
        if totals is not None:
            totals[block] = total
        if check is not None:
            faults[block] = fault
