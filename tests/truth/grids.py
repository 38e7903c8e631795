"""At which inputs the laws look: ordinary ones drawn at random, and the extremes one by one.

A grid of an elementwise loss is a pair of arrays (y, p) of equal length. Its domain is one of
`DOMAINS`, which says what y and p are; a loss's parameters that divide the line (Huber's delta) are
given as thresholds, and are met exactly and by their neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .textbook import ELEMENTWISE, SIGNS, Textbook

Array = NDArray[Any]
DOMAINS = (
    "residual", "nonnegative", "nonzero", "positive", "positive_mean", "log_mean", "positive_log_mean", "probability",
    "logits", "margin", "divergence",
)  # fmt: skip


class Grid(NamedTuple):
    """Targets and predictions, point by point."""

    y: Array
    p: Array


def domain_of(book: Textbook | str, **params: Any) -> str:
    """Which grid suits a textbook loss with these parameters."""
    book = ELEMENTWISE[book] if isinstance(book, str) else book
    if book.y_domain == SIGNS:
        return "margin"
    if book.link == "both":
        return "logits" if params.get("from_logits") else "probability"
    densities = params.get("power", 0.0) >= 2.0  # of Tweedie's family: a target of 0 is impossible
    if params.get("log_input"):
        return "positive_log_mean" if book.y_domain.without_zero or densities else "log_mean"
    if densities:
        return "positive"
    if book.y_domain.without_zero:
        return "nonzero" if book.y_domain.low < 0 else "positive"
    if book.y_domain.high == 1:
        return "divergence"
    if book.y_domain.low < 0:
        return "residual"
    return "positive_mean" if book.p_domain.without_zero else "nonnegative"


# --- ordinary inputs ----------------------------------------------------------------------------


def ordinary(domain: str, dtype: Any, seed: int = 0, size: int = 200) -> Grid:
    """Inputs as data have them, over a few orders of magnitude."""
    random = np.random.default_rng(seed)
    largest = float(np.finfo(dtype).max) / 2  # only half precision has data that exceed it
    y, p = (np.clip(x, -largest, largest) for x in _ORDINARY[domain](random, size))
    return Grid(y.astype(dtype), p.astype(dtype))


def _scales(random: np.random.Generator, size: int, low: float, high: float) -> Array:
    return 10.0 ** random.uniform(low, high, size)


def _ordinary_residual(random: np.random.Generator, size: int) -> tuple[Array, Array]:
    y = random.normal(size=size) * _scales(random, size, -1, 3)
    return y, y + random.normal(size=size) * _scales(random, size, -4, 3)


def _ordinary_nonnegative(random: np.random.Generator, size: int) -> tuple[Array, Array]:
    y = _scales(random, size, -3, 5)
    return y, y * _scales(random, size, -1, 1)


def _ordinary_nonzero(random: np.random.Generator, size: int) -> tuple[Array, Array]:
    y, p = _ordinary_nonnegative(random, size)
    signs = random.choice([-1.0, 1.0], size=(2, size))
    return signs[0] * y, signs[1] * p


def _ordinary_log_mean(random: np.random.Generator, size: int) -> tuple[Array, Array]:
    y, p = _ordinary_nonnegative(random, size)
    return y, np.log(p)


def _soft_labels(random: np.random.Generator, size: int) -> Array:
    hard = random.integers(0, 2, size).astype(float)
    return np.where(random.uniform(size=size) < 0.6, hard, random.uniform(size=size))


def _ordinary_probability(random: np.random.Generator, size: int) -> tuple[Array, Array]:
    return _soft_labels(random, size), 1 / (1 + np.exp(-random.normal(scale=4, size=size)))


def _ordinary_logits(random: np.random.Generator, size: int) -> tuple[Array, Array]:
    return _soft_labels(random, size), random.normal(size=size) * _scales(random, size, -2, 1.5)


def _ordinary_margin(random: np.random.Generator, size: int) -> tuple[Array, Array]:
    y = random.choice([-1.0, 1.0], size=size)
    return y, random.normal(size=size) * _scales(random, size, -2, 1)


_ORDINARY: dict[str, Callable[[np.random.Generator, int], tuple[Array, Array]]] = {
    "residual": _ordinary_residual,
    "nonnegative": _ordinary_nonnegative,
    "nonzero": _ordinary_nonzero,
    "positive": _ordinary_nonnegative,
    "positive_mean": _ordinary_nonnegative,
    "log_mean": _ordinary_log_mean,
    "positive_log_mean": _ordinary_log_mean,
    "probability": _ordinary_probability,
    "logits": _ordinary_logits,
    "margin": _ordinary_margin,
    "divergence": _ordinary_probability,
}

# --- extreme inputs -----------------------------------------------------------------------------


def extreme(domain: str, dtype: Any, thresholds: Iterable[float] = ()) -> Grid:
    """Zeros, subnormals, powers of two, largest numbers, and every corner of the domain."""
    scalar = np.dtype(dtype).type
    with np.errstate(over="ignore", under="ignore"):
        sizes = [scalar(t) for t in thresholds]
        pairs = list(_EXTREME[domain](np.dtype(dtype), sizes))
        y = np.array([a for a, _ in pairs]).astype(dtype)
        p = np.array([b for _, b in pairs]).astype(dtype)
    unique = sorted({(a.hex(), b.hex()): i for i, (a, b) in enumerate(_floats(y, p))}.values())
    return Grid(y[unique], p[unique])


def _floats(y: Array, p: Array) -> Iterable[tuple[float, float]]:
    return ((float(a), float(b)) for a, b in zip(y, p, strict=True))


def with_infinities(domain: str, dtype: Any) -> Grid:
    """Predictions at the ends of the line, where answers are limits."""
    inf = float("inf")
    labels = {"residual": (0, 2), "logits": (0, 1, 0.25), "margin": (-1, 1)}[domain]
    pairs = [(y, p) for y in labels for p in (inf, -inf)]
    return Grid(*(np.array(column, dtype) for column in zip(*pairs, strict=True)))


def magnitudes(dtype: Any) -> list[float]:
    """Positive numbers from the smallest subnormal to the largest float."""
    info = np.finfo(dtype)
    tiny, largest, eps = float(info.tiny), float(info.max), float(info.eps)
    root = float(np.sqrt(info.tiny))  # whose square is the first to be lost
    some = [float(info.smallest_subnormal), tiny / 8, tiny * (1 - eps), tiny, 3 * tiny, root]
    some += [1e-30, 1e-8, 1e-4, 1e-3, eps / 2, eps, 2.0**-10, 2.0**-3, 1 / 3, 0.5, 1 - eps / 2]
    some += [1.0, 1 + eps, 2.0, 3.0, 10.0, 20.0, 100.0, 745.5, 2.0**14, 1e4, 1e30]
    some += [float(np.sqrt(info.max)), largest / 4, largest / 2, largest]
    kept = {x for x in some if 0 < x <= largest and float(np.dtype(dtype).type(x)) > 0}
    return sorted(kept)


def _near(x: Any) -> list[Any]:
    """A threshold and its neighbours."""
    return [np.nextafter(x, x * 0), x, np.nextafter(x, x * 0 + np.inf)]


def _both(xs: Iterable[Any]) -> list[Any]:
    return [s * x for x in xs for s in (1, -1)]


def _extreme_residual(dtype: np.dtype[Any], sizes: Sequence[Any]) -> Iterable[tuple[Any, Any]]:
    scalar = dtype.type
    positive = [scalar(m) for m in magnitudes(dtype)] + [n for s in sizes for n in _near(s)]
    yield scalar(0), scalar(0)
    for r in _both(positive):
        yield scalar(0), r  # the residual is any number, down to the smallest
        yield r, r
        yield r, scalar(0)
    for y in _both([scalar(v) for v in (1.0, 0.1, 3.0, 1e4, 1000.1)]):
        yield y, np.nextafter(y, scalar(np.inf))  # a residual tiny beside its target
        yield y, np.nextafter(y, scalar(-np.inf))
        for size in sizes:  # sums that meet the threshold exactly, or miss it by rounding
            for r in _both(_near(size)):
                yield y, scalar(y + r)
    largest = np.finfo(dtype).max
    yield from [(-largest, largest), (largest, -largest), (-largest / 2, largest / 4)]


def _extreme_nonnegative(dtype: np.dtype[Any], sizes: Sequence[Any]) -> Iterable[tuple[Any, Any]]:
    positive = [dtype.type(m) for m in magnitudes(dtype)]
    zero = dtype.type(0)
    yield zero, zero
    for x in positive:
        yield from [(zero, x), (x, zero), (x, x), (dtype.type(1), x), (x, dtype.type(1))]
        yield x, np.nextafter(x, dtype.type(0))


def _extreme_nonzero(dtype: np.dtype[Any], sizes: Sequence[Any]) -> Iterable[tuple[Any, Any]]:
    for y, p in _extreme_nonnegative(dtype, sizes):
        if y:
            yield from [(y, p), (-y, p), (y, -p)]


def _extreme_positive(dtype: np.dtype[Any], sizes: Sequence[Any]) -> Iterable[tuple[Any, Any]]:
    return ((y, p) for y, p in _extreme_nonnegative(dtype, sizes) if y and p)


def _extreme_positive_mean(dtype: np.dtype[Any], sizes: Sequence[Any]) -> Iterable[tuple[Any, Any]]:
    return ((y, p) for y, p in _extreme_nonnegative(dtype, sizes) if p)


def _extreme_positive_log_mean(dtype: np.dtype[Any], sizes: Sequence[Any]) -> Iterable[tuple[Any, Any]]:
    info = np.finfo(dtype)
    amounts = [
        float(info.smallest_subnormal),
        float(info.tiny),
        1e-8,
        0.1,
        0.5,
        1.0,
        3.0,
        7.0,
        100.0,
        1e4,
        1e30,
    ]
    return product(amounts, logits(dtype))


def _extreme_log_mean(dtype: np.dtype[Any], sizes: Sequence[Any]) -> Iterable[tuple[Any, Any]]:
    yield from product([0.0], logits(dtype))
    yield from _extreme_positive_log_mean(dtype, sizes)


def probabilities(dtype: Any) -> list[float]:
    """Probabilities at and beside 0, 1/2 and 1, with the floor and what lies below it."""
    info = np.finfo(dtype)
    tiny, eps = float(info.tiny), float(info.eps)
    low = [0.0, float(info.smallest_subnormal), tiny / 2, tiny * (1 - eps), tiny, tiny * (1 + eps)]
    middle = [1e-30, 1e-15, 1e-8, eps, 1e-3, 0.1, 0.25, 0.5 - eps / 4, 0.5, 0.5 + eps / 2, 0.75]
    return [*low, *middle, 0.9, 0.999, 1 - 2 * eps, 1 - eps, 1 - eps / 2, 1.0]


def soft_labels(dtype: Any) -> list[float]:
    """Hard labels first, then soft ones."""
    info = np.finfo(dtype)
    return [0.0, 1.0, 0.5, 0.1, 0.9, float(info.tiny), float(info.eps), 1 - float(info.eps) / 2]


def _extreme_probability(dtype: np.dtype[Any], sizes: Sequence[Any]) -> Iterable[tuple[Any, Any]]:
    return product(soft_labels(dtype), probabilities(dtype))


def logits(dtype: Any) -> list[float]:
    """Logits where exp overflows or underflows in some format, where 1 - p rounds, and beyond."""
    largest = float(np.finfo(dtype).max)
    sizes = [1e-30, 1e-8, 1e-4, 0.5, 1.0, 2.0, 8.0, 12.0, 15.0, 16.7, 18.0, 20.0, 36.7, 37.0]
    sizes += [50.0, 87.0, 88.0, 88.8, 89.0, 103.0, 104.0, 200.0, 700.0, 709.5, 710.0, 745.0, 746.0]
    sizes += [1e4, 1e30, largest / 2, largest, float(np.finfo(dtype).smallest_subnormal)]
    return [0.0, *_both(s for s in sizes if s <= largest)]


def _extreme_logits(dtype: np.dtype[Any], sizes: Sequence[Any]) -> Iterable[tuple[Any, Any]]:
    return product(soft_labels(dtype), logits(dtype))


def _extreme_margin(dtype: np.dtype[Any], sizes: Sequence[Any]) -> Iterable[tuple[Any, Any]]:
    scalar = dtype.type
    positive = [scalar(m) for m in magnitudes(dtype)]
    positive += [n for s in (scalar(1), *sizes) for n in _near(s)]
    return product((1.0, -1.0), [scalar(0), *_both(positive)])


def _extreme_divergence(dtype: np.dtype[Any], sizes: Sequence[Any]) -> Iterable[tuple[Any, Any]]:
    some = probabilities(dtype)
    yield from product(some, some)


_EXTREME: dict[str, Callable[[np.dtype[Any], Sequence[Any]], Iterable[tuple[Any, Any]]]] = {
    "residual": _extreme_residual,
    "nonnegative": _extreme_nonnegative,
    "nonzero": _extreme_nonzero,
    "positive": _extreme_positive,
    "positive_mean": _extreme_positive_mean,
    "log_mean": _extreme_log_mean,
    "positive_log_mean": _extreme_positive_log_mean,
    "probability": _extreme_probability,
    "logits": _extreme_logits,
    "margin": _extreme_margin,
    "divergence": _extreme_divergence,
}

# --- softmax rows -------------------------------------------------------------------------------


class RowCase(NamedTuple):
    """One row with its target, and what is special about it."""

    name: str
    target: Any
    row: Array


def logit_rows(dtype: Any, *, wide: bool = True) -> list[RowCase]:
    """Rows of logits with class indices and soft targets that have broken someone's softmax."""
    inf, largest = float("inf"), float(np.finfo(dtype).max)
    big = min(1e30, largest / 4)
    cases: list[tuple[str, Any, Sequence[float]]] = [
        ("confident and right", 0, [20, 0]),
        ("confident and wrong", 1, [20, 0]),
        ("all equal", 1, [0.5, 0.5, 0.5]),
        ("two at the top", 0, [3, 3, -1]),
        ("two at the top, target below", 2, [3, 3, -1]),
        ("a masked class", 1, [-inf, 0.25, 1]),
        ("all masked but the target", 2, [-inf, -inf, 4]),
        ("huge spread", 0, [big, -big, 0]),
        ("huge spread, target below", 1, [big, -big, 0]),
        ("offset", 0, [1e4, 1e4 + 16, 1e4 - 8]),
        ("negative offset", 2, [-1e4, -1e4 + 16, -1e4 - 8]),
        ("beyond exp in float32", 0, [100, 0, -100]),
        ("beyond exp in float64", 0, [800, 0, -800]),
        ("subnormal probability in float32", 0, [95, 0, 1]),
        ("subnormal probability in float64", 0, [740, 0, 1]),
        ("one class", 0, [5]),
        ("tiny logits", 1, [1e-30, -1e-30, 0]),
        ("soft", [0.25, 0.25, 0.5], [1, 2, -3]),
        ("soft at its optimum", [0.5, 0.5], [7, 7]),
        ("soft, one far below", [0.25, 0.25, 0.5], [1, 2, -800]),
        ("soft with a zero on a masked class", [0.5, 0, 0.5], [1, -inf, 2]),
        ("distilled", [0.9990234375, 0.0009765625], [12, 2]),
    ]
    rows = [RowCase(name, _target(t, dtype), np.array(r, dtype)) for name, t, r in cases]
    if np.dtype(dtype) == np.float16:  # offsets and spreads beyond it have become infinite
        rows = [case for case in rows if np.all(case.row < inf)]
    if wide:
        random = np.random.default_rng(7)
        row = (3 * random.normal(size=1000)).astype(dtype)
        rows.append(RowCase("1000 classes", 7, row))
        rows.append(RowCase("1000 classes, target on top", int(np.argmax(row)), row))
    return rows


def probability_rows(dtype: Any) -> list[RowCase]:
    """Rows of probabilities, each summing to 1 as nearly as its format allows."""
    eps, tiny = float(np.finfo(dtype).eps), float(np.finfo(dtype).tiny)
    cases: list[tuple[str, Any, Sequence[float]]] = [
        ("even", 0, [0.25, 0.25, 0.5]),
        ("certain and right", 0, [1, 0]),
        ("certain and wrong", 1, [1, 0]),
        ("nearly certain", 0, [1 - eps, eps]),
        ("nearly certain and wrong", 1, [1 - eps, eps]),
        ("at the floor", 1, [1, tiny]),
        ("below the floor", 1, [1, tiny / 2]),
        ("one class", 0, [1]),
        ("soft", [0.25, 0.25, 0.5], [0.5, 0.125, 0.375]),
        ("soft at its optimum", [0.25, 0.75], [0.25, 0.75]),
        ("soft with a zero", [0.5, 0, 0.5], [0.75, 0, 0.25]),
        ("soft on an impossible class", [0.5, 0.5], [1, 0]),
    ]
    return [RowCase(name, _target(t, dtype), np.array(r, dtype)) for name, t, r in cases]


def ordinary_rows(dtype: Any, *, of_logits: bool, size: int) -> list[RowCase]:
    """Rows of three classes as data have them, with class indices and soft targets in turn."""
    random = np.random.default_rng(8)
    cases = []
    for i in range(size):
        row = random.normal(size=3) * 10.0 ** random.uniform(-1, 1)
        row = row if of_logits else np.exp(row - row.max())
        row = row if of_logits else row / row.sum()
        target = random.dirichlet(np.ones(3)) if i % 2 else int(random.integers(3))
        cases.append(RowCase(f"ordinary {i}", _target(target, dtype), row.astype(dtype)))
    return cases


def _target(target: Any, dtype: Any) -> Any:
    return target if isinstance(target, int) else np.array(target, dtype)
