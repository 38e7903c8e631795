"""The definitions of the losses in the table, as textbooks state them; see `truth`.

Predictions are named p, or z where they are logits; targets y; vectors a and b. Every loss is a mean over its terms.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from mpmath import mp, mpf

from benchmarks.failures.truth import Nested, mean, numbers_in


def xlogy(x: Any, y: Any) -> Any:
    """x log y, where 0 log 0 is 0."""
    return mpf(0) if x == 0 else x * mp.log(y)


def sigmoid(z: Any) -> Any:
    """1 / (1 + e^-z)."""
    return 1 / (1 + mp.exp(-z))


def softmax(row: Sequence[Any]) -> list[Any]:
    """e^z over the sum of all e^z."""
    total = mp.fsum(mp.exp(x) for x in row)
    return [mp.exp(x) / total for x in row]


def of_residuals(rho: Callable[[Any], Any]) -> Callable[[Nested, Nested], Any]:
    """The mean of a function of p - y."""

    def definition(p: Nested, y: Nested) -> Any:
        return mean([rho(a - b) for a, b in zip(numbers_in(p), numbers_in(y), strict=True)])

    return definition


squared_error = of_residuals(lambda r: r * r)
log_cosh = of_residuals(lambda r: mp.log(mp.cosh(r)))
charbonnier = of_residuals(lambda r: mp.sqrt(1 + r * r) - 1)
geman_mcclure = of_residuals(lambda r: 2 * r * r / (r * r + 4))


def huber(delta: float) -> Callable[[Nested, Nested], Any]:
    """r^2/2 up to delta, and a line beyond."""
    return of_residuals(lambda r: r * r / 2 if abs(r) <= delta else delta * (abs(r) - mpf(delta) / 2))


def bernoulli(y: Any, p: Any) -> Any:
    """-y log p - (1 - y) log(1 - p)."""
    return -xlogy(y, p) - xlogy(1 - y, 1 - p)


def binary_cross_entropy(p: Nested, y: Nested) -> Any:
    """The mean of -y log p - (1 - y) log(1 - p)."""
    return mean([bernoulli(b, a) for a, b in zip(numbers_in(p), numbers_in(y), strict=True)])


def binary_cross_entropy_of_logits(z: Nested, y: Nested) -> Any:
    """The same, of p = sigmoid(z)."""
    return mean([bernoulli(b, sigmoid(a)) for a, b in zip(numbers_in(z), numbers_in(y), strict=True)])


def focal_of_logits(gamma: float) -> Callable[[Nested, Nested], Any]:
    """(1 - p_t)^gamma times binary cross-entropy, for labels 0 and 1."""

    def definition(z: Nested, y: Nested) -> Any:
        right = [
            sigmoid(a) if b == 1 else 1 - sigmoid(a)
            for a, b in zip(numbers_in(z), numbers_in(y), strict=True)
        ]
        return mean([-((1 - p) ** mpf(gamma)) * mp.log(p) for p in right])

    return definition


def cross_entropy(p: Nested, y: Nested) -> Any:
    """-Σ y log p of a row; targets are class indices or distributions."""
    return mean([_row(row, target) for row, target in zip(p, y, strict=True) if target != -100])


def _row(p: Sequence[Any], target: Any) -> Any:
    return (
        -mp.fsum(xlogy(t, q) for t, q in zip(target, p, strict=True))
        if isinstance(target, list)
        else -mp.log(p[target])
    )


def cross_entropy_of_logits(z: Nested, y: Nested) -> Any:
    """The same, of p = softmax(z); rows with the target -100 do not count."""
    return cross_entropy(
        [softmax(row) if target != -100 else row for row, target in zip(z, y, strict=True)], y
    )


def softmax_focal_of_logits(gamma: float) -> Callable[[Nested, Nested], Any]:
    """(1 - p_t)^gamma (-log p_t) of a row."""

    def definition(z: Nested, y: Nested) -> Any:
        right = [softmax(row)[target] for row, target in zip(z, y, strict=True)]
        return mean([-((1 - p) ** mpf(gamma)) * mp.log(p) for p in right])

    return definition


def kl_divergence(p: Nested, y: Nested) -> Any:
    """Σ y log(y / p) of a row."""
    return mean(
        [mp.fsum(xlogy(t, t / q) for t, q in zip(*rows, strict=True) if t) for rows in zip(y, p, strict=True)]
    )


def kl_divergence_of_logs(q: Nested, y: Nested) -> Any:
    """The same, of p = e^q."""
    return kl_divergence([[mp.exp(x) for x in row] for row in q], y)


def kl_divergence_of_two_logs(q: Nested, y: Nested) -> Any:
    """The same, of targets given as logarithms, too."""
    return kl_divergence_of_logs(q, [[mp.exp(x) for x in row] for row in y])


def logistic(p: Nested, y: Nested) -> Any:
    """log(1 + e^-yp), for labels -1 and 1."""
    return mean([mp.log(1 + mp.exp(-a * b)) for a, b in zip(numbers_in(p), numbers_in(y), strict=True)])


def poisson_of_logs(z: Nested, y: Nested) -> Any:
    """-log of the Poisson probability of y at the rate e^z."""
    return mean(
        [mp.exp(a) - b * a + mp.loggamma(b + 1) for a, b in zip(numbers_in(z), numbers_in(y), strict=True)]
    )


def poisson(p: Nested, y: Nested) -> Any:
    """p - y log p."""
    return mean([a - xlogy(b, a) for a, b in zip(numbers_in(p), numbers_in(y), strict=True)])


def cosine(a: Sequence[Any], b: Sequence[Any]) -> Any:
    """The cosine of the angle between two vectors."""
    return mp.fdot(a, b) / mp.sqrt(mp.fdot(a, a) * mp.fdot(b, b))


def cosine_distance(a: Nested, b: Nested) -> Any:
    """1 - cos."""
    return mean([1 - cosine(u, v) for u, v in zip(a, b, strict=True)])


def contrastive(temperature: float) -> Callable[[Nested, Nested], Any]:
    """NT-Xent where rows of one label belong together: -log softmax(cos / temperature) at each positive."""

    def definition(e: Nested, y: Nested) -> Any:
        terms, rows = [], range(len(e))
        for i in rows:
            s = {j: cosine(e[i], e[j]) / mpf(temperature) for j in rows if j != i}
            for j in (j for j in s if y[j] == y[i]):
                candidates = [x for k, x in s.items() if k == j or y[k] != y[i]]
                terms.append(-mp.log(mp.exp(s[j]) / mp.fsum(map(mp.exp, candidates))))
        return mean(terms)

    return definition


def two_views(temperature: float) -> Callable[[Nested, Nested], Any]:
    """NT-Xent of two views: row i of the one belongs to row i of the other."""

    def definition(a: Nested, b: Nested) -> Any:
        return contrastive(temperature)(a + b, [*range(len(a)), *range(len(b))])

    return definition


def ctc_of_logs(q: Nested, y: Nested) -> Any:
    """-log of the sum of e^q over all paths that spell the target: frames (T, 1, classes), blank 0."""
    frames, target = [frame[0] for frame in q], y[0]
    paths = (
        path
        for path in itertools.product(range(len(frames[0])), repeat=len(frames))
        if _spelt(path) == target
    )
    total = mp.fsum(
        mp.exp(mp.fsum(frame[c] for frame, c in zip(frames, path, strict=True))) for path in paths
    )
    return -mp.log(total) if total else mpf("inf")


def ctc_of_logits(z: Nested, y: Nested) -> Any:
    """The same, of the logarithms of softmax(z); one sequence, (1, T, classes)."""
    return ctc_of_logs([[[mp.log(p) if p else -mp.inf for p in softmax(frame)]] for frame in z[0]], y)


def _spelt(path: Sequence[int]) -> list[int]:
    """Runs become one, then blanks go."""
    return [c for c, _ in itertools.groupby(path) if c != 0]


def dice(p: Nested, y: Nested) -> Any:
    """1 - 2 Σ yp / (Σ y + Σ p)."""
    both = [(a, b) for a, b in zip(numbers_in(p), numbers_in(y), strict=True)]
    return 1 - 2 * mp.fsum(a * b for a, b in both) / mp.fsum(a + b for a, b in both)


def giou(p: Nested, y: Nested) -> Any:
    """1 - IoU + the share of the hull that neither box covers; identical boxes without an area have IoU 1."""
    return mean([_giou(a, b) for a, b in zip(p, y, strict=True)])


def _giou(a: Sequence[Any], b: Sequence[Any]) -> Any:
    if a == b:
        return mpf(0)
    overlap = _area(max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3]))
    union = _area(*a) + _area(*b) - overlap
    hull = _area(min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3]))
    return 1 - overlap / union + (hull - union) / hull


def _area(left: Any, top: Any, right: Any, bottom: Any) -> Any:
    return max(right - left, mpf(0)) * max(bottom - top, mpf(0))
