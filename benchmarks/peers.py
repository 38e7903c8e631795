"""What the structures share: threads, floors, and the peers that may or may not be installed."""

import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import losskit as lk
from benchmarks.harness import Answer, Array, Contestant, Runner

Losses = Callable[[Any, Any], Any]


class LeftOut:
    """Peers that cannot take part, and why; each is said once."""

    def __init__(self) -> None:
        self.lines: dict[str, str] = {}

    def add(self, name: str, why: object) -> None:
        """Note that ``name`` is left out."""
        self.lines.setdefault(name, str(why).splitlines()[0] if str(why) else type(why).__name__)


left_out = LeftOut()


def torch_or_none() -> Any:
    """torch, where it is installed."""
    try:
        import torch
    except ImportError as error:
        left_out.add("torch", error)
        return None
    return torch


def set_threads(n: int) -> None:
    """The same number of threads for everybody."""
    lk.set_num_threads(n)
    torch = torch_or_none()
    if torch is not None:
        torch.set_num_threads(n)


def forget_compiled() -> None:
    """torch.compile bakes the number of threads in: what it made for one case must not serve the next."""
    if "torch._dynamo" in sys.modules:  # else nothing was compiled, and importing it takes seconds
        sys.modules["torch._dynamo"].reset()


def losskit_contestants(loss: Any, y: Array, p: Array) -> list[Contestant]:
    """losskit with memory of its own for the gradient, as the peers do, and with ``out=``."""

    def answer(result: tuple[Any, Array]) -> Answer:
        return float(result[0]), result[1]

    def fresh() -> Runner:
        return Runner(lambda: loss.value_and_derivative(y, p), answer)

    def warm() -> Runner:
        out = np.empty_like(p)
        return Runner(lambda: loss.value_and_derivative(y, p, out=out), answer)

    return [Contestant("losskit", "losskit", fresh), Contestant("losskit out=", "losskit", warm)]


def torch_contestants(function: Losses, y: Array, p: Array) -> list[Contestant]:
    """Forward and backward as a training loop runs them: eagerly, and compiled by inductor."""
    torch = torch_or_none()
    if torch is None:
        return []

    def runner(call: Losses) -> Runner:
        target, x = torch.from_numpy(y), torch.from_numpy(p).detach().requires_grad_()

        def release() -> None:
            x.grad = None

        def run() -> Any:
            x.grad = None
            value = call(x, target)
            value.backward()
            return value

        return Runner(run, lambda value: (value.item(), x.grad.numpy()), release)

    def compiled() -> Runner:
        with torch._inductor.config.patch(force_disable_caches=True), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "dynamo_pgo force disabled", UserWarning)
            made = runner(torch.compile(function, fullgraph=True, dynamic=False))
            made.run()
            made.release()
        return made

    return [
        Contestant("torch eager", "peer", lambda: runner(function)),
        Contestant("torch.compile", "peer", compiled),
    ]


def add_floor(y: Array, p: Array) -> Contestant:
    """Reads two arrays and writes a third, like a loss with its gradient: ``add(a, b, out=c)``."""

    def start() -> Runner:
        torch, c = torch_or_none(), np.empty_like(p)
        if torch is None:
            return Runner(lambda: np.add(y, p, out=c))
        a, b, out = torch.from_numpy(y), torch.from_numpy(p), torch.from_numpy(c)
        return Runner(lambda: torch.add(a, b, out=out))

    return Contestant("floor: add", "floor", start)


def copy_floor(p: Array) -> Contestant:
    """Reads one array and writes another."""

    def start() -> Runner:
        torch, c = torch_or_none(), np.empty_like(p)
        if torch is None:
            return Runner(lambda: np.copyto(c, p))
        a, out = torch.from_numpy(p), torch.from_numpy(c)
        return Runner(lambda: out.copy_(a))

    return Contestant("floor: copy", "floor", start)
