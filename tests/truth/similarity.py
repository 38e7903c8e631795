"""Losses of similarities by their definitions, and the rows that they are tried on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from mpmath import mp, mpf

from .jets import Mpf
from .sample import Sample, keeper

Row = Sequence[Mpf]
Rows = Sequence[Row]

TEXTBOOK: dict[str, Callable[..., list[Mpf]]] = {}

_define = keeper(TEXTBOOK)


def _units(rows: Rows, normalize: bool) -> Rows:
    """The rows, or these divided by their lengths; a row of zeros stays one."""
    if not normalize:
        return rows
    lengths = [mp.sqrt(sum(a * a for a in row)) for row in rows]
    return [[a / n for a in row] if n else row for row, n in zip(rows, lengths, strict=True)]


def _similarity(u: Row, v: Row) -> Mpf:
    return sum(a * b for a, b in zip(u, v, strict=True))


def _cross_entropy(similarities: Row, right: int, temperature: Any) -> Mpf:
    """-log of the softmax at one of some similarities."""
    powers = [mp.exp(s / mpf(temperature)) for s in similarities]
    return -mp.log(powers[right] / sum(powers))


@_define("InfoNCELoss")
def _info_nce(
    z1: Rows, z2: Rows, temperature: Any = 0.1, negatives: str = "both_views", normalize: bool = True
) -> list[Mpf]:
    """Chen et al. 2020, eq. 1, the mean of both rows of a pair; van den Oord et al. 2018, eq. 4."""
    n, rows = len(z1), _units([*z1, *z2], normalize)
    if negatives == "other_view":
        return [_cross_entropy([_similarity(rows[i], v) for v in rows[n:]], i, temperature) for i in range(n)]

    def of(i: int) -> Mpf:
        others = [k for k in range(2 * n) if k != i]
        similarities = [_similarity(rows[i], rows[k]) for k in others]
        return _cross_entropy(similarities, others.index((i + n) % (2 * n)), temperature)

    return [(of(i) + of(i + n)) / 2 for i in range(n)]


@_define("CLIPLoss")
def _clip(z1: Rows, z2: Rows, temperature: Any = 0.07, normalize: bool = True) -> list[Mpf]:
    """Radford et al. 2021, figure 3."""
    there = _info_nce(z1, z2, temperature, "other_view", normalize)
    back = _info_nce(z2, z1, temperature, "other_view", normalize)
    return [(a + b) / 2 for a, b in zip(there, back, strict=True)]


@_define("SigLIPLoss")
def _siglip(
    z1: Rows, z2: Rows, temperature: Any = 0.1, bias: Any = -10.0, normalize: bool = True
) -> list[Mpf]:
    """Zhai et al. 2023, section 3.2; the rows of the sum over all pairs."""
    u, v = _units(z1, normalize), _units(z2, normalize)

    def pair(i: int, j: int) -> Mpf:
        logit = _similarity(u[i], v[j]) / mpf(temperature) + mpf(bias)
        return mp.log(1 + mp.exp(-logit if i == j else logit))

    return [sum(pair(i, j) for j in range(len(z2))) for i in range(len(z1))]


@_define("SupervisedContrastiveLoss")
def _supervised(
    labels: Sequence[int], embeddings: Rows, temperature: Any = 0.1, normalize: bool = True
) -> list[Mpf]:
    """Khosla et al. 2020, eq. 2; 0 for an anchor without positives, which does not count."""
    rows = _units(embeddings, normalize)

    def of(i: int) -> Mpf:
        others = [k for k in range(len(labels)) if k != i]
        similarities = [_similarity(rows[i], rows[k]) for k in others]
        positives = [p for p, k in enumerate(others) if labels[k] == labels[i]]
        costs = [_cross_entropy(similarities, p, temperature) for p in positives]
        return sum(costs) / len(costs) if costs else mpf(0)

    return [of(i) for i in range(len(labels))]


@_define("MultiSimilarityLoss")
def _multi_similarity(
    labels: Sequence[int], embeddings: Rows, alpha: Any = 2.0, beta: Any = 50.0, base: Any = 0.5,
    normalize: bool = True,
) -> list[Mpf]:  # fmt: skip
    """Wang et al. 2019, eq. 15, over all pairs."""
    a, b, level, rows = mpf(alpha), mpf(beta), mpf(base), _units(embeddings, normalize)

    def of(i: int) -> Mpf:
        pull, push = mpf(1), mpf(1)
        for k in range(len(labels)):
            s = _similarity(rows[i], rows[k])
            if k != i and labels[k] == labels[i]:
                pull += mp.exp(-a * (s - level))
            elif labels[k] != labels[i]:
                push += mp.exp(b * (s - level))
        return mp.log(pull) / a + mp.log(push) / b

    return [of(i) for i in range(len(labels))]


@_define("ArcFaceLoss")
def _arcface(labels: Sequence[int], cosines: Rows, margin: Any = 0.5, scale: Any = 64.0) -> list[Mpf]:
    """Deng et al. 2019, eq. 3; where the angle passes pi, as in the authors' code."""
    m = mpf(margin)

    def raised(c: Mpf) -> Mpf:
        return mp.cos(mp.acos(c) + m) if c > -mp.cos(m) else c - m * mp.sin(m)

    return _of_cosines(labels, cosines, raised, scale)


@_define("CosFaceLoss")
def _cosface(labels: Sequence[int], cosines: Rows, margin: Any = 0.35, scale: Any = 64.0) -> list[Mpf]:
    """Wang et al. 2018, CosFace, eq. 4."""
    return _of_cosines(labels, cosines, lambda c: c - mpf(margin), scale)


def _of_cosines(labels: Sequence[int], cosines: Rows, raised: Callable[[Mpf], Mpf], scale: Any) -> list[Mpf]:
    def of(row: Row, right: int) -> Mpf:
        changed = [raised(c) if j == right else c for j, c in enumerate(row)]
        return _cross_entropy(changed, right, 1 / mpf(scale))

    return [of(row, right) for row, right in zip(cosines, labels, strict=True)]


# --- what they are tried on ---------------------------------------------------------------------


def samples(name: str, parameters: dict[str, Any], dtype: Any) -> Iterator[Sample]:
    """Ordinary and extreme arguments of the loss."""
    kind = np.dtype(dtype).type
    if name in ("ArcFaceLoss", "CosFaceLoss"):
        yield from _cosines(kind)
        return
    views = name in ("InfoNCELoss", "CLIPLoss", "SigLIPLoss")
    for case, one, two in _views(kind, parameters["normalize"]):
        if views:
            yield Sample(case, (one, two))
        else:
            rows = np.concatenate((one, two))
            yield Sample(case, (np.array([5, 5, -1, 5])[-len(rows) :], rows))
    if not views:
        rows = np.random.default_rng(3).standard_normal((2, 2)).astype(kind)
        yield Sample("no positives", (np.arange(2), rows))


def _views(kind: Any, normalize: bool) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Two views of a few rows."""
    random = np.random.default_rng(7)
    one, two = random.standard_normal((2, 2, 2)).astype(kind)
    yield "ordinary", one, two
    yield "aligned", one, one + two / 2
    yield "a single pair", one[:1], two[:1]
    zero = np.zeros_like(one[:1])
    yield "a row of zeros", np.concatenate((one[:1], zero)), two
    if normalize:
        info = np.finfo(kind)
        yield "huge and tiny", one * kind(info.max / 4), two * kind(info.tiny)


def _cosines(kind: Any) -> Iterator[Sample]:
    """Rows of cosines: ordinary ones, and some next to the ends."""
    random = np.random.default_rng(5)
    yield Sample("ordinary", (np.array([0, 2, 1]), random.uniform(-0.9, 0.9, (3, 3)).astype(kind)))
    near = np.nextafter(kind(1), kind(0))
    close = np.array([[near, 0.75, -near], [-near, near, 0.5], [0.75, -near, near]], kind)
    yield Sample("next to the ends", (np.array([0, 0, 2]), close))
