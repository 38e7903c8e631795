"""Products of matrices that are added to what is there, in pieces that stay in the cache.

NumPy's matmul runs on the threads of its BLAS library, as many as OPENBLAS_NUM_THREADS or MKL_NUM_THREADS
says; ``losskit.set_num_threads`` is for the loops between the products.
"""

import numpy as np

from losskit.engines.inputs import Array

PIECE = 1024
"""Rows of a product that are made together."""


def add_product(out: Array, a: Array, b: Array) -> None:
    """out += a @ b, without a matrix of out's size beside it."""
    scratch = np.empty((min(PIECE, len(out)), out.shape[1]), out.dtype)
    for first in range(0, len(out), PIECE):
        piece = out[first : first + PIECE]
        piece += np.matmul(a[first : first + PIECE], b, out=scratch[: len(piece)])
