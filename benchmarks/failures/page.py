"""The page of the documentation."""

from collections.abc import Sequence

from benchmarks.failures.case import Reference
from benchmarks.failures.judge import LAST_DIGITS, WRONG, Verdict
from benchmarks.failures.report import answered, remark, summary, truth, versions
from benchmarks.failures.run import Chapter, Row

INTRODUCTION = f"""# Inputs on which losses fail

Each row was run: the peer in its released version, losskit, and the textbook's definition in high-precision arithmetic,
which is the truth. `make bench-failures` runs all of them again on your machine; no answer here is typed in by hand.

The inputs were chosen because the peer fails on them. They show where care is needed, not how often a library errs:
on ordinary inputs all of these libraries are right. Some rows are choices that a project documents, and some have been
fixed since; then the row says so. The reasons are ours, from reading the released code. Keras runs on its torch
backend, optax jitted.

- The first line of a row is what the peer was asked, the second what losskit was asked; d/dz before the first one
  means its reverse-mode derivative in z. Inputs are float32 unless a row says otherwise; `log`, `inf` and `np` are NumPy's.
- A peer's answer fails if it is NaN, infinite or 0 where the truth is not, more than {100 * WRONG:g} % off, or a number
  where the input is illegal. losskit's is held to {LAST_DIGITS} units in the last place.
"""
COLUMNS = ("input", "truth", "{peer}", "losskit", "why", "reference")


def page(chapters: Sequence[Chapter]) -> str:
    """The whole page."""
    made_with = ", ".join(f"{name} {version}" for name, version in versions().items())
    totals = f"The peers' answers: {summary(chapters)}. Run with {made_with}.\n"
    return "\n".join([INTRODUCTION, totals, *map(_section, chapters)])


def _section(chapter: Chapter) -> str:
    heading = f"## {chapter.peer.name} {chapter.version or chapter.missing}\n"
    columns = _line([column.format(peer=chapter.peer.name) for column in COLUMNS])
    return "\n".join([heading, columns, _line(["---"] * len(COLUMNS)), *map(line, chapter.rows), ""])


def line(row: Row) -> str:
    """A row of a table."""
    case = row.case
    call = f"d/d{case.gradient} `{case.theirs}`" if case.gradient else f"`{case.theirs}`"
    dtype = "" if case.dtype == "float32" else f", {case.dtype}"
    given = f"{call}<br>`{case.ours}`<br>`{case.inputs}`{dtype}"
    theirs = "not installed" if row.theirs is None else _answer(row.theirs, row.their_verdict)
    right = truth(row) if row.truth is None else f"`{truth(row)}`"
    return _line([given, right, theirs, _answer(row.ours, row.our_verdict), case.why, _link(case.reference)])


def _answer(answer: object, verdict: Verdict | None) -> str:
    """Numbers as code, errors as prose."""
    text = answered(answer)
    remarked = remark(verdict) if verdict else ""
    return (text if isinstance(answer, Exception) else f"`{text}`") + (f", {remarked}" if remarked else "")


def _link(reference: Reference | None) -> str:
    """A link to the thread, or the name of the page."""
    if reference is None:
        return ""
    if not reference.place:
        return reference.title
    target = f"https://github.com/{reference.project}/issues/{reference.number}"
    return f"[{reference.place}]({target}) {_prose(reference.title)}"


def _prose(title: str) -> str:
    """A title in which * and ` mean nothing."""
    return title.replace("`", "").replace("*", r"\*")


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"
