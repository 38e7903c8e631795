"""Losses of pairs of vectors by their definitions, and the vectors that they are tried on."""

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


def _length(x: Row) -> Mpf:
    return mp.sqrt(sum(a * a for a in x))


def _distance(x: Row, y: Row) -> Mpf:
    return _length([a - b for a, b in zip(x, y, strict=True)])


def _cosine(x: Row, y: Row) -> Mpf:
    """x . y / (|x| |y|); 0 for a vector of zeros."""
    lengths = _length(x) * _length(y)
    return sum(a * b for a, b in zip(x, y, strict=True)) / lengths if lengths else mpf(0)


@_define("ContrastiveLoss")
def _contrastive(y_true: Row, x1: Any, x2: Rows | None = None, margin: Any = 1.0, **_: Any) -> list[Mpf]:
    """Hadsell et al. 2006, eq. 4, with the label 1 for similar pairs."""
    distances = x1 if x2 is None else [_distance(a, b) for a, b in zip(x1, x2, strict=True)]
    return [
        (y * d**2 + (1 - y) * max(mpf(0), mpf(margin) - d) ** 2) / 2
        for y, d in zip(y_true, distances, strict=True)
    ]


@_define("TripletLoss")
def _triplet(
    anchor: Rows, positive: Rows, negative: Rows, margin: Any = 1.0, distance: str = "euclidean",
    soft: bool = False, **_: Any,
) -> list[Mpf]:  # fmt: skip
    """Schroff et al. 2015, eq. 3; the soft margin of Hermans et al. 2017, section 2."""
    measure: Callable[[Row, Row], Mpf] = {
        "euclidean": _distance,
        "squared": lambda x, y: _distance(x, y) ** 2,
        "cosine": lambda x, y: 1 - _cosine(x, y),
    }[distance]
    excesses = [
        measure(a, p) - measure(a, n) + mpf(margin)
        for a, p, n in zip(anchor, positive, negative, strict=True)
    ]
    return [mp.log(1 + mp.exp(u)) if soft else max(mpf(0), u) for u in excesses]


@_define("CosineSimilarityLoss")
def _cosine_similarity(x1: Rows, x2: Rows, **_: Any) -> list[Mpf]:
    return [1 - _cosine(a, b) for a, b in zip(x1, x2, strict=True)]


@_define("CosineEmbeddingLoss")
def _cosine_embedding(y_true: Row, x1: Rows, x2: Rows, margin: Any = 0.0, **_: Any) -> list[Mpf]:
    cosines = [_cosine(a, b) for a, b in zip(x1, x2, strict=True)]
    return [1 - c if y == 1 else max(mpf(0), c - mpf(margin)) for y, c in zip(y_true, cosines, strict=True)]


# --- what they are tried on ---------------------------------------------------------------------


def samples(name: str, parameters: dict[str, Any], dtype: Any) -> Iterator[Sample]:
    """Ordinary and extreme arguments of the loss."""
    angles = name.startswith("Cosine") or parameters.get("distance") == "cosine"
    kind = np.dtype(dtype).type
    for case, x1, x2, smooth in (*_vectors(kind), *(_only_angles(kind) if angles else ())):
        if name == "TripletLoss":
            yield Sample(f"{case} to the positive", (x1, x2, x1 + x2[:, ::-1]), smooth)
            yield Sample(f"{case} to the negative", (x1, x1 - x2[:, ::-1], x2), smooth)
        elif name == "CosineSimilarityLoss":
            yield Sample(case, (x1, x2), smooth)
        else:
            unlike = 0 if name == "ContrastiveLoss" else -1
            for label in (1, unlike):
                if case == "almost opposite" and label == parameters["margin"]:
                    continue  # the loss is c + 1 next to c = -1, its kink
                labels = np.full(len(x1), label, kind)
                yield Sample(f"{case}, label {label}", (labels, x1, x2), smooth)
    if name == "ContrastiveLoss":
        labels, distances = np.array([1, 0, 0, 0.25], kind), np.array([2, 0.5, 3, 0.125], kind)
        yield Sample("given distances", (labels, distances, None))


Vectors = tuple[str, np.ndarray, np.ndarray, bool]


def _vectors(kind: Any) -> Iterator[Vectors]:
    """Pairs of rows of vectors, and whether the loss is smooth there."""
    random, info = np.random.default_rng(7), np.finfo(kind)
    x1, x2 = random.standard_normal((2, 3, 4)).astype(kind)
    yield "ordinary", x1, x2, True
    yield "close", x1 / 4, x1 / 4 + x2 / 16, True
    nudged = x1.copy()
    nudged[:, 1] = np.nextafter(nudged[:, 1], info.max)
    yield "neighbours", x1, nudged, True
    # The squares overflow or underflow, or the numbers are subnormal; next to a margin of 1 so small a
    # distance is lost to the truth's differences in float64.
    for power in (info.maxexp - 4, info.minexp + 8, info.minexp - 8):
        scale = np.ldexp(kind(1), power)
        yield f"times 2**{power}", x1[:1] * scale, x2[:1] * scale, power > 0 or kind == np.float32
    yield "equal", x1[:1], x1[:1], False
    yield "zero", x1[:1] / 4, 0 * x1[:1], False
    yield "both zero", 0 * x1[:1], 0 * x1[:1], False


def _only_angles(kind: Any) -> Iterator[Vectors]:
    x1, x2 = np.random.default_rng(11).standard_normal((2, 1, 4)).astype(kind)
    info = np.finfo(kind)
    yield "almost parallel", x1, x1 * 3 + info.eps * 64 * x2, True
    yield "almost opposite", x1, x1 * -2 + info.eps * 64 * x2, True
    far = np.ldexp(kind(1), info.maxexp // 2 + 4)
    yield "long and short", x1 * far, x2 / far, True
    yield "almost orthogonal", np.array([[1, 1, 1e-4]], kind), np.array([[1, -1, 1e-4]], kind), True
