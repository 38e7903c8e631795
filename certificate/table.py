"""The largest errors as lines and as tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from certificate.measuring.ledger import VERBS, Ledger, Worst
from certificate.plan import DTYPES, LossClass, bound_of, kind_of, order_of

Results = dict[LossClass, dict[str, Ledger]]
"""What is known of each loss, by engine."""
HALF = 0.505  # an answer may be as far from the truth as its own rounding; and a little more, in two digits


class Line(NamedTuple):
    """One entry of a ledger, with where it stands."""

    cls: LossClass
    engine: str
    dtype: str
    verb: str
    worst: Worst

    @property
    def bound(self) -> float:
        """What its error may be."""
        return bound_of(self.cls, self.dtype, self.verb)

    @property
    def passes(self) -> bool:
        """Whether it is within the bound, without NaN and without dead gradients."""
        return self.worst.passes(self.bound)


def lines(results: Results) -> list[Line]:
    """Every entry: losses in the order of the table, dtypes and verbs in theirs."""
    return [
        Line(cls, engine, dtype, verb, ledger.worst[dtype, verb])
        for cls in sorted(results, key=lambda c: (order_of(c), c.name))
        for dtype in DTYPES
        for verb in VERBS
        for engine, ledger in results[cls].items()
        if (dtype, verb) in ledger.worst
    ]


def number(error: float) -> str:
    """An error in two or three digits."""
    return f"{error:.2f}" if error < 9.995 else f"{error:.0f}" if error < 1e5 else f"{error:.0e}"


def in_words(line: Line) -> str:
    """An entry as a sentence."""
    worst = line.worst
    counts = "".join(f", {n} {what}" for n, what in ((worst.nans, "NaN"), (worst.dead, "dead")) if n)
    what = f"{line.cls.name}, {line.engine}, {line.dtype}: {line.verb} {number(worst.error)} ulp{counts}"
    return f"{what}; {worst.place}: {worst.got:.9g}, true {worst.truth}"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    escaped = ([cell.replace("|", r"\|") for cell in row] for row in rows)
    return "\n".join(f"| {' | '.join(row)} |" for row in (headings, ["---"] * len(headings), *escaped))


def by_structure(some: Iterable[Line]) -> Iterator[tuple[str, list[Line]]]:
    """The lines of each structure, under its name."""
    for name, group in groupby(some, key=lambda line: _structure(line.cls)):
        yield name, list(group)


def _structure(cls: LossClass) -> str:
    return {"elements": "elements", "rows": "rows of classes"}.get(kind_of(cls), f"arrays: {cls.structure}")


def headings(engines: Iterable[str]) -> list[str]:
    """What stands over `errors`."""
    return ["loss", "dtype", *engines, "NaN", "dead", "answers"]


def errors(some: Iterable[Line], engines: Sequence[str]) -> Iterator[list[str]]:
    """The largest errors of a loss in a dtype on each engine, with how many answers were looked at."""
    for (cls, dtype), group in groupby(some, key=lambda line: (line.cls, line.dtype)):
        same = list(group)
        cells = [" ".join(_error(line) for line in same if line.engine == engine) for engine in engines]
        counts = [sum(getattr(line.worst, what) for line in same) for what in ("nans", "dead")]
        answers = max(line.worst.answers for line in same)
        yield [cls.name, dtype, *cells, *(f"{n:,}" for n in counts), f"{answers:,}"]


def _error(line: Line) -> str:
    text = number(line.worst.error)
    return text if line.passes else f"**{text}**"


def places(some: Iterable[Line]) -> str:
    """Where the largest errors are; engines whose worst answer is the same share a row."""
    rows = []
    for _, group in groupby(some, key=lambda line: (line.cls, line.dtype, line.verb)):
        alike: dict[tuple[str, float], list[Line]] = {}
        for line in group:
            alike.setdefault((line.worst.place, line.worst.error), []).append(line)
        rows += [_place(same[0], ", ".join(line.engine for line in same)) for same in alike.values()]
    return table(
        ["loss", "dtype", "engine", "of the", "error", "undivided", "where", "answer", "truth"], rows
    )


def _place(line: Line, engines: str) -> list[str]:
    worst = line.worst
    loss, _, where = worst.place.partition(": ")
    sizes = [number(worst.error) if line.passes else f"**{number(worst.error)}**", number(worst.ulp)]
    return [f"`{loss}`", line.dtype, engines, line.verb, *sizes, where, f"{worst.got:.9g}", worst.truth]
