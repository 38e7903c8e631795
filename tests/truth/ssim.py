"""Structural similarity by its definition, and the images that it is tried on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from mpmath import mp, mpf

from .jets import Mpf
from .sample import Sample
from .variation import _planes

SCALES = ("0.0448", "0.2856", "0.3001", "0.2363", "0.1333")


def _ssim(
    true: Any, pred: Any, window: int = 11, sigma: Any = 1.5, data_range: Any = 1.0, k1: Any = 0.01, k2: Any = 0.03,
    scales: int = 1, scale_exponents: Any = None, **_: Any,
) -> list[Mpf]:  # fmt: skip
    """Wang et al. 2004, eq. 13; with scales, Wang et al. 2003, eq. 7."""
    half = window // 2
    line = [mp.exp(-(mpf(k) ** 2) / (2 * mpf(sigma) ** 2)) for k in range(-half, half + 1)]
    line = [x / sum(line) for x in line]
    c1, c2 = (mpf(k1) * mpf(data_range)) ** 2, (mpf(k2) * mpf(data_range)) ** 2
    exponents = [mpf(float(e)) for e in scale_exponents or SCALES[:scales]]
    terms = []
    for x, y in zip(true, pred, strict=True):
        pairs = list(zip(_planes(x), _planes(y), strict=True))
        if scales == 1 and scale_exponents is None:
            each = [1 - _both(a, b, line, c1, c2)[0] for a, b in pairs]
        else:
            each = [1 - _product(a, b, line, c1, c2, exponents) for a, b in pairs]
        terms.append(sum(each, mpf(0)) / len(each))
    return terms


def _product(x: Any, y: Any, line: list[Mpf], c1: Mpf, c2: Mpf, exponents: list[Mpf]) -> Mpf:
    product = mpf(1)
    for j, exponent in enumerate(exponents):
        if j:
            x, y = _halved(x), _halved(y)
        factor = _both(x, y, line, c1, c2)[0 if j == len(exponents) - 1 else 1]
        product *= max(factor, mpf(0)) ** exponent
    return product


def _halved(x: Any) -> Any:
    return [
        [(x[2 * i][2 * j] + x[2 * i + 1][2 * j] + x[2 * i][2 * j + 1] + x[2 * i + 1][2 * j + 1]) / 4
         for j in range(len(x[0]) // 2)]
        for i in range(len(x) // 2)
    ]  # fmt: skip


def _both(x: Any, y: Any, line: list[Mpf], c1: Mpf, c2: Mpf) -> tuple[Mpf, Mpf]:
    """The means over windows of SSIM and of its factor of contrast and structure."""
    whole, second = [], []
    size = len(line)
    for i in range(len(x) - size + 1):
        for j in range(len(x[0]) - size + 1):
            w = [
                (line[a] * line[b], x[i + a][j + b], y[i + a][j + b])
                for a in range(size)
                for b in range(size)
            ]
            mx, my = sum(k * p for k, p, _ in w), sum(k * q for k, _, q in w)
            vx, vy = sum(k * p**2 for k, p, _ in w) - mx**2, sum(k * q**2 for k, _, q in w) - my**2
            both = sum(k * p * q for k, p, q in w) - mx * my
            luminance = (2 * mx * my + c1) / (mx**2 + my**2 + c1)
            second.append((2 * both + c2) / (vx + vy + c2))
            whole.append(luminance * second[-1])
    return sum(whole) / len(whole), sum(second) / len(second)


SUMS = "A pixel's derivative adds up what all windows say of it."

TEXTBOOK: dict[str, Callable[..., list[Mpf]]] = {"SSIMLoss": _ssim}


def samples(name: str, parameters: dict[str, Any], dtype: str) -> Iterator[Sample]:
    """Images alike and unlike; of large windows only the values, which take long enough."""
    random = np.random.default_rng(4)
    window, scales = parameters["window"], parameters["scales"]
    few = window <= 3 and scales <= 2
    side = window * 2 ** (scales - 1)
    y = random.random((1, 1, side, side + (1 if few else 0)))
    yield Sample("unlike", (y.astype(dtype), random.random(y.shape).astype(dtype)), few)
    if few:
        yield Sample(
            "almost alike", (y.astype(dtype), (y + 1e-3 * random.standard_normal(y.shape)).astype(dtype))
        )
        yield Sample("opposite", (y.astype(dtype), (1.0 - y).astype(dtype)), scales == 1)
        yield Sample("alike", (y.astype(dtype), y.astype(dtype)))
        yield Sample(
            "two flat ones", (np.full_like(y, 0.25, dtype), np.full_like(y, 0.5, dtype)), scales == 1
        )
        yield Sample("black", (np.zeros_like(y, dtype), np.full_like(y, 0.5, dtype)), scales == 1)
