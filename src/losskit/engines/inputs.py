"""NumPy arrays in: what the verbs accept, checked once and brought to the form kernels want."""

import numbers
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from losskit.domain import Domain
from losskit.loss import LossFunction
from losskit.structures import ElementwiseLoss

Array = npt.NDArray[Any]

_NATIVE = (np.dtype(np.float32), np.dtype(np.float64))
_HALF = ("float16", "bfloat16")


@dataclass(slots=True)
class Inputs:
    """Targets, predictions, weights and mask of a call; the arrays are flat, contiguous, of one dtype."""

    y: Array
    p: Array
    shape: tuple[int, ...]
    dtype: Any
    """The dtype at work, float32 or float64, which is also the value's."""
    answer_dtype: Any
    """The derivative's dtype: that of the predictions."""
    w: Array | None = None
    keep: Array | None = None
    weight: float = 0.0
    count: int = 0

    def scale(self, reduction: str) -> float:
        """What each term is multiplied by: 1/weight of a mean, else 1."""
        if reduction != "mean":
            return 1.0
        return 1.0 / self.weight if self.weight > 0.0 else 0.0


def elementwise_inputs(
    loss: LossFunction, arguments: tuple[Any, ...], sample_weight: Any, mask: Any
) -> Inputs:
    """The inputs of a loss of two arrays of one shape."""
    y, p = arguments
    if not (  # the common case costs six comparisons
        type(y) is np.ndarray and type(p) is np.ndarray
        and y.dtype is p.dtype and p.dtype in _NATIVE and y.shape == p.shape
    ):  # fmt: skip
        y, p = as_floats(loss.arguments, y, p)
        if y.shape != p.shape:
            raise shape_error(loss, y.shape, p.shape)
    answer = p.dtype
    working = answer if y.dtype is answer and answer in _NATIVE else working_dtype(y.dtype, answer)
    inputs = Inputs(flat(y, working), flat(p, working), p.shape, working, answer, weight=p.size, count=p.size)
    if sample_weight is not None or mask is not None:
        add_weights(loss, inputs, p.shape, sample_weight, mask)
    return inputs


def as_floats(names: tuple[str, ...], *values: Any) -> tuple[Array, ...]:
    """Floating arrays; integers and booleans take the predictions' dtype, or float64."""
    arrays = [np.asarray(value) for value in values]
    shape = next((a.shape for a, v in zip(arrays, values, strict=True) if not _is_number(v)), ())
    floating = [a.dtype for a in arrays if a.dtype.kind == "f" or a.dtype.name in _HALF]
    other = floating[-1] if floating else np.dtype(np.float64)
    result = []
    for name, array, value in zip(names, arrays, values, strict=True):
        if array.dtype.name not in (*_HALF, "float32", "float64"):
            if array.dtype.kind not in "biu":
                raise TypeError(
                    f"{name} must be an array of numbers in float16, bfloat16, float32, float64, integer or "
                    f"boolean; got {type(value).__name__} of dtype {array.dtype}"
                )
            array = array.astype(other)
        elif _is_number(value) and floating:
            array = array.astype(other if len(arrays) > 1 else array.dtype)
        if _is_number(value) and shape:
            array = np.broadcast_to(array, shape)
        result.append(array)
    return tuple(result)


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, np.ndarray | np.generic)


def working_dtype(*dtypes: np.dtype[Any]) -> np.dtype[Any]:
    """float64 if any is, else float32: halves are computed and summed in float32."""
    return np.dtype(np.float64 if any(d == np.float64 for d in dtypes) else np.float32)


def flat(array: Array, dtype: np.dtype[Any]) -> Array:
    """One-dimensional, contiguous and of ``dtype``; a view wherever that is possible."""
    if array.dtype is not dtype:
        with np.errstate(over="ignore"):
            array = array.astype(dtype)
    return np.ascontiguousarray(array).reshape(-1)


def shape_error(loss: LossFunction, true: tuple[int, ...], pred: tuple[int, ...]) -> ValueError:
    names = " and ".join(loss.arguments[:2])
    hint = "give both the same shape; losskit never broadcasts arrays"
    if np.prod(true) == np.prod(pred):
        short, long = sorted((true, pred), key=len)
        if long[: len(short)] == short and all(n == 1 for n in long[len(short) :]):
            name = loss.arguments[0] if true == long else loss.arguments[1]
            hint = (
                f"{name} has axes of length 1: pass {name}.reshape({short if len(short) != 1 else short[0]})"
            )
    return ValueError(f"{names} must have the same shape, got {true} and {pred}; {hint}")


def add_weights(
    loss: LossFunction, inputs: Inputs, shape: tuple[int, ...], sample_weight: Any, mask: Any
) -> None:
    """Put weights and mask into ``inputs``, one number a term, with the total weight and count."""
    w = keep = None
    if mask is not None:
        keep = np.asarray(mask)
        if keep.dtype != np.bool_:
            raise TypeError(f"mask must be boolean (True keeps an element), got dtype {keep.dtype}")
        keep = flat(spread("mask", keep, shape), np.dtype(np.bool_))
    if sample_weight is not None:
        w = np.asarray(sample_weight)
        if w.dtype.kind not in "biuf":
            raise TypeError(f"sample_weight must be numbers, got dtype {w.dtype}")
        w = w.astype(np.float64)
        _check_weights(w, mask if w.shape == np.shape(mask) else None)
        w = flat(spread("sample_weight", w, shape), np.dtype(np.float64))
    if w is not None and keep is not None:
        active = keep & (w != 0.0)
        inputs.weight, inputs.count = float(w[keep].sum()), int(active.sum())
    elif w is not None:
        inputs.weight, inputs.count = float(w.sum()), int(np.count_nonzero(w))
    elif keep is not None:
        inputs.count = int(np.count_nonzero(keep))
        inputs.weight = float(inputs.count)
    inputs.w = None if w is None else w.astype(inputs.dtype, copy=False)
    inputs.keep = keep


def _check_weights(w: Array, mask: Any) -> None:
    bad = ~((w >= 0.0) & np.isfinite(w))
    if mask is not None:
        bad &= np.asarray(mask)
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(
            f"sample_weight must be finite and at least 0, got {w[where]} at {index_text(where)}"
        )


def spread(name: str, array: Array, shape: tuple[int, ...]) -> Array:
    """One value a term, from one value a term, a row or in all."""
    if array.shape == shape:
        return array
    if array.shape != shape[: array.ndim]:
        raise ValueError(
            f"{name} must have the shape of the terms, {shape}, or of a leading part of it; got {array.shape}"
        )
    return np.broadcast_to(array.reshape(array.shape + (1,) * (len(shape) - array.ndim)), shape)


def check_domains(loss: ElementwiseLoss, inputs: Inputs) -> None:
    """Raise ValueError for the first value outside its domain that is neither masked nor weightless."""
    for term in loss.terms:
        _check_domain(loss, loss.arguments[0], term.rules.targets, inputs.y, inputs)
        _check_domain(loss, loss.arguments[1], term.rules.predictions, inputs.p, inputs)


def _check_domain(
    loss: ElementwiseLoss, name: str, domain: Domain | None, values: Array, inputs: Inputs
) -> None:
    if domain is None:
        return
    bad = domain.outside(values)
    if inputs.keep is not None:
        bad &= inputs.keep
    if inputs.w is not None:
        bad &= inputs.w != 0.0
    if bad.any():
        position = int(np.argmax(bad))
        where = tuple(int(i) for i in np.unravel_index(position, inputs.shape)) if inputs.shape else ()
        logits = name == loss.arguments[1] and getattr(loss, "from_logits", None) is False
        hint = "; for logits pass from_logits=True" if logits else ""
        raise ValueError(f"{name} must be {domain}, got {values[position]} at {index_text(where)}{hint}")


def index_text(where: tuple[int, ...]) -> str:
    if not where:
        return "the only element"
    return f"index {where[0] if len(where) == 1 else where}"


def check_out(out: Any, like: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Raise unless ``out`` can take a derivative of shape ``like`` and ``dtype``."""
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be a NumPy array, got {type(out).__name__}")
    if out.shape != like or out.dtype != dtype or not out.flags.writeable:
        state = "" if out.flags.writeable else ", read-only"
        raise ValueError(
            f"out must be writable, of shape {like} and dtype {dtype}; got shape {out.shape}, dtype {out.dtype}{state}"
        )


def narrowed(array: Array, dtype: np.dtype[Any], saturates: bool) -> Array:
    """``array`` in the predictions' dtype; a saturating slope stops at its largest finite number."""
    if array.dtype == dtype:
        return array
    with np.errstate(over="ignore"):
        narrow = array.astype(dtype)
        if saturates:
            largest = 65504.0 if dtype.name == "float16" else float(np.finfo(np.float32).max)
            wild = np.isinf(narrow.astype(np.float32)) & ~np.isinf(array)
            narrow[wild] = np.sign(array[wild]) * largest
    return narrow
