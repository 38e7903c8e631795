"""What formulas of paths share: logarithms of sums of paths, and shares that flow back along them.

Scores are logarithms, and each merge remembers which share of the paths came from where. The
derivative is the shares' way back: products of numbers between 0 and 1, without cancellation.
"""

import math
from typing import Any


def merged(xp: Any, scores: Any, softness: float = 1.0) -> tuple[Any, Any]:
    """softness * log(sum(exp(scores / softness))) along the first axis, and each one's share of the sum.

    The largest is taken out of the sum and ``log1p`` applied to the rest: near a score of 0, where one
    path is almost certain, that keeps every digit. Where all are -inf, so is the sum, and shares are 0.
    With no softness it is the largest, and equal ones share alike.
    """
    dead = xp.max(scores, axis=0) == -math.inf
    scores = xp.where(dead, xp.zeros_like(scores), scores)
    places = xp.reshape(xp.arange(scores.shape[0]), (-1,) + (1,) * (scores.ndim - 1))
    first = places == xp.argmax(scores, axis=0)  # just one, also of equal ones: derivatives pass it
    best = xp.sum(xp.where(first, scores, xp.zeros_like(scores)), axis=0)
    gaps = scores - best
    powers = xp.exp(gaps / softness) if softness > 0.0 else xp.cast(gaps == 0.0, gaps.dtype)
    others = xp.sum(xp.where(first, xp.zeros_like(scores), powers), axis=0)
    total, shares = best + softness * xp.log1p(others), powers / (1.0 + others)
    return (
        xp.where(dead, xp.full_like(total, -math.inf), total),
        xp.where(dead, xp.zeros_like(shares), shares),
    )


def later(xp: Any, x: Any, places: int, fill: float) -> Any:
    """``x`` moved towards the end of its last axis, with ``fill`` in the free places."""
    free = xp.zeros((*x.shape[:-1], places), dtype=x.dtype) + fill
    return xp.concatenate([free, x], axis=-1)[..., : x.shape[-1]]


def sooner(xp: Any, x: Any, places: int) -> Any:
    """``x`` moved towards the start of its last axis, with 0 in the free places."""
    free = xp.zeros((*x.shape[:-1], places), dtype=x.dtype)
    return xp.concatenate([x, free], axis=-1)[..., places:]


def centred(xp: Any, scores: Any) -> tuple[Any, Any]:
    """Scores less their largest along the last axis, and that: differences of small numbers keep their digits."""
    largest = xp.stop(xp.max(scores, axis=-1, keepdims=True))
    shift = xp.where(xp.isfinite(largest), largest, xp.zeros_like(largest))
    return scores - shift, shift[..., 0]


def spoilt(xp: Any, where: Any, x: Any) -> Any:
    """``x``, and NaN where something was NaN: by a product, which is linear in ``x``."""
    return x * xp.where(where, xp.full_like(x, math.nan), xp.ones_like(x))
