"""Losses over all paths through a table, on the CPU: a kernel for each kind of table."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from losskit.engines import memory
from losskit.engines.array_evaluate import by_formula
from losskit.engines.inputs import Array
from losskit.engines.numba import alignment, labelling, labelling_extended, pool
from losskit.engines.numba.extended import NOTHING
from losskit.structures.lattice import AlignmentLoss, LabellingLoss, LatticeLoss

_ALONE = 10_000  # cells; below, waking a thread costs more than it saves
_SMALL = {np.dtype(np.float32): 2.0**-20, np.dtype(np.float64): 0.5}
"""A loss below is -log of a sum of paths so near 1 that its distance from 1 has lost digits."""
_FRONT, _BACK = 0, 1

Arrays = tuple[Array | None, ...]
Answer = tuple[Array, Arrays | None]


def kernel(loss: LatticeLoss, arrays: Arrays, cotangent: Array | None, needed: tuple[bool, ...]) -> Answer:
    """Terms and gradients; what the extended range cannot hold is left to the formula."""
    of_table: Callable[..., Answer] = _KERNELS[loss.table]
    return of_table(loss, arrays, cotangent, needed)


def _run(call: Callable[[int, int], None], blocks: int, cells: int) -> None:
    pool.run(call, blocks, pool.get_num_threads() if cells > _ALONE else 1)


def _tables(rows: int, width: int) -> list[tuple[Array, Array]]:
    """Mantissas and exponents of emissions, and of the sweeps from the front and from the back."""
    flat = memory.empty(6 * rows * width, np.dtype(np.float64)).reshape(6, rows, width)
    return [(flat[i], flat[i + 1].view(np.int64)) for i in (0, 2, 4)]


# ---- labels against frames --------------------------------------------------------------------------------


def _labellings(
    loss: LabellingLoss, arrays: Arrays, cotangent: Array | None, needed: tuple[bool, ...]
) -> Answer:
    targets, x, lengths, frames = arrays
    assert targets is not None
    assert x is not None
    batch = x.shape[1]
    work = Labellings(
        loss, targets, x,
        np.full(batch, targets.shape[1]) if lengths is None else lengths,
        np.full(batch, x.shape[0]) if frames is None else frames,
        cotangent, np.empty(batch), np.zeros(batch, np.bool_),
        None if cotangent is None else memory.empty(x.size, x.dtype).reshape(x.shape),
    )  # fmt: skip
    threads = min(pool.get_num_threads(), batch) if x.shape[0] * targets.size > _ALONE else 1
    queue = iter(range(batch))  # sequences differ in length: who is done takes the next
    pool.run(lambda first, last: work.run(queue), threads, threads)
    if work.rare.any():
        work.run_rare()
    if loss.zero_infinity:
        work.terms[np.isposinf(work.terms)] = 0.0
    return work.terms, None if work.gradient is None else (work.gradient,)


@dataclass(slots=True)
class Labellings:
    """A batch of label sequences against frames: inputs and answers."""

    loss: LabellingLoss
    targets: Array
    x: Array
    lengths: Array
    frames: Array
    cotangent: Array | None
    terms: Array
    rare: Array
    """Which sequences the extended range cannot hold."""
    gradient: Array | None

    def run(self, queue: Iterator[int]) -> None:
        """Sequences, until there are no more."""
        tables = labelling.tables(self.x.shape[0], self.targets.shape[1])
        for b in queue:
            self.run_one(b, tables)

    def run_one(self, b: int, tables: labelling.Tables) -> None:
        """One sequence, with memory to work in."""
        frames, y = int(self.frames[b]), self.targets[b, : self.lengths[b]]
        start = self.x, b, y.astype(np.uint64), frames, self.loss.blank, self.loss.from_logits
        score = labelling.label(*start, self.weight(b), tables, self.gradient)
        if np.isnan(score):
            score = self.run_extended(b, y, frames)
        self.terms[b] = -score
        self.rare[b] = not -score >= _SMALL[self.x.dtype]
        if self.gradient is not None:
            self.gradient[0 if score == -np.inf else frames :, b] = 0

    def weight(self, b: int) -> float:
        """What the derivative of a sequence's loss is multiplied by."""
        return 0.0 if self.cotangent is None else float(self.cotangent[b])

    def run_extended(self, b: int, y: Array, frames: int) -> float:
        """Its log-probability and derivative in extended range; NaN where that does not hold it, either."""
        p, front, back = _tables(frames + 1, 2 * y.size + 3)
        tops, rests = np.empty((2, frames))
        lift = np.zeros(y.size + 1, np.int64)
        lift[1:-1][y[1:] == y[:-1]] = NOTHING
        start = self.x, b, y, self.loss.blank, self.loss.from_logits
        if labelling_extended.emissions(*start, tops, rests, *p):
            return math.nan
        labelling_extended.sweep(*p, lift, frames, y.size + 1, _FRONT, *front)
        m, n, score = labelling_extended.total(*front, frames, y.size)
        if self.gradient is not None and score > -np.inf:
            labelling_extended.sweep(*p, lift, frames, y.size + 1, _BACK, *back)
            weight = self.weight(b)
            labelling_extended.slopes(*start, weight, tops, rests, *p, *front, *back, m, n, self.gradient)
        return float(score)

    def run_rare(self) -> None:
        """What is left to the formula."""
        rare = self.rare
        cut: tuple[Any, ...] = self.targets[rare], self.x[:, rare], self.lengths[rare], self.frames[rare]
        cotangent = None if self.cotangent is None else self.cotangent[rare]
        self.terms[rare], gradients = by_formula(self.loss, cut, cotangent, (True,))
        if gradients is not None and self.gradient is not None:
            self.gradient[:, rare] = gradients[0]


# ---- one sequence against another -------------------------------------------------------------------------


def _alignments(
    loss: AlignmentLoss, arrays: Arrays, cotangent: Array | None, needed: tuple[bool, ...]
) -> Answer:
    given = [a for a in arrays if a is not None]
    shape = given[0].shape[:-2]
    xs, ys = (a.reshape(math.prod(shape), *a.shape[-2:]) for a in given)
    batch = len(xs)
    weights = None if cotangent is None else np.broadcast_to(cotangent, shape).reshape(-1)
    gradients = () if weights is None else (np.empty(xs.shape, xs.dtype), np.empty(ys.shape, ys.dtype))
    work = Alignments(loss, xs, ys, weights, np.empty(batch), gradients)
    _run(work.run, batch, batch * xs.shape[1] * ys.shape[1])
    answers = tuple(g.reshape(a.shape) for g, a in zip(gradients, given, strict=False))
    return work.terms.reshape(shape), answers if weights is not None else None


@dataclass(slots=True)
class Alignments:
    """A batch of pairs of sequences: inputs and answers."""

    loss: AlignmentLoss
    xs: Array
    ys: Array
    weights: Array | None
    terms: Array
    gradients: tuple[Array, ...]

    def run(self, first: int, last: int) -> None:
        """Pairs first..last-1."""
        for b in range(first, last):
            if not self.run_one(b):
                self.run_rare(b)

    def run_one(self, b: int) -> bool:
        """One pair; False where the extended range cannot hold it."""
        x, y = (np.ascontiguousarray(a[b].T, np.float64) for a in (self.xs, self.ys))
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            return False
        gx, gy = np.zeros_like(x), np.zeros_like(y)
        parts = [(1.0, x, y, gx, gy)]
        if self.loss.normalize:
            parts += [(-0.5, x, x, gx, gx), (-0.5, y, y, gy, gy)]
        value, small = 0.0, _SMALL[self.xs.dtype] * self.loss.gamma
        for share, one, other, one_slope, other_slope in parts:
            weight = None if self.weights is None else share * float(self.weights[b])
            minimum, slopes = self.minimum(one, other, weight)
            if not math.isfinite(minimum) or (len(parts) == 1 and abs(minimum) < small):
                return False
            value += share * minimum
            if slopes is not None:
                one_slope += slopes[0]
                other_slope += slopes[1]
        self.terms[b] = value
        if self.gradients:
            self.gradients[0][b], self.gradients[1][b] = gx.T, gy.T
        return True

    def minimum(self, x: Array, y: Array, weight: float | None) -> tuple[float, tuple[Array, Array] | None]:
        """The soft minimum for sequences (features, length), and its derivatives times ``weight``; NaN for rare ones."""
        rows, columns = x.shape[1], y.shape[1]
        backwards = np.ascontiguousarray(y[:, ::-1])
        gx, gy = np.zeros_like(x), np.zeros_like(y)
        size = rows + columns + 3, rows + 2
        if self.loss.gamma == 0.0:
            least = np.empty(size)
            value = alignment.hard_minimum(x, backwards, least)
            if weight is not None:
                alignment.hard_slopes(x, backwards, weight, least, np.empty(size), gx, gy)
        else:
            p, front, back = _tables(*size)
            # With a single path the value is the cost itself, which the weight exp(-cost) rounds.
            if min(rows, columns) == 1 or alignment.emissions(x, backwards, self.loss.gamma, *p):
                return math.nan, None
            alignment.sweep(*p, rows, columns, _FRONT, *front)
            *all_paths, value = alignment.soft_minimum(*front, rows, columns, self.loss.gamma)
            if weight is not None:
                alignment.sweep(*p, rows, columns, _BACK, *back)
                alignment.slopes(x, backwards, weight, *p, *front, *back, *all_paths, gx, gy)
        return value, None if weight is None else (gx, gy[:, ::-1])

    def run_rare(self, b: int) -> None:
        """What is left to the formula."""
        cut = self.xs[b : b + 1], self.ys[b : b + 1]
        weight = None if self.weights is None else self.weights[b : b + 1]
        with np.errstate(all="ignore"):
            self.terms[b : b + 1], gradients = by_formula(self.loss, cut, weight, (True, True))
        for mine, gradient in zip(self.gradients, gradients or (), strict=False):
            mine[b : b + 1] = gradient


_KERNELS: dict[str, Callable[..., Answer]] = {"labels": _labellings, "sequences": _alignments}
