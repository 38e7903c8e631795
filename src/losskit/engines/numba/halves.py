"""float16 to float32 and back, at the speed of memory.

NumPy's own conversion takes 50 times as long where results underflow, as gradients of a mean do: it
reports each underflow to the processor's status word.
"""
# mypy: ignore-errors

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic


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


@njit(nogil=True, error_model="numpy", cache=True)
def _widen(halves, out):
    for i in range(halves.size):
        out[i] = _from_half(halves[i])


@njit(nogil=True, error_model="numpy", cache=True)
def _narrow(values, out):
    for i in range(values.size):
        out[i] = _to_half(values[i])


def widened(halves: np.ndarray) -> np.ndarray:
    """A float16 array as a contiguous float32 one."""
    out = np.empty(halves.shape, np.float32)
    _widen(np.ascontiguousarray(halves).reshape(-1).view(np.uint16), out.reshape(-1))
    return out


def halved(values: np.ndarray) -> np.ndarray:
    """A contiguous float32 array as a float16 one; what is too large becomes infinite."""
    out = np.empty(values.shape, np.float16)
    _narrow(values.reshape(-1), out.reshape(-1).view(np.uint16))
    return out
