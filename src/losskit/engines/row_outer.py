"""Rules of a pair (y, p) whose sum over the classes is not the loss of a row yet, on arrays of any framework.

A "root_pair" is the square root of the sum of f(y, p), a "tilted_pair" with the tilt k the logarithm
of the target's mean of e^(k f), over k. The rules of the latter are straight lines in log p, of one slope.
"""

import math
from typing import Any, NamedTuple


class Outer(NamedTuple):
    """The value of each row, and its derivatives with respect to p."""

    value: Any
    slope: Any
    own: Any
    """The second derivative is diag(own) + bend * across acrossᵀ + tilt (diag(w) - w wᵀ) df dfᵀ."""
    across: Any
    bend: Any
    spread: Any
    """The diagonal of its last part, in p and in the logits alike."""
    tilt: Any
    w: Any
    df: Any


def outer_value(xp: Any, argument: str, numbers: tuple[Any, ...], y: Any, f: Any) -> Any:
    """What becomes of the rules' values at all classes, the last axis."""
    return root(xp, f) if argument == "root_pair" else tilted(xp, numbers[0], y, f)[0]


def outer(xp: Any, argument: str, numbers: tuple[Any, ...], y: Any, f: Any, df: Any, ddf: Any) -> Outer:
    """The same, and what becomes of their slopes and curvatures."""
    if argument == "root_pair":
        return _root(xp, f, df, ddf)
    tilt = numbers[0]
    value, weight = tilted(xp, tilt, y, f)
    slope = xp.where(weight == 0.0, 0.0, weight * df)
    own = xp.where((ddf == 0.0) | (slope == 0.0), 0.0, slope * df)  # ddf is df², if not 0, and may overflow
    below = xp.sum(xp.where(weight > 0.5, 0.0, weight), axis=-1, keepdims=True)
    rest = xp.where(weight > 0.5, below, 1.0 - weight)  # 1 - w without cancellation
    spread = xp.where((slope == 0.0) | (rest == 0.0), 0.0, tilt * rest * slope * df)
    spread = xp.where(abs(own) == math.inf, 0.0, spread)  # which then outweighs it
    return Outer(value, slope, own, 0.0 * df, 0.0, spread, tilt, weight, df)


def root(xp: Any, f: Any) -> Any:
    """The square root of each row's sum; differentiable where that is 0, with a slope of 0."""
    total = xp.sum(f, axis=-1)
    there = total != 0.0  # NaN is
    return xp.where(there, xp.sqrt(xp.where(there, total, 1.0)), 0.0)


def _root(xp: Any, f: Any, df: Any, ddf: Any) -> Outer:
    value = root(xp, f)
    length = value[..., None]
    there = length != 0.0
    weight = xp.where(there, 0.5 / xp.where(there, length, 1.0), 0.0)
    # Divided before it is squared: the third power of the length may be 0.
    return Outer(value, weight * df, weight * ddf, 2.0 * weight * df, -0.5 * weight, 0.0, 0.0, 0.0, df)


def tilted(xp: Any, tilt: float, y: Any, f: Any) -> tuple[Any, Any]:
    """log(sum(y e^(k f))) / k of each row, and the weight of each class in it.

    Near 0 it is log1p of the sum of y (e^(k f) - 1), for y sums to 1; far from it the largest power is
    taken out, so that none overflows.
    """
    absent = y == 0.0
    b = xp.where(absent, 0.0, tilt * xp.where(absent, 0.0, f))
    most = xp.max(xp.where(absent, -math.inf, b), axis=-1, keepdims=True)
    tame = xp.minimum(b, 32.0)
    excess = xp.sum(y * xp.expm1(tame), axis=-1, keepdims=True)
    near = (most <= 32.0) & (excess > -0.5)
    reference = xp.where(near, 0.0, most)
    # Neither inf - inf, nor what a share of 0 would multiply: a derivative would see its infinity.
    powers = y * xp.exp(xp.where(absent | (b == reference), 0.0, b - reference))
    total = xp.where(near, 1.0 + excess, xp.sum(powers, axis=-1, keepdims=True))
    far = reference + xp.log(total)
    value = xp.where(near, xp.log1p(xp.where(near, excess, 0.0)), far) / tilt
    return value[..., 0], powers / total
