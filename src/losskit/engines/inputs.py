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
    """Targets, predictions, weights and mask of a call; weights and mask are flat, contiguous, one number a term."""

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


@dataclass(slots=True)
class PairedInputs(Inputs):
    """Targets and predictions of one shape, flat and otherwise as they came."""

    ready: bool = True
    """Whether targets and predictions are contiguous and of the dtype at work."""

    @property
    def halves(self) -> bool:
        """Whether both lie in memory as halves of one kind, which are computed in float32."""
        y, p = self.y, self.p
        native = p.dtype.itemsize == 2 and p.dtype.isnative
        return native and y.dtype == p.dtype and y.flags.c_contiguous and p.flags.c_contiguous

    def at_work(self) -> tuple[Array, Array]:
        """Targets and predictions, contiguous and of the dtype at work: converted whole where they are not."""
        with np.errstate(over="ignore"):
            return np.ascontiguousarray(self.y, self.dtype), np.ascontiguousarray(self.p, self.dtype)


def elementwise_inputs(
    loss: LossFunction, arguments: tuple[Any, ...], sample_weight: Any, mask: Any
) -> PairedInputs:
    """The inputs of a loss of two arrays of one shape."""
    y, p = arguments
    same = False
    if type(y) is np.ndarray and type(p) is np.ndarray and p.dtype in _NATIVE:  # the common case
        same = y.dtype is p.dtype
        labels = y.dtype.kind in "biu"  # which a kernel reads as they are, a piece at a time
    else:
        labels = False
    if not (same or labels):
        y, p = as_floats(loss.arguments, y, p)
    if y.shape != p.shape:
        raise shape_error(loss, y.shape, p.shape)
    working = p.dtype if same or labels else working_dtype(y.dtype, p.dtype)
    x = PairedInputs(
        one_dimensional(y), one_dimensional(p), p.shape, working, p.dtype, weight=p.size, count=p.size
    )
    if not (same and x.y.flags.c_contiguous and x.p.flags.c_contiguous):
        x.ready = False
    if sample_weight is not None or mask is not None:
        add_weights(loss, x, p.shape, sample_weight, mask)
    return x


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
    return np.dtype(np.float64 if any(d.name == "float64" for d in dtypes) else np.float32)


def one_dimensional(array: Array) -> Array:
    """In C order; a view wherever that is possible."""
    return array if array.ndim == 1 else array.reshape(-1)


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
        keep = np.ascontiguousarray(spread("mask", keep, shape)).reshape(-1)
    if sample_weight is not None:
        w = np.asarray(sample_weight)
        if w.dtype.kind not in "biuf":
            raise TypeError(f"sample_weight must be numbers, got dtype {w.dtype}")
        if w.dtype not in _NATIVE:
            w = w.astype(np.float64)
        _check_weights(w, mask if w.shape == np.shape(mask) else None)
        w = np.ascontiguousarray(spread("sample_weight", w, shape)).reshape(-1)
    if w is not None and keep is not None:
        inputs.weight = float(w.sum(dtype=np.float64, where=keep))
        inputs.count = int(np.count_nonzero(keep & (w != 0.0)))
    elif w is not None:
        inputs.weight, inputs.count = float(w.sum(dtype=np.float64)), int(np.count_nonzero(w))
    elif keep is not None:
        inputs.count = int(np.count_nonzero(keep))
        inputs.weight = float(inputs.count)
    inputs.w = None if w is None else w.astype(inputs.dtype, copy=False)
    inputs.keep = keep


def _check_weights(w: Array, mask: Any) -> None:
    if w.size == 0 or (w.min() >= 0.0 and w.max() < np.inf):  # neither makes an array
        return
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
    """Raise unless ``out`` can take a derivative of shape ``like`` and ``dtype``, that of halves also in float32."""
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be a NumPy array, got {type(out).__name__}")
    fits = out.dtype == dtype or (out.dtype == np.float32 and dtype.name in _HALF)
    if out.shape != like or not fits or not out.flags.writeable:
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
