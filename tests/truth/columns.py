"""Losses of a few numbers by their definitions, and the numbers that they are tried on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
from mpmath import mp, mpf

from .jets import Mpf
from .sample import Sample, keeper

Row = Sequence[Mpf]
Rows = Sequence[Row]

TEXTBOOK: dict[str, Callable[..., list[Mpf]]] = {}

_define = keeper(TEXTBOOK)


# --- likelihoods ------------------------------------------------------------------------------------


@_define("GaussianNLLLoss")
def _gaussian(y_true: Row, mean: Row, variance: Row, full: bool = False) -> list[Mpf]:
    """-log of the normal density, less ½ log 2 pi."""
    constant = mp.log(2 * mp.pi) / 2 if full else 0
    return [
        (mp.log(v) + (y - m) ** 2 / v) / 2 + constant for y, m, v in zip(y_true, mean, variance, strict=True)
    ]


@_define("LaplaceNLLLoss")
def _laplace(y_true: Row, mean: Row, scale: Row, full: bool = False) -> list[Mpf]:
    """-log of the density e^(-|y - m|/b) / 2b, less log 2."""
    constant = mp.log(2) if full else 0
    return [mp.log(b) + abs(y - m) / b + constant for y, m, b in zip(y_true, mean, scale, strict=True)]


@_define("StudentTLoss")
def _student(y_true: Row, mean: Row, scale: Row, df: float = 4.0, full: bool = False) -> list[Mpf]:
    """-log of the density of Lange, Little & Taylor 1989, less what depends on nu alone."""
    nu = mpf(df)
    constant = mp.log(mp.pi * nu) / 2 + mp.loggamma(nu / 2) - mp.loggamma((nu + 1) / 2) if full else 0
    return [
        mp.log(s) + (nu + 1) / 2 * mp.log(1 + (y - m) ** 2 / (nu * s**2)) + constant
        for y, m, s in zip(y_true, mean, scale, strict=True)
    ]


# --- boxes ------------------------------------------------------------------------------------------


@_define("BoxIoULoss")
def _box_iou(y_true: Rows, y_pred: Rows, kind: str = "iou", detach_weight: bool = False) -> list[Mpf]:
    """Rezatofighi et al. 2019, eq. 1 and algorithm 1; Zheng et al. 2020, eqs. 5 to 11."""
    return [_of_boxes(p, t, kind) for t, p in zip(y_true, y_pred, strict=True)]


def _of_boxes(p: Row, t: Row, kind: str) -> Mpf:
    if list(p) == list(t):
        return mpf(0)
    common = _area([max(p[0], t[0]), max(p[1], t[1]), min(p[2], t[2]), min(p[3], t[3])])
    hull = [min(p[0], t[0]), min(p[1], t[1]), max(p[2], t[2]), max(p[3], t[3])]
    union = _area(p) + _area(t) - common
    iou = common / union if union else mpf(0)
    loss = 1 - iou
    if kind == "giou" and _area(hull):
        loss += (_area(hull) - union) / _area(hull)
    if kind in ("diou", "ciou"):
        centres = ((p[0] + p[2] - t[0] - t[2]) ** 2 + (p[1] + p[3] - t[1] - t[3]) ** 2) / 4
        loss += centres / ((hull[2] - hull[0]) ** 2 + (hull[3] - hull[1]) ** 2)
    if kind == "ciou":
        v = 4 / mp.pi**2 * (_slant(t) - _slant(p)) ** 2 if _has_slant(p) and _has_slant(t) else mpf(0)
        loss += v * v / (1 - iou + v) if v else 0
    return loss


def _area(box: Row) -> Mpf:
    return max(box[2] - box[0], mpf(0)) * max(box[3] - box[1], mpf(0))


def _has_slant(box: Row) -> bool:
    return bool(box[2] > box[0] or box[3] > box[1])


def _slant(box: Row) -> Mpf:
    """arctan(width / height)."""
    return mp.atan2(box[2] - box[0], box[3] - box[1])


# --- adversarial, latent, ranking ---------------------------------------------------------------------


def _flat(x: Any) -> list[Mpf]:
    return [number for row in x for number in _flat(row)] if isinstance(x, list) else [x]


def _log_one_minus_sigmoid(s: Mpf) -> Mpf:
    return mp.log(1 - 1 / (1 + mp.exp(-s)))


def _log_sigmoid(s: Mpf) -> Mpf:
    return mp.log(1 / (1 + mp.exp(-s)))


@_define("GeneratorLoss")
def _generator(fake: Row, kind: str = "nonsaturating") -> list[Mpf]:
    rule: dict[str, Callable[[Mpf], Mpf]] = {
        "minimax": _log_one_minus_sigmoid,
        "nonsaturating": lambda s: -_log_sigmoid(s),
        "least_squares": lambda s: (s - 1) ** 2 / 2,
        "hinge": lambda s: -s,
        "wasserstein": lambda s: -s,
    }
    return [rule[kind](s) for s in fake]


@_define("DiscriminatorLoss")
def _discriminator(real: Any, fake: Any, kind: str = "nonsaturating") -> list[Mpf]:
    """Goodfellow et al. 2014, eq. 1; Mao et al. 2017, eq. 2; Lim & Ye 2017; Arjovsky et al. 2017, eq. 3."""
    minimax = (lambda s: -_log_sigmoid(s), lambda s: -_log_one_minus_sigmoid(s))
    rules: dict[str, tuple[Callable[[Mpf], Mpf], Callable[[Mpf], Mpf]]] = {
        "minimax": minimax,
        "nonsaturating": minimax,
        "least_squares": (lambda s: (s - 1) ** 2 / 2, lambda s: s**2 / 2),
        "hinge": (lambda s: max(mpf(0), 1 - s), lambda s: max(mpf(0), 1 + s)),
        "wasserstein": (lambda s: -s, lambda s: s),
    }
    of_real, of_fake = rules[kind]
    return [of_real(r) + of_fake(f) for r, f in zip(_flat(real), _flat(fake), strict=True)]


@_define("GaussianKLDivergence")
def _gaussian_kl(
    mean: Rows, log_variance: Rows, other_mean: Rows | None = None, other_log_variance: Rows | None = None
) -> list[Mpf]:
    """Kingma & Welling 2014, appendix B, and for two Gaussians the integral of p log(p/q)."""
    nothing = [[mpf(0)] * len(row) for row in mean]
    columns = (mean, log_variance, other_mean or nothing, other_log_variance or nothing)
    return [
        sum(
            (b - a + (mp.exp(a) + (m - n) ** 2) / mp.exp(b) - 1) / 2 for m, a, n, b in zip(*rows, strict=True)
        )
        for rows in zip(*columns, strict=True)
    ]


@_define("MarginRankingLoss")
def _margin_ranking(y_true: Row, x1: Row, x2: Row, margin: float = 0.0) -> list[Mpf]:
    return [max(mpf(0), -y * (a - b) + mpf(margin)) for y, a, b in zip(y_true, x1, x2, strict=True)]


# --- what they are tried on ---------------------------------------------------------------------------


def samples(name: str, parameters: dict[str, Any], dtype: Any) -> Iterator[Sample]:
    """Ordinary and extreme arguments of the loss."""
    of_loss: dict[str, Callable[[Any, dict[str, Any]], Iterator[Sample]]] = {
        "GaussianNLLLoss": _spreads,
        "LaplaceNLLLoss": _spreads,
        "StudentTLoss": _spreads,
        "BoxIoULoss": _boxes,
        "GeneratorLoss": _scores,
        "DiscriminatorLoss": _pairs_of_scores,
        "GaussianKLDivergence": _latents,
        "MarginRankingLoss": _rankings,
    }
    yield from of_loss[name](np.dtype(dtype).type, parameters)


def _spreads(kind: Any, parameters: dict[str, Any]) -> Iterator[Sample]:
    random, info = np.random.default_rng(3), np.finfo(kind)
    y, mean = random.standard_normal((2, 8)).astype(kind)
    spread = random.lognormal(size=8).astype(kind)
    yield Sample("ordinary", (y, mean, spread))
    yield Sample("close", (y, np.nextafter(y, kind(9)), spread))
    yield Sample("standardised residuals of 1", (kind(0) * y, np.sqrt(spread), spread))
    one = np.ones(3, kind)
    for power in (info.maxexp // 2 - 4, info.maxexp - 4):
        large = np.ldexp(one, power)
        yield Sample(f"far by 2**{power}", (one, large, one))
        yield Sample(f"spread 2**{power}", (one, large / 2, large))
        yield Sample(f"spread 2**-{power}", (one, one + info.eps, one / large))
    yield Sample("tiny", (info.tiny * one, 3 * info.tiny * one, info.tiny * one))
    yield Sample("met exactly", (y, y, spread), smooth=False)


def _boxes(kind: Any, parameters: dict[str, Any]) -> Iterator[Sample]:
    smooth = not (parameters.get("kind") == "ciou" and parameters.get("detach_weight"))
    random, info = np.random.default_rng(5), np.finfo(kind)

    def pair(name: str, t: Any, p: Any, smooth: bool = smooth) -> Sample:
        return Sample(name, (np.array([t], kind), np.array([p], kind)), smooth)

    corner, size = random.uniform(0, 3, (2, 4, 2)), random.uniform(1, 4, (2, 4, 2))
    yield Sample("ordinary", tuple(np.concatenate((corner, corner + size), axis=2).astype(kind)), smooth)
    t = np.array([0.25, 0.5, 4.75, 3.25], kind)
    nudge = info.eps * np.array([-4, -4, 8, 4], kind)
    moved = t + np.array([0.5, 0.25, -0.125, 1], kind)
    yield pair("almost the same", t, t * (1 + nudge))
    yield pair("apart along x", t, t + np.array([6, 0.125, 7, -0.125], kind))
    yield pair("apart along both", t, t - np.array([9, 7, 8, 9], kind))
    yield pair("within", t, [1, 1, 2, 3])
    yield pair("around", t, [-1, -2, 7, 4])
    yield pair("across", t, [1, -2, 2, 6])
    yield pair("thin", t, [1, 1, 1 + info.eps, 6])
    for power in (info.maxexp // 2 + 4, info.maxexp - 4, -info.maxexp // 2 - 4, info.minexp + 4):
        far = power < 0 and kind == np.float64  # where the steps of the truth's differences are too large
        scale = np.ldexp(kind(1), power)
        yield pair(f"times 2**{power}", t * scale, moved * scale, smooth and not far)
    yield pair("at both ends", [-info.max, 0, info.max / 2, 1], [0, 0, info.max, 1], smooth=False)
    for name, p in {
        "the same": t, "touching": [4.75, 0, 6, 3], "common edge": [0.25, 1, 5, 3], "empty within": [1, 1, 1, 2],
        "a point within": [1, 1, 1, 1], "a point outside": [9, 9, 9, 9], "a point on a corner": [0.25, 0.5, 0.25, 0.5],
    }.items():  # fmt: skip
        yield pair(name, t, p, smooth=False)
        yield pair(f"{name}, exchanged", p, t, smooth=False)
    point, line, flat = [1, 1, 1, 1], [1, 0, 1, 3], [0, 1, 3, 1]
    for i, (a, b) in enumerate(product((point, line, flat), repeat=2)):
        yield pair(f"empty {i}", a, b, smooth=False)
        yield pair(f"empty and apart {i}", a, [x + 2 for x in b], smooth=False)


_SCORES = (0.0, 0.5, -0.75, 3.0, -4.0, 20.0, -20.0, 80.0, -80.0, 1e-3, -1e-20)


def _scores(kind: Any, parameters: dict[str, Any]) -> Iterator[Sample]:
    yield Sample("scores", (np.array(_SCORES, kind),))
    yield Sample("of generated samples that pass", (np.array([1, 1 + 2**-20, 1 - 2**-20], kind),))


def _pairs_of_scores(kind: Any, parameters: dict[str, Any]) -> Iterator[Sample]:
    scores = np.array(_SCORES, kind)
    yield Sample("scores", (scores, scores[::-1].copy()))
    yield Sample("a table", (scores[:6].reshape(2, 3), scores[3:9].reshape(2, 3)))
    yield Sample("at the margins", (np.array([1, -1], kind), np.array([-1, 1], kind)), smooth=False)


def _latents(kind: Any, parameters: dict[str, Any]) -> Iterator[Sample]:
    random = np.random.default_rng(9)
    m, a, n, b = random.standard_normal((4, 3, 3)).astype(kind)
    yield Sample("beside the standard normal", (m, a, None, None))
    yield Sample("beside another", (m, a, n, b))
    yield Sample("of another mean", (m, a, n, None))
    yield Sample("of another variance", (m, a, None, b))
    for small in (1e-3, 1e-8, 1e-20):
        yield Sample(f"almost standard, {small}", (m * kind(small), a * kind(small), None, None))
        yield Sample(f"almost the other, {small}", (m, a, m + kind(small), a - kind(small)))
    yield Sample("series and difference", (kind(0) * m, np.full((3, 3), 1, kind) + a / 64, None, None))
    yield Sample("narrow", (m, kind(80) * a, None, None))
    yield Sample("far", (m * kind(1e10), a, n, kind(20) * b))


def _rankings(kind: Any, parameters: dict[str, Any]) -> Iterator[Sample]:
    x1, x2 = np.random.default_rng(13).standard_normal((2, 8)).astype(kind)
    y = np.array([1, -1] * 4, kind)
    yield Sample("ordinary", (y, x1, x2))
    yield Sample("close", (y, x1, np.nextafter(x1, kind(9))), smooth=False)
    yield Sample("equal", (y, x1, x1), smooth=False)
    large = np.finfo(kind).max / 4
    yield Sample(
        "huge", (y[:2], np.array([large, large], kind), np.array([-large, -large], kind)), smooth=False
    )
