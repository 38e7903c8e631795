"""Losses of a few numbers at a time on the CPU: each piece's rules in one fused, vectorised, threaded pass.

Rules run in double precision whatever the arrays hold. With several columns to read and several
gradients to write the memory sets the pace, and float32 answers are right to their last bit.
"""

import warnings
from functools import cache, partial
from types import ModuleType
from typing import Any

import numpy as np

from losskit.engines import memory
from losskit.engines.array_evaluate import by_formula
from losskit.engines.array_formula import Arrays, given
from losskit.engines.formulas.columns import columns_of, differ, share
from losskit.engines.inputs import Array
from losskit.engines.numba import pool
from losskit.engines.numba.compile import CannotCompile, Writer, load
from losskit.structures.columns import ColumnLoss, ColumnRules, Piece

BLOCK = 1024
"""Terms that a thread takes at a time."""
_ALONE = 1 << 15  # numbers; below, waking a thread costs more than it saves


def kernel(
    loss: ColumnLoss, arrays: Arrays, cotangent: Array | None, needed: tuple[bool, ...]
) -> tuple[Array, Arrays | None]:
    """Terms and gradients, in one pass for each piece of the loss."""
    try:
        answers = [_run(loss, piece, arrays, cotangent, needed) for piece in loss.pieces]
    except CannotCompile as error:
        message = f"{error}; {type(loss).__name__} runs on the NumPy engine, which is slower"
        warnings.warn(message, stacklevel=6)
        return by_formula(loss, arrays, cotangent, needed)
    values = [_terms(loss, values, apart=differ(arrays)) for values, _ in answers]
    terms = sum(values[1:], values[0])
    if cotangent is None:
        return terms, None
    gradients = {name: gradient for _, found in answers for name, gradient in found.items()}
    return terms, tuple(gradients.get(name) for name in loss.differentiable)


def _terms(loss: ColumnLoss, values: Array, apart: bool) -> Array:
    if loss.summed:
        return np.asarray(values.sum(axis=-1, dtype=np.float64))
    return np.asarray(values.sum(dtype=np.float64) * share(loss, values.shape)) if apart else values


def _run(
    loss: ColumnLoss, piece: Piece, arrays: Arrays, cotangent: Array | None, needed: tuple[bool, ...]
) -> tuple[Array, dict[str, Array]]:
    """The value of a piece for each of its rows of numbers, and its gradients by name."""
    passed = dict(zip(loss.arguments, arrays, strict=True))
    columns = tuple(passed[name] for name in piece.arguments)
    whole = next(c for c in columns if c is not None)
    width = max(1, len(loss.entries))
    values = memory.empty(whole.size // width, whole.dtype)
    wanted = dict(zip(given(loss, arrays), needed, strict=True))
    differentiable = columns_of(loss, piece)
    gradients = {
        name: memory.empty(whole.size, whole.dtype)
        for name in differentiable
        if cotangent is not None and wanted.get(name)
    }
    factors, each = _factors(loss, cotangent, whole.shape, differ(arrays))
    present = tuple(c is not None for c in columns)
    slots = tuple(name in loss.differentiable for name in piece.arguments)
    loop = partial(
        _module(piece.rules, present, slots, width).loop,
        *(c.reshape(-1) for c in columns if c is not None), piece.parameters or (0.0,), factors, each, values,
        *(gradients.get(name) for name in differentiable),
    )  # fmt: skip
    blocks = -(-values.size // BLOCK)
    if whole.size <= _ALONE:
        loop(0, blocks)
    else:
        pool.run(loop, blocks, pool.get_num_threads())
    shape = whole.shape[:-1] if loss.entries else whole.shape
    return values.reshape(shape), {name: g.reshape(whole.shape) for name, g in gradients.items()}


def _factors(loss: ColumnLoss, cotangent: Array | None, shape: tuple[int, ...], apart: bool) -> Any:
    """What slopes are multiplied by: one number a value, or None and one number for all."""
    if cotangent is None:
        return None, 0.0
    if cotangent.size == 1 or not any(cotangent.strides):
        one = float(cotangent.reshape(-1)[0]) if cotangent.size else 0.0
        return None, one * (share(loss, shape) if apart else 1.0)
    if loss.summed:
        cotangent = np.broadcast_to(cotangent[..., None], shape)
    return np.ascontiguousarray(cotangent).reshape(-1), 1.0


@cache
def _module(rules: ColumnRules, present: tuple[bool, ...], slots: tuple[bool, ...], width: int) -> ModuleType:
    """The generated module for arguments of so many numbers each: which are there, and which have slopes."""
    writer = Writer("float64")
    writer.rule(rules.value, "value")
    writer.rule(rules.slopes, "slopes")
    writer.add(f"BLOCK = {BLOCK}")
    writer.add(_loop(present, slots, width, len(rules.parameters)))
    return load(writer.text(f"{rules.value.__module__}.{rules.name}", []), f"columns_{rules.name}")


_LOOP = """
@kernel
def loop({arrays}, k, factors, factor, values, {gradients}first, last):
    for block in range(first, last):
        lo = block * BLOCK
        hi = min(lo + BLOCK, values.size)
        V = values[lo:hi]
        if factors is not None:
            F = factors[lo:hi]
        {slices}
        for i in range(V.size):
            {loads}
            V[i] = value({numbers})
            c = factor
            if factors is not None:
                c = F[i]
            d = slopes({numbers})
            {stores}
"""


def _loop(present: tuple[bool, ...], slots: tuple[bool, ...], width: int, parameters: int) -> str:
    """The loop over blocks. What is None in a call is compiled away, and slopes that nobody stores with it.

    It runs over slices, because with an offset range the check for negative indices would stop vectorisation.
    """
    here, moving = ([j for j, yes in enumerate(flags) if yes] for flags in (present, slots))
    part = f"[lo * {width} : hi * {width}]"
    slices, stores = [f"A{j} = a{j}{part}" for j in here], []
    for n, j in enumerate(moving):
        slices += [f"if g{j} is not None:", f"    G{j} = g{j}{part}"]
        stores += [f"if g{j} is not None:"]
        stores += [f"    G{j}[{width} * i + {e}] = c * d[{width * n + e}]" for e in range(width)]
    columns = [
        f"np.float64(A{j}[{width} * i + {e}])" if yes else "0.0"
        for j, yes in enumerate(present)
        for e in range(width)
    ]
    return _LOOP.format(
        arrays=", ".join(f"a{j}" for j in here),
        gradients="".join(f"g{j}, " for j in moving),
        slices=_lines(slices, 8),
        loads=_lines([f"x{j} = {column}" for j, column in enumerate(columns)], 12),
        numbers=", ".join([f"x{j}" for j in range(len(columns))] + [f"k[{j}]" for j in range(parameters)]),
        stores=_lines(stores, 12),
    )


def _lines(lines: list[str], depth: int) -> str:
    return f"\n{' ' * depth}".join(lines)
