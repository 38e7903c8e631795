"""Total variation as an array formula."""

from typing import Any

from losskit.engines.array_formula import Arrays
from losskit.structures.images import VariationLoss


def shape(loss: VariationLoss, images: tuple[int, ...]) -> tuple[int, ...]:
    """One term an image."""
    if len(images) < 3:
        raise ValueError(
            f"{loss.arguments[0]} must be images of shape (n, ..., height, width), got {images}; of a single image pass "
            f"{loss.arguments[0]}[None]"
        )
    return images[:1]


def terms(xp: Any, loss: VariationLoss, images: Any) -> Any:
    """The sum of an image's differences."""
    down, across = _differences(xp, images)
    sizes = xp.abs(down) + xp.abs(across) if loss.kind == "anisotropic" else _length(xp, down, across)[0]
    return xp.cast(xp.sum(sizes, axis=tuple(range(1, images.ndim)), dtype=xp.wide), xp.float)


def pullback(xp: Any, loss: VariationLoss, cotangent: Any, images: Any) -> Arrays:
    """The adjoint of the differences, of their signs or directions."""
    down, across = _differences(xp, images)
    if loss.kind == "anisotropic":
        down, across = xp.sign(down), xp.sign(across)
    else:
        _, down, across = _length(xp, down, across)
    each = xp.reshape(xp.cast(cotangent, xp.float), (-1,) + (1,) * (images.ndim - 1))
    return (each * (_adjoint(xp, down, -2) + _adjoint(xp, across, -1)),)


def diagonal(xp: Any, loss: VariationLoss, cotangent: Any, images: Any) -> Arrays:
    """0 where it is piecewise linear; the curvature of lengths otherwise."""
    if loss.kind == "anisotropic":
        return (0.0 * images,)
    down, across = _differences(xp, images)
    length, u, v = _length(xp, down, across)
    inverse = xp.where(length > 0.0, 1.0 / xp.where(length > 0.0, length, xp.ones_like(length)), 0.0 * length)
    # d2/dx2 of sqrt(a^2 + b^2): with the pixel itself both a and b move, with a neighbour only one of them does;
    # where a neighbour is missing the length is the other difference, which has no curvature
    none = [(0, 0)] * (images.ndim - 2)
    own = xp.pad((inverse * xp.square(u - v))[..., :-1, :-1], [*none, (0, 1), (0, 1)])
    below, right = _shifted(xp, inverse * xp.square(v), -2), _shifted(xp, inverse * xp.square(u), -1)
    each = xp.reshape(cotangent, (-1,) + (1,) * (images.ndim - 1))
    return (each * (own + below + right),)


def _differences(xp: Any, images: Any) -> tuple[Any, Any]:
    """To the neighbour below and to the right; 0 where there is none."""
    down = images[..., 1:, :] - images[..., :-1, :]
    across = images[..., :, 1:] - images[..., :, :-1]
    none = [(0, 0)] * (images.ndim - 2)
    return xp.pad(down, [*none, (0, 1), (0, 0)]), xp.pad(across, [*none, (0, 0), (0, 1)])


def _adjoint(xp: Any, g: Any, axis: int) -> Any:
    """What a gradient in the differences along an axis is in the pixels."""
    return _shifted(xp, g, axis) - g


def _shifted(xp: Any, g: Any, axis: int) -> Any:
    """Each number at its neighbour; the last of a line is 0 and falls off."""
    none = [(0, 0)] * (g.ndim - 2)
    if axis == -2:
        return xp.pad(g[..., :-1, :], [*none, (1, 0), (0, 0)])
    return xp.pad(g[..., :, :-1], [*none, (0, 0), (1, 0)])


def _length(xp: Any, a: Any, b: Any) -> tuple[Any, Any, Any]:
    """sqrt(a^2 + b^2) and the direction, of any scale; both 0 where the vector is."""
    largest = xp.stop(xp.maximum(xp.abs(a), xp.abs(b)))
    lift = xp.where((largest > 0.0) & xp.isfinite(largest), largest, xp.ones_like(largest))
    x, y = a / lift, b / lift
    squares = xp.square(x) + xp.square(y)
    there = squares > 0.0
    root = xp.sqrt(xp.where(there, squares, xp.ones_like(squares)))
    zero = xp.zeros_like(root)
    length = xp.where(there | xp.isnan(squares), lift * root, zero)
    length = xp.where(xp.isnan(squares), squares, length)
    u, v = (xp.where(there | xp.isnan(squares), c / root, zero) for c in (x, y))
    return length, u, v
