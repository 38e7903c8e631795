"""At which inputs a loss is looked at: its declared domain, ordinary numbers first, then the extremes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from losskit.domain import NON_NEGATIVE, PLUS_MINUS_ONE, PROBABILITY, Domain
from losskit.loss import LossFunction
from losskit.structures import ElementwiseLoss, RowLoss

Array = npt.NDArray[Any]
Batch = tuple[Array, Array]
"""Targets and predictions of some terms, along the first axis."""

PLAIN = (0.5, 1.0, -1.0, 2.0, 3.0, -3.0, 0.25, 0.75, -0.5, 0.0, 10.0, -10.0, 0.125, 0.9375, 30.0, -30.0)
"""What a person would try, plainest first; exact in every format."""


@dataclass(frozen=True)
class Path:
    """Predictions base + t direction at one target: where slopes are followed along a line."""

    y: Array
    base: Array
    direction: Array
    near: Array
    """Ordinary t, in order."""
    far: tuple[Array, ...]
    """Sequences of t that run towards the ends of the domain."""

    def batch(self, t: Array) -> Batch:
        """One term for each t."""
        t = t.reshape(-1, *(1,) * self.base.ndim)
        return np.repeat(self.y[None], len(t), axis=0), self.base + t * self.direction


@dataclass(frozen=True)
class Elements:
    """Inputs of an elementwise loss: pairs of numbers in the domains of its rules."""

    targets: Sequence[Domain] = ()
    predictions: Sequence[Domain] = ()
    argument: str = "pair"
    thresholds: Sequence[float] = ()
    """Parameters, at which a rule may change its branch."""

    @property
    def words(self) -> str:
        """The domain in words."""
        names = (("targets", self.targets), ("predictions", self.predictions))
        said = [
            f"{name} {' and '.join(map(str, dict.fromkeys(domains)))}" for name, domains in names if domains
        ]
        return ", ".join(said) or "any real targets and predictions"

    def ordinary(self, random: np.random.Generator, n: int, dtype: Any = np.float64) -> Batch:
        """Inputs as data have them."""
        return _drawn(self.targets, random, n).astype(dtype), _drawn(self.predictions, random, n).astype(
            dtype
        )

    def batches(self, dtype: Any) -> Iterator[Batch]:
        """Points to compare with the truth: at each the rule's own argument is exact in ``dtype``."""
        numbers = self._numbers(dtype)
        if self.argument == "residual":
            pairs = [(0.0, p) for p in numbers] + [(y, y + r) for y in (3.0, -1.0) for r in (0.5, -2.0, 0.0)]
        else:
            some = [y for y in (1.0, 0.0, -1.0, 0.25, 3.0) if not _outside(self.targets, y)] or [
                float(_drawn(self.targets, np.random.default_rng(0), 1)[0])
            ]
            pairs = [(y, p) for p in numbers for y in (some if p in PLAIN else some[:2])]
        pairs = [(y, p) for y, p in pairs if not (_outside(self.targets, y) or _outside(self.predictions, p))]
        yield tuple(np.array(column, dtype) for column in zip(*pairs, strict=True))  # type: ignore[misc]

    def _numbers(self, dtype: Any) -> list[float]:
        info = np.finfo(dtype)
        scalar = np.dtype(dtype).type
        tiny, largest, eps = float(info.tiny), float(info.max), float(info.eps)
        sizes = [float(np.float32(x)) for x in (1e-3, 1e-4, 1e-6, 1e-9, 1e-20, 1e9, 1e20)]
        sizes += [20.0, 50.0, 100.0, 800.0, 1e4, 2.0 * np.sqrt(largest), largest / 2, largest]
        sizes += [np.sqrt(tiny), tiny, float(info.smallest_subnormal)]
        edges = [1 - eps / 2, 1 - eps, 0.999, 0.99, 1 + eps]
        for limit in (1.0, *self.thresholds):
            with np.errstate(all="ignore"):
                around = [
                    np.nextafter(scalar(limit), scalar(0)),
                    limit,
                    np.nextafter(scalar(limit), scalar(np.inf)),
                ]
            edges += map(float, around)
        both = [
            s * float(scalar(x)) for x in (*sizes, *edges) if np.isfinite(x) and x <= largest for s in (1, -1)
        ]
        return list(
            dict.fromkeys(x for x in (*PLAIN, *both) if np.isfinite(x) and not _outside(self.predictions, x))
        )

    def paths(self) -> Iterator[Path]:
        """Every prediction at some targets."""
        near = _within(
            self.predictions,
            np.concatenate([np.linspace(-6, 6, 301), np.linspace(0.005, 0.995, 199), self._around()]),
        )
        ends = 10.0 ** np.array([1.0, 2, 3, 4, 6, 8, 16, 32, 64, 120])
        far = [
            _within(self.predictions, s)
            for s in (ends, -ends, 10.0 ** -np.arange(1.0, 301, 10), 1 - 10.0 ** -np.arange(1.0, 15))
        ]
        far = [s for s in far if len(s) > 4 and (len(s) == len(ends) or self.predictions)]
        for y in [y for y in (0.0, 1.0, -1.0, 2.5) if not _outside(self.targets, y)] or _drawn(
            self.targets, np.random.default_rng(0), 2
        ):
            yield Path(np.array(float(y)), np.array(0.0), np.array(1.0), near, tuple(far))

    def interior(self, t: Array) -> Array:
        """The predictions that are no end of their domain, where a slope may be infinite."""
        ends = [getattr(domain, end, None) for domain in self.predictions for end in ("low", "high")]
        return t[~np.isin(t, [end for end in ends if end is not None])]

    def _around(self) -> Array:
        return np.array([s * t * f for t in self.thresholds for f in (0.5, 0.99, 1.01, 2.0) for s in (1, -1)])

    def swapped(self, random: np.random.Generator, n: int) -> Batch:
        """Pairs in which target and prediction may change places."""
        both = (*self.targets, *self.predictions)
        return _drawn(both, random, n), _drawn(both, random, n)


@dataclass(frozen=True)
class RowsOf:
    """Inputs of a loss of rows: a class index or a distribution, and logits or probabilities."""

    link: str
    target: str
    classes: int = 3
    words: str = field(default="")
    hard: bool = True
    """Whether some targets are certain of their class."""

    def ordinary(self, random: np.random.Generator, n: int, dtype: Any = np.float64) -> Batch:
        """Inputs as data have them."""
        scores = 2 * random.normal(size=(n, self.classes))
        y: Array = random.integers(0, self.classes, n)
        if self.target == "distribution":
            soft = _softmax(random.normal(size=(n, self.classes)))
            certain = (np.arange(n) % 2 == 0)[:, None] & self.hard
            y = np.where(certain, np.eye(self.classes)[y], soft).astype(dtype)
        return y, self._linked(scores).astype(dtype)

    def _linked(self, scores: Array) -> Array:
        """Scores as what the loss takes: themselves, their softmax, or its logarithm."""
        if self.link == "softmax":
            return scores
        p = _softmax(scores)
        return p if self.link == "probability" else np.log(p)

    def batches(self, dtype: Any) -> Iterator[Batch]:
        """Rows to compare with the truth."""
        rows = [[0.0, 1, 2], [0.0, 0, 0], [20.0, 0, 1], [-1.0, 0.5, 8]]
        if self.link == "softmax":
            rows += [[1e4, 1e4 + 8, 1e4 - 8], [800.0, -800, 0], [1e9, -1e9, 0]]
        scores = np.array(rows)[:, np.arange(self.classes) % 3] + np.arange(self.classes) // 3
        p = self._linked(scores).astype(dtype)
        p, index = np.repeat(p, 2, axis=0), np.arange(2 * len(rows)) * (self.classes - 1) % self.classes
        if self.target != "distribution":
            yield index, p
        if self.target != "index":
            soft = _softmax(np.sin(np.arange(index.size * self.classes)).reshape(p.shape))
            yield (
                np.where((np.arange(len(p)) % 2 == 0)[:, None], np.eye(self.classes)[index], soft).astype(
                    dtype
                ),
                p,
            )

    def paths(self) -> Iterator[Path]:
        """Lines through the space of logits, or between distributions."""
        random = np.random.default_rng(5)
        near = np.linspace(0.01, 0.99, 99) if self.link == "probability" else np.linspace(-6, 6, 201)
        ends = 10.0 ** np.array([1.0, 2, 3, 4, 6, 8, 16, 32, 64, 120])
        for k in range(4):
            y, p = self.ordinary(random, 2)
            direction = random.normal(size=self.classes) if self.link == "softmax" else p[1] - p[0]
            if k % 2 == 0 and self.link != "probability":  # one score alone
                direction = 2.0 * np.eye(self.classes)[k % self.classes]
            if self.link == "probability":  # from a corner of the simplex
                corner = np.eye(self.classes)[k % self.classes]
                p[0], direction = corner, p[1] - corner
            far = (ends, -ends) if self.link == "softmax" else (10.0 ** -np.arange(1.0, 301, 10),)
            yield Path(y[0], p[0], direction, near, far if self.link != "log_probability" else ())

    def interior(self, t: Array) -> Array:
        """All of a path: it ends before the ends of the domain."""
        return t

    def swapped(self, random: np.random.Generator, n: int) -> Batch:
        """Pairs in which target and prediction may change places."""
        y, p = (_softmax(random.normal(size=(n, self.classes))) for _ in range(2))
        return y, p


Inputs = Elements | RowsOf


def of_loss(loss: LossFunction) -> Inputs | None:
    """The inputs a loss's structure and rules declare; None where it declares nothing."""
    if isinstance(loss, ElementwiseLoss):
        rules = [term.rules for term in loss.terms]
        arguments = {r.argument for r in rules}
        return Elements(
            targets=tuple(r.targets for r in rules if r.targets is not None),
            predictions=tuple(r.predictions for r in rules if r.predictions is not None),
            argument=arguments.pop() if len(arguments) == 1 else "pair",
            thresholds=tuple(v for v in _numbers_in(loss) if 1e-6 < v < 1e6),
        )
    if isinstance(loss, RowLoss):
        weights = loss.form.class_weights or loss.form.shift
        kind = {"softmax": "logits", "probability": "probabilities"}.get(loss.form.link, "log-probabilities")
        target = "class indices" if loss.form.target == "index" else "distributions"
        return RowsOf(
            loss.form.link, loss.form.target, len(weights) if weights else 3, f"{target} and rows of {kind}"
        )
    targets, predictions = (getattr(loss, name, None) for name in ("targets", "predictions"))
    if targets is not None or predictions is not None:  # a loss by hand may declare them as well
        return Elements(() if targets is None else (targets,), () if predictions is None else (predictions,))
    inner = [of_loss(part) for _, part in loss.weighted_terms() if part is not loss]
    return next((i for i in inner if isinstance(i, RowsOf)), next((i for i in inner if i is not None), None))


CANDIDATES: tuple[Inputs, ...] = (
    Elements(),
    Elements((PROBABILITY,), (PROBABILITY,)),
    Elements((PLUS_MINUS_ONE,)),
    Elements((NON_NEGATIVE,), (NON_NEGATIVE,)),
    RowsOf("probability", "distribution", 3, "one-hot rows and rows of probabilities"),
)
"""What a loss that declares nothing may be meant for."""


def _numbers_in(loss: LossFunction) -> Iterator[float]:
    for _, part in loss.weighted_terms():
        yield from (v for v in part.parameters().values() if isinstance(v, float))


def _outside(domains: Sequence[Domain], x: float) -> bool:
    return any(bool(d.outside(np.float64(x))) for d in domains)


def _within(domains: Sequence[Domain], x: Array) -> Array:
    kept = np.ones(x.shape, np.bool_)
    for domain in domains:
        kept &= ~np.asarray(domain.outside(x))
    return np.unique(x[kept]) if not np.all(np.diff(x) < 0) else x[kept]


def _drawn(domains: Sequence[Domain], random: np.random.Generator, n: int) -> Array:
    """Numbers of a domain as data have them: drawn from mixtures, kept where they lie inside."""
    pool = (
        [2 * random.normal(size=20 * n), random.uniform(0.02, 0.98, size=20 * n)]
        if domains
        else [2 * random.normal(size=n)]
    )
    for domain in domains:
        low, high = (getattr(domain, end, np.inf) for end in ("low", "high"))
        if np.isfinite(low) and np.isfinite(high):
            pool = [random.uniform(low + 0.02 * (high - low), high - 0.02 * (high - low), size=20 * n)]
    if domains and any(isinstance(d, type(PLUS_MINUS_ONE)) for d in domains):
        pool = [
            random.choice(
                [getattr(d, end) for d in domains if hasattr(d, "first") for end in ("first", "second")],
                20 * n,
            )
        ]
    kept = np.concatenate(pool)
    for domain in domains:
        kept = kept[~np.asarray(domain.outside(kept))]
    return random.permutation(kept)[:n] if len(kept) >= n else np.resize(kept, n)


def _softmax(scores: Array) -> Array:
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)  # type: ignore[no-any-return]


Sampler = Callable[[np.random.Generator, int], Batch]
