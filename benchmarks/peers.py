"""The libraries beside losskit: which are installed, and on how many threads they run."""

import os
import sys
from functools import cache
from typing import Any

import losskit as lk
from benchmarks.failures.peers import PEERS


class LeftOut:
    """Peers that cannot take part, and why; each is said once."""

    def __init__(self) -> None:
        self.lines: dict[str, str] = {}

    def add(self, name: str, why: object) -> None:
        """Note that ``name`` is left out."""
        self.lines.setdefault(name, str(why).splitlines()[0] if str(why) else type(why).__name__)


left_out = LeftOut()


def library(name: str) -> dict[str, Any]:
    """The modules of a library, by the names that its users give them; none where it is not installed."""
    try:
        return _imported(name)
    except ImportError as error:
        left_out.add(name, error)
        return {}


@cache
def _imported(name: str) -> dict[str, Any]:
    modules = next(peer for peer in PEERS if peer.name == name).load()
    if "torch" in modules:
        modules["F"] = modules["torch"].nn.functional
    if "jax" in modules:
        modules["jnp"] = modules["jax"].numpy
    return modules


def torch_or_none() -> Any:
    """torch, where it is installed."""
    return library("torch").get("torch")


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def set_threads(n: int) -> None:
    """The same number of threads for everybody; ``jax_on`` does it for XLA."""
    lk.set_num_threads(n)
    torch = torch_or_none()
    if torch is not None:
        torch.set_num_threads(n)


def jax_on(threads: int) -> Any:
    """JAX with a pool of so many threads.

    XLA reads the size of its pool from NPROC, at the first computation and never again: for another size
    its client is thrown away, together with all arrays on it.
    """
    jax = library("optax")["jax"]
    now = int(os.environ.get("NPROC", 0)) or cores()
    if now != threads:
        from jax.extend.backend import clear_backends

        os.environ["NPROC"] = str(threads)
        clear_backends()  # type: ignore[no-untyped-call]
    return jax


def forget_compiled() -> None:
    """torch.compile bakes the number of threads in: what it made for one case must not serve the next."""
    if "torch._dynamo" in sys.modules:  # else nothing was compiled, and importing it takes seconds
        sys.modules["torch._dynamo"].reset()
