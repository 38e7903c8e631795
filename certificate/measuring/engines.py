"""The answers of each engine, as NumPy arrays: value term by term, derivative, second derivative."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import losskit as lk
from losskit.loss import LossFunction
from losskit.structures import RuleLoss

Array = NDArray[Any]
Arguments = Sequence[Array | None]
Answers = tuple[Array, tuple[Array, ...], Array | None]
"""Terms, derivatives of their sum in each differentiable argument, and of a loss of rules the second derivative."""


def available() -> tuple[str, ...]:
    """The engines whose framework is installed."""
    return tuple(name for name in ENGINES if name in ("numba", "numpy") or importlib.util.find_spec(name))


def answers(engine: str, loss: LossFunction, arguments: Arguments) -> Answers:
    """What a loss answers on an engine."""
    with np.errstate(all="ignore"):
        return ENGINES[engine](loss.replace(reduction="none", validate=False), arguments)


def moving(loss: LossFunction, arguments: Arguments) -> list[int]:
    """The places of the arguments that have a derivative."""
    names = getattr(loss, "differentiable", loss.arguments[1:2])
    return [i for i in map(loss.arguments.index, names) if arguments[i] is not None]


def _kernel(loss: LossFunction, arguments: Arguments) -> Answers:
    with lk.use_engine("numba"):
        return _verbs(loss, arguments)


def _reference(loss: LossFunction, arguments: Arguments) -> Answers:
    with lk.use_engine("numpy"):
        return _verbs(loss, arguments)


def _verbs(loss: LossFunction, arguments: Sequence[Any]) -> Answers:
    if isinstance(loss, RuleLoss):
        value, derivative = loss.value_and_derivative(*arguments)
        return _array(value), (_array(derivative),), _array(loss.second_derivative(*arguments))
    derivative = loss.replace(reduction="sum").derivative(*arguments)
    several = derivative if isinstance(derivative, tuple) else (derivative,)
    return _array(loss(*arguments)), tuple(map(_array, several)), None


def _array(x: Any) -> Array:
    return np.asarray(x)


def _torch(loss: LossFunction, arguments: Arguments) -> Answers:
    """Through torch's operations, as a transform has it: a plain tensor goes through the kernel of the numba engine."""
    import torch

    tensors = [None if a is None else _tensor(a) for a in arguments]
    places = moving(loss, arguments)

    def of_moving(verb: Callable[..., Any]) -> Callable[..., Any]:
        def function(*values: Any) -> Any:
            full = dict(enumerate(tensors)) | dict(zip(places, values, strict=True))
            return verb(*full.values())

        return function

    at = [tensors[i] for i in places]
    vjp: Any = torch.func.vjp
    value, pull = vjp(of_moving(loss), *at)
    derivatives = tuple(_from_torch(d) for d in pull(torch.ones_like(value)))
    second = None
    if isinstance(loss, RuleLoss):
        second = _from_torch(vjp(of_moving(loss.second_derivative), *at)[0])
    return _from_torch(value), derivatives, second


def _tensor(array: Array) -> Any:
    import torch

    if array.dtype.name == "bfloat16":  # which torch does not take from NumPy
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def _from_torch(tensor: Any) -> Array:
    import torch

    if tensor.dtype == torch.bfloat16:
        import ml_dtypes

        return np.asarray(tensor.detach().view(torch.int16).numpy().view(ml_dtypes.bfloat16))
    return np.asarray(tensor.detach().numpy())


def _jax(loss: LossFunction, arguments: Arguments) -> Answers:
    import jax.numpy as jnp

    with _precision(arguments):
        return _verbs(loss, [None if a is None else jnp.asarray(a) for a in arguments])


@contextlib.contextmanager
def _precision(arguments: Arguments) -> Iterator[None]:
    """JAX has float64 where it is asked to."""
    import jax

    with jax.enable_x64(any(a is not None and a.dtype == np.float64 for a in arguments)):
        yield


ENGINES: dict[str, Callable[[LossFunction, Arguments], Answers]] = {
    "numba": _kernel,
    "numpy": _reference,
    "torch": _torch,
    "jax": _jax,
}
FLUSHES = 1024.0
"""XLA on a CPU takes subnormal numbers for 0, so JAX is neither asked at nor for numbers next to them."""


def can_hold(engine: str, dtype: str, numbers: Any) -> Array:
    """Which numbers an engine takes for what they are, and is as exact with as with others."""
    if engine != "jax":
        return np.ones(np.shape(numbers), bool)
    limit = FLUSHES * float(np.finfo("float64" if dtype == "float64" else "float32").tiny)
    return np.asarray(~((np.abs(numbers) < limit) & (numbers != 0)))
