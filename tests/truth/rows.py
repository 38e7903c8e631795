"""Losses of a softmax row by their definitions, and their exact derivatives in each entry.

A row holds the logits or the probabilities of all classes; the target is a class index or a
distribution over the classes. The row's loss is a sum of terms, one for each class in the target.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mpmath import mp, mpf

from .derivatives import EXACT, Answer, condition_number, derivatives_of, exact, limit, plain
from .jets import Jet, Mpf, Number, SingularPoint, exp, floored, is_zero, leading, log, power, sqrt

Row = Sequence[Number]


@dataclass(frozen=True)
class RowBook:
    """A row's loss as a textbook states it: `terms(target distribution, row, **parameters)`."""

    terms: Callable[..., tuple[Number, ...]]
    kink: Callable[..., bool] | None = None
    """Whether the slope jumps so near that rounding the row decides it."""
    of_logarithms: bool = False
    """Whether the problem is posed in -log p, also where p is given: its last digit is many of p's."""

    def value(self, target: Any, row: Sequence[Any], **params: Any) -> Mpf:
        """The loss at the precision now set; `row_value` finds the precision it needs."""
        entries = [exact(z) for z in row]
        return sum(self.terms(distribution(target, len(row)), entries, **params), mpf(0))


ROWS: dict[str, RowBook] = {}


def _define(
    name: str, kink: Callable[..., bool] | None = None, of_logarithms: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(terms: Callable[..., Any]) -> Callable[..., Any]:
        ROWS[name] = RowBook(terms, kink, of_logarithms)
        return terms

    return register


def distribution(target: Any, classes: int) -> tuple[Mpf, ...]:
    """The target as a distribution: one-hot for a class index, else as given."""
    if hasattr(target, "__len__"):
        return tuple(exact(t) for t in target)
    return tuple(mpf(j == int(target)) for j in range(classes))


def _meets_a_share(
    target: Any, row: Sequence[Any], from_logits: bool = False, log_input: bool = False, **params: Any
) -> bool:
    """Whether a predicted share is the target's, but for rounding, where logarithms are predicted."""
    if not (from_logits or log_input):
        return False
    entries = [exact(z) for z in row]
    classes = _Logarithms(entries) if log_input else _Softmax(entries)
    shares = ((t, classes.probability(j)) for j, t in enumerate(distribution(target, len(row))))
    return any(0 < y < 1 and abs(p - y) <= 1e-6 * y for y, p in shares)


def _sum(xs: Iterable[Number]) -> Number:
    constants, total = mpf(0), None
    for x in xs:  # jets are few and slow to add: the plain numbers first
        if isinstance(x, Jet):
            total = x if total is None else total + x
        else:
            constants += x
    return constants if total is None else total + constants


class _Softmax:
    """The probabilities of a row, their complements and their negative logarithms.

    softmax: Bishop 2006, Pattern Recognition, eq. 4.104. The complement of one class is the
    probability of all others.
    """

    def __init__(self, row: Row) -> None:
        self.row = row
        self.powers = [exp(z) for z in row]
        self.total = _sum(self.powers)

    def probability(self, j: int) -> Number:
        return self.powers[j] / self.total

    def complement(self, j: int) -> Number:
        return _sum(e for k, e in enumerate(self.powers) if k != j) / self.total

    likelihood = probability

    def cost(self, j: int) -> Number:
        if not leading(self.powers[j]):  # a logit of -inf: log of the quotient has no series
            return log(self.total) - self.row[j]
        return -log(self.probability(j))


class _Given:
    """The same of a row of probabilities, taken as they are: each entry is its own variable."""

    def __init__(self, row: Row, floor: Any) -> None:
        self.row, self.floor = row, mpf(floor)

    def probability(self, j: int) -> Number:
        return self.row[j]

    def likelihood(self, j: int) -> Number:
        return floored(self.row[j], self.floor)

    def complement(self, j: int) -> Number:
        return 1 - floored(self.row[j], self.floor)

    def cost(self, j: int) -> Number:
        return -log(floored(self.row[j], self.floor))


class _Logarithms:
    """The same of a row of log-probabilities, each its own variable."""

    def __init__(self, row: Row) -> None:
        self.row = row

    def probability(self, j: int) -> Number:
        return exp(self.row[j])

    def cost(self, j: int) -> Number:
        return -self.row[j]


def _classes(row: Row, from_logits: bool, floor: Any, eps: Any) -> Any:
    return _Softmax(row) if from_logits else _Given(row, floor if eps is None else eps)


def _smoothed(target: Sequence[Number], smoothing: Any) -> list[Number]:
    """y (1 - s) + s/K. Szegedy et al. 2016, Rethinking Inception, section 7."""
    s = mpf(smoothing)
    return [y * (1 - s) + s / len(target) for y in target]


@_define("CategoricalCrossEntropy")
def _cross_entropy(
    target: Sequence[Number],
    row: Row,
    from_logits: bool = False,
    label_smoothing: Any = 0.0,
    class_weights: Sequence[Any] | None = None,
    eps: Any = None,
    floor: Any = 0.0,
) -> tuple[Number, ...]:
    """-sum_j w_j y_j log p_j. Bishop 2006, eq. 4.108; smoothing before the class weights."""
    classes = _classes(row, from_logits, floor, eps)
    smooth = _smoothed(target, label_smoothing)
    weights = class_weights or [1] * len(row)
    return tuple(
        mpf(w) * y * classes.cost(j)
        for j, (y, w) in enumerate(zip(smooth, weights, strict=True))
        if not is_zero(y) and w
    )


@_define("SparseCategoricalCrossEntropy")
def _sparse_cross_entropy(
    target: Sequence[Number], row: Row, z_loss: Any = 0.0, **params: Any
) -> tuple[Number, ...]:
    """Cross-entropy, plus z_loss (log sum_j e^z_j)^2: Chowdhery et al. 2022, PaLM, section 5."""
    terms = _cross_entropy(target, row, **params)
    if not z_loss:
        return terms
    normalizer = log(_Softmax(row).total)
    return (*terms, mpf(z_loss) * normalizer * normalizer)


@_define("LabelSmoothingCrossEntropy")
def _label_smoothing(
    target: Sequence[Number], row: Row, smoothing: Any = 0.1, **params: Any
) -> tuple[Number, ...]:
    """Cross-entropy against the smoothed target. Szegedy et al. 2016, section 7."""
    terms: tuple[Number, ...] = _cross_entropy(target, row, label_smoothing=smoothing, **params)
    return terms


@_define("CategoricalFocalLoss")
def _categorical_focal(
    target: Sequence[Number],
    row: Row,
    gamma: Any = 2.0,
    alpha: Any = None,
    from_logits: bool = False,
    class_weights: Sequence[Any] | None = None,
    eps: Any = None,
    floor: Any = 0.0,
) -> tuple[Number, ...]:
    """-sum_j y_j alpha_j (1 - p_j)^gamma log p_j. Lin et al. 2017, Focal loss, eq. 5, K classes."""
    classes = _classes(row, from_logits, floor, eps)
    alphas = alpha if isinstance(alpha, Sequence) else [1 if alpha is None else alpha] * len(row)
    weights = class_weights or [1] * len(row)
    g = mpf(gamma)
    return tuple(
        y * mpf(a) * mpf(w) * power(classes.complement(j), g) * classes.cost(j)
        for j, (y, a, w) in enumerate(zip(target, alphas, weights, strict=True))
        if not is_zero(y) and a and w
    )


@_define("PolyLoss")
def _poly(
    target: Sequence[Number],
    row: Row,
    epsilon: Any = 2.0,
    from_logits: bool = False,
    class_weights: Sequence[Any] | None = None,
    eps: Any = None,
    floor: Any = 0.0,
) -> tuple[Number, ...]:
    """sum_j w_j y_j (-log p_j + epsilon (1 - p_j)). Leng et al. 2022, PolyLoss, eq. 6."""
    classes = _classes(row, from_logits, floor, eps)
    weights = class_weights or [1] * len(row)
    shares = [(j, mpf(w) * y) for j, (y, w) in enumerate(zip(target, weights, strict=True)) if y and w]
    costs = [share * classes.cost(j) for j, share in shares]
    return (*costs, *(mpf(epsilon) * share * classes.complement(j) for j, share in shares))


@_define("GeneralizedCrossEntropy", of_logarithms=True)
def _generalized_cross_entropy(
    target: Sequence[Number],
    row: Row,
    q: Any = 0.7,
    from_logits: bool = False,
    class_weights: Sequence[Any] | None = None,
    eps: Any = None,
    floor: Any = 0.0,
) -> tuple[Number, ...]:
    """sum_j w_j y_j (1 - p_j^q) / q. Zhang & Sabuncu 2018, eq. 6."""
    classes = _classes(row, from_logits, floor, eps)
    weights = class_weights or [1] * len(row)
    return tuple(
        mpf(w) * y * (1 - power(classes.likelihood(j), mpf(q))) / mpf(q)
        for j, (y, w) in enumerate(zip(target, weights, strict=True))
        if y and w
    )


@_define("SymmetricCrossEntropy")
def _symmetric_cross_entropy(
    target: Sequence[Number],
    row: Row,
    alpha: Any = 0.1,
    beta: Any = 1.0,
    log_zero: Any = -4.0,
    from_logits: bool = False,
    class_weights: None = None,
    eps: Any = None,
    floor: Any = 0.0,
) -> tuple[Number, ...]:
    """-alpha sum_j y_j log p_j - beta sum_j p_j log y_j, no log y_j below A. Wang et al. 2019, eq. 5."""
    classes = _classes(row, from_logits, floor, eps)
    logs = [max(log(y), mpf(log_zero)) for y in target]
    costs = (mpf(alpha) * y * classes.cost(j) for j, y in enumerate(target) if y)
    return (*costs, *(-mpf(beta) * classes.probability(j) * each for j, each in enumerate(logs)))


@_define("LogitAdjustedLoss")
def _logit_adjusted(
    target: Sequence[Number],
    row: Row,
    class_priors: Sequence[Any] = (),
    tau: Any = 1.0,
    class_weights: Sequence[Any] | None = None,
    from_logits: bool = True,
) -> tuple[Number, ...]:
    """-sum_j w_j y_j log(pi_j^tau e^z_j / sum_k pi_k^tau e^z_k). Menon et al. 2021, eq. 10."""
    adjusted = [z + mpf(tau) * mp.log(mpf(prior)) for z, prior in zip(row, class_priors, strict=True)]
    terms: tuple[Number, ...] = _cross_entropy(
        target, adjusted, from_logits=True, class_weights=class_weights
    )
    return terms


@_define("JensenShannonDivergence")
def _jensen_shannon(
    target: Sequence[Number],
    row: Row,
    from_logits: bool = False,
    log_input: bool = False,
    eps: Any = None,
    floor: Any = 0.0,
) -> tuple[Number, ...]:
    """sum_j (y_j log(y_j / m_j) + p_j log(p_j / m_j)) / 2 with m the mean. Lin 1991, eq. 4.1."""
    least = mpf(floor if eps is None else eps)
    classes = _Logarithms(row) if log_input else _classes(row, from_logits, floor, eps)
    terms: list[Number] = []
    for j, y in enumerate(target):
        p = classes.probability(j)
        if from_logits or log_input:
            terms += [] if is_zero(p) else [p * log(2 * p / (y + p)) / 2]
            terms += [y * log(2 * y / (y + p)) / 2] if y else []
        else:
            terms += [_at_floor(lambda q, y=y: _js_of_class(y, q), p, least)]
    return tuple(terms)


def _js_of_class(y: Mpf, p: Number) -> Number:
    own = p * log(2 * p / (y + p)) / 2 if leading(p) else p * 0
    return own + y * log(2 * y / (y + p)) / 2 if y else own


def _at_floor(f: Callable[[Number], Number], p: Number, floor: Mpf) -> Number:
    """The value at p, and for its derivatives those at the floored p."""
    value = f(leading(p))
    if not isinstance(p, Jet):
        return value
    return Jet((value, *f(floored(p, floor)).c[1:]))


@_define("TotalVariationDistance", _meets_a_share)
def _total_variation(
    target: Sequence[Number],
    row: Row,
    from_logits: bool = False,
    log_input: bool = False,
    eps: Any = None,
    floor: Any = 0.0,
) -> tuple[Number, ...]:
    """sum_j |p_j - y_j| / 2. Levin, Peres & Wilmer 2009, proposition 4.2. At a kink the slope is 0."""
    classes = _Logarithms(row) if log_input else _classes(row, from_logits, floor, eps)
    terms: list[Number] = []
    for j, y in enumerate(target):
        p = classes.probability(j)
        half = mp.sign(leading(p) - y) / 2
        terms += [half * p, -half * y]
    return tuple(terms)


@_define("HellingerDistance", _meets_a_share)
def _hellinger(
    target: Sequence[Number],
    row: Row,
    log_input: bool = False,
    eps: Any = None,
    floor: Any = 0.0,
) -> tuple[Number, ...]:
    """sqrt(sum_j (sqrt(p_j) - sqrt(y_j))^2 / 2). Le Cam & Yang 2000, section 3.2. At its tip the slope is 0."""
    least = mpf(floor if eps is None else eps)
    classes = _Logarithms(row) if log_input else _Given(row, least)
    shares = [(y, classes.probability(j)) for j, y in enumerate(target)]
    if log_input:
        terms = [power(sqrt(p) - mp.sqrt(y), mpf(2)) / 2 for y, p in shares]
    else:
        terms = [
            _at_floor(lambda q, y=y: power(sqrt(q) - mp.sqrt(y), mpf(2)) / 2, p, least) for y, p in shares
        ]
    whole = _sum(terms)
    return (sqrt(whole),) if leading(whole) else (mpf(0),)


@_define("RenyiDivergence", of_logarithms=True)
def _renyi(
    target: Sequence[Number],
    row: Row,
    alpha: Any = 0.5,
    from_logits: bool = False,
    log_input: bool = False,
    eps: Any = None,
    floor: Any = 0.0,
) -> tuple[Number, ...]:
    """log(sum_j y_j^alpha p_j^(1-alpha)) / (alpha - 1). van Erven & Harremoes 2014, eq. 9; 1: Kullback-Leibler."""
    a = mpf(alpha)
    classes = _Logarithms(row) if log_input else _classes(row, from_logits, floor, eps)
    shares = [(y, classes.cost(j)) for j, y in enumerate(target) if y]
    if a == 1:
        return tuple(y * (log(y) + cost) for y, cost in shares)
    total = log(_sum(mp.power(y, a) * exp((a - 1) * cost) for y, cost in shares))
    return (total + 1) / (a - 1), -1 / (a - 1)  # the logarithm of a sum near 1 is as exact as the sum


@_define("KLDivergence")
def _kl_divergence(
    target: Sequence[Number],
    row: Row,
    from_logits: bool = False,
    log_input: bool = False,
    reverse: bool = False,
    eps: Any = None,
    floor: Any = 0.0,
) -> tuple[Number, ...]:
    """sum_j y_j log(y_j / p_j), or with p and y exchanged. Cover & Thomas 2006, eq. 2.26.

    Only the prediction is floored: of a target of 0 the reverse divergence is truly infinite, and
    its derivatives are the limits for a target that goes to 0.
    """
    classes = _Logarithms(row) if log_input else _classes(row, from_logits, floor, eps)
    if not reverse:
        pairs = [(j, y) for j, y in enumerate(target) if not is_zero(y)]
        return tuple(y * (log(y) + classes.cost(j)) for j, y in pairs)
    shares = [(j, y, classes.probability(j)) for j, y in enumerate(target)]
    if from_logits or log_input:
        return tuple(-p * (classes.cost(j) + log(y)) for j, y, p in shares if not is_zero(p))
    least = mpf(floor if eps is None else eps)
    return tuple(_share_log_ratio(p, y, least) for _, y, p in shares)


def _share_log_ratio(p: Number, y: Mpf, floor: Mpf) -> Number:
    """p log(p/y) with 0 log 0 = 0, and for its derivatives those at the floored p."""
    share = leading(p)
    value = share * (log(share) - log(y)) if share else mpf(0)
    if not isinstance(p, Jet):
        return value
    at = floored(p, floor)
    series = (at * log(at)).c
    slope = series[1] - log(y)
    return Jet((value, slope, *series[2:])[: len(p.c)])


# --- values and derivatives ---------------------------------------------------------------------


def row_value(book: RowBook | str, target: Any, row: Sequence[Any], **params: Any) -> Answer:
    """The loss of the row, with its terms."""
    return _row_answer(_find(book), 0, None, target, row, params)


def row_slopes(
    book: RowBook | str,
    target: Any,
    row: Sequence[Any],
    indices: Iterable[int] | None = None,
    **params: Any,
) -> dict[int, Answer]:
    """The derivative in each entry of the row, or in the entries asked for."""
    chosen = range(len(row)) if indices is None else indices
    return {i: _row_answer(_find(book), 1, i, target, row, params) for i in chosen}


def row_curvatures(
    book: RowBook | str,
    target: Any,
    row: Sequence[Any],
    indices: Iterable[int] | None = None,
    **params: Any,
) -> dict[int, Answer]:
    """The diagonal of the second derivative."""
    chosen = range(len(row)) if indices is None else indices
    return {i: _row_answer(_find(book), 2, i, target, row, params) for i in chosen}


def telling_indices(target: Any, row: Sequence[Any], most: int = 12) -> list[int]:
    """A few entries of a wide row that show what can go wrong: target, extremes, first and last."""
    weights = distribution(target, len(row))
    by_size = sorted(range(len(row)), key=lambda j: float(row[j]))
    by_weight = sorted(range(len(row)), key=lambda j: -weights[j])
    some = [*by_weight[:3], *by_size[::-1][:4], *by_size[:2], 0, len(row) - 1, len(row) // 2]
    return list(dict.fromkeys(some))[:most]


def _of_the_row(params: dict[str, Any]) -> dict[str, Any]:
    """The parameters that are about a row: not where rows lie, nor which of them are absent."""
    return {k: plain(x) for k, x in params.items() if k not in ("axis", "ignore_index")}


def _find(book: RowBook | str) -> RowBook:
    return ROWS[book] if isinstance(book, str) else book


def _row_answer(
    book: RowBook,
    order: int,
    index: int | None,
    target: Any,
    row: Sequence[Any],
    params: dict[str, Any],
) -> Answer:
    weights, entries = distribution(target, len(row)), [exact(z) for z in row]
    params = _of_the_row(params)
    try:
        total, *terms = _derivatives(book, order, index, weights, entries, params)
    except (SingularPoint, ZeroDivisionError):
        total, *terms = _inward_limit(book, order, index, weights, entries, params)
    return Answer((total,), tuple(terms))


def _derivatives(
    book: RowBook,
    order: int,
    index: int | None,
    weights: Sequence[Mpf],
    entries: list[Mpf],
    params: dict[str, Any],
    at_least: int = 0,
) -> tuple[Mpf, ...]:
    def terms() -> list[Number]:
        row: list[Number] = list(entries)
        if index is not None:
            row[index] = Jet.seed(row[index], order)
        return list(book.terms(weights, row, **params))

    finite = [z for z in entries if mp.isfinite(z)] if params.get("from_logits") else []
    spread = max(finite) - min(finite) if finite else mpf(0)
    return derivatives_of(terms, order, (*weights, *entries), at_least, exponent=spread)


def _inward_limit(
    book: RowBook,
    order: int,
    index: int | None,
    weights: Sequence[Mpf],
    entries: list[Mpf],
    params: dict[str, Any],
) -> tuple[Mpf, ...]:
    """The limit from inside the simplex, for a probability of 0 or 1 without a Taylor series."""
    assert index is not None
    step = -1 if entries[index] == 1 else 1

    def moved(k: int) -> tuple[Mpf, ...]:
        row = list(entries)
        row[index] = entries[index] + step * mpf(2) ** -k
        return _derivatives(book, order, index, weights, row, params, k + 200)

    with mp.workprec(EXACT):
        return limit(moved, 700)


def row_condition(
    book: RowBook | str,
    order: int,
    index: int | None,
    target: Any,
    row: Sequence[Any],
    **params: Any,
) -> Mpf:
    """The condition of a row's value (index None) or derivative in one entry.

    Logits are judged by their distances to the largest, since only those matter and they are exact
    or correctly rounded in floating point; all of them are stretched together, and one by one. One
    that is as large as the largest is moved by what a relative error of its probability means.
    A digit of -log p, where the problem is posed in it, is -log p digits of p.
    """
    book = _find(book)
    weights, entries = distribution(target, len(row)), [exact(z) for z in row]
    params = _of_the_row(params)
    of_logits = bool(params.get("from_logits"))
    top = max(entries) if of_logits else mpf(0)
    with mp.workprec(EXACT):
        distances = [z - top for z in entries]

    def moved(distance: Mpf, stretch: Mpf, alone: bool) -> Mpf:
        if not mp.isfinite(distance):
            return distance
        if of_logits and alone and not distance:
            return top + stretch - 1
        return top + distance * stretch

    def f(stretch: Mpf, only: int | None = None) -> Mpf:
        row = [
            moved(d, stretch if only in (None, j) else mpf(1), only is not None)
            for j, d in enumerate(distances)
        ]
        return _derivatives(book, order, index, weights, row, params)[0]

    with mp.workprec(EXACT):
        alone = [j for j in telling_indices(target, row) if distances[j] or of_logits]
        each = [condition_number(lambda s, j=j: f(s, j), mpf(1)) for j in alone]
        logarithms = [mpf(1)]
        if book.of_logarithms and not (of_logits or params.get("log_input")):
            floor = mpf(params.get("eps") or params.get("floor") or 0)
            logarithms = [-mp.log(max(z, floor)) for z in entries if max(z, floor)]
        return max([condition_number(f, mpf(1)), *each, *logarithms])
