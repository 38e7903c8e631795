"""Distances between sets by their definitions, and the sets that they are tried on.

Transport is the best of all matchings, tried one by one; the entropic kind has a closed form between two points
and two, whose plans have a single free number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, pairwise, permutations
from typing import Any

import numpy as np
from mpmath import mp, mpf

from .jets import Mpf
from .sample import Sample, keeper

Row = Sequence[Mpf]
Points = Sequence[Row]

TEXTBOOK: dict[str, Callable[..., list[Mpf]]] = {}

SUMS = "the force on a point is a sum over the points of both sets, which pull against each other"

_define = keeper(TEXTBOOK)


def _mean(numbers: Iterator[Mpf] | Sequence[Mpf]) -> Mpf:
    numbers = list(numbers)
    return sum(numbers, mpf(0)) / len(numbers)


def _power(x: Mpf, p: Any) -> Mpf:
    return x ** mpf(p) if x else mpf(0)


def _rooted(cost: Mpf, p: Any, root: bool) -> Mpf:
    return _power(cost, 1 / mpf(p)) if root else cost


def _best_matching(x: Row, y: Row, p: Any) -> Mpf:
    """The least mean cost of pairing samples off, each repeated until there are as many of both."""
    size = math.lcm(len(x), len(y))
    x, y = [a for a in x for _ in range(size // len(x))], [b for b in y for _ in range(size // len(y))]
    return min(
        _mean(_power(abs(a - b), p) for a, b in zip(x, order, strict=True)) for order in set(permutations(y))
    )


@_define("WassersteinLoss")
def _wasserstein(
    y_true: Any,
    y_pred: Any,
    target_weight: None = None,
    p: Any = 1.0,
    of: str = "samples",
    root: bool = False,
) -> list[Mpf]:
    """Monge's problem for samples; for bins the integral over the difference of quantiles (Villani 2003, 2.18)."""
    if of == "samples":
        return [_rooted(_best_matching(y_pred, y_true, p), p, root)]
    return [_rooted(_between_bins(q, row, p), p, root) for q, row in zip(y_true, y_pred, strict=True)]


def _between_bins(q: Row, p: Row, power: Any) -> Mpf:
    """What lies at the same level of mass is moved; the last bin is where all that is left lies."""
    F, G = ([sum(row[: k + 1], mpf(0)) for k in range(len(row) - 1)] for row in (p, q))
    levels = sorted([mpf(0), *F, *G])
    total = mpf(0)
    for low, high in pairwise(levels):
        bins = (sum(level <= low for level in one) for one in (F, G))
        total += (high - low) * _power(mpf(abs(next(bins) - next(bins))), power)
    return total


@_define("SlicedWassersteinLoss")
def _sliced(
    y_true: Points, y_pred: Points, target_weight: None = None, projections: int = 50, seed: int = 0, p: Any = 2.0,
    root: bool = False,
) -> list[Mpf]:  # fmt: skip
    """Bonneel et al. 2015, eq. 8, over the directions that the documentation says are drawn."""
    drawn = np.random.default_rng(seed).standard_normal((projections, len(y_pred[0])))
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    costs = []
    for direction in drawn:
        x, y = (
            [sum(mpf(float(t)) * c for t, c in zip(direction, point, strict=True)) for point in points]
            for points in (y_pred, y_true)
        )
        costs.append(_best_matching(x, y, p))
    return [_rooted(_mean(costs), p, root)]


def _distance(x: Row, y: Row) -> Mpf:
    return mp.sqrt(sum((a - b) ** 2 for a, b in zip(x, y, strict=True)))


def _expected(function: Callable[[Mpf], Mpf], x: Points, y: Points) -> Mpf:
    return _mean(function(_distance(a, b)) for a in x for b in y)


@_define("EnergyDistance")
def _energy(y_true: Points, y_pred: Points, target_weight: None = None) -> list[Mpf]:
    """Székely & Rizzo 2013, eq. 1.1, with means over all pairs."""
    return [
        2 * _expected(mpf, y_pred, y_true) - _expected(mpf, y_pred, y_pred) - _expected(mpf, y_true, y_true)
    ]


@_define("MMDLoss")
def _mmd(
    y_true: Points,
    y_pred: Points,
    target_weight: None = None,
    kernel: str = "gaussian",
    bandwidth: Any = None,
) -> list[Mpf]:
    """Gretton et al. 2012, eq. 5."""
    if bandwidth is None:
        bandwidth = (_median_distance(y_pred, y_true) or mpf(1),)

    def of(r: Mpf) -> Mpf:
        ratios = (r / mpf(h) for h in bandwidth)
        return _mean([mp.exp(-u * u / 2) if kernel == "gaussian" else mp.exp(-u) for u in ratios])

    return [_expected(of, y_pred, y_pred) + _expected(of, y_true, y_true) - 2 * _expected(of, y_pred, y_true)]


def _median_distance(x: Points, y: Points) -> Mpf:
    """The lower median over pairs of points, of sets that count alike: the first at which half the weight is reached."""
    weighed = [(p, mpf(1) / len(points)) for points in (x, y) for p in points]
    pairs = sorted((_distance(p, q), a * b) for (p, a), (q, b) in combinations(weighed, 2))
    half = sum(w for _, w in pairs) * mpf("0.4999")
    return next(r for k, (r, _) in enumerate(pairs) if sum(w for _, w in pairs[: k + 1]) >= half)


@_define("SinkhornLoss")
def _sinkhorn(
    y_true: Points,
    y_pred: Points,
    target_weight: None = None,
    blur: Any = 0.05,
    p: Any = 2.0,
    iterations: int = 50,
) -> list[Mpf]:
    """Feydy et al. 2019, eq. 3, at the best plan; ``iterations`` are an approximation to it."""

    def best(x: Points, y: Points) -> Mpf:
        return _entropic([[_power(_distance(a, b), p) / mpf(p) for b in y] for a in x], _power(mpf(blur), p))

    return [best(y_pred, y_true) - best(y_pred, y_pred) / 2 - best(y_true, y_true) / 2]


def _entropic(costs: Points, weight: Mpf) -> Mpf:
    """The least of < plan, cost > + weight KL(plan | product), between one or two points of equal weight and as many.

    Between two and two a plan is [[1/2 - t, t], [t, 1/2 - t]]; the best has (1/2 - t)² / t² = exp(-D / weight), D being
    the sum of costs on the diagonal less that off it.
    """
    if len(costs) == 1 or len(costs[0]) == 1:
        return _mean([c for row in costs for c in row])
    (c11, c12), (c21, c22) = costs
    off = mpf(1) / 2 / (1 + mp.exp(-(c11 + c22 - c12 - c21) / (2 * weight)))
    on = mpf(1) / 2 - off
    entropy = 2 * (on * mp.log(4 * on) + off * mp.log(4 * off))
    return on * (c11 + c22) + off * (c12 + c21) + weight * entropy


# ---- what they are tried on -----------------------------------------------------------------------------


def samples(name: str, parameters: dict[str, Any], dtype: Any) -> Iterator[Sample]:
    """Small sets, ordinary and extreme, on which the definitions can be tried out."""
    for title, y_true, y_pred, smooth in _MADE[name](parameters):
        with np.errstate(all="ignore"):
            sets = (
                np.asarray(y_true, np.float64).astype(dtype),
                np.asarray(y_pred, np.float64).astype(dtype),
            )
        yield Sample(title, (*sets, None), smooth)


Made = Iterator[tuple[str, Any, Any, bool]]


def _lines(parameters: dict[str, Any]) -> Made:
    if parameters["of"] == "bins":
        yield (
            "rows",
            [[0.25, 0.125, 0.5, 0.125], [0.5, 0.0625, 0.1875, 0.25]],
            [[0.125, 0.5, 0.0625, 0.3125], [0.0625, 0.75, 0.125, 0.0625]],
            True,
        )
        yield "far apart", [[1.0, 0.0, 0.0]], [[0.0, 0.0, 1.0]], False
        yield "equal", [[0.1, 0.2, 0.7]], [[0.1, 0.2, 0.7]], False
        yield "one bin", [[1.0]], [[1.0]], False
        return
    if parameters["p"] > 8:  # its powers leave the range soon
        yield "near 1", [0.125, 2.0, 4.0], [1.0, 3.0, 4.75], True
        return
    yield "as many", [0.3, -1.2, 2.5, 0.9], [1.1, 0.2, -0.4, 3.7], True
    yield "fewer", [0.3, -1.2, 2.5], [1.1, -0.4], True
    yield "one to one", [0.75], [-2.5], True
    yield "equal", [1.5, -0.25, 3.0], [3.0, 1.5, -0.25], False
    yield "ties", [0.0, 2.0, -1.0], [0.5, 0.5, 0.5], False
    yield "tiny", [1e-30, 3e-30], [-2e-30, 7e-30], parameters["p"] == 1 or parameters["root"]
    yield "huge", [1e30, 3e35], [-2e30, 7e35], parameters["p"] == 1 or parameters["root"]


def _slices(parameters: dict[str, Any]) -> Made:
    if parameters["p"] > 8:
        yield "near 1", [[0.0, 0.0]], [[0.75, -0.75]], True
        return
    yield "as many", [[0.3, -1.2], [2.5, 0.9]], [[1.1, 0.2], [-0.4, 3.7]], True
    yield "fewer", [[0.3, -1.2], [2.5, 0.9]], [[1.1, 0.2]], True
    yield "equal", [[0.3, -1.2], [2.5, 0.9]], [[2.5, 0.9], [0.3, -1.2]], False


def _clouds(parameters: dict[str, Any]) -> Made:
    fixed = parameters.get("bandwidth", ()) is not None
    yield "ordinary", [[0.3, -1.2], [2.5, 0.9], [0.1, 0.4]], [[1.1, 0.2], [-0.4, 3.7]], fixed
    yield "a point each", [[0.5, 1.0]], [[-0.25, 2.0]], fixed
    yield "equal", [[0.3, -1.2], [2.5, 0.9]], [[0.3, -1.2], [2.5, 0.9]], False
    yield "met", [[0.5], [2.0]], [[0.5], [0.5]], False


def _energies(parameters: dict[str, Any]) -> Made:
    yield from _clouds(parameters)
    yield "huge", [[1e30, 2e30]], [[-3e30, 1e30], [4e30, 7e29]], True
    yield "tiny", [[1e-30, 2e-30]], [[-3e-30, 1e-30], [4e-30, 7e-31]], True


def _plans(parameters: dict[str, Any]) -> Made:
    blur = parameters["blur"]
    yield "a point each", [[0.25 * blur, 0.5 * blur]], [[-0.125 * blur, 0.75 * blur]], True
    if parameters["p"] > 8:
        return
    x, y = np.array([[0.0, 0.125], [0.25, 0.0625]]), np.array([[0.5, 0.375], [0.4375, 0.625]])
    yield "two points each", blur * y, blur * x, True
    yield "one of two", blur * y[:1], blur * x, True
    yield "equal", blur * x, blur * x, False


_MADE: dict[str, Callable[[dict[str, Any]], Made]] = {
    "WassersteinLoss": _lines,
    "SlicedWassersteinLoss": _slices,
    "EnergyDistance": _energies,
    "MMDLoss": _clouds,
    "SinkhornLoss": _plans,
}
