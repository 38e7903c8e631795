"""The libraries that are run: how each is imported, and how it is asked for a value or a gradient."""

import contextlib
import importlib
import importlib.metadata
import importlib.util
import io
import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.failures.case import Array, Case, evaluate


@dataclass(frozen=True)
class Peer:
    """A library, by its name on the package index, and whose arrays it takes."""

    name: str
    modules: tuple[str, ...]
    arrays: str = "torch"

    @property
    def version(self) -> str:
        """The version installed, without what it was built for."""
        return importlib.metadata.version(self.name).partition("+")[0]

    def load(self) -> dict[str, Any]:
        """Import it: the names that a program may use."""
        if importlib.util.find_spec(self.modules[0].partition(".")[0]):
            _PREPARE.get(self.name, lambda: None)()
        modules = (*self.modules, *_COMPANIONS[self.arrays])
        with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for module in modules:
                importlib.import_module(module)
        return {root: sys.modules[root] for root in (module.partition(".")[0] for module in modules)}

    def answer(self, case: Case, names: dict[str, Any]) -> Array | Exception:
        """What it answers to a case, an error included."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return _ASK[self.arrays](case, names)
            except Exception as error:
                return error


PEERS = (
    Peer("torch", ("torch",)),
    Peer("optax", ("optax",), "jax"),
    Peer("keras", ("keras",)),
    Peer("monai", ("monai.losses",)),
    Peer("kornia", ("kornia.losses",)),
    Peer("torchvision", ("torchvision.ops",)),
    Peer("torchmetrics", ("torchmetrics.functional",)),
    Peer("pytorch-metric-learning", ("pytorch_metric_learning.losses",)),
    Peer("scikit-learn", ("sklearn.metrics", "sklearn._loss"), "numpy"),
)

_COMPANIONS = {"torch": ("torch",), "jax": ("jax",), "numpy": ()}


def _choose_backend() -> None:
    """Keras on torch, whichever backend the user's configuration names."""
    os.environ["KERAS_BACKEND"] = "torch"


def _declare_operators() -> None:
    """Let a torchvision that was built for CUDA be imported beside a torch that was not.

    Its operators cannot be loaded then, and its import ends at their absence; its losses are Python and need none.
    """
    import torch

    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            torch.library.define(f"torchvision::{name}", "(Tensor a, Tensor b, float c) -> Tensor")


_PREPARE: dict[str, Callable[[], None]] = {
    "keras": _choose_backend,
    "torchvision": _declare_operators,
    "torchmetrics": _declare_operators,  # imports torchvision where it finds one
}


def _ask_torch(case: Case, names: dict[str, Any]) -> Array:
    torch = names["torch"]
    tensors = {name: torch.from_numpy(array) for name, array in case.arrays.items()}
    if case.gradient is None:
        return np.asarray(torch.as_tensor(evaluate(case.theirs, {**names, **tensors})))
    leaf = tensors[case.gradient].requires_grad_()
    value = evaluate(case.theirs, {**names, **tensors})
    return np.asarray(torch.autograd.grad(value.sum(), leaf)[0])


def _ask_jax(case: Case, names: dict[str, Any]) -> Array:
    """Jitted, as JAX is used."""
    jax = names["jax"]
    with jax.enable_x64(case.dtype == "float64"):
        arrays = {name: jax.numpy.asarray(array) for name, array in case.arrays.items()}

        def value(given: dict[str, Any]) -> Any:
            return evaluate(case.theirs, {**names, **given})

        if case.gradient is None:
            return np.asarray(jax.jit(value)(arrays))
        rest = {name: array for name, array in arrays.items() if name != case.gradient}
        slope = jax.grad(lambda x: value({**rest, case.gradient: x}).sum())
        return np.asarray(jax.jit(slope)(arrays[case.gradient]))


def _ask_numpy(case: Case, names: dict[str, Any]) -> Array:
    return np.asarray(evaluate(case.theirs, {**names, **case.arrays}))


_ASK: dict[str, Callable[[Case, dict[str, Any]], Array]] = {
    "torch": _ask_torch,
    "jax": _ask_jax,
    "numpy": _ask_numpy,
}
