"""Structural similarity as an array formula, without the cancellation of 1 - SSIM.

With means m, variances v and the difference d = p - t of the two images, each in a window,

    1 - SSIM = a + b - a b,    a = m_d^2 / (m_t^2 + m_p^2 + C1),    b = v_d / (v_t + v_p + C2),

because 2 m_t m_p = m_t^2 + m_p^2 - m_d^2, and likewise 2 cov = v_t + v_p - v_d. A variance is that of
the means of lines plus the mean of the variances of lines: sums of squares, nothing is subtracted.
"""

from typing import Any, NamedTuple

from losskit.engines.array_formula import Arrays
from losskit.structures.images import SimilarityOfImagesLoss


class Windows(NamedTuple):
    """Statistics of each window of two images."""

    a: Any
    b: Any
    mean_d: Any
    mean_p: Any
    over_means: Any
    """1 / (m_t^2 + m_p^2 + C1)."""
    over_variances: Any
    """1 / (v_t + v_p + C2)."""


def shape(loss: SimilarityOfImagesLoss, true: tuple[int, ...], pred: tuple[int, ...]) -> tuple[int, ...]:
    """One term an image."""
    t, p = loss.arguments
    if true != pred:
        raise ValueError(
            f"{t} and {p} must have the same shape, got {true} and {pred}; losskit never broadcasts arrays"
        )
    if len(pred) < 3:
        raise ValueError(
            f"{p} must be images of shape (n, ..., height, width), got {pred}; of a single image pass {p}[None]"
        )
    scales = len(loss.scale_weights or (1.0,))
    least = len(loss.window_weights) * 2 ** (scales - 1)
    if min(pred[-2:]) < least:
        raise ValueError(
            f"{p} must be at least {least} pixels high and wide for {scales} scale(s) of windows of "
            f"{len(loss.window_weights)}, got {pred[-2:]}; pass a smaller window"
        )
    return pred[:1]


def terms(xp: Any, loss: SimilarityOfImagesLoss, true: Any, pred: Any) -> Any:
    """1 - SSIM, or 1 - MS-SSIM, of each image."""
    t, p = _planes(xp, true), _planes(xp, pred)
    if loss.scale_weights is None:
        a, b, *_ = windows(xp, loss, t, p)
        return _mean(xp, a * (1.0 - b) + b, (1, 2, 3))
    lost = [lost for lost, _, _ in _scales(xp, loss, t, p)]
    return _mean(xp, -xp.expm1(_log_product(xp, loss, lost)[0]), (1,))


def pullback(xp: Any, loss: SimilarityOfImagesLoss, cotangent: Any, true: Any, pred: Any) -> Arrays:
    """The derivative of windows, carried back to pixels and through the scales."""
    t, p = _planes(xp, true), _planes(xp, pred)
    each = xp.reshape(xp.cast(cotangent, xp.float), (-1, 1)) / p.shape[1]
    if loss.scale_weights is None:
        per_window = each / _count(loss, p)
        return (xp.reshape(_gradient(xp, loss, t, p, per_window, with_means=True), pred.shape),)
    scales = _scales(xp, loss, t, p)
    log_product, alive = _log_product(xp, loss, [lost for lost, _, _ in scales])
    # 1 - prod_j (1 - lost_j)^w_j: the derivative in lost_j is the product times w_j / (1 - lost_j)
    gradient: Any = None
    for j in reversed(range(len(scales))):
        lost, t_j, p_j = scales[j]
        kept = xp.where(alive, 1.0 - lost, xp.ones_like(lost))
        outer = xp.where(
            alive, each * loss.scale_weights[j] * xp.exp(log_product) / kept, xp.zeros_like(lost)
        )
        own = _gradient(xp, loss, t_j, p_j, outer / _count(loss, p_j), with_means=j == len(scales) - 1)
        gradient = own if gradient is None else own + _doubled(xp, gradient, p_j.shape)
    return (xp.reshape(gradient, pred.shape),)


def windows(xp: Any, loss: SimilarityOfImagesLoss, t: Any, p: Any) -> Windows:
    """The statistics of all windows of planes (n, channels, height, width)."""
    c1, c2 = loss.constants
    w = loss.window_weights
    mean_d, var_d = _moments(w, p - t)
    mean_t, var_t = _moments(w, t)
    mean_p, var_p = _moments(w, p)
    over_means = 1.0 / (xp.square(mean_t) + xp.square(mean_p) + c1)
    over_variances = 1.0 / (var_t + var_p + c2)
    return Windows(
        xp.square(mean_d) * over_means, var_d * over_variances, mean_d, mean_p, over_means, over_variances
    )


def _moments(w: tuple[float, ...], x: Any) -> tuple[Any, Any]:
    """Mean and variance in each window: first along rows, then along columns."""
    wide, high = x.shape[-1] - len(w) + 1, x.shape[-2] - len(w) + 1
    mean = sum(w[k] * x[..., k : k + wide] for k in range(len(w)))
    var = sum(w[k] * (x[..., k : k + wide] - mean) ** 2 for k in range(len(w)))
    whole = sum(w[k] * mean[..., k : k + high, :] for k in range(len(w)))
    spread = sum(
        w[k] * (var[..., k : k + high, :] + (mean[..., k : k + high, :] - whole) ** 2) for k in range(len(w))
    )
    return whole, spread


def _gradient(xp: Any, loss: SimilarityOfImagesLoss, t: Any, p: Any, outer: Any, with_means: bool) -> Any:
    """The gradient in ``p`` of sum outer (a + b - a b) over windows, or of sum outer b."""
    a, b, mean_d, mean_p, over_means, over_variances = windows(xp, loss, t, p)
    outer = xp.expand_dims(xp.expand_dims(outer, -1), -1)
    kept = 1.0 - a if with_means else xp.ones_like(a)
    in_d = 2.0 * outer * kept * over_variances
    in_p = -in_d * b
    in_means = -in_d * mean_d - in_p * mean_p
    if with_means:
        in_means = in_means + 2.0 * outer * (1.0 - b) * (mean_d - a * mean_p) * over_means
    w = loss.window_weights
    back_d, back_p = _spread(xp, w, in_d), _spread(xp, w, in_p)
    return _spread(xp, w, in_means) + (p - t) * back_d + p * back_p


def _spread(xp: Any, w: tuple[float, ...], g: Any) -> Any:
    """What windows say, carried back to their pixels with the pixels' weights."""
    edge = len(w) - 1
    none = [(0, 0)] * (g.ndim - 2)
    padded = xp.pad(g, [*none, (edge, edge), (edge, edge)])
    wide, high = padded.shape[-1] - edge, padded.shape[-2] - edge
    lines = sum(w[k] * padded[..., k : k + wide] for k in range(len(w)))
    return sum(w[k] * lines[..., k : k + high, :] for k in range(len(w)))


def _scales(xp: Any, loss: SimilarityOfImagesLoss, t: Any, p: Any) -> list[tuple[Any, Any, Any]]:
    """Of each scale what the images have lost of 1, by channel, and the two images."""
    assert loss.scale_weights is not None
    scales = []
    for j in range(len(loss.scale_weights)):
        if j:
            t, p = _halved(t), _halved(p)
        a, b, *_ = windows(xp, loss, t, p)
        last = j == len(loss.scale_weights) - 1  # only the coarsest compares brightness
        scales.append((_mean(xp, a * (1.0 - b) + b if last else b, (2, 3)), t, p))
    return scales


def _log_product(xp: Any, loss: SimilarityOfImagesLoss, lost: list[Any]) -> tuple[Any, Any]:
    """log prod_j (1 - lost_j)^w_j, and whether all factors are positive: it is -inf where one is not."""
    alive = lost[0] < 1.0
    for x in lost[1:]:
        alive = alive & (x < 1.0)
    total: Any = 0.0
    for w, x in zip(loss.scale_weights or (), lost, strict=True):
        total = total + w * xp.log1p(-xp.where(alive, x, xp.zeros_like(x)))
    total = total + sum(0.0 * x for x in lost)  # NaN stays
    return xp.where(alive | xp.isnan(total), total, xp.full_like(total, -float("inf"))), alive


def _halved(x: Any) -> Any:
    """Means of 2 x 2 pixels; an odd last line is left out."""
    high, wide = x.shape[-2] // 2 * 2, x.shape[-1] // 2 * 2
    x = x[..., :high, :wide]
    return 0.25 * ((x[..., ::2, ::2] + x[..., 1::2, ::2]) + (x[..., ::2, 1::2] + x[..., 1::2, 1::2]))


def _doubled(xp: Any, g: Any, shape: tuple[int, ...]) -> Any:
    """The adjoint of ``_halved``: each number a quarter to four pixels."""
    n, c, high, wide = g.shape
    twice = xp.stack([g, g], axis=4)
    twice = xp.reshape(twice, (n, c, high, 2 * wide))
    twice = xp.reshape(xp.stack([twice, twice], axis=3), (n, c, 2 * high, 2 * wide))
    return xp.pad(0.25 * twice, [(0, 0), (0, 0), (0, shape[-2] - 2 * high), (0, shape[-1] - 2 * wide)])


def _planes(xp: Any, images: Any) -> Any:
    """Images as (n, channels, height, width)."""
    channels = 1
    for size in images.shape[1:-2]:
        channels *= size
    return xp.reshape(images, (images.shape[0], channels, *images.shape[-2:]))


def _count(loss: SimilarityOfImagesLoss, p: Any) -> int:
    """The number of windows of a plane."""
    edge = len(loss.window_weights) - 1
    count: int = (p.shape[-2] - edge) * (p.shape[-1] - edge)
    return count


def _mean(xp: Any, x: Any, axes: tuple[int, ...]) -> Any:
    return xp.cast(xp.mean(x, axis=axes, dtype=xp.wide), xp.float)
