"""Losses whose ``compute`` and ``derivative`` a user wrote by hand, as means over the rows.

Without weights and mask the user's own functions answer. A mask selects rows before they are called;
weights call them row by row. The second derivative is a difference of the derivative.
"""

from typing import Any

import numpy as np

from losskit.engines.inputs import Array, Inputs, add_weights, as_floats, shape_error
from losskit.loss import LossFunction
from losskit.reduction import Parts
from losskit.registry import Evaluation, Wanted


def evaluate(
    loss: LossFunction, arguments: tuple[Any, ...], wanted: Wanted,
    sample_weight: Any, mask: Any, out: Any = None,
) -> Evaluation:  # fmt: skip
    """Value, derivative and second derivative of a loss written by hand, as far as wanted."""
    if loss.compute_by_hand is None:
        raise NotImplementedError(
            f"{type(loss).__name__} has no compute(self, y_true, y_pred); write it, or subclass a structure "
            "such as losskit.ResidualLoss and write rules"
        )
    y, p = as_floats(loss.arguments, *arguments)
    rows = p.shape[:1]
    if y.shape[:1] != rows:
        raise shape_error(loss, y.shape, p.shape)
    if (
        sample_weight is None
        and mask is None
        and loss.reduction == "mean"
        and (p.size or loss.empty == "nan")
    ):
        answer = _plain(loss, y, p, wanted)
    else:
        answer = _by_rows(loss, y, p, wanted, sample_weight, mask)
    if out is not None and answer.derivative is not None:
        out[...] = answer.derivative
        answer.derivative = out
    return answer


def _plain(loss: LossFunction, y: Array, p: Array, wanted: Wanted) -> Evaluation:
    answer = Evaluation()
    if wanted.value:
        answer.value = _compute(loss, y, p)
        count = len(p) if p.ndim else 1
        if np.ndim(answer.value) == 0:
            answer.parts = Parts(float(answer.value) * count, count, count)
    if wanted.derivative:
        answer.derivative = _derivative(loss, y, p)
    if wanted.second:
        answer.second = _second(loss, y, p)
    return answer


def _by_rows(
    loss: LossFunction, y: Array, p: Array, wanted: Wanted, sample_weight: Any, mask: Any
) -> Evaluation:
    """Each row with a weight evaluated on its own, so that the others cannot touch the answer."""
    y, p = np.atleast_1d(y), np.atleast_1d(p)
    x = Inputs(y, p, p.shape[:1], p.dtype, p.dtype, weight=len(p), count=len(p))
    add_weights(loss, x, p.shape[:1], sample_weight, mask)
    w = np.ones(len(p)) if x.w is None else x.w.astype(np.float64)
    if x.keep is not None:
        w = np.where(x.keep, w, 0.0)
    scale = x.scale(loss.reduction)
    terms, derivative, second = np.zeros(len(p)), np.zeros(p.shape), np.zeros(p.shape)
    for i in np.flatnonzero(w):
        row = slice(i, i + 1)
        if wanted.value:
            terms[i] = w[i] * float(_compute(loss, y[row], p[row]))
        if wanted.derivative:
            derivative[row] = w[i] * scale * np.asarray(_derivative(loss, y[row], p[row]))
        if wanted.second:
            second[row] = w[i] * scale * _second(loss, y[row], p[row])
    parts = Parts(float(terms.sum()), x.weight, x.count)
    value = {"mean": parts.mean(loss.empty), "sum": parts.sum(), "none": terms}[loss.reduction]
    return Evaluation(
        parts=parts,
        value=value if loss.reduction == "none" else p.dtype.type(value),
        derivative=derivative.astype(p.dtype) if wanted.derivative else None,
        second=second.astype(p.dtype) if wanted.second else None,
    )


def _compute(loss: LossFunction, y: Array, p: Array) -> Any:
    assert loss.compute_by_hand is not None
    return type(loss).compute_by_hand(loss, y, p)  # type: ignore[misc]


def _derivative(loss: LossFunction, y: Array, p: Array) -> Any:
    if loss.derivative_by_hand is not None:
        return type(loss).derivative_by_hand(loss, y, p)  # type: ignore[misc]
    raise NotImplementedError(
        f"{type(loss).__name__} has no derivative(self, y_true, y_pred); write it, or subclass a structure such "
        "as losskit.ResidualLoss and write the value as a rule, whose derivatives are then derived"
    )


def _second(loss: LossFunction, y: Array, p: Array) -> Array:
    """Each column of the derivative by Richardson's extrapolation of central differences: about 10 digits."""
    flat = p.astype(np.float64).reshape(-1)
    second = np.empty(flat.size)
    for i in range(flat.size):
        step = 1e-3 * max(1.0, abs(flat[i]))

        def difference(h: float, i: int = i) -> float:
            low, high = flat.copy(), flat.copy()
            low[i], high[i] = flat[i] - h, flat[i] + h
            rise = [np.asarray(_derivative(loss, y, q.reshape(p.shape))).reshape(-1)[i] for q in (low, high)]
            return float((rise[1] - rise[0]) / (high[i] - low[i]))

        coarse, middle, fine = difference(step), difference(step / 2), difference(step / 4)
        second[i] = (64.0 * fine - 20.0 * middle + coarse) / 45.0
    return second.reshape(p.shape)
