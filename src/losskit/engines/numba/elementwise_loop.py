"""The loop that every elementwise kernel is made of; compile.py copies it under the rules.

An argument that is None is compiled away: one function serves every combination of outputs, weights
and mask, and each combination becomes its own machine code when first used.
"""

from typing import Any

import numpy as np

from losskit.engines.numba.intrinsics import add_reassoc, select

# Written above the loop in each generated module.
APART: Any
SATURATES: Any
LARGEST: Any
LARGEST_BFLOAT16: Any
LARGEST_FLOAT16: Any
narrow: Any
widen: Any
BLOCK: Any
FLOAT: Any
value: Any
slope: Any
stopped: Any
curvature: Any
outside: Any


def loop(y, p, w, keep, k, scale, check, terms, gradient, second, totals, faults, first, last):  # type: ignore[no-untyped-def]
    """Blocks first..last-1: each writes its terms, slopes and curvatures and its own partial sums.

    k: coefficients and parameters; scale: 1/weight of a mean. The loops run over slices, because with
    an offset range the check for negative indices stays inside and stops vectorisation.

    The total is kept in float64. Added up in the main loop it would halve the width of that loop's
    vectors, so an expensive rule (APART) writes its terms first and adds them up in a loop of its own.
    """
    zero = FLOAT(0.0)
    scratch = np.empty(BLOCK if APART and terms is None else 0, FLOAT)
    for block in range(first, last):
        lo = block * BLOCK
        hi = min(lo + BLOCK, p.size)
        Y, P = y[lo:hi], p[lo:hi]
        if w is not None:
            W = w[lo:hi]
        if keep is not None:
            K = keep[lo:hi]
        T = scratch[: hi - lo] if terms is None else terms[lo:hi]
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
                if APART or terms is not None:
                    T[i] = v
                if not APART:
                    total = add_reassoc(total, np.float64(v))
            if gradient is not None:
                g = slope(a, b, k)
                if w is not None:
                    g = select(W[i] != zero, (W[i] * scale) * g, zero)
                else:
                    g = scale * g
                if SATURATES:
                    g = stopped(g, LARGEST)
                if keep is not None:
                    g = select(K[i], g, zero)
                G[i] = g
            if second is not None:
                h = curvature(a, b, k)
                if w is not None:
                    h = select(W[i] != zero, (W[i] * scale) * h, zero)
                else:
                    h = scale * h
                if SATURATES:
                    h = stopped(h, LARGEST)
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
            if APART:
                for i in range(P.size):
                    total = add_reassoc(total, np.float64(T[i]))
            totals[block] = total
        if check is not None:
            faults[block] = fault


def half_loop(  # type: ignore[no-untyped-def]
    y, p, w, keep, k, scale, check, terms, gradient, second, totals, faults, brain, first, last
):
    """The same for 16-bit patterns of halves (``brain``: of bfloat16), widened and narrowed a block at a time.

    A block of each array stays in the first cache, so that memory is read and written in 16 bits.
    """
    Y, P, G, H = (
        np.empty(BLOCK, FLOAT),
        np.empty(BLOCK, FLOAT),
        np.empty(BLOCK, FLOAT),
        np.empty(BLOCK, FLOAT),
    )
    if brain is not None:
        largest = LARGEST_BFLOAT16
    else:
        largest = LARGEST_FLOAT16
    for block in range(first, last):
        lo = block * BLOCK
        hi = min(lo + BLOCK, p.size)
        n = hi - lo
        widen(y[lo:hi], Y, brain)
        widen(p[lo:hi], P, brain)
        W = None if w is None else w[lo:hi]
        K = None if keep is None else keep[lo:hi]
        T = None if terms is None else terms[lo:hi]
        slopes = None if gradient is None else G[:n]
        curvatures = None if second is None else H[:n]
        S = None if totals is None else totals[block : block + 1]
        F = None if faults is None else faults[block : block + 1]
        loop(Y[:n], P[:n], W, K, k, scale, check, T, slopes, curvatures, S, F, 0, 1)
        if gradient is not None:
            if SATURATES:
                for i in range(n):
                    G[i] = stopped(G[i], largest)
            narrow(G[:n], gradient[lo:hi], brain)
        if second is not None:
            if SATURATES:
                for i in range(n):
                    H[i] = stopped(H[i], largest)
            narrow(H[:n], second[lo:hi], brain)
