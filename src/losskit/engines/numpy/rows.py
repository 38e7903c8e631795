"""Losses of rows on NumPy, the reference: whole float64 matrices, a few passes, one row a loss.

A loss of a row with probabilities p, target t and weights c is

    c_t f(nll_t)  or  sum_j y_j c_j f(nll_j)       terms of the target ("nll")
    + f(mean_j c_j nll_j)                          terms of all classes alike ("mean_nll")
    + f(lse)                                       terms of the logits' log-sum-exp
    + sum_j f(y_j, p_j)                            terms of each class ("pair"), or a function of
                                                   them all, as losskit.engines.row_outer says

and its derivative follows from u_j, the derivative with respect to nll_j. For a softmax

    g_k = p_k (sum_j u_j + df/dlse) - u_k,

where in the column of the largest logit 1 - p_k = q is known without cancellation.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from losskit.engines.inputs import Array, check_out
from losskit.engines.numpy.array_words import xp
from losskit.engines.outcome import mean_of_terms, reduced
from losskit.engines.row_inputs import (
    RowInputs,
    check_distributions,
    check_indices,
    put_rows,
    row_inputs,
    rows_of,
)
from losskit.engines.row_outer import Outer, outer
from losskit.reduction import Parts
from losskit.registry import Evaluation, Wanted
from losskit.rules import OUTER, Term
from losskit.scalar import scaled
from losskit.structures import RowLoss

BLOCK = 1 << 18
"""Numbers worked on at a time, so that memory stays small."""


@dataclass(slots=True)
class Softmax:
    """Probabilities of rows of logits, without cancellation in the column of the largest."""

    p: Array
    rest: Array
    """1 - p."""
    top: Array
    """True in one column of each row, where the logit is largest."""
    nll: Array
    lse: Array


def evaluate(
    loss: RowLoss, arguments: tuple[Any, ...], wanted: Wanted, sample_weight: Any, mask: Any, out: Any = None
) -> Evaluation:
    """Value, derivative and second derivative of a loss, as far as wanted."""
    x = row_inputs(loss, arguments, sample_weight, mask)
    if x.labels is not None:
        check_indices(loss, x)
    shape = np.asarray(arguments[1]).shape
    if out is not None:
        check_out(out, shape, x.answer_dtype)
    terms = np.empty(x.rows) if wanted.value else None
    gradient = _answer_array(x, shape, out) if wanted.derivative else None
    second = _answer_array(x, shape, None) if wanted.second else None
    step = max(1, BLOCK // max(x.classes, 1))
    with np.errstate(all="ignore"):
        for first in range(0, x.rows, step):
            block(loss, x, first, min(first + step, x.rows), terms, gradient, second)
    answer = Evaluation(derivative=gradient, second=second)
    if terms is not None:
        with np.errstate(over="ignore"):
            answer.parts = Parts(float(terms.sum()), x.weight, x.count)
            if loss.reduction == "none":
                answer.value = terms.astype(x.dtype).reshape(x.shape)[()]
            elif loss.reduction == "mean" and np.isinf(answer.parts.total) and x.count > 1:
                answer.value = x.dtype.type(mean_of_terms(terms, x.weight))
            else:
                answer.value = reduced(loss, answer.parts, x.dtype)
    return answer


def _answer_array(x: RowInputs, shape: tuple[int, ...], out: Any) -> Array:
    return np.empty(shape, x.answer_dtype) if out is None else out


def block(
    loss: RowLoss, x: RowInputs, first: int, last: int,
    terms: Array | None, gradient: Array | None, second: Array | None,
) -> None:  # fmt: skip
    """Rows first..last-1: their terms, and their part of the first and second derivative."""
    if loss.validate:
        check_distributions(loss, x, first, last)
    active = x.active()
    keep = np.ones(last - first, np.bool_) if active is None else active[first:last]
    weight = (
        keep.astype(np.float64) if x.w is None else np.where(keep, x.w[first:last].astype(np.float64), 0.0)
    )
    p = np.where(keep[:, None], rows_of(x.p, first, last).astype(np.float64), 0.0)
    if x.labels is None:
        y = np.where(keep[:, None], rows_of(x.y, first, last).astype(np.float64), 0.0)
    else:
        y = np.equal.outer(np.where(keep, x.labels[first:last], 0), np.arange(x.classes)).astype(np.float64)
    evaluate_rows = _of_logits if loss.form.link == "softmax" else _of_probabilities
    v, g, h = evaluate_rows(loss, x, y, p)
    scale = x.scale(loss.reduction) * weight[:, None]
    if terms is not None:
        terms[first:last] = np.where(weight > 0.0, weight * v, 0.0)
    for target, values in ((gradient, g), (second, h)):
        if target is not None:
            _put(x, target, first, last, np.where(scale > 0.0, scale * values, 0.0))


def _put(x: RowInputs, target: Array, first: int, last: int, values: Array) -> None:
    if any(term.rules.saturates for term in x.terms):
        largest = float(np.finfo(target.dtype).max) if target.dtype.kind == "f" else float(np.finfo("f4").max)
        values = np.clip(values, -largest, largest)
    put_rows(np.moveaxis(target, x.axis, -1), first, last, values.astype(target.dtype))


def softmax(z: Array, shift: Array | None = None) -> Softmax:
    """The softmax of each row, to which ``shift`` is added first, without rounding the sum."""
    peak = (z if shift is None else z + shift).argmax(axis=1)
    largest = np.take_along_axis(z, peak[:, None], axis=1)
    top = np.arange(z.shape[1]) == peak[:, None]
    tied = z == largest
    d = np.where(tied, 0.0, z - largest)  # not inf - inf
    back = d - z
    lost = (z - (d - back)) - (largest + back)  # what rounding took from z - largest
    lost = np.where(np.isfinite(lost) & ~tied, lost, 0.0)
    if shift is not None:
        gap = shift - shift[peak][:, None]
        near, d = d, d + gap
        back = d - near
        more = (near - (d - back)) + (gap - back)
        lost = lost + np.where(np.isfinite(more), more, 0.0)
    e = np.exp(d) * (1.0 + lost)
    others = np.where(top, 0.0, e).sum(axis=1, keepdims=True)
    # Several +inf, or nothing but -inf, have no limit.
    others = np.where(np.isinf(largest) & ((largest < 0.0) | (others > 0.0)), np.nan, others)
    p = e / (1.0 + others)
    rest = np.where(top, others / (1.0 + others), 1.0 - p)
    log_sum = np.log1p(others)
    peaks = largest if shift is None else largest + shift[peak][:, None]
    return Softmax(p, rest, top, -(d + lost) + log_sum, (peaks + log_sum)[:, 0])


def _of_logits(loss: RowLoss, x: RowInputs, y: Array, z: Array) -> tuple[Array, Array, Array]:
    """Value, gradient and second derivative of each row of logits."""
    s = softmax(z, x.shift)
    weights = np.ones(x.classes) if x.class_weights is None else x.class_weights
    value, u, v = _sums_of_classes(x, y, s.nll, -s.nll, -1.0)
    of_lse = np.zeros(len(z))
    second = np.zeros(z.shape)
    for k, whole in _outers(x, y, -s.nll):
        value, u, v = value + k * whole.value, u - k * whole.slope, v + k * whole.own
        below = np.where(s.top, 0.0, whole.across).sum(axis=1, keepdims=True)
        across = whole.across.sum(axis=1, keepdims=True)
        along = np.where(s.top, whole.across * s.rest - s.p * below, whole.across - s.p * across)
        second += k * (whole.bend * along**2 + whole.spread)
    for term in x.terms:
        if term.rules.argument == "mean_nll":
            f, df, ddf = _apply(term, x, _mean(weights, s.nll))
            value, u = value + f, u + df[:, None] * weights / x.classes
            others = np.where(s.top, weights.sum() - weights, 0.0)
            slope = (
                np.where(s.top, s.p * others - weights * s.rest, s.p * weights.sum() - weights) / x.classes
            )
            second += ddf[:, None] * slope**2
        elif term.rules.argument == "log_sum_exp":
            f, df, ddf = _apply(term, x, s.lse)
            value, of_lse = value + f, of_lse + df
            second += ddf[:, None] * s.p**2
    total = u.sum(axis=1, keepdims=True) + of_lse[:, None]
    at_top = s.p * (np.where(s.top, 0.0, u).sum(axis=1, keepdims=True) + of_lse[:, None]) - u * s.rest
    gradient = np.where(s.top, at_top, s.p * total - u)
    # v may be infinite at p = 1.
    across = scaled(s.p**2, _without_self(v, s.top)) + scaled(s.rest**2, v)
    second += s.p * s.rest * total + across
    endless = np.isinf(total)
    if endless.any():  # probability where the target rules it out: limits, not inf - inf
        out, gone = np.isinf(u), z == -np.inf
        gradient = np.where(endless, np.where(out, -u, np.where(gone, 0.0, total)), gradient)
        limit = scaled(np.where(gone, 0.0, np.where(out, s.rest - s.p, s.p - s.rest)), np.inf)
        second = np.where(endless, limit, second)
    return value, gradient, second


def _without_self(v: Array, top: Array) -> Array:
    """The sum of each row less the element itself; without cancellation in the column ``top``."""
    others = np.where(top, 0.0, v).sum(axis=1, keepdims=True)
    return np.asarray(np.where(top, others, v.sum(axis=1, keepdims=True) - v))


def _of_probabilities(loss: RowLoss, x: RowInputs, y: Array, p: Array) -> tuple[Array, Array, Array]:
    """Value, gradient and second derivative of each row of probabilities or of log-probabilities."""
    weights = np.ones(x.classes) if x.class_weights is None else x.class_weights
    if loss.form.link == "log_probability":
        nll, divisor, bend = -p, np.ones(p.shape), 0.0
    else:
        divisor, bend = np.maximum(p, x.floor), 1.0
        nll = -np.log(divisor)
    value, u, v = _sums_of_classes(x, y, nll, p, None)
    direct, second = _pair_slopes(x, y, p)
    for k, whole in _outers(x, y, p):
        value, direct = value + k * whole.value, direct + k * whole.slope
        second = second + k * (whole.own + whole.bend * whole.across**2 + whole.spread)
    for term in x.terms:
        if term.rules.argument == "mean_nll":
            f, df, ddf = _apply(term, x, _mean(weights, nll))
            value, u = value + f, u + df[:, None] * weights / x.classes
            square = (weights / x.classes / divisor) ** 2  # may overflow at a floor, and 0 times inf is NaN
            second = second + np.where(ddf[:, None] == 0.0, 0.0, ddf[:, None] * square)
        elif term.rules.argument == "log_sum_exp":
            raise ValueError(f"{term.rules.name} is a function of logits, but {loss!r} takes probabilities")
    # Divided twice, not by the square: that is 0 for a probability at the floor.
    return value, direct - u / divisor, second + (v + bend * u) / divisor / divisor


def _sums_of_classes(
    x: RowInputs, y: Array, nll: Array, p: Array, chain: float | None
) -> tuple[Array, Array, Array]:
    """The terms that are sums over the classes: their value, and u and v, the first and second
    derivative with respect to each nll. Rules of a pair (y, p) join u only where ``chain`` = dp/dnll."""
    value, u, v = np.zeros(len(y)), np.zeros(y.shape), np.zeros(y.shape)
    share = y if x.class_weights is None else y * x.class_weights
    nothing = (y == 0.0) | ((share == 0.0) & ~np.isnan(nll))  # 0 times inf is 0, but NaN is not lost
    for term in x.terms:
        if term.rules.argument == "nll":
            f, df, ddf = (np.where(nothing, 0.0, share * a) for a in _apply(term, x, nll))
        elif term.rules.argument == "pair":
            f, df, ddf = _apply(term, x, y, p)
            df, ddf = (df * chain, ddf) if chain is not None else (0.0 * u, 0.0 * v)
        else:
            continue
        value, u, v = value + f.sum(axis=1), u + df, v + ddf
    return value, u, v


def _pair_slopes(x: RowInputs, y: Array, p: Array) -> tuple[Array, Array]:
    """Slope and curvature of the rules of a pair, with respect to p itself."""
    slope, curvature = np.zeros(p.shape), np.zeros(p.shape)
    for term in x.terms:
        if term.rules.argument == "pair":
            _, df, ddf = _apply(term, x, y, p)
            slope, curvature = slope + df, curvature + ddf
    return slope, curvature


def _outers(x: RowInputs, y: Array, p: Array) -> Iterator[tuple[float, Outer]]:
    """The terms that are a function of all classes' rules of a pair, with their coefficients."""
    for term in x.terms:
        if term.rules.argument in OUTER:
            numbers = term.numbers(float(np.finfo(x.dtype).tiny))
            each = _apply(replace(term, coefficient=1.0), x, y, p)
            yield term.coefficient, outer(xp, term.rules.argument, numbers, y, *each)


def _apply(term: Term, x: RowInputs, *argument: Array) -> tuple[Array, Array, Array]:
    """Value, slope and curvature of a term."""
    numbers = term.numbers(float(np.finfo(x.dtype).tiny))
    rules = (term.rules.value, term.rules.slope, term.rules.curvature)
    value, slope, curvature = (
        np.broadcast_to(term.coefficient * r(*argument, *numbers), argument[0].shape) for r in rules
    )
    return value, slope, curvature


def _mean(weights: Array, nll: Array) -> Array:
    """The mean over the classes of weight * nll, where no weight is no term."""
    return np.asarray(np.where(weights == 0.0, 0.0, weights * nll).mean(axis=1))
