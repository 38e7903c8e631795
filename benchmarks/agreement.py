"""Whether two contestants computed the same thing: what has to hold before either is timed."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from losskit.errors import needs

Array = npt.NDArray[Any]
Answer = tuple[float, Array]

WITHIN = {"float32": 1.0, "float64": 1e-4, "float16": 1e3, "bfloat16": 5e3}
"""How tolerances, which are those of float32, change with the dtype."""


def dtype_of(name: str) -> np.dtype[Any]:
    """The dtype of a name; NumPy has bfloat16 from ml_dtypes, which JAX brings."""
    if name == "bfloat16":
        with needs("jax"):
            import ml_dtypes
        found: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
        return found
    return np.dtype(name)


def disagreement(reference: Answer, other: Answer, tolerance: float) -> str:
    """How two answers differ by more than the tolerance, in words; "" where they agree.

    In float16 the gradient of a mean over millions is made of the smallest numbers there are: some of them are granted.
    """
    (value, gradient), (other_value, other_gradient) = reference, other
    if not abs(other_value - value) <= tolerance * abs(value):
        return f"value {other_value:.10g} instead of {value:.10g}"
    if other_gradient.shape != gradient.shape:
        return f"gradient of shape {other_gradient.shape} instead of {gradient.shape}"
    a, b = gradient.reshape(-1), other_gradient.reshape(-1)
    largest, error = 0.0, 0.0
    for start in range(0, a.size, 1 << 20):  # in pieces: a difference may be as large as the data
        piece = a[start : start + (1 << 20)].astype(np.float64)
        with np.errstate(invalid="ignore"):
            gap = np.abs(b[start : start + (1 << 20)].astype(np.float64) - piece)
        largest = max(largest, float(np.max(np.abs(piece))))
        error = max(error, math.inf if np.isnan(gap).any() else float(gap.max()))
    granted = 4.0 * float(np.finfo(np.float16).smallest_subnormal) if gradient.dtype == np.float16 else 0.0
    if not error <= tolerance * largest + granted:
        return f"gradient off by {error:.3g} where the largest is {largest:.3g}"
    return ""
