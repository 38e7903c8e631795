"""Rules of a pair (y, p) whose sum over the classes is not the loss of a row yet, a row at a time.

row_kernel.py copies these under the rules; losskit.engines.row_outer says what they compute. ``R`` is a
row of predictions, of which ``share_of`` makes what the rules take for p.
"""
# mypy: ignore-errors

from typing import Any

import numpy as np

from losskit.engines.numba.intrinsics import select

# Written above the loops in each generated module.
ROOT: Any
TILTED: Any
exp: Any
expm1: Any
log: Any
log1p: Any
sqrt: Any
share_of: Any
outer_value: Any
outer_slope: Any
outer_factor: Any
outer_tilt: Any


def outer_of_row(R, Y, m, log_sum, k):
    """The value of a row, and what the weights of its classes are relative to and divided by."""
    value, reference, total = 0.0, 0.0, 0.0
    if ROOT:
        for j in range(R.size):
            total += outer_value(np.float64(Y[j]), share_of(np.float64(R[j]), m, log_sum), k)
        value = outer_factor(k) * sqrt(total)
        total = 2.0 * sqrt(total)
    if TILTED:
        tilt = outer_tilt(k)
        most, excess = -np.inf, 0.0
        for j in range(R.size):
            y = np.float64(Y[j])
            if y != 0.0:
                b = tilt * outer_value(y, share_of(np.float64(R[j]), m, log_sum), k)
                most = b if not b <= most else most
                excess += y * expm1(select(b > 32.0, 32.0, b))
        if most <= 32.0 and excess > -0.5:
            value, total = log1p(excess) / tilt, 1.0 + excess
        else:  # the largest power is taken out, so that none overflows
            reference = most
            for j in range(R.size):
                y = np.float64(Y[j])
                if y != 0.0:
                    b = tilt * outer_value(y, share_of(np.float64(R[j]), m, log_sum), k)
                    total += y * exp(select(b == most, 0.0, b - most))
            value = (most + log(total)) / tilt
        value *= outer_factor(k)
    return value, reference, total


def outer_weight(y, p, reference, total, k):
    """The derivative of a row's value with respect to p of a class."""
    if ROOT:
        return 0.0 if total == 0.0 else outer_factor(k) * outer_slope(y, p, k) / total
    if TILTED:
        b = outer_tilt(k) * outer_value(y, p, k)
        weight = y * exp(select(b == reference, 0.0, b - reference)) / total
        return 0.0 if y == 0.0 or weight == 0.0 else outer_factor(k) * weight * outer_slope(y, p, k)
    return 0.0
