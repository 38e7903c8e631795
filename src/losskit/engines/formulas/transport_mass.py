"""What the forms of transport share: the weights of a set as shares of a whole, and powers of distances."""

from typing import Any


def shares(xp: Any, weight: Any) -> Any:
    """Weights as shares of their sum over the last axis; equal ones in a set without any weight, which is no term."""
    total = xp.sum(weight, axis=-1, keepdims=True, dtype=xp.wide)
    nothing = total == 0.0
    wide = xp.where(nothing, xp.ones_like(total), xp.cast(weight, xp.wide))
    return xp.cast(wide / xp.where(nothing, xp.full_like(total, weight.shape[-1]), total), xp.float)


def present(xp: Any, *weights: Any) -> Any:
    """Which sets have weight at all; None where no weights are given."""
    found = None
    for weight in weights:
        if weight is not None:
            some = xp.any(weight > 0.0, axis=-1)
            found = some if found is None else found & some
    return found


def cleared(xp: Any, points: Any, weight: Any) -> Any:
    """Points with 0 in place of what has no weight, which may be anything."""
    if weight is None:
        return points
    along = xp.reshape(weight, (*weight.shape, *((1,) * (points.ndim - weight.ndim))))
    return xp.where(along == 0.0, xp.zeros_like(points), points)


def power(xp: Any, x: Any, exponent: float) -> Any:
    """x >= 0 to a power >= 0, with 0 where x is 0 and no trouble for whoever differentiates it there."""
    if exponent == 0.0:
        return xp.ones_like(x)
    if exponent == 1.0:
        return x
    nothing = x == 0.0
    return xp.where(nothing, xp.zeros_like(x), xp.power(xp.where(nothing, xp.ones_like(x), x), exponent))


def cost(xp: Any, p: float, root: bool, total: Any, unit: Any) -> tuple[Any, Any]:
    """The cost ``unit^p * total`` or its p-th root, and its derivative with respect to the total, over the unit.

    The total is one of distances in units of the largest, so that no power of them over- or underflows.
    """
    if p == 1.0:
        return unit * total, xp.ones_like(total)
    if not root:
        return times_power(xp, total, unit, p), times_power(xp, xp.ones_like(total), unit, p - 1.0)
    nothing = total == 0.0
    safe = xp.where(nothing, xp.ones_like(total), total)
    value = xp.where(nothing, xp.zeros_like(total), unit * xp.power(safe, 1.0 / p))
    return value, xp.where(nothing, xp.zeros_like(total), xp.power(safe, 1.0 / p - 1.0) / p)


def curvature(xp: Any, p: float, root: bool, total: Any, unit: Any) -> tuple[Any, Any]:
    """What the second derivative of the cost in a point is made of, where a pth of the total has there the first
    derivative s and its own has the derivative (p - 1) b in units of the unit: the factors of b and of s^2."""
    if not root:
        return p * (p - 1.0) * times_power(xp, xp.ones_like(total), unit, p - 2.0), xp.zeros_like(total)
    nothing = total == 0.0
    safe = xp.where(nothing, xp.ones_like(total), total)
    rate = xp.where(nothing, xp.zeros_like(total), (p - 1.0) * xp.power(safe, 1.0 / p - 1.0) / unit)
    return rate, -rate / safe


def times_power(xp: Any, x: Any, unit: Any, exponent: float) -> Any:
    """``x * unit^exponent`` in two steps: the power may be too large where the product is not. What is 0 stays 0."""
    half = xp.power(unit, 0.5 * exponent)
    return xp.where(x == 0.0, x, half * (half * x))


def unit_of(xp: Any, largest: Any) -> Any:
    """The largest distance as a unit, a constant to whoever differentiates; 1 where it is 0 or no finite number."""
    fixed = xp.stop(largest)
    return xp.where((fixed > 0.0) & xp.isfinite(fixed), fixed, xp.ones_like(fixed))
