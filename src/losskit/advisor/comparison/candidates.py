"""Which losses to try on a task, with parameters that follow from the training rows.

A candidate is a recipe: what it needs to know of the data (the scale of the residuals, the balance of the
classes) is measured on the training rows of each fold, so the test rows stay unseen.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from losskit import catalogue
from losskit.advisor.models.adapters import resolve
from losskit.labels import label_of
from losskit.links import on_logits
from losskit.loss import LossFunction

TASKS = ("regression", "binary", "multiclass")


@dataclass(frozen=True)
class Facts:
    """What a recipe may know: facts of training rows only."""

    scale: float = 1.0
    """Robust standard deviation of the residuals of a robust fit: 1.4826 times their median size."""
    balance: tuple[float, ...] = ()
    """The share of each class."""


@dataclass(frozen=True)
class Candidate:
    """A loss to try: its name in the table, how to make it, and why it is tried."""

    name: str
    make: Callable[[Facts], LossFunction]
    why: tuple[str, ...]
    how: Callable[[Facts], list[str]] = lambda _: []
    """How its parameters follow from the data."""
    asked: bool = False
    """Whether the user named it: then a failure is an error, else the candidate is left out."""


def _fixed(text: str, *why: str) -> Candidate:
    loss = resolve(text)
    return Candidate(text, lambda _: loss, why)


def _scaled(name: str, parameter: str, factor: float, why: str) -> Candidate:
    """A robust loss whose scale is ``factor`` times that of the residuals: 95 % of the efficiency of mse."""

    def make(facts: Facts) -> LossFunction:
        return catalogue.get(name, **{parameter: rounded(factor * facts.scale)})

    def how(facts: Facts) -> list[str]:
        times = f"{factor:g} times the residuals' robust scale {facts.scale:.4g}"
        return [f"{parameter} = {times}: 95 % as efficient as mse under Gaussian noise"]

    return Candidate(name, make, (why,), how)


def _weighted() -> Candidate:
    def make(facts: Facts) -> LossFunction:
        return catalogue.get("weighted_cross_entropy", class_weights=_class_weights(facts), from_logits=True)

    def how(facts: Facts) -> list[str]:
        return [f"the smaller class has {min(facts.balance):.1%} of the rows"]

    return Candidate("weighted_cross_entropy", make, ("each class weighs the same as a whole",), how)


def _class_weights(facts: Facts) -> tuple[float, ...]:
    return tuple(rounded(1.0 / (len(facts.balance) * max(share, 1e-9))) for share in facts.balance)


def rounded(x: float) -> float:
    """Four significant digits: what a person would write down."""
    return float(f"{x:.4g}")


def baseline(task: str) -> Candidate:
    """The loss that everybody starts with."""
    if task == "regression":
        return _fixed("mse", "the baseline: estimates the mean, best under Gaussian noise")
    if task == "binary":
        return _fixed("binary_cross_entropy(from_logits=True)", "the baseline: estimates the probability")
    return _fixed(
        "sparse_categorical_cross_entropy(from_logits=True)", "the baseline: estimates the probabilities"
    )


def candidates(task: str) -> list[Candidate]:
    """The losses worth trying on a task, the baseline first."""
    if task == "regression":
        mae = _fixed("mae", "estimates the median; an outlier pulls no harder than any other row")
        others = [mae, *scaled()[:3]]  # of the two that forget far outliers one is enough
    elif task == "binary":
        others = [
            _weighted(),
            _fixed("focal(gamma=2, from_logits=True)", "easy rows count less"),
            _fixed("hinge", "the widest margin; rows beyond it count nothing"),
            _fixed("squared_hinge", "a margin without a kink"),
        ]
    else:
        others = [
            _fixed(
                "label_smoothing_cross_entropy(smoothing=0.1, from_logits=True)", "less sure of any label"
            ),
            _fixed("categorical_focal(gamma=2, from_logits=True)", "easy rows count less"),
            _fixed("squared_hinge", "one class against the rest, by margin"),
        ]
    return [baseline(task), *others]


def scaled() -> list[Candidate]:
    """Robust losses whose scale follows from the residuals."""
    return [
        _scaled("huber", "delta", 1.345, "an outlier pulls no harder than a row at delta"),
        _scaled("cauchy", "scale", 2.385, "far outliers fade"),
        _scaled("tukey_biweight", "scale", 4.685, "far outliers count nothing"),
        _scaled("welsch", "scale", 2.985, "far outliers count nothing, and it is smooth"),
    ]


def chosen(losses: Sequence[str | LossFunction], task: str) -> list[Candidate]:
    """The losses the user asked for, with the baseline and as many more as make three; each once."""
    found: dict[str, Candidate] = {}
    for loss in losses:
        candidate = _asked(loss, task)
        found.setdefault(_key(candidate, task), candidate)
    first, *others = candidates(task)
    found.setdefault(_key(first, task), first)
    for extra in others:
        if len(found) < 3:
            found.setdefault(_key(extra, task), extra)
    return list(found.values())


def probe(task: str) -> Facts:
    """Facts of no data, to see what a recipe makes."""
    return Facts(balance=(0.5, 0.5) if task == "binary" else ())


def _key(candidate: Candidate, task: str) -> str:
    """What tells candidates apart: the name where parameters follow from the data, else the loss."""
    facts = probe(task)
    return candidate.name if candidate.how(facts) else label_of(candidate.make(facts))


def _asked(loss: str | LossFunction, task: str) -> Candidate:
    """A loss of the user's; a robust one that is only named gets its scale from the data."""
    made = resolve(loss) if task == "regression" else on_logits(resolve(loss))
    named = isinstance(loss, str) and "(" not in loss and task == "regression"
    recipes = [recipe for recipe in scaled() if named and recipe.name == made.name]
    known = [*recipes, *(known for known in candidates(task) if _key(known, task) == label_of(made))]
    if known:
        return replace(known[0], why=("asked for", *known[0].why), asked=True)
    return Candidate(label_of(made), lambda _: made, ("asked for",), asked=True)
