"""The derivative of a loss whose exact value is not known, by differences of its own compute."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from losskit.laws.inputs import Array, Batch
from losskit.laws.law import Finding, law
from losskit.laws.subject import Subject, show, where

N = 6


def _unknown(subject: Subject) -> str | None:
    return "the exact value is known: derivative compares with that" if subject.exact else None


def difference(subject: Subject, batch: Batch, index: tuple[int, ...]) -> tuple[float, float]:
    """d compute / d y_pred[index] and how far it can be off, by Richardson's extrapolation."""
    y, p = batch
    step = 2.0**-10 * max(1.0, abs(float(p[index])))
    if 0.0 < p[index] < 1.0:
        step = min(step, float(min(p[index], 1 - p[index])) / 8)  # stay inside (0, 1)
    rungs = [_central(subject, y, p, index, step / 2**k) for k in range(4)]
    table = rungs
    for k in range(1, 4):
        last = table
        table = [(4.0**k * b - a) / (4.0**k - 1) for a, b in pairwise(table)]
    return table[0], abs(table[0] - last[-1]) + abs(rungs[-1] - rungs[-2]) * 1e-3


def _central(subject: Subject, y: Array, p: Array, index: tuple[int, ...], step: float) -> float:
    ends = []
    for sign in (1, -1):
        moved = p.astype(np.float64)
        moved[index] += sign * step
        ends.append((float(moved[index]), float(np.sum(subject.ask("compute", (y, moved))))))
    return (ends[0][1] - ends[1][1]) / (ends[0][0] - ends[1][0])


def mismatches(subject: Subject, batch: Batch) -> list[tuple[tuple[int, ...], float, float]]:
    """(index, got, expected) wherever the derivative is not that of compute; kinks and NaN are left out."""
    gradient = np.asarray(subject.ask("derivative", batch), np.float64)
    found = []
    for index in np.ndindex(batch[1].shape):
        expected, doubt = difference(subject, batch, index)
        got = float(gradient[index])
        scale = max(abs(expected), float(np.nanmax(np.abs(gradient))) * 1e-3)
        if (
            np.isfinite(expected)
            and doubt <= 1e-4 * scale
            and not abs(got - expected) <= 1e-5 * scale + 10 * doubt
        ):
            found.append((index, got, expected))
    return found


@law("derivative-by-difference", "the derivative is what differences of compute give", _unknown)
def derivative_by_difference(subject: Subject) -> Iterator[Finding]:
    """A sign, a factor, a forgotten 1/n in a derivative written by hand."""
    for n in (1, N):
        batch = subject.inputs.ordinary(subject.random, n)
        found = mismatches(subject, batch)
        if not found:
            continue
        index, got, expected = max(found, key=lambda f: abs(f[1] - f[2]))
        y, p = batch[0][index[: batch[0].ndim]], batch[1][index]
        by = (
            "opposite in sign"
            if np.isclose(got, -expected, rtol=1e-4, atol=0.0)
            else f"off by {abs(got - expected) / abs(expected):.2g} of it"
        )
        yield Finding(
            "error",
            f"the derivative at {where(y, p)}, one of {n} row{'s' * (n > 1)}, is {show(got)}; differences of compute give "
            f"{show(float(f'{expected:.6g}'))}: {by}{_pattern(found, n)}. Wrong at {len(found)} of {batch[1].size} places "
            f"({subject.inputs.words})",
            y, p, got, expected, by,
        )  # fmt: skip
        return


def _pattern(found: list[Any], n: int) -> str:
    ratios = [got / expected for _, got, expected in found if expected]
    if not ratios or np.ptp(ratios) > 1e-3 * abs(ratios[0]):
        return ""
    ratio = float(np.mean(ratios))
    if abs(ratio + 1) < 1e-3:
        return "; the sign is flipped everywhere"
    if n > 1 and abs(abs(ratio) - n) < 1e-3 * n:
        sign = " and the sign is flipped" if ratio < 0 else ""
        return f"; it is n = {n} times too large: the derivative of a mean carries 1/n{sign}"
    return f"; it is {ratio:.4g} times the true one everywhere" if len(found) > 1 else ""


@law("finite-by-hand", "ordinary inputs give finite answers", _unknown)
def finite_by_hand(subject: Subject) -> Iterator[Finding]:
    """NaN or inf where data would meet it, also where target and prediction are equal."""
    for batch in (subject.inputs.ordinary(subject.random, N), *_equal(subject)):
        for verb in ("compute", "derivative"):
            answer = np.asarray(subject.each(verb, batch), np.float64)
            bad = ~np.isfinite(answer)
            if bad.any():
                index = tuple(int(i) for i in np.argwhere(np.atleast_1d(bad))[0])
                y, p = batch[0][index[: batch[0].ndim]], batch[1][index[: batch[1].ndim]]
                yield Finding(
                    "error", f"{verb} at {where(y, p)} is {show(float(np.atleast_1d(answer)[index]))}",
                    y, p, float(np.atleast_1d(answer)[index]), None, "not finite",
                )  # fmt: skip
                return


def _equal(subject: Subject) -> Iterator[Batch]:
    """Predictions that are exactly right, where a formula may divide by 0."""
    y, p = subject.inputs.ordinary(subject.random, N)
    if y.shape == p.shape:
        yield y, y.copy()
