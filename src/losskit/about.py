"""A loss's facts as data: what the docs, the command line, the catalogue and the laws read."""

from collections.abc import Iterable
from dataclasses import dataclass, field

CONVEX = "convex"
"""Curvature is nowhere negative."""
SYMMETRIC = "symmetric"
"""value(y, p) = value(p, y)."""
SMOOTH = "smooth"
"""The slope is continuous."""
BOUNDED = "bounded"
"""The value has a finite upper bound."""
PROPER = "proper"
"""The expected loss is least at the true probability."""
ROBUST = "robust"
"""The slope is bounded."""
REDESCENDING = "redescending"
"""The slope returns to 0 for far outliers."""


def lipschitz(constant: float | str) -> str:
    """The trait |slope| <= constant; a parameter's name or a number."""
    return f"lipschitz({constant})"


TRAITS = frozenset({CONVEX, SYMMETRIC, SMOOTH, BOUNDED, PROPER, ROBUST, REDESCENDING})
"""The traits without a number; ``lipschitz(k)`` is the only other. Each is a promise the laws test."""

TASKS = frozenset(
    {
        "regression",
        "binary",
        "multiclass",
        "multilabel",
        "imbalance",
        "distribution",
        "segmentation",
        "similarity",
        "detection",
        "sequence",
        "generative",
        "ranking",
    }
)


@dataclass(frozen=True)
class About:
    """What a loss is: one page of its documentation, as data."""

    formula: str
    """The value of one element or row, in LaTeX."""
    tasks: frozenset[str]
    traits: frozenset[str] = frozenset()
    estimates: str = ""
    """What the best constant prediction is: the mean, a quantile, a probability..."""
    strengths: tuple[str, ...] = ()
    weaknesses: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    aliases: tuple[str, ...] = field(default=())
    """Other names that ``losskit.get`` knows it by, in lower case."""

    def __init__(
        self,
        formula: str,
        tasks: Iterable[str],
        traits: Iterable[str] = (),
        estimates: str = "",
        strengths: Iterable[str] | str = (),
        weaknesses: Iterable[str] | str = (),
        uses: Iterable[str] | str = (),
        references: Iterable[str] | str = (),
        aliases: Iterable[str] | str = (),
    ) -> None:
        for name, value in {
            "formula": formula,
            "tasks": _checked("tasks", tasks, TASKS),
            "traits": _checked("traits", traits, TRAITS),
            "estimates": estimates,
            "strengths": _lines(strengths),
            "weaknesses": _lines(weaknesses),
            "uses": _lines(uses),
            "references": _lines(references),
            "aliases": _lines(aliases),
        }.items():
            object.__setattr__(self, name, value)


def _lines(text: Iterable[str] | str) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


def _checked(what: str, names: Iterable[str], known: frozenset[str]) -> frozenset[str]:
    chosen = frozenset(names)
    unknown = {name for name in chosen if name not in known and not name.startswith("lipschitz(")}
    if unknown:
        raise ValueError(f"unknown {what} {sorted(unknown)}; known are {sorted(known)}")
    return chosen
