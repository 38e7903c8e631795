"""The loop that scores several losses in one read; fused.py puts it under their rules.

The columns of a block are widened once, the terms of a loss are made and summed exactly while they are in the first
cache, and nothing but the sums is written to memory.
"""

from typing import Any

import numpy as np

from losskit.scoring.exact_kernel import BLOCK, INFINITE, magnitude

# Written above the loop in each generated module.
add_reassoc: Any
outside: Any
add_losses: Any


def loop(y, p, k, limbs, special):  # type: ignore[no-untyped-def]
    """Add the terms of all losses to their limbs; False where a number is not finite or outside of its domain."""
    targets, predictions, scratch = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    for first in range(0, y.size, BLOCK):
        Y, P = y[first : min(first + BLOCK, y.size)], p[first : min(first + BLOCK, y.size)]
        A, B, R = targets[: Y.size], predictions[: Y.size], scratch[: Y.size]
        largest, fault = np.int64(0), 0.0
        for i in range(Y.size):
            a, b = np.float64(Y[i]), np.float64(P[i])
            A[i], B[i] = a, b
            largest = max(largest, magnitude(a))
            largest = max(largest, magnitude(b))
            fault = add_reassoc(fault, outside(a, b))  # noqa: F821
        if largest >= INFINITE or fault != 0.0:
            return False
        add_losses(A, B, R, k, limbs, special)  # noqa: F821
    return True
