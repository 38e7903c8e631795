"""Losses of rows as torch operations: the whole loss of a row, expanded to second order.

With g the exact gradient and H the second derivative at the detached predictions q, and d = p - q,
which is 0 and carries the derivative, a row is L(q) + g·d + dᵀHd/2. H is never formed: it is a few
rank-one matrices, each a sum over the row squared. The formulas are those of the NumPy reference;
differences of log-probabilities are taken to the column of the largest logit, where nothing cancels.
"""

import math
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from losskit.engines.row_outer import Outer, outer
from losskit.engines.torch.expansion import BoundTerm, finite, linear, times
from losskit.rules import OUTER


class Rows(NamedTuple):
    """What a loss of rows is: bound terms and the facts of its form."""

    terms: tuple[BoundTerm, ...]
    link: str
    floor: float
    shift: tuple[float, ...] | None = None
    """What is added to the logits of each class."""

    @property
    def saturates(self) -> bool:
        return any(term.saturates for term in self.terms)


class Local(NamedTuple):
    """A loss of rows at one point: its value and what its derivatives are made of."""

    value: Tensor
    gradient: Tensor
    u: Tensor
    """The first derivative with respect to each nll."""
    v: Tensor
    """The second."""
    outers: list[tuple[float, Outer]]
    """What is a function of all classes' rules of a pair, with its coefficients."""
    mean_bend: Tensor | None
    """The second derivative with respect to the mean of the weighted nll."""
    lse_slope: Tensor | float
    lse_bend: Tensor | None


class Softmax(NamedTuple):
    """Probabilities of rows of logits, without cancellation in the column of the largest."""

    p: Tensor
    rest: Tensor
    """1 - p."""
    top: Tensor
    nll: Tensor
    lse: Tensor


def softmax(z: Tensor, added: tuple[float, ...] | None = None) -> Softmax:
    """The softmax of the last axis, to whose logits numbers are added first, without rounding the sum."""
    shift = None if added is None else torch.tensor(added, dtype=z.dtype, device=z.device)
    peak = (z if shift is None else z + shift).argmax(-1, keepdim=True)
    largest = z.gather(-1, peak)
    top = torch.arange(z.shape[-1], device=z.device) == peak
    tied = z == largest
    d = torch.where(tied, 0.0, z - largest)  # not inf - inf
    back = d - z
    lost = (z - (d - back)) - (largest + back)  # what rounding took from z - largest
    lost = torch.where(torch.isfinite(lost) & ~tied, lost, 0.0)
    if shift is not None:
        at_peak = shift[peak.squeeze(-1)].unsqueeze(-1)
        gap, rounded = _sum_of_two(shift, -at_peak)
        exact = torch.tensor(
            added, dtype=torch.float64
        )  # the numbers themselves have more digits than float32
        left = (exact - exact.to(z.dtype)).to(z.dtype).to(z.device)
        rounded = rounded + (left - left[peak.squeeze(-1)].unsqueeze(-1))
        d, more = _sum_of_two(d, gap)
        more = more + rounded
        lost = lost + torch.where(torch.isfinite(more), more, 0.0)
        largest = largest + at_peak
    e = torch.exp(d) * (1.0 + lost)
    others = _sum(torch.where(top, 0.0, e))
    # Several +inf, or nothing but -inf, have no limit.
    nowhere = torch.isinf(largest) & ((largest < 0.0) | (others > 0.0))
    others = torch.where(nowhere, torch.nan, others)
    p = e / (1.0 + others)
    rest = torch.where(top, others / (1.0 + others), 1.0 - p)
    log_sum = torch.log1p(others)
    return Softmax(p, rest, top, log_sum - (d + lost), (largest + log_sum).squeeze(-1))


def _sum_of_two(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """a + b, and what rounding took from it (Knuth)."""
    s = a + b
    back = s - a
    return s, (a - (s - back)) + (b - back)


def expanded(
    rows: Rows, y: Tensor | None, labels: Tensor | None, p: Tensor, weights: Tensor | None
) -> Tensor:
    """The loss of each row, twice differentiable in ``p`` and in the shares ``y``."""
    if rows.link != "softmax":
        return _expanded_directly(rows, y, labels, p, weights)
    z = p
    q = z.detach()
    s = softmax(q, rows.shift)
    at = _at_logits(rows, y, labels, q, s, weights)
    infinite = torch.isinf(q)
    d = torch.where(infinite, 0.0, z - q)
    one = at.value + _sum(linear(d, at.gradient, rows.saturates)).squeeze(-1)
    d_top = _sum(torch.where(s.top, d, 0.0))
    from_top = d - d_top  # variances do not mind, and p of the top column drops out
    mean = _sum(s.p * from_top)
    variance = _sum(s.p * from_top * from_top) - mean * mean
    total = finite(_sum(at.u).squeeze(-1) + at.lse_slope)
    rise = mean - from_top  # of each nll
    bend = total * variance.squeeze(-1) + _sum(finite(at.v) * rise * rise).squeeze(-1)
    for k, whole in at.outers:
        bend = bend + k * _bent(whole, rise)
    if at.mean_bend is not None:
        share = _mean(weights, rise)
        bend = bend + at.mean_bend * share * share
    if at.lse_bend is not None:
        bend = bend + at.lse_bend * (mean + d_top).squeeze(-1) ** 2
    # An infinite logit carries its own derivative, where it makes the loss infinite.
    far = infinite & (at.gradient != 0.0) & (q * at.gradient == at.value.unsqueeze(-1))
    slopes = torch.where(far, at.gradient, 0.0)
    return one + 0.5 * bend + _sum(torch.where(far, z * slopes, 0.0)).squeeze(-1)


def diagonal(
    rows: Rows, y: Tensor | None, labels: Tensor | None, p: Tensor, weights: Tensor | None
) -> Tensor:
    """The diagonal of the second derivative of each row."""
    if rows.link != "softmax":
        _, _, second, outers, mean_bend, divisor = _at_probabilities(rows, y, labels, p, weights)
        for k, whole in outers:
            second = second + k * (whole.bend * whole.across * whole.across + whole.spread)
        if mean_bend is not None:
            step = (1.0 if weights is None else weights) / p.shape[-1] / divisor
            second = second + times(
                mean_bend.unsqueeze(-1), step * step
            )  # the square may overflow at a floor
        return second
    s = softmax(p, rows.shift)
    at = _at_logits(rows, y, labels, p, s, weights)
    total = _sum(at.u) + _column(at.lse_slope)
    below = _sum(torch.where(s.top, 0.0, at.v))
    others = torch.where(s.top, below, _sum(at.v) - at.v)
    second = s.p * s.rest * total + (times(s.p * s.p, others) + times(s.rest * s.rest, at.v))
    out = torch.isinf(at.u)
    side = torch.where(out, s.rest - s.p, s.p - s.rest)
    limit = times(torch.where(p == -math.inf, 0.0, side), torch.full_like(s.p, math.inf))
    second = torch.where(torch.isinf(total), limit, second)
    for k, whole in at.outers:
        below = _sum(torch.where(s.top, 0.0, whole.across))
        beside = whole.across - s.p * _sum(whole.across)
        along = torch.where(s.top, whole.across * s.rest - s.p * below, beside)
        second = second + k * (whole.bend * along * along + whole.spread)
    if at.mean_bend is not None:
        slope = _mean_slope(s, weights)
        second = second + at.mean_bend.unsqueeze(-1) * slope * slope
    if at.lse_bend is not None:
        second = second + at.lse_bend.unsqueeze(-1) * s.p * s.p
    return second


def _at_logits(
    rows: Rows, y: Tensor | None, labels: Tensor | None, z: Tensor, s: Softmax, weights: Tensor | None
) -> Local:
    value, u, v = _sums_of_classes(rows, y, labels, s.nll, -s.nll, weights, -1.0)
    outers = _outers(rows, y, -s.nll)
    for k, whole in outers:
        value, u, v = value + k * whole.value, u - k * whole.slope, v + k * whole.own
    mean_bend = lse_bend = None
    lse_slope: Any = 0.0
    for term in rows.terms:
        if term.argument == "mean_nll":
            f, df, mean_bend = _added(mean_bend, term.at(_mean(weights, s.nll)))
            share = df.unsqueeze(-1) / z.shape[-1]
            value, u = value + f, u + (share if weights is None else share * weights)
        elif term.argument == "log_sum_exp":
            f, df, lse_bend = _added(lse_bend, term.at(s.lse))
            value, lse_slope = value + f, lse_slope + df
    below = _sum(torch.where(s.top, 0.0, u)) + _column(lse_slope)
    total = _sum(u) + _column(lse_slope)
    gradient = torch.where(s.top, s.p * below - u * s.rest, s.p * total - u)
    # Probability where the target rules it out: limits, not inf - inf.
    limit = torch.where(torch.isinf(u), -u, torch.where(z == -math.inf, 0.0, total))
    gradient = torch.where(torch.isinf(total), limit, gradient)
    return Local(value, gradient, u, v, outers, mean_bend, lse_slope, lse_bend)


def _expanded_directly(
    rows: Rows, y: Tensor | None, labels: Tensor | None, p: Tensor, weights: Tensor | None
) -> Tensor:
    """Rows of probabilities or of their logarithms: the second derivative is almost diagonal."""
    q = p.detach()
    value, slope, second, outers, mean_bend, divisor = _at_probabilities(rows, y, labels, q, weights)
    infinite = torch.isinf(q)
    d = torch.where(infinite, 0.0, p - q)
    bend = torch.where(torch.isnan(q), 0.0, d)
    quadratic = _sum(bend * bend * finite(second)).squeeze(-1)
    for k, whole in outers:
        quadratic = quadratic + k * _bent(whole, bend)
    if mean_bend is not None:
        share = _mean(weights, bend * finite(1.0 / divisor))
        quadratic = quadratic + finite(mean_bend) * share * share
    one = value + _sum(linear(d, slope, rows.saturates)).squeeze(-1) + 0.5 * quadratic
    far = infinite & (slope != 0.0) & (q * slope == value.unsqueeze(-1))
    return one + _sum(torch.where(far, p * torch.where(far, slope, 0.0), 0.0)).squeeze(-1)


def _at_probabilities(
    rows: Rows, y: Tensor | None, labels: Tensor | None, p: Tensor, weights: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, list[tuple[float, Outer]], Tensor | None, Tensor]:
    """Value, slope and own curvature of each row, what bends across its classes, and dp/d(-nll)."""
    if rows.link == "log_probability":
        nll, divisor, bend = -p, torch.ones_like(p), 0.0
    else:
        divisor, bend = torch.clamp(p, min=rows.floor), 1.0
        nll = -torch.log(divisor)
    value, u, v = _sums_of_classes(rows, y, labels, nll, p, weights, None)
    slope = second = torch.zeros_like(p)
    mean_bend = None
    outers = _outers(rows, y, p)
    for k, whole in outers:
        value, slope, second = value + k * whole.value, slope + k * whole.slope, second + k * whole.own
    for term in rows.terms:
        if term.argument == "pair":
            _, df, ddf = term.at(_shares(y, labels, p), p)
            slope, second = slope + df, second + ddf
        elif term.argument == "mean_nll":
            f, df, mean_bend = _added(mean_bend, term.at(_mean(weights, nll)))
            share = df.unsqueeze(-1) / p.shape[-1]
            value, u = value + f, u + (share if weights is None else share * weights)
    # Divided twice, not by the square: that is 0 for a probability at the floor.
    second = second + (v + bend * u) / divisor / divisor
    return value, slope - u / divisor, second, outers, mean_bend, divisor


def _sums_of_classes(
    rows: Rows, y: Tensor | None, labels: Tensor | None, nll: Tensor, p: Tensor, weights: Tensor | None,
    chain: float | None,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """The terms that are sums over the classes: their value, and u and v, the first and second
    derivative with respect to each nll. Rules of a pair (y, p) join u only where ``chain`` = dp/dnll."""
    value: Any = torch.zeros_like(nll[..., 0])
    u = v = torch.zeros_like(nll)
    for term in rows.terms:
        if term.argument == "nll" and labels is not None:
            index = labels.unsqueeze(-1)
            own = term.at(nll.gather(-1, index).squeeze(-1))
            if weights is not None:
                own = tuple(times(weights[labels], a, math.nan) for a in own)  # type: ignore[assignment]
            here = torch.arange(nll.shape[-1], device=nll.device) == index
            f, df, ddf = own[0], *(torch.where(here, a.unsqueeze(-1), 0.0) for a in own[1:])
        elif term.argument == "nll":
            assert y is not None
            own = term.at(nll)
            if weights is not None:  # 0 times inf is 0, but NaN is not lost
                own = tuple(times(weights.expand_as(a), a, math.nan) for a in own)  # type: ignore[assignment]
            f, df, ddf = (times(y, a) for a in own)
            f = _sum(f).squeeze(-1)
        elif term.argument == "pair":
            f, df, ddf = term.at(_shares(y, labels, p), p)
            f = _sum(f).squeeze(-1)
            df, ddf = (df * chain, ddf) if chain is not None else (torch.zeros_like(u), torch.zeros_like(v))
        else:
            continue
        value, u, v = value + f, u + df, v + ddf
    return value, u, v


def _outers(rows: Rows, y: Tensor | None, p: Tensor) -> list[tuple[float, Outer]]:
    """The terms that are a function of all classes' rules of a pair, with their coefficients."""
    found = []
    for term in rows.terms:
        if term.argument in OUTER:
            assert y is not None
            each = term._replace(coefficient=1.0).at(y, p)
            found.append((term.coefficient, outer(_WORDS, term.argument, term.numbers, y, *each)))
    return found


def _bent(whole: Outer, moves: Tensor) -> Tensor:
    """The second derivative of a function of all classes along ``moves``, but for each class's own."""
    along = _sum(finite(whole.across) * moves)
    bent: Tensor = whole.bend * along * along
    if isinstance(whole.w, Tensor):
        moved = finite(whole.df) * moves
        from_mean = moved - _sum(whole.w * moved)
        bent = bent + whole.tilt * _sum(whole.w * from_mean * from_mean)
    return bent.squeeze(-1)


def _shares(y: Tensor | None, labels: Tensor | None, p: Tensor) -> Tensor:
    if y is not None:
        return y
    assert labels is not None
    return (torch.arange(p.shape[-1], device=p.device) == labels.unsqueeze(-1)).to(p.dtype)


def _mean(weights: Tensor | None, nll: Tensor) -> Tensor:
    """The mean over the classes of weight * nll, where no weight is no term."""
    terms = nll if weights is None else times(weights, nll)
    return _sum(terms).squeeze(-1) / nll.shape[-1]


def _mean_slope(s: Softmax, weights: Tensor | None) -> Tensor:
    """The derivative of that mean with respect to each logit."""
    w = torch.ones_like(s.p) if weights is None else weights
    total = w.sum(-1, keepdim=True)
    return torch.where(s.top, s.p * (total - w) - w * s.rest, s.p * total - w) / s.p.shape[-1]


def _added(before: Tensor | None, term: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    f, df, ddf = term
    return f, df, ddf if before is None else before + ddf


def _column(x: Any) -> Any:
    return x.unsqueeze(-1) if isinstance(x, Tensor) else x


def _sum(x: Tensor) -> Tensor:
    """The sum of each row, one column, added up in double precision where there is any."""
    if x.dtype is torch.float64 or x.device.type == "mps":
        return x.sum(-1, keepdim=True)
    return x.sum(-1, keepdim=True, dtype=torch.float64).to(x.dtype)


_WORDS = SimpleNamespace(
    exp=torch.exp, expm1=torch.expm1, log=torch.log, log1p=torch.log1p, sqrt=torch.sqrt,
    where=torch.where, minimum=lambda x, most: torch.clamp(x, max=most),
    max=lambda x, axis, keepdims: x.amax(axis, keepdim=keepdims),
    sum=lambda x, axis, keepdims=False: _sum(x) if keepdims else _sum(x).squeeze(axis),
)  # fmt: skip
"""What losskit.engines.row_outer is written in; here where a compiler can trace it, whatever the dtype."""
