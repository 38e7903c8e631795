"""The Lovasz extension of the Jaccard loss: errors in descending order, each times what it adds to the loss.

Let the elements be wrongly predicted one after the other, the largest error first. With G elements in
the target, P of them and N others wrong so far, the Jaccard loss is J = (P + N) / (G + N + s), and

    loss = sum_k m_k (J_k - J_{k-1}),    d loss / d m_k = J_k - J_{k-1}.

Where errors are equal any order will do: the derivative is the one of least size among them. Within
such a block an element of the target adds between 1/(G+N1+s) and 1/(G+N0+s), where N goes from N0 to
N1, and each other one between (G-P1+s) and (G-P0+s) over (G+N0+s)(G+N1+s).
"""

from typing import Any

from losskit.engines.formulas.masks import Masks, chain, class_weights, probabilities, read
from losskit.structures.overlap import LovaszExtension


def terms(xp: Any, loss: LovaszExtension, y: Any, p: Any, weight: Any = None) -> Any:
    """The loss of each region."""
    x = read(xp, loss, y, p, weight)
    errors, shares = _shares(xp, loss, x)
    value = xp.sum(xp.cast(errors * shares, xp.wide), axis=1)
    return xp.cast(xp.reshape(value, x.axes.terms(loss.per)), xp.float)


def pullback(
    xp: Any, loss: LovaszExtension, cotangent: Any, y: Any, p: Any, weight: Any = None
) -> tuple[Any]:
    """The derivative of the terms, each times its cotangent, in the predictions."""
    x = read(xp, loss, y, p, weight)
    _, shares = _shares(xp, loss, x)
    back = _elements(xp, loss, x, shares)
    seed = xp.reshape(cotangent, x.axes.regions(loss.per))
    return (xp.reshape(chain(xp, loss, x.z, seed * back * (1.0 - 2.0 * x.y)), p.shape),)


def _shares(xp: Any, loss: LovaszExtension, x: Masks) -> tuple[Any, Any]:
    """The errors of each region, a row each, and what the loss changes by with each of them."""
    own = class_weights(xp, loss)
    weights, factors = (x.w, own) if "class" in loss.per else (x.w * own, xp.ones_like(own))
    arrays = (_errors(xp, loss, x), x.y, *(xp.broadcast_to(a, x.axes.shape) for a in (weights, factors)))
    m, y, w, factor = (_rows(xp, loss, x, a) for a in arrays)
    change = factor * xp.stack([_of_region(xp, loss.smooth, m[k], y[k], w[k]) for k in range(m.shape[0])])
    if loss.hinge:
        m, change = xp.maximum(m, xp.zeros_like(m)), xp.where(m > 0.0, change, xp.zeros_like(change))
    return m, xp.where(m == m, change, m)  # a NaN is in no order and must not be lost


def _errors(xp: Any, loss: LovaszExtension, x: Masks) -> Any:
    """|y - p| of targets that are 0 or 1; or of scores 1 - (2y - 1) z."""
    if loss.hinge:
        return 1.0 - (2.0 * x.y - 1.0) * x.z
    p, q = probabilities(xp, loss, x.z)
    return x.y * q + (1.0 - x.y) * p


def _rows(xp: Any, loss: LovaszExtension, x: Masks, a: Any) -> Any:
    """(outer, classes, inner) as a row for each region."""
    if loss.per == "class":
        a = xp.swapaxes(a, 0, 1)
    outer, classes, _ = x.axes.regions(loss.per)
    return xp.reshape(a, (outer * classes, -1))


def _elements(xp: Any, loss: LovaszExtension, x: Masks, rows: Any) -> Any:
    """The way back from ``_rows``."""
    outer, classes, inner = x.axes.shape
    if loss.per == "class":
        return xp.swapaxes(xp.reshape(rows, (classes, outer, inner)), 0, 1)
    return xp.reshape(rows, x.axes.shape)


def _of_region(xp: Any, smooth: float, m: Any, y: Any, w: Any) -> Any:
    """What the loss changes by with each error of one region."""
    m, w = xp.stop(m), xp.cast(w, xp.wide)
    order = xp.argsort(-m)
    ascending = -xp.take(m, order)
    first, last = (xp.searchsorted(ascending, ascending, side=side) for side in ("left", "right"))
    true, other = xp.take(w * y, order), xp.take(w * (1.0 - y), order)
    p0, p1, n0, n1 = (_before(xp, mass, place) for mass in (true, other) for place in (first, last))
    target = xp.sum(true)
    of_true, of_other = _least(xp, target + smooth, p0, p1, n0, n1)
    change = xp.take(w, order) * xp.where(xp.take(y, order) > 0.5, of_true, of_other)
    return xp.cast(xp.take(change, xp.argsort(order)), xp.float)


def _before(xp: Any, mass: Any, place: Any) -> Any:
    """The sum of all before each place."""
    return xp.take(xp.concatenate([xp.zeros_like(mass[:1]), xp.cumsum(mass)]), place)


def _least(xp: Any, target: Any, p0: Any, p1: Any, n0: Any, n1: Any) -> tuple[Any, Any]:
    """What elements of the target and others add, each one of a block of equal errors: as equal as they can be."""
    one = xp.ones_like(p0)
    before, after = target + n0, target + n1
    empty = before == 0.0  # without target and smoothing the loss leaps to 1 at once
    safe, end = xp.where(empty, one, before), xp.where(after == 0.0, one, after)
    true_least, true_most = one / end, one / safe
    other_least, other_most = (xp.where(empty, one, (target - p) / safe) / end for p in (p1, p0))
    mass = (p1 - p0) + (n1 - n0)
    equal = ((n1 - n0) * other_most + (p1 - p0) * true_least) / xp.where(mass == 0.0, one, mass)
    low, high = equal < true_least, equal > true_most
    of_true = xp.where(low, true_least, xp.where(high, true_most, equal))
    return of_true, xp.where(low, other_most, xp.where(high, other_least, equal))
