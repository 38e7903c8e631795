"""Numerical tools: log-sum-exp, softmax, cross-entropy and gradient clipping that stay exact.

NumPy arrays in, NumPy arrays out; lists and numbers are arrays too. float16 is computed in float32
and answered in float16, integers as float64.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def log_sum_exp(x: npt.ArrayLike, axis: int = -1, keepdims: bool = True) -> Array:
    """log(sum(exp(x))) along ``axis``, without overflow and exact in its tails.

    The largest element is taken out of the sum and ``log1p`` applied to the rest, so that
    log_sum_exp([0, -40]) is 4.2e-18, not 0. A row of -inf gives -inf, one with +inf gives +inf, NaN
    propagates; an empty row is -inf, the sum of nothing.

    Parameters
    ----------
    x : array of real numbers
    axis : the axis summed over
    keepdims : keep that axis with length 1 (the default, unlike SciPy's ``logsumexp``)

    Raises TypeError where ``x`` holds no real numbers, ValueError where it has no such axis.
    Source: Higham (2002), Accuracy and Stability of Numerical Algorithms; Blanchard, Higham & Higham
    (2021), IMA Journal of Numerical Analysis 41.

    >>> log_sum_exp([1000.0, 1000.0])
    array([1000.69314718])
    >>> log_sum_exp([[0.0, -40.0], [-np.inf, -np.inf]])
    array([[4.24835426e-18],
           [          -inf]])
    """
    values, axis = _real(x, axis)
    largest, rest, _ = _split(values, axis)
    with np.errstate(invalid="ignore"):
        answer = np.where(np.isinf(largest), largest, largest + np.log1p(rest))
    answer = answer if keepdims else np.squeeze(answer, axis)
    return _like(answer, x)


def stable_softmax(x: npt.ArrayLike, axis: int = -1) -> Array:
    """exp(x) / sum(exp(x)) along ``axis``: never overflows, and sums to 1 up to rounding.

    -inf has probability 0. A single +inf has probability 1 and the others 0 (the limit); several, or
    a row of nothing but -inf, have no limit and give NaN.

    Raises TypeError where ``x`` holds no real numbers, ValueError where it has no such axis.
    Source: Blanchard, Higham & Higham (2021), IMA Journal of Numerical Analysis 41.

    >>> stable_softmax([1000.0, 1000.0])
    array([0.5, 0.5])
    """
    values, axis = _real(x, axis)
    _, rest, powers = _split(values, axis)
    return _like(powers / (1.0 + rest), x)


def stable_cross_entropy(y_true: npt.ArrayLike, y_pred: npt.ArrayLike, from_logits: bool = False) -> Array:
    """-sum(y_true * log(y_pred)) over the last axis, one number a row.

    ``y_pred`` holds probabilities, or logits with ``from_logits=True``: only then are the tails exact,
    because a probability that has rounded to 1 has lost its distance from 1. Probabilities are floored
    at the smallest normal number of their dtype, and 0 log 0 is 0.

    Raises ValueError where the shapes differ or a probability lies outside [0, 1].
    Source: Goodfellow, Bengio & Courville (2016), Deep Learning, 6.2.2.

    >>> stable_cross_entropy([[0.0, 1.0]], [[0.5, 0.5]])
    array([0.69314718])
    >>> stable_cross_entropy([[1.0, 0.0]], [[40.0, 0.0]], from_logits=True)
    array([4.24835426e-18])
    """
    y, p = _real(y_true, -1, "y_true")[0], _real(y_pred, -1, "y_pred")[0]
    if y.shape != p.shape:
        raise ValueError(f"y_true and y_pred must have the same shape, got {y.shape} and {p.shape}")
    for name, values in (("y_true", y), *((("y_pred", p),) if not from_logits else ())):
        bad = (values < 0) | (values > 1)
        if bad.any():
            where = tuple(int(i) for i in np.argwhere(bad)[0])
            hint = "; for logits pass from_logits=True" if name == "y_pred" else ""
            raise ValueError(f"{name} must be in [0, 1], got {values[where]} at index {where}{hint}")
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if from_logits:
            largest, rest, _ = _split(p, -1)
            top = np.arange(p.shape[-1]) == np.argmax(p, -1, keepdims=True)
            surprise = np.where(top, 0.0, largest - p) + np.log1p(rest)  # not inf - inf at a +inf logit
        else:
            surprise = -np.log(np.maximum(p, np.finfo(p.dtype).tiny))
        terms = np.where(y == 0, 0.0, y * surprise)
    return _like(np.asarray(np.sum(terms, -1, dtype=np.float64)), y_pred)


def clip_gradients(gradients: Iterable[Any] | Any, max_norm: float = 1.0) -> Any:
    """Gradients scaled together so that their global norm is at most ``max_norm``.

    The norm is that of all arrays together, computed without overflow or underflow at any scale.
    Where it is at most ``max_norm`` the gradients come back as they are.

    Parameters
    ----------
    gradients : a list or tuple of arrays (or a single array); answered in kind, shapes and dtypes kept
    max_norm : the largest norm allowed, a positive number

    Raises ValueError where a gradient holds NaN or inf (the message says which and where) or where
    ``max_norm`` is not positive.
    Source: Pascanu, Mikolov & Bengio (2013), On the difficulty of training recurrent neural networks,
    ICML; the scaled norm is Blue's (1978), ACM TOMS 4.

    >>> clip_gradients([np.array([3.0]), np.array([4.0])], max_norm=1.0)
    [array([0.6]), array([0.8])]
    """
    if isinstance(max_norm, bool) or not isinstance(max_norm, (int, float, np.number)) or not max_norm > 0:
        raise ValueError(f"max_norm must be a positive number, got {max_norm!r}")
    if isinstance(gradients, np.ndarray):
        clipped: list[Array] = clip_gradients([gradients], max_norm)
        return clipped[0]
    arrays = [np.asarray(g) for g in gradients]
    arrays = [
        a if a.dtype.kind == "f" or a.dtype.name == "bfloat16" else a.astype(np.float64) for a in arrays
    ]
    largest = 0.0
    for index, array in enumerate(arrays):
        wide = array.astype(np.float64)
        finite = np.isfinite(wide)
        if not finite.all():
            where = tuple(int(i) for i in np.argwhere(~finite)[0])
            raise ValueError(
                f"gradients[{index}] holds {wide[where]} at index {where}; a gradient that is not finite cannot be "
                "clipped: find the operation that made it"
            )
        largest = max(largest, float(np.max(np.abs(wide), initial=0.0)))
    if largest > 0.0:
        scale = 2.0 ** np.clip(np.frexp(largest)[1], -1021, 1023)  # a power of 2: dividing by it is exact
        squares = sum(float(np.sum((a.astype(np.float64) / scale) ** 2)) for a in arrays)
        reduced = float(np.sqrt(squares))  # the norm in units of `scale`, between 1/2 and sqrt(n)
        if reduced > float(max_norm) / scale:
            arrays = [_shrunk(a, scale, float(max_norm) / reduced) for a in arrays]
    return tuple(arrays) if isinstance(gradients, tuple) else arrays


def _shrunk(array: Array, scale: float, factor: float) -> Array:
    return ((array.astype(np.float64) / scale) * factor).astype(array.dtype)


def _split(x: Array, axis: int) -> tuple[Array, Array, Array]:
    """The largest element, the sum of exp(x - largest) over the others, and all the powers."""
    largest = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    with np.errstate(invalid="ignore", over="ignore"):
        shifted = x - largest
        if x.shape[axis]:
            top = np.argmax(x, axis=axis, keepdims=True)
            single = np.isposinf(largest) & (np.sum(x == largest, axis=axis, keepdims=True) == 1)
            at_top = np.where(single, 0.0, np.take_along_axis(shifted, top, axis))  # not inf - inf
            np.put_along_axis(shifted, top, at_top.astype(x.dtype), axis)
            powers = np.exp(shifted)
            others = powers.copy()
            np.put_along_axis(others, top, 0.0, axis)
            others += 0.0 * np.take_along_axis(powers, top, axis)  # NaN where the largest is NaN or undefined
        else:
            powers = others = np.exp(shifted)
    return largest, np.sum(others, axis=axis, keepdims=True), powers


def _real(x: npt.ArrayLike, axis: int, name: str = "x") -> tuple[Array, int]:
    """At least one-dimensional floats, with the axis checked."""
    array = np.asarray(x)
    if array.dtype.kind not in "biuf" and array.dtype.name != "bfloat16":
        raise TypeError(f"{name} must be an array of real numbers, got dtype {array.dtype}")
    if array.dtype.name in ("float16", "bfloat16"):
        array = array.astype(np.float32)
    elif array.dtype.kind != "f":
        array = array.astype(np.float64)
    array = np.atleast_1d(array)
    if not -array.ndim <= axis < array.ndim:
        raise ValueError(f"axis must be between {-array.ndim} and {array.ndim - 1}, got {axis}")
    return array, axis


def _like(answer: Array, x: npt.ArrayLike) -> Array:
    """The answer in the dtype of the caller's floats; float64 for integers and lists."""
    dtype = np.asarray(x).dtype
    return answer.astype(dtype if dtype.kind == "f" or dtype.name == "bfloat16" else np.float64, copy=False)
