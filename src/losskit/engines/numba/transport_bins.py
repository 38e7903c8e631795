"""Transport between histograms on the CPU: one pass over a row forward for the cost, one back for its derivative."""

from functools import partial
from typing import Any

import numpy as np

from losskit.engines import memory
from losskit.engines.formulas.transport_mass import cost
from losskit.engines.inputs import Array
from losskit.engines.numba import pool
from losskit.engines.numba import transport_bins_loop as loops
from losskit.engines.numpy.array_words import xp
from losskit.structures.transport import LineLoss

_ALONE = 30_000  # bins; below, waking a thread costs more than it saves


def kernel(
    loss: LineLoss, arrays: tuple[Array | None, ...], cotangent: Array | None, needed: tuple[bool, ...]
) -> tuple[Array, tuple[Array | None, ...] | None]:
    """The cost of each row, and its derivatives with respect to the targets and the predictions."""
    y_true, y_pred, _ = arrays
    assert y_true is not None
    assert y_pred is not None
    bins = y_pred.shape[-1]
    p, q = y_pred.reshape(-1, bins), y_true.reshape(-1, bins)
    ways = None if loss.p == 1.0 else np.arange(bins + 1.0) ** loss.p
    totals = np.empty(len(p))
    _run(partial(loops.costs, p, q, ways, totals), p)
    terms, rate = cost(xp, loss.p, loss.root, totals, np.ones_like(totals))
    terms = terms.reshape(y_pred.shape[:-1])
    if cotangent is None:
        return terms, None
    factor = rate * np.reshape(cotangent, -1)
    return terms, tuple(
        _slopes(mine, other, ways, factor).reshape(y_pred.shape) if want else None
        for mine, other, want in ((q, p, needed[0]), (p, q, needed[1]))
    )


def _slopes(mine: Array, other: Array, ways: Array | None, factor: Array) -> Array:
    """The derivative in each bin of the first histograms."""
    slopes = memory.empty(mine.size, mine.dtype).reshape(mine.shape)
    _run(partial(loops.slopes, mine, other, ways, factor, slopes), mine)
    return slopes


def _run(loop: Any, rows: Array) -> None:
    """All rows, in blocks."""
    step = max(1, loops.BLOCK // max(rows.shape[1], 1))
    threads = pool.get_num_threads() if rows.size > _ALONE else 1
    pool.run(partial(loop, step), -(-len(rows) // step), threads)
