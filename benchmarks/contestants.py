"""Who competes: losskit's doors, a formula in another library, and the floors that any of them stands on."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import losskit as lk
from benchmarks.agreement import Answer, Array
from benchmarks.harness import Contestant, Runner
from benchmarks.outcomes import Kind
from benchmarks.peers import jax_on, torch_or_none

Function = Callable[..., Any]
"""The mean of a loss as a function of its arguments, in losskit's order."""


def losskit_contestants(loss: Any, arrays: Sequence[Array], moving: Sequence[int]) -> list[Contestant]:
    """losskit with memory of its own for the gradient, as the peers do, with ``out=``, and by way of torch's autograd."""

    def answer(result: tuple[Any, Any]) -> Answer:
        return float(result[0]), _joined(result[1])

    taken = [taken_by_losskit(a) for a in arrays]

    def fresh() -> Runner:
        return Runner(lambda: loss.value_and_derivative(*taken), answer)

    def warm() -> Runner:
        outs = tuple(taken_by_losskit(np.empty_like(arrays[i])) for i in moving)
        out = outs[0] if len(outs) == 1 else outs
        return Runner(lambda: loss.value_and_derivative(*taken, out=out), answer)

    found = [Contestant("losskit", "losskit", fresh), Contestant("losskit out=", "losskit", warm)]
    if torch_or_none() is not None:
        found.append(eager("losskit torch", loss, arrays, moving, kind="losskit"))
    return found


def eager(
    name: str, function: Function, arrays: Sequence[Array], moving: Sequence[int], code: str = "", kind: Kind = "peer"
) -> Contestant:  # fmt: skip
    """Forward and backward on torch tensors, as a training loop runs them."""
    return Contestant(name, kind, lambda: _on_tensors(function, arrays, moving), code)


def compiled(
    function: Function, arrays: Sequence[Array], moving: Sequence[int], code: str = ""
) -> Contestant:
    """The same, compiled by inductor."""

    def start() -> Runner:
        torch = torch_or_none()
        with torch._inductor.config.patch(force_disable_caches=True), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "dynamo_pgo force disabled", UserWarning)
            made = _on_tensors(torch.compile(function, fullgraph=True, dynamic=False), arrays, moving)
            made.run()
            made.release()
        return made

    return Contestant("torch.compile", "peer", start, code)


def torch_contestants(
    function: Function, arrays: Sequence[Array], moving: Sequence[int], code: str = ""
) -> list[Contestant]:
    """torch, eager and compiled, where it is installed."""
    if torch_or_none() is None:
        return []
    return [eager("torch eager", function, arrays, moving, code), compiled(function, arrays, moving, code)]


def jitted(function: Function, y: Array, p: Array, code: str = "") -> Contestant:
    """``jax.value_and_grad`` under ``jax.jit``, waited for."""

    def start() -> Runner:
        jax = jax_on(lk.get_num_threads())
        wide = p.dtype == np.float64

        def inside(call: Callable[[], Any]) -> Any:
            with jax.enable_x64(True):
                return call()

        def make() -> Callable[[], Any]:
            call = jax.jit(jax.value_and_grad(lambda prediction, target: function(target, prediction)))
            prediction, target = jax.numpy.asarray(p), jax.numpy.asarray(y)
            return lambda: jax.block_until_ready(call(prediction, target))

        run = inside(make) if wide else make()
        return Runner((lambda: inside(run)) if wide else run, lambda r: (float(r[0]), np.asarray(r[1])))

    return Contestant("JAX jit", "peer", start, code)


def _on_tensors(call: Function, arrays: Sequence[Array], moving: Sequence[int]) -> Runner:
    tensors = [tensor_of(a).requires_grad_(i in moving) for i, a in enumerate(arrays)]
    leaves = [tensors[i] for i in moving]

    def release() -> None:
        for leaf in leaves:
            leaf.grad = None

    def run() -> Any:
        release()
        value = call(*tensors)
        value.backward()
        return value

    return Runner(run, lambda value: (value.item(), _joined(tuple(x.grad for x in leaves))), release)


def taken_by_losskit(array: Array) -> Any:
    """An array as it is; bfloat16, which NumPy itself does not know, as a tensor."""
    return tensor_of(array) if array.dtype.name == "bfloat16" and torch_or_none() is not None else array


def tensor_of(array: Array) -> Any:
    """The tensor in the same memory."""
    torch = torch_or_none()
    if array.dtype.name == "bfloat16":  # of ml_dtypes, which torch does not know
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def _array_of(tensor: Any) -> Array:
    torch = torch_or_none()
    array: Array = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
    return array


def _joined(gradients: Any) -> Array:
    """All gradients in one array."""
    several = gradients if isinstance(gradients, tuple) else (gradients,)
    arrays = [g if isinstance(g, np.ndarray) else _array_of(g) for g in several]
    return arrays[0] if len(arrays) == 1 else np.concatenate([np.ravel(a) for a in arrays])


def add_floors(y: Array, p: Array) -> list[Contestant]:
    """Read two arrays and write a third, like a loss with its gradient: ``add(a, b, out=c)``."""

    def on_one_thread() -> Runner:
        a, b, c = _plain(y), _plain(p), _plain(np.empty_like(p))
        return Runner(lambda: np.add(a, b, out=c))

    def on_all() -> Runner:
        torch = torch_or_none()
        a, b, c = (torch.from_numpy(_plain(x)) for x in (y, p, np.empty_like(p)))
        return Runner(lambda: torch.add(a, b, out=c))

    return _floors("add", on_one_thread, on_all)


def copy_floors(*arrays: Array) -> list[Contestant]:
    """Read arrays and write others like them, as losses do with what they have a gradient in."""

    def on_one_thread() -> Runner:
        pairs = [(_plain(a), _plain(np.empty_like(a))) for a in arrays]

        def copy() -> None:
            for a, out in pairs:
                np.copyto(out, a)

        return Runner(copy)

    def on_all() -> Runner:
        torch = torch_or_none()
        pairs = [[torch.from_numpy(_plain(x)) for x in (a, np.empty_like(a))] for a in arrays]
        return Runner(lambda: [out.copy_(a) for a, out in pairs])

    return _floors("copy", on_one_thread, on_all)


def _floors(name: str, on_one_thread: Callable[[], Runner], on_all: Callable[[], Runner]) -> list[Contestant]:
    """NumPy's and, where there is torch, a threaded one."""
    floors = [Contestant(f"floor: {name}, 1 thread", "floor", on_one_thread)]
    if torch_or_none() is not None:
        floors.append(Contestant(f"floor: {name}", "floor", on_all))
    return floors


def _plain(array: Array) -> Array:
    """The same bytes as integers where numbers are halves: adding those would cost their conversion, too."""
    return array.view(np.int16) if array.dtype.itemsize == 2 else array
