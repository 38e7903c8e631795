"""A linear layer and a loss of its softmax rows on the CPU: logits exist a tile of rows at a time.

The kernel of softmax rows puts the derivatives in the place of a tile's logits; two products then take
them to the hidden states and to the weight.
"""

import numpy as np

from losskit.engines import memory
from losskit.engines.inputs import Array
from losskit.engines.numba.products import add_product
from losskit.engines.numba.row_tiles import RowTiles
from losskit.structures.linear import LinearLoss

TILE = 512
"""Rows of a tile at most: each further tile adds to the whole derivative of the weight once more."""
LOGITS = 1 << 24
"""Logits of a tile at most, where that leaves it enough rows for fast products."""
SMALL = 1 << 21
"""Multiplications of a product up to which float64 costs nothing beside the call."""


def kernel(
    loss: LinearLoss, arrays: tuple[Array | None, ...], cotangent: Array | None, needed: tuple[bool, ...]
) -> tuple[Array, tuple[Array | None, ...] | None]:
    """The terms, and the derivatives with respect to hidden, weight and bias."""
    y, hidden, weight, bias = arrays
    assert y is not None
    assert hidden is not None
    assert weight is not None
    rows, dtype = hidden.shape[:-1], hidden.dtype
    h = hidden.reshape(-1, hidden.shape[-1])
    if len(h) * weight.size <= SMALL:
        h, weight = h.astype(np.float64), weight.astype(np.float64)
    targets = y.reshape(len(h)) if loss.targets == "index" else y.reshape(len(h), -1)
    if cotangent is None:
        return _run(loss, targets, h, weight, bias, None, ()).reshape(rows), None
    slopes: tuple[Array, ...] = tuple(memory.empty(a.size, a.dtype).reshape(a.shape) for a in (h, weight))
    if bias is not None:
        slopes += (np.zeros(len(weight)),)
    terms = _run(loss, targets, h, weight, bias, cotangent.reshape(-1), slopes)
    answers = tuple(
        s.astype(dtype, copy=False).reshape(a.shape)
        for s, a in zip(slopes, (hidden, weight, bias), strict=False)
        if a is not None
    )
    return terms.reshape(rows), (*answers, None)[:3]


def _run(
    loss: LinearLoss, y: Array, h: Array, weight: Array, bias: Array | None, cotangent: Array | None,
    slopes: tuple[Array, ...],
) -> Array:  # fmt: skip
    """The terms of all rows; derivatives are written to ``slopes``."""
    rows, classes = len(h), len(weight)
    softmax = RowTiles(loss.terms, loss.class_weights)
    most = min(TILE, max(TILE // 8, LOGITS // classes))
    tile = -(-rows // -(-rows // most))  # tiles of about one size
    scratch = memory.empty(tile * classes, h.dtype).reshape(tile, classes)
    terms = np.empty(rows)
    for first in range(0, rows, tile):
        part = slice(first, min(first + tile, rows))
        z = np.matmul(h[part], weight.T, out=scratch[: part.stop - first])
        if bias is not None:
            z += bias
        softmax.replace(z, y[part], terms[part], sloped=cotangent is not None)
        if cotangent is not None:
            share = cotangent[part].astype(h.dtype)
            _pull_back(z, share, h[part], weight, slopes, part)
    return terms


def _pull_back(
    z: Array, share: Array, h: Array, weight: Array, slopes: tuple[Array, ...], part: slice
) -> None:
    """From the derivatives of a tile's terms with respect to its logits to those of the arguments."""
    of_hidden = np.matmul(z, weight, out=slopes[0][part])
    of_hidden *= share[:, None]
    weighed = share[:, None] * h
    if part.start == 0:
        np.matmul(z.T, weighed, out=slopes[1])
    else:
        add_product(slopes[1], z.T, weighed)
    if len(slopes) > 2:
        slopes[2][...] += share @ z
