"""Losses of the sums tp = sum y p, fp = sum (1-y) p and fn = sum y (1-p), over each class, sample or all.

With L(tp, fp, fn) of one region and its derivatives A, B and C in the three sums,

    dL/dp = A y + B (1-y) - C y,

or, where differences d = y - p are squared, A y + 2 B max(-d, 0) - 2 C max(d, 0).
"""

from typing import Any

from losskit.engines.formulas.masks import Masks, chain, class_weights, probabilities, read
from losskit.structures.overlap import OverlapLoss

AXES = {"all": (0, 1), "class": (0,), "sample": (1,), "sample_class": ()}
"""Over which of the axes (sample, class) the sums of a term go."""


def terms(xp: Any, loss: OverlapLoss, y: Any, p: Any, weight: Any = None) -> Any:
    """The loss of each region."""
    x = read(xp, loss, y, p, weight)
    sums, _, own = regions(xp, loss, _sums(xp, loss, x))
    value = xp.rule(loss.value)(*sums, *loss.rule_parameters) * own
    return xp.cast(xp.reshape(value, x.axes.terms(loss.per)), xp.float)


def pullback(xp: Any, loss: OverlapLoss, cotangent: Any, y: Any, p: Any, weight: Any = None) -> tuple[Any]:
    """The derivative of the terms, each times its cotangent, in the predictions."""
    x = read(xp, loss, y, p, weight)
    sums, share, own = regions(xp, loss, _sums(xp, loss, x))
    seed = xp.reshape(xp.cast(cotangent, xp.wide), x.axes.regions(loss.per)) * own * share
    slopes = xp.rule(loss.slopes)(*sums, *loss.rule_parameters)
    of_tp, of_fp, of_fn = (xp.cast(seed * slope, xp.float) for slope in slopes)
    if loss.squares:
        d = _difference(xp, loss, x)
        above, below = 2.0 * xp.maximum(-d, xp.zeros_like(d)), 2.0 * xp.maximum(d, xp.zeros_like(d))
        slope = of_tp * x.y + of_fp * above - of_fn * below
    else:
        slope = (of_tp - of_fn) * x.y + of_fp * (1.0 - x.y)  # of one sign each: nothing cancels
    return (xp.reshape(chain(xp, loss, x.z, x.w * slope), p.shape),)


def _sums(xp: Any, loss: OverlapLoss, x: Masks) -> tuple[Any, Any, Any]:
    """tp, fp and fn of each class of each sample."""
    p, q = probabilities(xp, loss, x.z)
    fp, fn = (1.0 - x.y) * p, x.y * q
    if loss.squares:
        d = _difference(xp, loss, x)
        fp, fn = xp.where(d < 0.0, d * d, xp.zeros_like(d)), xp.where(d < 0.0, xp.zeros_like(d), d * d)
    tp, fp, fn = (xp.sum(x.w * s, axis=2, keepdims=True, dtype=xp.wide) for s in (x.y * p, fp, fn))
    return tp, fp, fn


def class_sums(
    xp: Any, loss: OverlapLoss, y: Any, p: Any, weight: Any = None
) -> tuple[tuple[Any, ...], float]:
    """tp, fp and fn of each class over all samples, and the weight of all elements."""
    x = read(xp, loss, y, p, weight)
    sums = tuple(xp.sum(s, axis=0, keepdims=True) for s in _sums(xp, loss, x))
    return sums, float(xp.sum(x.w))


def _difference(xp: Any, loss: OverlapLoss, x: Masks) -> Any:
    """y - p as y (1-p) - (1-y) p, which does not cancel for a prediction that is almost right."""
    p, q = probabilities(xp, loss, x.z)
    return x.y * q - (1.0 - x.y) * p


def regions(xp: Any, loss: OverlapLoss, sums: tuple[Any, Any, Any]) -> tuple[tuple[Any, ...], Any, Any]:
    """The sums of each term; the share that each class has in them; and what a term is multiplied by."""
    axes = AXES[loss.per]
    weights = xp.cast(class_weights(xp, loss), xp.wide)
    one = xp.ones_like(weights[:, :1])
    if 1 not in axes:
        return tuple(xp.sum(s, axis=axes, keepdims=True) for s in sums) if axes else sums, one, weights
    share = weights
    if loss.volume_power != 0.0:
        share = weights * _by_volume(xp, loss, sums[0] + sums[2])
    return tuple(xp.sum(share * s, axis=axes, keepdims=True) for s in sums), share, one


def _by_volume(xp: Any, loss: OverlapLoss, volume: Any) -> Any:
    """Each class's weight beside that of the smallest one; an absent class counts like the smallest."""
    volume = xp.stop(xp.sum(volume, axis=0, keepdims=True) if loss.per == "all" else volume)
    there = volume > 0.0
    smallest = xp.min(xp.where(there, volume, xp.full_like(volume, xp.finfo_max)), axis=1, keepdims=True)
    ratio = xp.where(there, smallest / xp.where(there, volume, xp.ones_like(volume)), xp.ones_like(volume))
    return xp.power(ratio, loss.volume_power)
