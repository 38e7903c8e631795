"""How the code in the table of peers is run: in which library, and as what."""

from collections.abc import Callable
from typing import Any

import numpy as np

import losskit as lk
from benchmarks.agreement import Answer, Array
from benchmarks.contestants import Function, eager, jitted, torch_contestants
from benchmarks.harness import Contestant, Runner
from benchmarks.peer_table import Peer
from benchmarks.peers import left_out, library


def contestant_of(peer: Peer, y: Array, p: Array) -> list[Contestant]:
    """Who competes for a peer; nobody where its library is not installed."""
    names = library(peer.library)
    return _RUN[peer.library](peer, names, y, p) if names else []


def _formula(peer: Peer, names: dict[str, Any]) -> Function:
    return eval(f"lambda y, p: {peer.code}", dict(names))  # type: ignore[no-any-return]


def _torch(peer: Peer, names: dict[str, Any], y: Array, p: Array) -> list[Contestant]:
    return torch_contestants(_formula(peer, names), (y, p), [1], peer.code)


def _eager(peer: Peer, names: dict[str, Any], y: Array, p: Array) -> list[Contestant]:
    return [eager(peer.library, _formula(peer, names), (y, p), [1], peer.code)]


def _jax(peer: Peer, names: dict[str, Any], y: Array, p: Array) -> list[Contestant]:
    return [jitted(_formula(peer, names), y, p, peer.code)]


def _keras(peer: Peer, names: dict[str, Any], y: Array, p: Array) -> list[Contestant]:
    """Keras casts what it is given to its own dtype, which is therefore set to that of the data."""
    names["keras"].config.set_dtype_policy(p.dtype.name)
    loss = eval(peer.code, dict(names))

    def function(target: Any, prediction: Any) -> Any:
        return loss(target, prediction) * peer.factor

    return [eager("Keras", function if peer.factor != 1.0 else loss, (y, p), [1], peer.code)]


def _sklearn(peer: Peer, names: dict[str, Any], y: Array, p: Array) -> list[Contestant]:
    if p.dtype.itemsize == 2:
        left_out.add("scikit-learn in half precision", "its losses take float32 and float64")
        return []

    def start() -> Runner:
        loss = eval(peer.code, {**names, "p": p})
        target, terms, gradient = y.astype(p.dtype, copy=False), np.empty(len(p), p.dtype), np.empty_like(p)
        threads = lk.get_num_threads()

        def run() -> Any:
            loss.loss_gradient(target, p, loss_out=terms, gradient_out=gradient, n_threads=threads)
            return terms.mean()

        def answer(mean: Any) -> Answer:
            return peer.factor * float(mean), gradient * p.dtype.type(peer.factor / len(p))

        return Runner(run, answer)

    return [Contestant("scikit-learn", "peer", start, peer.code)]


_RUN: dict[str, Callable[[Peer, dict[str, Any], Array, Array], list[Contestant]]] = {
    "torch": _torch, "optax": _jax, "keras": _keras, "scikit-learn": _sklearn,
    "kornia": _eager, "torchvision": _eager,
}  # fmt: skip
