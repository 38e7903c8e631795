"""Laws about traits: each is a promise, broken by one counterexample."""

import re
from collections.abc import Callable, Iterator

import numpy as np

from losskit.about import BOUNDED, CONVEX, PROPER, REDESCENDING, ROBUST, SMOOTH, SYMMETRIC
from losskit.domain import PROBABILITY
from losskit.laws.inputs import Array, Elements, Path, RowsOf
from losskit.laws.law import Finding, law
from losskit.laws.subject import Subject, show, where


def _promised(trait: str) -> Callable[[Subject], str | None]:
    def question(subject: Subject) -> str | None:
        return None if trait in subject.promises else f"the loss does not promise to be {trait}"

    return question


def _slopes(subject: Subject, path: Path, t: Array) -> Array:
    """The derivative along a path."""
    slopes = subject.each("derivative", path.batch(t)).reshape(len(t), -1).astype(np.float64)
    direction = np.atleast_1d(path.direction)
    return np.where(direction == 0.0, 0.0, slopes * direction).sum(axis=1)  # type: ignore[no-any-return]


def _along(subject: Subject) -> Iterator[tuple[Path, Array, Array]]:
    """Paths with all t, ordinary and far, in order, and the slopes there."""
    for path in subject.inputs.paths():
        t = np.unique(np.concatenate([path.near, *path.far]))
        yield path, t, _slopes(subject, path, t)


def _found(path: Path, t: float, message: str, got: object, expected: object = None, by: str = "") -> Finding:
    y, p = path.batch(np.array([t]))
    return Finding("error", message, y[0], p[0], got, expected, by)


def _at(path: Path, t: float) -> str:
    y, p = path.batch(np.array([t]))
    return where(y[0], p[0])


@law("convex", "promised convex: the slope never falls", _promised(CONVEX))
def convex(subject: Subject) -> Iterator[Finding]:
    """A slope that falls along a line, or a negative second derivative."""
    for path, t, slopes in _along(subject):
        size = np.maximum(np.abs(slopes[1:]), np.abs(slopes[:-1]))
        falls = np.diff(slopes) < -1e-9 * size - 1e-300
        if falls.any():
            i = int(np.argmax(falls * np.minimum(-np.diff(slopes), 1e300) / (1e-300 + np.diff(t))))
            _, p = path.batch(t[i : i + 2])
            yield _found(
                path, t[i],
                f"the slope falls from {show(float(slopes[i]))} at {_at(path, t[i])} to {show(float(slopes[i + 1]))} "
                f"at y_pred = {show(p[1])}: not convex there",
                float(slopes[i + 1]), float(slopes[i]), show(float(slopes[i] - slopes[i + 1])),
            )  # fmt: skip
            return


@law("symmetric", "promised symmetric: target and prediction may be exchanged", _promised(SYMMETRIC))
def symmetric(subject: Subject) -> Iterator[Finding]:
    """value(y, p) different from value(p, y)."""
    y, p = subject.inputs.swapped(subject.random, 40)
    there = subject.each("compute", (y, p))
    back = np.asarray((subject.unchecked or subject.loss).compute(*subject.exchanged((y, p))))
    different = ~np.isclose(there, back, rtol=1e-9, atol=1e-300)
    if different.any():
        i = int(np.argmax(different))
        yield Finding(
            "error", f"the value at {where(y[i], p[i])} is {show(there[i])}, with the two exchanged {show(back[i])}",
            y[i], p[i], there[i], back[i], show(abs(there[i] - back[i])),
        )  # fmt: skip


@law("smooth", "promised smooth: the slope has no jump", _promised(SMOOTH))
def smooth(subject: Subject) -> Iterator[Finding]:
    """Steps of the slope that stay however close the two sides are taken."""
    for path in subject.inputs.paths():
        t = subject.inputs.interior(path.near)
        low, high = t[:-1].copy(), t[1:].copy()
        left, right = _slopes(subject, path, low), _slopes(subject, path, high)
        for _ in range(55):  # down to neighbouring floats
            middle = low + (high - low) / 2
            between = _slopes(subject, path, middle)
            leftwards = np.abs(between - left) >= np.abs(right - between)
            low, high = np.where(leftwards, low, middle), np.where(leftwards, middle, high)
            left, right = np.where(leftwards, left, between), np.where(leftwards, between, right)
        jumps = np.abs(right - left) > 1e-4 * (np.abs(left) + np.abs(right))
        jumps &= np.abs(right - left) > 1e-9 * np.max(np.abs(_slopes(subject, path, t)))
        if jumps.any():
            i = int(np.argmax(jumps))
            yield _found(
                path, low[i],
                f"the slope jumps from {show(float(left[i]))} to {show(float(right[i]))} at {_at(path, low[i])}: "
                "not smooth there",
                float(right[i]), float(left[i]), show(float(abs(right[i] - left[i]))),
            )  # fmt: skip
            return


def _growth(sizes: Array) -> bool:
    """Whether numbers still grow at the end of a sequence; what overflows has grown."""
    half = len(sizes) // 2
    return not bool(np.max(sizes[half:]) <= 1.01 * np.max(sizes[:half]) + 1e-300 < np.inf)


def _unbounded(subject: Subject, what: str) -> Iterator[Finding]:
    verb = "compute" if what == "value" else "derivative"
    for path in subject.inputs.paths():
        for far in path.far:
            batch = path.batch(far)
            sizes = np.abs(subject.each(verb, batch)).reshape(len(far), -1).max(axis=1)
            if _growth(sizes):
                yield _found(
                    path, far[-1],
                    f"the {what} grows without bound: {show(float(sizes[len(far) // 2]))} at "
                    f"{_at(path, far[len(far) // 2])}, {show(float(sizes[-1]))} at y_pred = {show(batch[1][-1])}",
                    float(sizes[-1]), None, "without bound",
                )  # fmt: skip
                return


@law("bounded", "promised bounded: the value has an upper bound", _promised(BOUNDED))
def bounded(subject: Subject) -> Iterator[Finding]:
    """Values that grow towards the ends of the domain."""
    yield from _unbounded(subject, "value")


@law("robust", "promised robust: the slope is bounded", _promised(ROBUST))
def robust(subject: Subject) -> Iterator[Finding]:
    """Slopes that grow towards the ends of the domain."""
    yield from _unbounded(subject, "slope")


@law("redescending", "promised redescending: far outliers lose their pull", _promised(REDESCENDING))
def redescending(subject: Subject) -> Iterator[Finding]:
    """Slopes that do not return to 0."""
    for path in subject.inputs.paths():
        most = np.max(np.abs(_slopes(subject, path, path.near)))
        for far in path.far:
            last = abs(float(_slopes(subject, path, far[-1:])[0]))
            if not last <= 1e-3 * most:
                yield _found(
                    path, far[-1], f"the slope at {_at(path, far[-1])} is still {show(last)}: it does not return to 0",
                    last, 0.0, show(last),
                )  # fmt: skip
                return


def _constant(subject: Subject) -> tuple[str, float] | None:
    """k of a promise lipschitz(k): a number, or a parameter's value."""
    for trait in subject.promises:
        match = re.fullmatch(r"lipschitz\((.+)\)", trait)
        if match:
            name = match[1]
            try:
                return trait, float(name)
            except ValueError:
                return trait, float(subject.loss.parameters()[name])
    return None


@law(
    "lipschitz", "promised Lipschitz: |slope| is at most the constant",
    lambda s: None if any(t.startswith("lipschitz") for t in s.promises) else "the loss promises no Lipschitz constant",
)  # fmt: skip
def lipschitz(subject: Subject) -> Iterator[Finding]:
    """A slope beyond the constant."""
    promised = _constant(subject)
    assert promised is not None
    trait, k = promised
    for path, t, slopes in _along(subject):
        size = float(np.linalg.norm(np.atleast_1d(path.direction)))
        steep = np.abs(slopes) > k * size * (1 + 1e-12)
        if steep.any():
            i = int(np.argmax(np.where(steep, -np.abs(t), -np.inf)))
            yield _found(
                path, t[i],
                f"the slope at {_at(path, t[i])} is {show(float(slopes[i]) / size)}, steeper than the {show(k)} of {trait}",
                float(slopes[i]) / size, k, show(abs(float(slopes[i])) / size - k),
            )  # fmt: skip
            return


@law("proper", "promised proper: the expected loss is least at the true probability", _promised(PROPER))
def proper(subject: Subject) -> Iterator[Finding]:
    """A prediction that costs less, in expectation, than the truth."""
    if isinstance(subject.inputs, RowsOf):
        yield from _proper_rows(subject, subject.inputs)
        return
    grid = np.linspace(0.01, 0.99, 99)
    logits = not (isinstance(subject.inputs, Elements) and PROBABILITY in subject.inputs.predictions)
    p = np.log(grid / (1 - grid)) if logits else grid
    costs = [subject.each("compute", (np.full(p.shape, label), p)) for label in (0.0, 1.0)]
    for i in range(4, 95, 10):
        q = grid[i]
        expected = (1 - q) * costs[0] + q * costs[1]
        best = int(np.argmin(expected))
        if expected[best] < expected[i] - 1e-9 * abs(expected[i]):
            yield Finding(
                "error",
                f"for a true probability of {q:.2f} the expected loss of predicting it (y_pred = {show(float(p[i]))}) is "
                f"{show(float(expected[i]))}; predicting {grid[best]:.2f} costs only {show(float(expected[best]))}",
                float(q), float(p[i]), float(expected[best]), float(expected[i]), show(float(expected[i] - expected[best])),
            )  # fmt: skip
            return


def _proper_rows(subject: Subject, inputs: RowsOf) -> Iterator[Finding]:
    random = subject.random
    truth = random.dirichlet(np.ones(inputs.classes))
    others = random.dirichlet(np.ones(inputs.classes), size=60)
    mixed = np.concatenate([truth + s * (others - truth) for s in (1.0, 0.1, 0.01)])
    p = np.concatenate([truth[None], mixed])
    given = p if inputs.link == "probability" else np.log(p)
    expected = np.zeros(len(p))
    for j in range(inputs.classes):
        y = (
            np.full(len(p), j)
            if inputs.target != "distribution"
            else np.repeat(np.eye(inputs.classes)[j : j + 1], len(p), 0)
        )
        expected += truth[j] * subject.each("compute", (y, given))
    best = int(np.argmin(expected))
    if expected[best] < expected[0] - 1e-9 * abs(expected[0]):
        yield Finding(
            "error",
            f"for true probabilities {show(truth)} the expected loss of predicting them is {show(float(expected[0]))}; "
            f"predicting {show(p[best])} costs only {show(float(expected[best]))}",
            truth, given[best], float(expected[best]), float(expected[0]), show(float(expected[0] - expected[best])),
        )  # fmt: skip
