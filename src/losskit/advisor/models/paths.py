"""The way to a minimum: what to minimise before the loss itself, where the loss alone would end badly.

A loss with kinks stalls L-BFGS at the first of them, so its averages over ever narrower windows come first. A
loss that is not convex finds the minimum nearest to the start, so a Huber fit comes first, and then the loss
with its scale widened, less and less (graduated non-convexity).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from losskit.about import SMOOTH
from losskit.advisor.models.adapters import Adapter, resolve
from losskit.advisor.models.model import Objective
from losskit.links import has_trait, is_convex, is_of_log, terms
from losskit.loss import LossFunction

Path = list[Objective]
"""Objectives to minimise one after the other; the last is the loss."""

WINDOWS = (0.5, 0.2, 0.08, 0.03, 0.01)
"""Half-widths of the windows that smooth kinks, in units of the outputs."""

MANY = 5000
"""Rows from which on the kinks of so many terms smooth each other: L-BFGS alone then ends within 1e-6 of the
minimum (measured against linear programming), where with 442 rows it can end 1e-2 above it."""

OFFSETS = np.linspace(-1.0, 1.0, 7)

WIDER = (16.0, 8.0, 4.0, 2.0)
"""How many times wider the scale of a loss that is not convex is at first."""


def regression_paths(
    loss: LossFunction,
    y: NDArray[np.float64],
    weight: NDArray[np.float64] | None,
    centre: float,
    spread: float,
) -> list[Path]:
    """The paths for ``loss`` of the predictions ``centre + spread * outputs``."""
    final = _of_prediction(loss, y, weight, centre, spread)
    if is_of_log(loss):
        return [[final]]
    if is_convex(loss):
        return [[*_smoothed(final, loss, len(y)), final]]
    start = _of_prediction(resolve(f"huber(delta={spread!r})"), y, weight, centre, spread)
    if not all(getattr(part, "argument", "") == "residual" for part in terms(loss)):
        return [[start], [final]]
    return [[start], [*(_of_prediction(loss, y, weight, centre, spread, k) for k in WIDER), final]]


def classification_paths(
    adapter: Adapter, codes: NDArray[np.intp], weight: NDArray[np.float64] | None
) -> list[Path]:
    """The path for a classification loss of the outputs."""
    final = adapter.objective(codes, weight)
    if adapter.kind == "rows":  # a window over all logits of a row moves nothing
        return [[final]]
    return [[*_smoothed(final, adapter.loss, len(codes)), final]]


def steepness(objective: Objective, outputs: NDArray[np.float64]) -> float:
    """How steep a loss is at the start: the sum of its slopes' sizes, 1 where it is flat."""
    value, slope = objective(outputs)
    if not np.isfinite(value):
        raise ValueError(f"the loss is {value} at the start of the fit, where every prediction is the same")
    return float(np.abs(slope).sum()) or 1.0


def divided(objective: Objective, scale: float) -> Objective:
    """The objective divided by a number."""

    def of_outputs(outputs: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        value, slope = objective(outputs)
        return value / scale, slope / scale

    return of_outputs


def _smoothed(objective: Objective, loss: LossFunction, rows: int) -> Path:
    """The objective's averages over narrowing windows; nothing where its kinks do not matter."""
    if rows >= MANY or has_trait(loss, SMOOTH):
        return []
    return [_average(objective, window) for window in WINDOWS]


def _average(objective: Objective, window: float) -> Objective:
    def of_outputs(outputs: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        answers = [objective(outputs + window * offset) for offset in OFFSETS]
        slope: Any = sum(slope for _, slope in answers)
        return sum(value for value, _ in answers) / len(OFFSETS), slope / len(OFFSETS)

    return of_outputs


def _of_prediction(
    loss: LossFunction,
    y: NDArray[np.float64],
    weight: NDArray[np.float64] | None,
    centre: float,
    spread: float,
    wider: float = 1.0,
) -> Objective:
    """The loss of ``centre + spread * outputs``: in the units of y, while the outputs are near 1.

    With ``wider`` k it is k^2 times the loss of the k-th part of the residual, so that a loss r^2/2 near 0 stays
    that, and its scale is k times as wide.
    """

    def of_outputs(outputs: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        prediction = centre + spread * outputs[:, 0]
        if wider != 1.0:
            prediction = y + (prediction - y) / wider
        value, slope = loss.value_and_derivative(y, prediction, sample_weight=weight)
        return wider**2 * float(value), wider * spread * np.asarray(slope)[:, None]

    return of_outputs
