"""Distances between sets as array operations: what all forms share, and the formula of each by name."""

from collections.abc import Iterator
from types import ModuleType
from typing import Any

from losskit.engines.array_formula import Fault
from losskit.engines.formulas import transport_bins, transport_cloud, transport_line, transport_mass
from losskit.structures.transport import BINS, KERNEL, PLAN, SAMPLES, SLICES, TransportLoss

Shape = tuple[int, ...]

_FORMS: dict[str, ModuleType] = {
    SAMPLES: transport_line,
    SLICES: transport_line,
    BINS: transport_bins,
    KERNEL: transport_cloud,
    PLAN: transport_cloud,
}
_TOLERANCE = 1e-2  # bfloat16 has not quite three digits, and is widened before it comes here
_AXES = {SAMPLES: 1, BINS: 1, SLICES: 2, KERNEL: 2, PLAN: 2}
"""How many of the last axes of an argument belong to a set."""


def shape(loss: TransportLoss, y_true: Shape, y_pred: Shape, target_weight: Shape | None) -> Shape:
    """One term for each pair of sets."""
    axes = _AXES[loss.form]
    what = {SAMPLES: "(..., samples)", BINS: "(..., bins)"}.get(loss.form, "(..., points, features)")
    if min(len(y_true), len(y_pred)) < axes:
        hint = "; a set of numbers is points with one feature: y_pred[:, None]" if axes == 2 else ""
        raise ValueError(f"y_true and y_pred must be {what}, got shapes {y_true} and {y_pred}{hint}")
    same = y_true == y_pred if loss.form == BINS else _but_size(y_true, axes) == _but_size(y_pred, axes)
    if not same:
        free = "" if loss.form == BINS else f" but for the number of {'samples' if axes == 1 else 'points'}"
        raise ValueError(
            f"y_true and y_pred must have the same shape{free}, got shapes {y_true} and {y_pred}"
        )
    if target_weight is not None:
        _check_target_weight(loss, y_true, target_weight)
    return y_pred[: len(y_pred) - axes]


def _but_size(one: Shape, axes: int) -> tuple[Shape, Shape]:
    """The shape of an argument without the number of points."""
    at = len(one) - axes
    return one[:at], one[at + 1 :]


def _check_target_weight(loss: TransportLoss, y_true: Shape, target_weight: Shape) -> None:
    if loss.form == BINS:
        raise ValueError("histograms are their own weights: leave target_weight out")
    if target_weight != _points(loss, y_true):
        raise ValueError(
            f"target_weight must be one number a point of y_true: of shape {_points(loss, y_true)}, "
            f"got shape {target_weight}"
        )


def _points(loss: TransportLoss, one: Shape) -> Shape:
    """The shape of the weights of an argument."""
    return one[: len(one) - _AXES[loss.form] + 1]


def weight_shape(loss: TransportLoss, y_true: Shape, y_pred: Shape, target_weight: Shape | None) -> Shape:
    """One weight for each point of the predictions."""
    return _points(loss, y_pred)


def faults(
    xp: Any, loss: TransportLoss, y_true: Any, y_pred: Any, target_weight: Any, *weight: Any
) -> Iterator[Fault]:
    """Weights below 0, histograms that are none."""
    if target_weight is not None:
        yield Fault(
            "target_weight", ~((target_weight >= 0.0) & xp.isfinite(target_weight)), "finite and at least 0"
        )
    if loss.form == BINS:
        for name, rows in (("y_true", y_true), ("y_pred", y_pred)):
            yield Fault(name, rows < 0.0, "at least 0")
            off = xp.abs(xp.sum(rows, axis=-1, keepdims=True, dtype=xp.wide) - 1.0) > _TOLERANCE
            yield Fault(name, xp.broadcast_to(off, rows.shape), "rows that sum to 1 (within 0.01)")


def present(xp: Any, loss: TransportLoss, y_true: Any, y_pred: Any, target_weight: Any, *weight: Any) -> Any:
    """Pairs of sets of which neither is empty or without weight."""
    if 0 in (*_points(loss, y_true.shape), *_points(loss, y_pred.shape)):
        return xp.zeros(y_pred.shape[: len(y_pred.shape) - _AXES[loss.form]]) > 0.0
    return None if loss.form == BINS else transport_mass.present(xp, target_weight, *weight)


def terms(xp: Any, loss: TransportLoss, *arrays: Any) -> Any:
    """The distance of each pair of sets."""
    return _FORMS[loss.form].terms(xp, loss, *arrays)


def pullback(xp: Any, loss: TransportLoss, cotangent: Any, *arrays: Any) -> tuple[Any, Any]:
    """The derivative of the distances, each times its cotangent, with respect to both sets."""
    found: tuple[Any, Any] = _FORMS[loss.form].pullback(xp, loss, cotangent, *arrays)
    return found


def diagonal(xp: Any, loss: TransportLoss, cotangent: Any, *arrays: Any) -> tuple[Any, Any] | None:
    """The diagonal of their second derivative; None for clouds, where potentials depend on all the points."""
    form = _FORMS[loss.form]
    if form is transport_cloud:
        return None
    found: tuple[Any, Any] = form.diagonal(xp, loss, cotangent, *arrays)
    return found
