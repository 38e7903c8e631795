"""Rows of logits with a number added to each class, for the loops over rows in float64."""
# mypy: ignore-errors

import numpy as np
from numba import njit

from losskit.engines.inputs import Array
from losskit.engines.numba import cache as _cache  # noqa: F401 - before anything is compiled


def shifted(z: Array, shift: Array) -> Array:
    """(z - m) + shift with m the largest of each row's sums: what a softmax does not mind, and rounds less."""
    out = np.empty(z.shape)
    _shift(z, shift, out)
    return out


@njit(nogil=True, error_model="numpy", cache=True)
def _shift(z, shift, out):
    for row in range(z.shape[0]):
        Z, G = z[row], out[row]
        top = 0
        for j in range(Z.size):
            G[j] = np.float64(Z[j]) + shift[j]
            if G[j] > G[top] or G[j] != G[j]:
                top = j
        m = np.float64(Z[top])
        if abs(m) < np.inf:  # where it is infinite, so are the sums
            for j in range(Z.size):
                G[j] = (np.float64(Z[j]) - m) + shift[j]
