"""Pairs of vectors on the CPU: rows measured, judged by the loss's rules and differentiated in one pass."""

import inspect
from functools import cache, partial
from types import ModuleType
from typing import Any

import numpy as np

from losskit.engines import memory
from losskit.engines.array_evaluate import by_formula
from losskit.engines.array_formula import Arrays
from losskit.engines.inputs import Array
from losskit.engines.numba import pairs_loop as loops
from losskit.engines.numba import pool
from losskit.engines.numba.compile import Writer, load
from losskit.rules import RuleFunction
from losskit.structures.pairs import MEASURES, PairLoss

BLOCK = 1 << 14
"""Numbers of a vector argument that one turn of a thread takes."""
_ALONE = 30_000  # numbers; below, waking a thread costs more than it saves

_CONSTANTS = """
UP, DOWN = 2.0**600, 2.0**-600
LEAST, MOST = 2.0**-900, 2.0**1000  # sums of squares that lost nothing to underflow or overflow

step = njit(forceinline=True, error_model="numpy", no_cfunc_wrapper=True, no_cpython_wrapper=True)
"""


def kernel(
    loss: PairLoss, arrays: Arrays, cotangent: Array | None, needed: tuple[bool, ...], weight: None = None
) -> tuple[Array, Arrays | None]:
    """Terms, and with a cotangent the gradients."""
    of = dict(zip(loss.arguments, arrays, strict=True))
    vectors = [of[name] for name in loss.differentiable]
    if vectors[-1] is None:  # distances, not vectors: nothing to fuse
        return by_formula(loss, arrays, cotangent, needed)
    labels = [of[name] for name in loss.arguments if name not in loss.differentiable]
    shape, size = vectors[0].shape[:-1], vectors[0].shape[-1]
    rows = [v.reshape(-1, size) for v in vectors]
    y = labels[0].reshape(-1) if labels else np.broadcast_to(0.0, len(rows[0]))
    terms = np.empty(len(rows[0]))
    gradients: list[Any] = [None] * len(rows)
    each = None
    if cotangent is not None:
        each = np.ascontiguousarray(np.broadcast_to(cotangent, shape), np.float64).reshape(-1)
        gradients = [memory.empty(v.size, v.dtype).reshape(v.shape) for v in rows]
    step = max(1, BLOCK // size)
    third = (None,) * (3 - len(rows))
    loop = partial(
        getattr(_module(loss), f"{loss.rules.measure}s"), y, *rows, *third, loss.numbers or (0.0,), each, step,
        terms, *gradients, *third,
    )  # fmt: skip
    threads = pool.get_num_threads() if rows[0].size > _ALONE else 1
    pool.run(loop, -(-len(rows[0]) // step), threads)
    if cotangent is None:
        return terms.reshape(shape), None
    shaped = (g.reshape(v.shape) if n else None for g, v, n in zip(gradients, vectors, needed, strict=True))
    return terms.reshape(shape), tuple(shaped)


def _module(loss: PairLoss) -> ModuleType:
    labels = len(loss.arguments) - len(loss.differentiable)
    return _made(
        loss.rules.measure, loss.rules.value, loss.rules.slopes, labels, len(loss.differentiable) - 1
    )


@cache
def _made(measure: str, value: RuleFunction, slopes: RuleFunction, labels: int, pairs: int) -> ModuleType:
    """The generated module: rules, then the loop of the measure, for float32 and float64 alike."""
    writer = Writer("float64")
    writer.add(_CONSTANTS)
    count = pairs * MEASURES[measure]
    numbers = len(inspect.signature(value).parameters) - labels - count
    taken = ["y"] * labels + [f"m[{i}]" for i in range(count)] + [f"k[{i}]" for i in range(numbers)]
    for name, function in (("value", value), ("slopes", slopes)):
        rule = writer.rule(function, name)
        writer.add(f"@step\ndef {name}_of(y, m, k):\n    return {rule}({', '.join(taken)})")
    helpers: list[Any] = [loops.squares_of, loops.measured]
    if measure == "distance":
        helpers += [loops.difference, loops.pull]
    else:
        helpers += [loops.copied, loops.between, loops.angle]
    for helper in helpers:
        writer.add("@step\n" + inspect.getsource(helper))
    origin = f"{value.__module__}.{value.__qualname__}"
    return load(writer.text(origin, [getattr(loops, f"{measure}s")]), f"{measure}s_{value.__name__}")
