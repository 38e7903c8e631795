"""A linear layer and a loss of its softmax rows as array operations, a tile of rows at a time.

With o the sum of exp(z_j - z_top) over all classes but that of the largest logit,

    nll_j = (z_top - z_j) + log1p(o),   p_top = 1 / (1 + o),   1 - p_top = o / (1 + o),

so nothing cancels in the tails. With u_j the derivative of the loss with respect to nll_j, its
derivative with respect to the logits is p_k (sum u + df/dlse) - u_k.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from losskit.engines.array_formula import Fault
from losskit.engines.formulas.tiles import tiles
from losskit.structures.linear import LinearLoss

SUM_TOLERANCE = 1e-3
"""How far the sum of a distribution may be from 1."""


class Softmax(NamedTuple):
    """What rules and derivatives of rows of logits are made of."""

    top: Any
    p: Any
    rest: Any
    """1 - p, in the column of the largest logit."""
    nll: Any
    lse: Any


def shape(loss: LinearLoss, *shapes: tuple[int, ...] | None) -> tuple[int, ...]:
    """One term a row."""
    y_true, hidden, weight, bias = shapes
    assert y_true is not None
    assert hidden is not None
    assert weight is not None
    if len(weight) != 2 or not hidden or hidden[-1] != weight[1]:
        hint = "; pass weight.T" if len(weight) == 2 and hidden and hidden[-1] == weight[0] else ""
        raise ValueError(
            "hidden must be (..., features) and weight (classes, features), got hidden of shape "
            f"{hidden} and weight of shape {weight}{hint}"
        )
    rows, classes = hidden[:-1], weight[0]
    if bias is not None and bias != (classes,):
        raise ValueError(
            f"bias must be of shape ({classes},), one number a class of weight, got shape {bias}"
        )
    if loss.class_weights is not None and len(loss.class_weights) != classes:
        raise ValueError(
            f"class_weights has {len(loss.class_weights)} numbers, but weight of shape {weight} has {classes} classes"
        )
    kinds = {"index": rows, "distribution": (*rows, classes)}
    if y_true != kinds[loss.targets]:
        other = next((kind for kind, fits in kinds.items() if y_true == fits), None)
        hint = f'; for such targets pass targets="{other}"' if other else ""
        raise ValueError(
            f'y_true must be of shape {kinds[loss.targets]} with targets="{loss.targets}" and hidden of shape '
            f"{hidden}, got shape {y_true}{hint}"
        )
    return rows


def faults(xp: Any, loss: LinearLoss, *arrays: Any) -> Iterator[Fault]:
    """Class indices out of range, and rows that are no distributions."""
    y, _, weight, _ = arrays
    if loss.targets == "index":
        classes = weight.shape[0]
        wrong = xp.logical_or(y < 0, y >= classes)
        if loss.ignore_index is not None:
            wrong = xp.logical_and(wrong, y != loss.ignore_index)
        yield Fault("y_true", wrong, f"in 0..{classes - 1}, the classes of weight", index=True)
    else:
        yield Fault("y_true", xp.logical_or(y < 0.0, y > 1.0), "probabilities in [0, 1]")
        away = xp.abs(xp.sum(y, axis=-1) - 1.0) > SUM_TOLERANCE
        yield Fault("y_true", away, f"rows that sum to 1 (to {SUM_TOLERANCE:g})")


def present(xp: Any, loss: LinearLoss, *arrays: Any) -> Any:
    """Which rows are not ignored."""
    return None if loss.ignore_index is None else arrays[0] != loss.ignore_index


def terms(xp: Any, loss: LinearLoss, *arrays: Any) -> Any:
    """The loss of each row."""
    y, hidden, weight, bias = arrays
    rows = hidden.shape[:-1]

    def step(state: Any, tile: Any) -> tuple[Any, Any]:
        targets, h = tile
        s = _softmax(xp, _logits(xp, h, weight, bias))
        return state, _value(xp, loss, s, _shares(xp, loss, targets, weight))

    _, found = xp.scan(step, xp.zeros(()), tiles(xp, *_flat(xp, loss, y, hidden)))
    return xp.reshape(xp.reshape(found, (-1,))[: _count(rows)], rows)


def pullback(xp: Any, loss: LinearLoss, cotangent: Any, *arrays: Any) -> tuple[Any, ...]:
    """The derivative of the terms, each times its cotangent, with respect to hidden, weight and bias."""
    y, hidden, weight, bias = arrays
    flat = _flat(xp, loss, y, hidden)

    def step(state: Any, tile: Any) -> tuple[Any, Any]:
        share, targets, h = tile
        s = _softmax(xp, _logits(xp, h, weight, bias))
        g = xp.expand_dims(share, -1) * _slope(xp, loss, s, _shares(xp, loss, targets, weight))
        of_weight, of_bias = state
        of_weight = of_weight + xp.matmul(xp.swapaxes(g, 0, 1), h)
        return (of_weight, of_bias + xp.sum(g, axis=0)), xp.matmul(g, weight)

    start = xp.zeros_like(weight), xp.zeros_like(weight[:, 0])
    share = xp.reshape(cotangent, (-1,))
    (of_weight, of_bias), found = xp.scan(step, start, tiles(xp, share, *flat))
    of_hidden = xp.reshape(found, (-1, weight.shape[1]))[: _count(hidden.shape[:-1])]
    return xp.reshape(of_hidden, hidden.shape), of_weight, None if bias is None else of_bias


def _count(rows: tuple[int, ...]) -> int:
    count = 1
    for n in rows:
        count *= n
    return count


def _flat(xp: Any, loss: LinearLoss, y: Any, hidden: Any) -> tuple[Any, Any]:
    """Targets and hidden states with their rows on one axis."""
    ends = () if loss.targets == "index" else y.shape[-1:]
    return xp.reshape(y, (-1, *ends)), xp.reshape(hidden, (-1, hidden.shape[-1]))


def _logits(xp: Any, hidden: Any, weight: Any, bias: Any) -> Any:
    z = xp.matmul(hidden, xp.swapaxes(weight, 0, 1))
    return z if bias is None else z + bias


def _shares(xp: Any, loss: LinearLoss, targets: Any, weight: Any) -> tuple[Any, Any]:
    """The targets' shares times the class weights, and these, or None."""
    y = targets if loss.targets == "distribution" else xp.one_hot(targets, weight.shape[0])
    if loss.class_weights is None:
        return y, None
    of_class = xp.stack([xp.full((), w) for w in loss.class_weights])
    return y * of_class, of_class


def _softmax(xp: Any, z: Any) -> Softmax:
    top = xp.expand_dims(xp.argmax(z, axis=-1), -1) == xp.arange(z.shape[-1])
    nothing = xp.zeros_like(z)
    z_top = xp.sum(xp.where(top, z, nothing), axis=-1, keepdims=True)
    gap = xp.where(top, nothing, z_top - z)
    power = xp.where(top, nothing, xp.exp(-gap))
    others = xp.cast(xp.sum(power, axis=-1, keepdims=True, dtype=xp.wide), xp.float)
    log_sum = xp.log1p(others)
    p = xp.where(top, xp.ones_like(z), power) / (1.0 + others)
    return Softmax(top, p, others / (1.0 + others), gap + log_sum, (z_top + log_sum)[:, 0])


def _mean_nll(xp: Any, nll: Any, of_class: Any) -> Any:
    """The mean over the classes of weight * nll."""
    total = xp.sum(_times(xp, of_class, nll), axis=-1, dtype=xp.wide)
    return xp.cast(total, xp.float) / nll.shape[-1]


def _times(xp: Any, share: Any, x: Any) -> Any:
    """share * x, 0 where the share is 0 even if x is infinite; a share of None is 1."""
    if share is None:
        return x
    nothing = xp.zeros_like(x)
    return xp.where(share + nothing == 0.0, nothing, share * x)


def _value(xp: Any, loss: LinearLoss, s: Softmax, shares: tuple[Any, Any]) -> Any:
    share, of_class = shares
    value = xp.zeros_like(s.lse)
    for term in loss.terms:
        f, numbers = xp.rule(term.rules.value), term.numbers(xp.finfo_tiny)
        if term.rules.argument == "nll":
            made = xp.sum(_times(xp, share, f(s.nll, *numbers)), axis=-1, dtype=xp.wide)
            made = xp.cast(made, xp.float)
        elif term.rules.argument == "mean_nll":
            made = f(_mean_nll(xp, s.nll, of_class), *numbers)
        else:
            made = f(s.lse, *numbers)
        value = value + term.coefficient * made
    return value


def _slope(xp: Any, loss: LinearLoss, s: Softmax, shares: tuple[Any, Any]) -> Any:
    """The derivative of a row's loss with respect to its logits."""
    share, of_class = shares
    u, of_lse = xp.zeros_like(s.nll), xp.zeros_like(s.lse)
    for term in loss.terms:
        f, numbers = xp.rule(term.rules.slope), term.numbers(xp.finfo_tiny)
        if term.rules.argument == "nll":
            u = u + term.coefficient * _times(xp, share, f(s.nll, *numbers) + xp.zeros_like(s.nll))
        elif term.rules.argument == "mean_nll":
            slope = f(_mean_nll(xp, s.nll, of_class), *numbers) + xp.zeros_like(s.lse)
            spread = xp.expand_dims(term.coefficient / s.nll.shape[-1] * slope, -1)
            u = u + (spread if of_class is None else spread * of_class)
        else:
            of_lse = of_lse + term.coefficient * f(s.lse, *numbers)
    of_lse = xp.expand_dims(of_lse, -1)
    total = xp.sum(u, axis=-1, keepdims=True) + of_lse
    below = xp.sum(xp.where(s.top, xp.zeros_like(u), u), axis=-1, keepdims=True) + of_lse
    return xp.where(s.top, s.p * below - u * s.rest, s.p * total - u)
