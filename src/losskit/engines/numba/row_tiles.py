"""The kernel of softmax rows on tiles of logits that another structure has made, and needs no more."""

from dataclasses import dataclass

import numpy as np

from losskit.engines.inputs import Array
from losskit.engines.numba import pool
from losskit.engines.numba.row_kernel import bind_rows
from losskit.engines.numba.rows import BLOCK
from losskit.rules import Term

_ALONE = 30_000  # numbers; below, waking a thread costs more than it saves


@dataclass(frozen=True, slots=True)
class RowTiles:
    """The rules of a loss of logits, and its class weights."""

    terms: tuple[Term, ...]
    class_weights: tuple[float, ...] | None

    def replace(self, z: Array, y: Array, terms: Array, sloped: bool) -> None:
        """The loss of each row of logits into ``terms``; where ``sloped``, its derivative takes the logits' place.

        y are class indices, where one out of range marks a row that does not count, or distributions.
        """
        rows, classes = z.shape
        kernel = bind_rows("softmax", self.terms, z.dtype)
        of_class = None if self.class_weights is None else np.array(self.class_weights)
        whole = float(classes) if of_class is None else float(of_class.sum())
        counts = np.ones(rows) if y.ndim == 2 else ((y >= 0) & (y < classes)).astype(np.float64)
        step = max(1, BLOCK // max(classes, 1))
        unused = np.empty((2, 1))

        def loop(first: int, last: int) -> None:
            scratch = np.empty((step, classes), z.dtype)
            for lo in range(first * step, min(last * step, rows), step):
                part = slice(lo, min(lo + step, rows))
                logits = scratch[: part.stop - lo]
                logits[...] = z[part]
                start = (logits, y[part], counts[part], 1, of_class, whole, kernel.numbers, 1.0, step)
                end = (terms[part], z[part] if sloped else None, *unused.copy(), 0, 1)
                if y.ndim == 1:
                    kernel.module.wide(*start, *end)
                else:
                    kernel.module.shares(*start, -1.0, *end)

        threads = pool.get_num_threads() if z.size > _ALONE else 1
        pool.run(loop, -(-rows // step), threads)
