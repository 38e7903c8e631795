"""The loop that looks at the values of masks."""
# mypy: ignore-errors

import numpy as np
from numba import njit

from losskit.engines.numba.intrinsics import add_reassoc, select


@njit(nogil=True, error_model="numpy", cache=True)
def count_outside(values, most, whole, ignored):
    """How many values are not from 0 to ``most`` (``whole``: and whole numbers), nor what is ignored."""
    count = np.float32(0)  # a float, since a sum of integers would be one of 64 bits
    for i in range(values.size):
        x = values[i]
        fine = (x >= 0) & (x <= most) & ((np.floor(x) == x) | (not whole))
        count = add_reassoc(count, select(fine | (x == ignored), np.float32(0), np.float32(1)))
    return count
