"""Laws about sets of terms: order, repetition, weights, masks and parts do not change what a loss is."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from losskit.laws.inputs import Array, Batch
from losskit.laws.law import Finding, law
from losskit.laws.subject import Subject, show
from losskit.loss import LossFunction

N = 12
REDUCTIONS = ("mean", "sum")


def _separable(subject: Subject) -> str | None:
    return subject.loss.not_separable


def _mergeable(subject: Subject) -> str | None:
    return subject.loss.not_separable or subject.loss.not_mergeable


def _batch(subject: Subject) -> Batch:
    return subject.inputs.ordinary(subject.random, N)


def _close(a: Any, b: Any, scale: Any = None) -> bool:
    """Equal but for the order in which numbers were added."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    size = np.abs(b) if scale is None else scale
    with np.errstate(invalid="ignore"):
        return bool(np.all((np.abs(a - b) <= 1e-10 * size + 1e-300) | (a == b) | (np.isnan(a) & np.isnan(b))))


def _forms(subject: Subject) -> Iterator[tuple[str, LossFunction]]:
    for how in REDUCTIONS:
        loss = subject.reduced(how)
        if loss is not None:
            yield how, loss


def _both(subject: Subject, loss: LossFunction, batch: Batch, **options: Any) -> tuple[float, Array]:
    value, gradient = subject.ask("value_and_derivative", batch, loss, **options)
    return float(value), np.asarray(gradient, np.float64)


def _differ(
    what: str, batch: Batch, got: tuple[float, Array], expected: tuple[float, Array], total: float
) -> Iterator[Finding]:
    """A finding where value or derivative are not what they should be; sums may cancel, so ``total`` is their scale."""
    if not _close(got[0], expected[0], max(abs(expected[0]), total)):
        yield Finding(
            "error", f"{what}: the value is {show(got[0])} instead of {show(expected[0])}",
            batch[0], batch[1], got[0], expected[0], show(abs(got[0] - expected[0])),
        )  # fmt: skip
    elif not _close(got[1], expected[1]):
        i = np.unravel_index(int(np.nanargmax(np.abs(got[1] - expected[1]))), got[1].shape)
        yield Finding(
            "error",
            f"{what}: the derivative at index {', '.join(map(str, i))} is {show(float(got[1][i]))} instead of "
            f"{show(float(expected[1][i]))}",
            batch[0], batch[1], float(got[1][i]), float(expected[1][i]), show(abs(float(got[1][i] - expected[1][i]))),
        )  # fmt: skip


def _rows(batch: Batch, which: Any) -> Batch:
    return batch[0][which], batch[1][which]


def _total(subject: Subject, batch: Batch) -> float:
    return float(np.abs(subject.each("compute", batch)).sum())


@law("permutation", "the order of the terms does not matter", _separable)
def permutation(subject: Subject) -> Iterator[Finding]:
    """A shuffled batch has the same value, and its derivative is shuffled likewise."""
    batch = _batch(subject)
    order = subject.random.permutation(N)
    for how, loss in _forms(subject):
        value, gradient = _both(subject, loss, batch)
        got = _both(subject, loss, _rows(batch, order))
        yield from _differ(
            f"{how} of the same terms in another order",
            batch,
            got,
            (value, gradient[order]),
            _total(subject, batch),
        )


@law("duplication", "a batch twice over has the same mean and twice the sum", _separable)
def duplication(subject: Subject) -> Iterator[Finding]:
    """A compute that sums where it should average, a derivative without its 1/n."""
    batch = _batch(subject)
    twice = _rows(batch, np.tile(np.arange(N), 2))
    for how, loss in _forms(subject):
        value, gradient = _both(subject, loss, batch)
        factor = 1.0 if how == "mean" else 2.0
        expected = factor * value, np.concatenate([gradient, gradient]) * factor / 2.0
        yield from _differ(
            f"{how} of the batch twice over",
            batch,
            _both(subject, loss, twice),
            expected,
            _total(subject, batch),
        )


@law("weights", "weight 2 is the term twice; weights count in a mean's denominator", _separable)
def weights(subject: Subject) -> Iterator[Finding]:
    """Weighted against repeated terms."""
    batch = _batch(subject)
    times = subject.random.integers(1, 4, N)
    repeated = np.repeat(np.arange(N), times)
    for how, loss in _forms(subject):
        got = _both(subject, loss, batch, sample_weight=times.astype(float))
        value, gradient = _both(subject, loss, _rows(batch, repeated))
        summed = np.zeros(batch[1].shape)
        np.add.at(summed, repeated, gradient)
        yield from _differ(
            f"{how} with weights 1 to 3 against repeated terms",
            batch,
            got,
            (value, summed),
            _total(subject, batch),
        )


@law("weight-zero", "weight 0 is the same as absent, even for NaN", _separable)
def weight_zero(subject: Subject) -> Iterator[Finding]:
    """Terms without weight, holding NaN."""
    yield from _without(subject, lambda keep: {"sample_weight": keep.astype(float)}, "weight 0 on NaN")


@law("mask", "a mask selects: what it hides is as absent, even NaN", _separable)
def mask(subject: Subject) -> Iterator[Finding]:
    """Masked terms, holding NaN."""
    yield from _without(subject, lambda keep: {"mask": keep}, "NaN behind the mask")


def _without(subject: Subject, options: Callable[[Array], dict[str, Array]], what: str) -> Iterator[Finding]:
    y, p = _batch(subject)
    keep = np.arange(N) % 3 != 1
    spoiled = p.copy()
    spoiled[~keep] = np.nan
    for how, loss in _forms(subject):
        value, kept = _both(subject, loss, (y[keep], p[keep]))
        gradient = np.zeros(p.shape)
        gradient[keep] = kept
        got = _both(subject, loss, (y, spoiled), **options(keep))
        yield from _differ(
            f"{how} with {what} against the sliced batch",
            (y, p),
            got,
            (value, gradient),
            _total(subject, (y, p)),
        )


@law("parts", "parts of chunks merge to the whole", _mergeable)
def parts(subject: Subject) -> Iterator[Finding]:
    """Totals, weights and counts that do not add up; a mean of means."""
    batch = _batch(subject)
    w = subject.random.uniform(0.5, 2.0, N)
    chunks = [slice(0, 5), slice(5, 6), slice(6, N)]
    choices: list[dict[str, Any]] = [{}]
    if not subject.is_of_rules:  # the weights of rules are the engine's: their sums are in reductions
        choices.append({"sample_weight": w})
    for options in choices:
        whole = subject.ask("parts", batch, **options)
        pieces = [
            subject.ask("parts", _rows(batch, c), **{k: v[c] for k, v in options.items()}) for c in chunks
        ]
        merged = sum(pieces)
        scale = _total(subject, batch) * 2
        for name in ("total", "weight", "count"):
            a, b = getattr(merged, name), getattr(whole, name)
            if not _close(a, b, scale if name == "total" else None):
                yield Finding(
                    "error",
                    f"the {name} of three chunks merged is {show(a)}, of the whole {show(b)}"
                    + (": the loss of a batch is no mean over its rows" if name == "total" else ""),
                    batch[0], batch[1], a, b, show(abs(a - b)),
                )  # fmt: skip
                return


@law("reductions", "none, sum, mean and parts tell the same story", _separable)
def reductions(subject: Subject) -> Iterator[Finding]:
    """The sum of the terms, their mean, and the derivatives that belong to them."""
    batch = _batch(subject)
    w = subject.random.uniform(0.5, 2.0, N)
    terms = subject.each("compute", batch).astype(np.float64).reshape(-1)
    slopes = subject.each("derivative", batch).astype(np.float64)
    weight = w.reshape(N, *(1,) * (slopes.ndim - 1))
    total = float(np.abs(terms).sum())
    for how, loss in _forms(subject):
        plain, weighted = (N, w.sum()) if how == "mean" else (1.0, 1.0)
        expected = float(terms.sum()) / plain, slopes / plain
        yield from _differ(
            f"{how} against the terms one by one", batch, _both(subject, loss, batch), expected, total
        )
        expected = float((w * terms).sum()) / float(weighted), weight * slopes / weighted
        got = _both(subject, loss, batch, sample_weight=w)
        yield from _differ(f"weighted {how} against the terms one by one", batch, got, expected, 2 * total)


@law("verbs", "the verbs agree with each other")
def verbs(subject: Subject) -> Iterator[Finding]:
    """value_and_derivative, a call of the loss, and ``out``."""
    batch = _batch(subject)
    value, gradient = subject.ask("compute", batch), np.asarray(subject.ask("derivative", batch))
    both = subject.ask("value_and_derivative", batch)
    same = np.array_equal(
        both[1], gradient, equal_nan=True
    )  # a sum may be added up in another order, a slope not
    if not (same and np.allclose(both[0], value, rtol=1e-13, atol=0.0, equal_nan=True)):
        yield Finding(
            "error",
            "value_and_derivative answers differently from compute and derivative",
            *batch,
            both[0],
            value,
        )
    if not np.array_equal(subject.ask("__call__", batch), value, equal_nan=True):
        yield Finding("error", "calling the loss answers differently from compute", *batch)
    if gradient.shape != batch[1].shape or gradient.dtype != batch[1].dtype:
        yield Finding(
            "error", f"the derivative has shape {gradient.shape} and dtype {gradient.dtype}, y_pred {batch[1].shape} and "
            f"{batch[1].dtype}", *batch, gradient.shape, batch[1].shape,
        )  # fmt: skip
    out = np.full(batch[1].shape, 7.0)
    if subject.ask("derivative", batch, out=out) is not out or not np.array_equal(
        out, gradient, equal_nan=True
    ):
        yield Finding("error", "derivative(..., out=array) does not fill the array and answer it", *batch)
