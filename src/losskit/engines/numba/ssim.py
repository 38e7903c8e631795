"""Structural similarity on the CPU: plane by plane, the statistics of all windows and their way back in scratch memory."""
# mypy: disable-error-code="untyped-decorator"

from functools import partial
from typing import Any

import numpy as np
from numba import njit

from losskit.engines import memory
from losskit.engines.array_formula import Arrays
from losskit.engines.inputs import Array
from losskit.engines.numba import pool
from losskit.structures.images import SimilarityOfImagesLoss

_ALONE = 4_000  # pixels; below, waking a thread costs more than it saves


def kernel(
    loss: SimilarityOfImagesLoss,
    arrays: Arrays,
    cotangent: Array | None,
    needed: tuple[bool, ...],
    weight: None = None,
) -> tuple[Array, Arrays | None]:
    """Terms, and with a cotangent the gradient."""
    pred = arrays[1]
    t, p = (x.reshape(-1, *x.shape[-2:]) for x in arrays)
    channels = len(p) // len(pred)
    each = (
        None
        if cotangent is None
        else np.repeat(np.asarray(cotangent, np.float64).reshape(-1), channels) / channels
    )
    if loss.scale_weights is None:
        lost, gradient = _scale(loss, t, p, each, with_means=True)
    else:
        lost, gradient = _many_scales(loss, t, p, each)
    terms = lost.reshape(len(pred), channels).mean(axis=1)
    if gradient is None:
        return terms, None
    answer = memory.empty(pred.size, pred.dtype).reshape(pred.shape)
    answer[...] = gradient.reshape(pred.shape)
    return terms, (answer,)


def _many_scales(
    loss: SimilarityOfImagesLoss, t: Array, p: Array, each: Array | None
) -> tuple[Array, Array | None]:
    """What each plane has lost of 1 over all scales, and the gradient."""
    exponents = loss.scale_weights or ()
    pairs, lost = [(t, p)], []
    for j in range(len(exponents)):
        if j:
            pairs.append((_halved(pairs[-1][0]), _halved(pairs[-1][1])))
        lost.append(_scale(loss, *pairs[j], None, with_means=j == len(exponents) - 1)[0])
    alive = np.all([x < 1.0 for x in lost], axis=0)
    log_product = sum(w * np.log1p(-np.where(alive, x, 0.0)) for w, x in zip(exponents, lost, strict=True))
    whole = np.where(alive, -np.expm1(log_product), np.where(np.isnan(sum(lost)), np.nan, 1.0))
    if each is None:
        return whole, None
    gradient: Any = None
    for j in reversed(range(len(exponents))):
        kept = np.where(alive, 1.0 - lost[j], 1.0)
        outer = np.where(alive, each * exponents[j] * np.exp(log_product) / kept, 0.0)
        _, own = _scale(loss, *pairs[j], outer, with_means=j == len(exponents) - 1)
        assert own is not None
        if gradient is not None:
            high, wide = (2 * n for n in gradient.shape[1:])
            own[:, :high, :wide] += 0.25 * np.repeat(np.repeat(gradient, 2, axis=1), 2, axis=2)
        gradient = own
    return whole, gradient


def _halved(x: Array) -> Array:
    """Means of 2 x 2 pixels in float64; an odd last line is left out."""
    high, wide = (n // 2 * 2 for n in x.shape[1:])
    x = x[:, :high, :wide].astype(np.float64, copy=False)
    return np.asarray(0.25 * ((x[:, ::2, ::2] + x[:, 1::2, ::2]) + (x[:, ::2, 1::2] + x[:, 1::2, 1::2])))


def _scale(
    loss: SimilarityOfImagesLoss, t: Array, p: Array, each: Array | None, with_means: bool
) -> tuple[Array, Array | None]:
    """The mean over windows of a + b - a b, or of b, of each plane; and its gradient times ``each``."""
    w = np.array(loss.window_weights)
    lost = np.zeros(len(p))
    gradient = None if each is None else np.empty(p.shape)
    outer = np.zeros(len(p)) if each is None else each
    loop = partial(_planes, t, p, w, *loss.constants, with_means, outer, lost, gradient)
    pool.run(loop, len(p), pool.get_num_threads() if p.size > _ALONE else 1)
    return lost, gradient


@njit(nogil=True, error_model="numpy", cache=True)
def _along_rows(w, x, mean, var):  # type: ignore[no-untyped-def]
    """Mean and variance in windows along the rows of x, in float64."""
    high, wide = mean.shape
    for i in range(high):
        m, v, row = mean[i], var[i], x[i]
        for j in range(wide):
            m[j] = 0.0
            v[j] = 0.0
        for k in range(w.size):
            part = row[k : k + wide]
            for j in range(wide):
                m[j] += w[k] * part[j]
        for k in range(w.size):
            part = row[k : k + wide]
            for j in range(wide):
                gap = part[j] - m[j]
                v[j] += w[k] * (gap * gap)


@njit(nogil=True, error_model="numpy", cache=True)
def _along_columns(w, i, mean, var, whole, spread):  # type: ignore[no-untyped-def]
    """Mean and variance in the windows whose first row is i, from those along rows."""
    wide = whole.size
    for j in range(wide):
        whole[j] = 0.0
        spread[j] = 0.0
    for k in range(w.size):
        m = mean[i + k]
        for j in range(wide):
            whole[j] += w[k] * m[j]
    for k in range(w.size):
        m, v = mean[i + k], var[i + k]
        for j in range(wide):
            gap = m[j] - whole[j]
            spread[j] += w[k] * (v[j] + gap * gap)


@njit(nogil=True, error_model="numpy", cache=True)
def _back(w, g, lines, out):  # type: ignore[no-untyped-def]
    """What windows say, carried back to their pixels; ``lines`` is scratch."""
    high, wide = g.shape
    lines[:] = 0.0
    for i in range(high):
        for k in range(w.size):
            part = lines[i, k : k + wide]
            row = g[i]
            for j in range(wide):
                part[j] += w[k] * row[j]
    out[:] = 0.0
    for i in range(high):
        row = lines[i]
        for k in range(w.size):
            part = out[i + k]
            for j in range(row.size):
                part[j] += w[k] * row[j]


@njit(nogil=True, error_model="numpy", cache=True)
def _planes(t, p, w, c1, c2, with_means, outer, lost, gradient, first, last):  # type: ignore[no-untyped-def]
    """Planes first..last-1: what they lose, and the gradient where there is an array for it."""
    high, wide = p.shape[1:]
    lines, windows = (high, wide - w.size + 1), (high - w.size + 1, wide - w.size + 1)
    d, x = np.empty((high, wide)), np.empty((high, wide))
    mean_d, var_d = np.empty(lines), np.empty(lines)
    mean_t, var_t = np.empty(lines), np.empty(lines)
    mean_p, var_p = np.empty(lines), np.empty(lines)
    moments = np.empty((6, windows[1]))
    in_d, in_p, in_means = np.empty(windows), np.empty(windows), np.empty(windows)
    scratch, back = np.empty((windows[0], wide)), np.empty((high, wide))
    count = windows[0] * windows[1]
    for n in range(first, last):
        for i in range(high):
            for j in range(wide):
                d[i, j] = np.float64(p[n, i, j]) - np.float64(t[n, i, j])
                x[i, j] = t[n, i, j]
        _along_rows(w, d, mean_d, var_d)
        _along_rows(w, x, mean_t, var_t)
        for i in range(high):
            for j in range(wide):
                x[i, j] = p[n, i, j]
        _along_rows(w, x, mean_p, var_p)
        total = 0.0
        factor = 2.0 * outer[n] / count
        for i in range(windows[0]):
            _along_columns(w, i, mean_d, var_d, moments[0], moments[1])
            _along_columns(w, i, mean_t, var_t, moments[2], moments[3])
            _along_columns(w, i, mean_p, var_p, moments[4], moments[5])
            for j in range(windows[1]):
                md, mt, mp = moments[0, j], moments[2, j], moments[4, j]
                over_means = 1.0 / (mt * mt + mp * mp + c1)
                over_variances = 1.0 / (moments[3, j] + moments[5, j] + c2)
                a, b = md * md * over_means, moments[1, j] * over_variances
                if not with_means:
                    a = 0.0 * a
                total += a * (1.0 - b) + b
                in_d[i, j] = factor * (1.0 - a) * over_variances
                in_p[i, j] = -in_d[i, j] * b
                in_means[i, j] = -in_d[i, j] * md - in_p[i, j] * mp
                if with_means:
                    in_means[i, j] += factor * (1.0 - b) * (md - a * mp) * over_means
        lost[n] = total / count
        if gradient is not None:
            out = gradient[n]
            _back(w, in_means, scratch, out)
            _back(w, in_d, scratch, back)
            out += d * back
            _back(w, in_p, scratch, back)
            out += x * back
