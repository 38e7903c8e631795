"""Which losses to try on a task, with parameters that follow from the training rows.

A candidate is a recipe: what it needs to know of the data (the scale of the residuals, the balance of the
classes) is measured on the training rows of each fold, so the test rows stay unseen.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from losskit import catalogue
from losskit.advisor.models.adapters import on_logits, resolve
from losskit.labels import label_of
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
    why: Callable[[Facts], list[str]]
    asked: bool = False
    """Whether the user named it: then a failure is an error, else the candidate is left out."""


def residual_scale(residuals: NDArray[np.float64]) -> float:
    """Robust standard deviation: 1.4826 times the median distance from the median; 1 where there is none.

    >>> round(residual_scale(np.array([-1.0, 0.0, 1.0, 1e9])), 4)
    1.4826
    """
    spread = 1.4826 * float(np.median(np.abs(residuals - np.median(residuals))))
    return spread or float(np.std(residuals)) or 1.0


def _fixed(text: str, *why: str) -> Candidate:
    loss = resolve(text)
    return Candidate(text, lambda _: loss, lambda _: list(why))


def _scaled(name: str, parameter: str, factor: float, why: str) -> Candidate:
    """A robust loss whose scale is ``factor`` times that of the residuals."""

    def make(facts: Facts) -> LossFunction:
        return catalogue.get(name, **{parameter: _rounded(factor * facts.scale)})

    def reasons(facts: Facts) -> list[str]:
        return [why, f"{parameter} = {factor:g} times the residuals' robust scale {facts.scale:.4g}"]

    return Candidate(name, make, reasons)


def _weighted() -> Candidate:
    def make(facts: Facts) -> LossFunction:
        return catalogue.get("weighted_cross_entropy", class_weights=_class_weights(facts), from_logits=True)

    def reasons(facts: Facts) -> list[str]:
        return [
            "each class weighs the same as a whole",
            f"the smaller class has {min(facts.balance):.1%} of the rows",
        ]

    return Candidate("weighted_cross_entropy", make, reasons)


def _class_weights(facts: Facts) -> tuple[float, ...]:
    return tuple(_rounded(1.0 / (len(facts.balance) * max(share, 1e-9))) for share in facts.balance)


def _rounded(x: float) -> float:
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
        others = [
            _fixed("mae", "estimates the median; an outlier pulls no harder than any other row"),
            _scaled("huber", "delta", 1.345, "95 % as efficient as mse under Gaussian noise, bounded slope"),
            _scaled("cauchy", "scale", 2.385, "95 % as efficient under Gaussian noise, far outliers fade"),
            _scaled(
                "tukey_biweight",
                "scale",
                4.685,
                "95 % as efficient under Gaussian noise, far outliers count nothing",
            ),
        ]
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


def chosen(losses: Sequence[str | LossFunction], task: str) -> list[Candidate]:
    """The losses the user asked for, with the baseline and as many more as make three; each once."""
    found: dict[str, Candidate] = {}
    for loss in losses:
        candidate = _asked(loss, task)
        found.setdefault(_label(candidate, task), candidate)
    first, *others = candidates(task)
    found.setdefault(_label(first, task), first)
    for extra in others:
        if len(found) < 3:
            found.setdefault(_label(extra, task), extra)
    return list(found.values())


def _label(candidate: Candidate, task: str) -> str:
    return label_of(candidate.make(Facts(balance=(0.5, 0.5) if task == "binary" else ())))


def _asked(loss: str | LossFunction, task: str) -> Candidate:
    made = resolve(loss) if task == "regression" else on_logits(resolve(loss))
    return Candidate(label_of(made), lambda _: made, lambda _: ["asked for"], asked=True)
