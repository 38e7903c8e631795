"""Distances between sets of points on the CPU: the arithmetic of the formula, on potentials from fused loops.

All is computed in float64, which costs little beside the exponentials: potentials are sums over whole sets, and
their differences are what counts. No matrix of pairs is stored.
"""

import inspect
from functools import cache, partial
from types import ModuleType
from typing import Any

import numpy as np

from losskit.engines.formulas.transport_cloud import Cloud, Fields, clouds_of, distances
from losskit.engines.inputs import Array
from losskit.engines.numba import pool
from losskit.engines.numba import transport_cloud_loop as loops
from losskit.engines.numba.compile import Writer, load
from losskit.engines.numpy.array_words import xp
from losskit.rules import RuleFunction
from losskit.structures.transport import CloudLoss

POINTS = 16
"""Points in a task."""
OTHERS = 512
"""Points that each of them meets together: their distances fit the nearest cache."""
_ALONE = 5_000  # pairs; below, waking a thread costs more than it saves


def kernel(
    loss: CloudLoss, arrays: tuple[Array | None, ...], cotangent: Array | None, needed: tuple[bool, ...],
    weight: Array | None = None,
) -> tuple[Array, tuple[Array | None, ...] | None]:  # fmt: skip
    """The distance of each pair of sets, and its derivatives with respect to the targets and the predictions."""
    wide = [None if a is None else a.astype(np.float64, copy=False) for a in (*arrays, weight)]
    y_true, y_pred = wide[0], wide[1]
    assert y_true is not None
    assert y_pred is not None
    clouds = clouds_of(xp, y_true, y_pred, *wide[2:])
    terms, forces = distances(xp, loss, _fields(loss), *clouds, cotangent is not None)
    terms = terms.reshape(y_pred.shape[:-2])
    if forces is None or cotangent is None:
        return terms, None
    each = np.reshape(cotangent, (-1, 1, 1))
    pred, true = forces
    return terms, tuple(
        (each * force).astype(arrays[k].dtype).reshape(arrays[k].shape) if needed[k] else None  # type: ignore[union-attr]
        for k, force in enumerate((true, pred))
    )


def _fields(loss: CloudLoss) -> Fields:
    """Fields by loops over pairs."""
    module = _module(
        loss.ground.of_square or loss.ground.value, loss.ground.slope, loss.ground.of_square is not None
    )
    numbers = loss.ground.numbers or (0.0,)

    def mean(unit: Array, at: Cloud, of: Cloud, forces: bool) -> tuple[Array, Array | None]:
        points, others, scale = _scaled(at, of)
        potential, force = np.empty(at.mass.shape), np.zeros(at.points.shape) if forces else None
        stretch = 1.0 / (unit[:, 0] * scale)
        _run(partial(module.mean, points, others, of.mass, numbers, stretch, potential, force), at, of)
        return potential, None if force is None else force / unit[:, :, None]

    def softmin(
        weight: Any, at: Cloud, f: Array, of: Cloud, g: Array, forces: bool
    ) -> tuple[Array, Array | None]:
        points, others, scale = _scaled(at, of)
        rise, force = np.empty(at.mass.shape), np.zeros(at.points.shape) if forces else None
        level = np.where(of.mass > 0.0, g / weight, -np.inf)
        start = (points, others, of.mass, numbers, 1.0 / scale, f / weight, level, weight[:, 0])
        _run(partial(module.softmin, *start, rise, force), at, of)
        return f - weight * rise, force

    return Fields(mean, softmin)


def _scaled(at: Cloud, of: Cloud) -> tuple[Array, Array, Array]:
    """Points and those they meet, times a power of 2 at which no square over- or underflows, and this."""
    largest = np.maximum(*(np.abs(cloud.points).max(axis=(1, 2)) for cloud in (at, of)))
    exponent = np.where(np.isfinite(largest) & (np.abs(np.log2(largest)) > 300), -np.frexp(largest)[1], 0)
    points, others = (np.ldexp(cloud.points, exponent[:, None, None]) for cloud in (at, of))
    return points, np.ascontiguousarray(np.swapaxes(others, 1, 2)), np.ldexp(1.0, exponent)


def _run(loop: Any, at: Cloud, of: Cloud) -> None:
    """All points, in tasks of a few."""
    sets, points = at.mass.shape
    threads = pool.get_num_threads() if at.mass.size * of.mass.shape[1] > _ALONE else 1
    pool.run(loop, sets * -(-points // POINTS), threads)


@cache
def _module(value: RuleFunction, slope: RuleFunction, squared: bool) -> ModuleType:
    """The loops, compiled for a ground cost, of distances or of their squares."""
    writer = Writer("float64")
    writer.add(f"POINTS = {POINTS}\nOTHERS = {OTHERS}\nSQUARED = {squared}")
    for name, rule in (("ground", value), ("ground_slope", slope)):
        extra = len(inspect.signature(rule).parameters) - 1
        numbers = "".join(f", k[{i}]" for i in range(extra))
        called = writer.rule(rule, f"rule_of_{name}")
        writer.add(f"@inline\ndef {name}(r, k):\n    return {called}(r{numbers})")
    for helper in (loops.ways_to, loops.cost, loops.pull_by, loops.exponents, loops.logarithm):
        writer.add("@inline\n" + inspect.getsource(helper))
    text = writer.text(f"{value.__module__}.{value.__qualname__}", (loops.mean, loops.softmin))
    return load(text, "transport")
