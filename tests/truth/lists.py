"""Losses of lists by their definitions, with loops over pairs and permutations, and the lists they are tried on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import permutations
from typing import Any

import numpy as np
from mpmath import mp, mpf

from .jets import Mpf
from .sample import Sample

Row = Sequence[Mpf]
Rows = Sequence[Row]

SUMS = "a score's derivative adds up the pulls of all the pairs that its item is in, up and down"

TEXTBOOK: dict[str, Callable[..., list[Mpf]]] = {}


def _define(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(of_query: Callable[..., Mpf]) -> Callable[..., Any]:
        def terms(y_true: Rows, y_pred: Rows, **parameters: Any) -> list[Mpf]:
            return [
                of_query(y, s, **parameters) if len(set(y)) > 1 else mpf(0)
                for y, s in zip(y_true, y_pred, strict=True)
            ]

        TEXTBOOK[name] = terms
        return of_query

    return register


def _pairs(y: Row) -> list[tuple[int, int]]:
    """The pairs of which the first is more relevant."""
    return [(i, j) for i in range(len(y)) for j in range(len(y)) if y[i] > y[j]]


def _log2(x: Mpf) -> Mpf:
    return mp.log(x) / mp.log(2)


@_define("RankNetLoss")
def _rank_net(y: Row, s: Row, **_: Any) -> Mpf:
    """The cost of Burges et al. 2005, of pairs whose order is known."""
    return sum(mp.log(1 + mp.exp(s[j] - s[i])) for i, j in _pairs(y))


@_define("LambdaLoss")
def _lambda(y: Row, s: Row, scheme: str = "ndcg2", sigma: Any = 1.0, mu: Any = 10.0, **_: Any) -> Mpf:
    """The metric-driven losses of Wang et al. 2018, for the order of the scores; equal ones the worst way round."""
    order = sorted(range(len(s)), key=lambda i: (-s[i], y[i]))
    rank = {i: place for place, i in enumerate(order, start=1)}
    gain = [g / _best_gain(y) for g in _gains(y)]
    total = mpf(0)
    for i, j in _pairs(y):
        swap = abs(1 / _log2(1 + rank[i]) - 1 / _log2(1 + rank[j]))
        apart = abs(rank[i] - rank[j])
        step = abs(1 / _log2(1 + apart) - 1 / _log2(2 + apart))
        weight = {
            "ndcg1": gain[i] / _log2(1 + rank[i]),
            "ndcg2": step * abs(gain[i] - gain[j]),
            "ndcg2++": (swap + mpf(mu) * step) * abs(gain[i] - gain[j]),
            "lambdarank": swap * abs(gain[i] - gain[j]),
        }[scheme]
        total += weight * _log2(1 + mp.exp(-mpf(sigma) * (s[i] - s[j])))
    return total


def _gains(y: Row) -> list[Mpf]:
    return [mpf(2) ** grade - 1 for grade in y]


def discounted_gain(gains: Sequence[Mpf], ranks: Sequence[Any]) -> Mpf:
    """DCG, as Järvelin & Kekäläinen 2002, with exponential gains."""
    return sum(g / _log2(1 + r) for g, r in zip(gains, ranks, strict=True))


def _best_gain(y: Row) -> Mpf:
    return discounted_gain(sorted(_gains(y), reverse=True), range(1, len(y) + 1))


@_define("ListNetLoss")
def _list_net(y: Row, s: Row, **_: Any) -> Mpf:
    """The cross-entropy of Cao et al. 2007, with the chances of being first."""
    of_target, of_scores = ([mp.exp(x) for x in row] for row in (y, s))
    target, scores = sum(of_target), sum(of_scores)
    return -sum(t / target * mp.log(z / scores) for t, z in zip(of_target, of_scores, strict=True))


@_define("ListMLELoss")
def _list_mle(y: Row, s: Row, **_: Any) -> Mpf:
    """The likelihood loss of Xia et al. 2008; each of several ties is chosen before the others: Breslow 1974."""
    return -sum(
        mp.log(mp.exp(s[i]) / sum(mp.exp(s[j]) for j in range(len(y)) if y[j] <= y[i])) for i in range(len(y))
    )


def plackett_luce(s: Row, order: Sequence[int]) -> Mpf:
    """The probability that items are chosen in this order, one after the other out of those that are left."""
    probability = mpf(1)
    for k, i in enumerate(order):
        probability *= mp.exp(s[i]) / sum(mp.exp(s[j]) for j in order[k:])
    return probability


def all_orders(n: int) -> Iterator[tuple[int, ...]]:
    """Every order of n items."""
    return permutations(range(n))


@_define("ApproxNDCGLoss")
def _approx_ndcg(y: Row, s: Row, temperature: Any = 0.1, **_: Any) -> Mpf:
    """The approximation of NDCG of Qin et al. 2010."""
    ranks = [
        1 + sum(1 / (1 + mp.exp((s[i] - s[j]) / mpf(temperature))) for j in range(len(s)) if j != i)
        for i in range(len(s))
    ]
    return 1 - discounted_gain(_gains(y), ranks) / _best_gain(y)


# --- what they are tried on ---------------------------------------------------------------------


def samples(name: str, parameters: dict[str, Any], dtype: Any) -> Iterator[Sample]:
    """Ordinary and extreme lists; LambdaLoss jumps where two scores are equal."""
    kind = np.dtype(dtype).type
    random = np.random.default_rng(3)
    jumps = name == "LambdaLoss"

    def sample(case: str, y: Any, s: Any, smooth: bool = True) -> Sample:
        return Sample(case, (np.array(y, kind), np.array(s, kind)), smooth)

    yield sample("ordinary", [[3, 0, 1, 2, 4], [0, 1, 2, 4, 3]], random.standard_normal((2, 5)))
    yield sample("ties in relevance", [[1, 0, 1, 0, 2], [0, 0, 0, 1, 0]], random.standard_normal((2, 5)))
    yield sample("ties in score", [[1, 0, 2, 0]], [[0.5, 0.5, 0.5, -1.0]], not jumps)
    yield sample("nothing to compare", [[1, 1, 1], [0, 0, 0]], random.standard_normal((2, 3)))
    yield sample("one item", [[2], [0]], [[1.0], [-1.0]])
    yield sample("in order, far apart", [[2, 1, 0]], [[40.0, 20.0, 0.0]])
    yield sample("out of order, far apart", [[0, 1, 2]], [[40.0, 20.0, 0.0]])
    yield sample("a wide list", [[2, 1, 0, 1]], [[500.0, -250.0, 0.0, -375.0]])
    yield sample(
        "almost equal", [[0, 2, 1]], np.nextafter(kind(1), kind(2)) * np.array([[1, 1.5, 1.25]]) / 2**20
    )
    yield sample("far from 0", [[0, 2, 1]], [[4096.0, 4098.0, 4097.5]])
