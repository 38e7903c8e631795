"""Contestants for losses of whole arrays: losskit's verbs, and a formula in torch, eager and compiled."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.harness import Answer, Array, Contestant, Runner
from benchmarks.peers import torch_or_none


def _joined(gradients: Any) -> Array:
    several = gradients if isinstance(gradients, tuple) else (gradients,)
    return np.concatenate([np.ravel(g) for g in several])


def losskit_contestants(loss: Any, arrays: tuple[Array, ...], moving: list[int]) -> list[Contestant]:
    def answer(result: tuple[Any, Any]) -> Answer:
        return float(result[0]), _joined(result[1])

    def warm() -> Runner:
        outs = tuple(np.empty_like(arrays[i]) for i in moving)
        out = outs[0] if len(outs) == 1 else outs
        return Runner(lambda: loss.value_and_derivative(*arrays, out=out), answer)

    fresh = Contestant(
        "losskit", "losskit", lambda: Runner(lambda: loss.value_and_derivative(*arrays), answer)
    )
    return [fresh, Contestant("losskit out=", "losskit", warm)]


def torch_contestants(
    function: Callable[..., Any], arrays: tuple[Array, ...], moving: list[int]
) -> list[Contestant]:
    """Forward and backward, eagerly and compiled by inductor."""
    torch = torch_or_none()
    if torch is None:
        return []

    def runner(call: Callable[..., Any]) -> Runner:
        tensors = [torch.from_numpy(a).requires_grad_(i in moving) for i, a in enumerate(arrays)]
        leaves = [tensors[i] for i in moving]

        def release() -> None:
            for leaf in leaves:
                leaf.grad = None

        def run() -> Any:
            release()
            value = call(*tensors)
            value.backward()
            return value

        return Runner(
            run, lambda value: (value.item(), _joined(tuple(x.grad.numpy() for x in leaves))), release
        )

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
