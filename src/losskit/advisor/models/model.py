"""A linear model or a small network, its gradient, and its fit to any loss by L-BFGS.

The parameters are one vector, so that SciPy's optimiser sees a plain function of a vector.
"""

import contextlib
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from losskit.errors import needs

with needs("compare"):
    from scipy import optimize
    from threadpoolctl import ThreadpoolController

Objective = Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]]
"""Outputs to value and slope by the outputs: a loss with its data, as a model sees it."""

SMALL = 1_000_000
"""Multiplications of one pass below which matrix products stay on one thread."""


@dataclass(frozen=True)
class Model:
    """Outputs ``X @ W + b``, or ``tanh(X @ V + c) @ W + b`` with ``hidden`` units."""

    inputs: int
    hidden: int
    outputs: int

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of W and b, and before them those of V and c where there is a hidden layer."""
        if not self.hidden:
            return (self.inputs, self.outputs), (self.outputs,)
        return (self.inputs, self.hidden), (self.hidden,), (self.hidden, self.outputs), (self.outputs,)

    def split(self, parameters: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """Views of the parameter vector as weights and biases."""
        sizes = [int(np.prod(shape)) for shape in self.shapes]
        parts = np.split(parameters, np.cumsum(sizes)[:-1])
        return [part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True)]

    def start(self, random: np.random.RandomState) -> NDArray[np.float64]:
        """Zeros for a linear model; for a network Glorot's uniform weights and, at the end, zeros."""
        parts = [np.zeros(shape) for shape in self.shapes]
        if self.hidden:
            bound = np.sqrt(6.0 / (self.inputs + self.hidden))
            parts[0] = random.uniform(-bound, bound, size=self.shapes[0])
        return np.concatenate([part.ravel() for part in parts])

    def weights_only(self) -> NDArray[np.float64]:
        """A vector with 1 for a weight and 0 for a bias: what the penalty sees."""
        return np.concatenate([np.full(int(np.prod(s)), float(len(s) == 2)) for s in self.shapes])

    def outputs_of(self, parameters: NDArray[np.float64], X: NDArray[np.float64]) -> NDArray[np.float64]:
        """The outputs, one row for each row of X."""
        *first, W, b = self.split(parameters)
        return np.asarray((np.tanh(X @ first[0] + first[1]) if first else X) @ W + b)

    def value_and_gradient(
        self, parameters: NDArray[np.float64], X: NDArray[np.float64], objective: Objective
    ) -> tuple[float, NDArray[np.float64]]:
        """The objective of the outputs, and its gradient by the parameters."""
        *first, W, b = self.split(parameters)
        H = np.tanh(X @ first[0] + first[1]) if first else X
        value, slope = objective(H @ W + b)
        gradients = [H.T @ slope, slope.sum(axis=0)]
        if first:
            inner = (slope @ W.T) * (1.0 - H * H)
            gradients = [X.T @ inner, inner.sum(axis=0), *gradients]
        return value, np.concatenate([g.ravel() for g in gradients])


@dataclass(frozen=True)
class Fit:
    """Where the optimiser stopped."""

    parameters: NDArray[np.float64]
    value: float
    iterations: int
    converged: bool


def minimise(
    model: Model,
    X: NDArray[np.float64],
    objective: Objective,
    start: NDArray[np.float64],
    l2: float,
    max_iter: int,
    tol: float,
) -> Fit:
    """Minimise ``objective(outputs) + l2/2 |weights|^2`` by L-BFGS.

    A loss with kinks (MAE, hinge) stops the line search early, where the curvature it has gathered tells
    nothing; a fresh start from there goes on, until one brings nothing more.
    """
    penalised = l2 * model.weights_only()
    highest = [np.inf]

    def function(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        try:
            with np.errstate(
                over="ignore", invalid="ignore"
            ):  # a step may be too long; it is shortened below
                value, gradient = model.value_and_gradient(parameters, X, objective)
        except ValueError:
            if np.isinf(highest[0]):
                raise
            value, gradient = np.inf, np.zeros_like(parameters)
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            # Outside the loss's domain: a wall that the line search can measure, for it cannot use infinity.
            return highest[0] + 1e3 * (1.0 + abs(highest[0])), np.zeros_like(gradient)
        value += 0.5 * float(parameters @ (penalised * parameters))
        highest[0] = value if np.isinf(highest[0]) else highest[0]
        return value, gradient + penalised * parameters

    return _restarted(function, start, max_iter, tol)


def _restarted(function: Any, start: NDArray[np.float64], max_iter: int, tol: float) -> Fit:
    """L-BFGS, started afresh from where it stopped until that brings nothing more."""
    options: dict[str, Any] = {"maxcor": 20, "ftol": tol * 1e-3, "gtol": tol, "maxls": 40}
    parameters, value, used = start, np.inf, 0
    while used < max_iter:
        options["maxiter"] = max_iter - used
        result = optimize.minimize(function, parameters, jac=True, method="L-BFGS-B", options=options)
        used += max(1, int(result.nit))
        gained = value - float(result.fun)
        if gained > 0:
            parameters, value = result.x, float(result.fun)
        if gained <= tol * abs(value) or np.abs(result.jac).max(initial=0.0) <= tol:
            return Fit(parameters, value, used, True)
    return Fit(parameters, value, used, False)


@functools.cache
def _controller() -> Any:
    return ThreadpoolController()


def threads_for(work: int) -> contextlib.AbstractContextManager[Any]:
    """One BLAS thread for small products: two that wait for each other can take 40 times as long."""
    return _controller().limit(limits=1, user_api="blas") if work < SMALL else contextlib.nullcontext()
