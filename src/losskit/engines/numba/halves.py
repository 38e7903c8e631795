"""float16 and bfloat16 to float32 and back, at the speed of memory.

NumPy's own conversion of float16 takes 50 times as long where results underflow, as gradients of a mean
do: it reports each underflow to the processor's status word. That of bfloat16 is no vector code.
"""
# mypy: ignore-errors

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from losskit.engines.numba.intrinsics import select

LARGEST = {"float16": 65504.0, "bfloat16": float.fromhex("0x1.fep127")}
"""The largest finite number of each."""


@intrinsic
def _from_half(typing_context, bits):
    """The float32 that is the half with these 16 bits."""

    def generate(context, builder, signature, arguments):
        half = builder.bitcast(arguments[0], ir.HalfType())
        return builder.fpext(half, ir.FloatType())

    return types.float32(bits), generate


@intrinsic
def _to_half(typing_context, x):
    """The 16 bits of the half nearest to a float32."""

    def generate(context, builder, signature, arguments):
        half = builder.fptrunc(arguments[0], ir.HalfType())
        return builder.bitcast(half, ir.IntType(16))

    return types.uint16(x), generate


_fast = njit(nogil=True, error_model="numpy", cache=True)


@_fast
def widen(bits, out, brain):
    """16-bit patterns as float32; ``brain`` is None for float16 and True for bfloat16, and compiled away."""
    if brain is not None:
        words = out.view(np.uint32)
        for i in range(bits.size):
            words[i] = np.uint32(bits[i]) << np.uint32(16)
    else:
        for i in range(bits.size):
            out[i] = _from_half(bits[i])


@_fast
def narrow(values, out, brain):
    """float32 as the nearest 16-bit patterns, ties to even; what is too large becomes infinite.

    For bfloat16 a carry out of the largest exponent is infinity by itself, and a NaN is kept apart.
    """
    if brain is not None:
        words = values.view(np.uint32)
        for i in range(values.size):
            word = words[i]
            nearest = (word + np.uint32(0x7FFF) + ((word >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
            out[i] = select(values[i] == values[i], np.uint16(nearest), np.uint16(0x7FC0))
    else:
        for i in range(values.size):
            out[i] = _to_half(values[i])


BRAIN = {"float16": None, "bfloat16": True}


def widened(halves: np.ndarray, out: np.ndarray) -> None:
    """Write halves to a contiguous float32 array of their size."""
    bits = np.ascontiguousarray(halves).reshape(-1).view(np.uint16)
    widen(bits, out.reshape(-1), BRAIN[halves.dtype.name])


def halved(values: np.ndarray, out: np.ndarray) -> None:
    """Write a contiguous float32 array to a contiguous one of halves."""
    narrow(values.reshape(-1), out.reshape(-1).view(np.uint16), BRAIN[out.dtype.name])
