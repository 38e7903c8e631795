"""A loss's facts as data: what the docs, the command line, the catalogue and the laws read."""

from collections.abc import Iterable
from dataclasses import dataclass, field

CONVEX = "convex"
SYMMETRIC = "symmetric"
SMOOTH = "smooth"
BOUNDED = "bounded"
PROPER = "proper"
ROBUST = "robust"
REDESCENDING = "redescending"

MEANINGS = {
    CONVEX: "the curvature is nowhere negative",
    SYMMETRIC: "target and prediction may change places",
    SMOOTH: "the slope is continuous",
    BOUNDED: "the value has a finite upper bound",
    PROPER: "the expected loss is least at the true probability",
    ROBUST: "the slope is bounded",
    REDESCENDING: "the slope returns to 0 for far outliers",
}
"""The traits without a number; ``lipschitz(k)`` is the only other. Each is a promise the laws test."""

TRAITS = frozenset(MEANINGS)


def lipschitz(constant: float | str) -> str:
    """The trait |slope| <= constant; a parameter's name or a number."""
    return f"lipschitz({constant})"


def meaning(trait: str) -> str:
    """What a trait promises.

    >>> meaning(lipschitz("delta"))
    'the slope is at most delta in size'
    """
    if trait.startswith("lipschitz("):
        return f"the slope is at most {trait[len('lipschitz(') : -1]} in size"
    return MEANINGS[trait]


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
    elsewhere: tuple[str, ...] = ()
    """What other libraries call it, and where theirs differs: "torch.nn.HuberLoss: the same"."""

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
        elsewhere: Iterable[str] | str = (),
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
            "elsewhere": _lines(elsewhere),
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
