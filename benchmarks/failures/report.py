"""What came out, as tables for the terminal and as data for programs."""

import importlib.metadata
import platform
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from benchmarks.failures.case import Case
from benchmarks.failures.judge import Failure, Verdict
from benchmarks.failures.run import Chapter, Row

SHOWN = 4
"""Numbers of an answer that are printed."""
LONGEST = 90
"""Characters of an error's message that are printed."""


def numbers(answer: Any) -> str:
    """The first few numbers of an answer, to five digits.

    >>> numbers(-0.0), numbers(np.arange(6.0) / 7)
    ('0', '[0, 0.14286, 0.28571, 0.42857, …]')
    """
    array = np.asarray(answer)
    shown = [f"{float(x) + 0.0:.5g}" for x in array.flat[:SHOWN]]
    if array.size == 1:
        return shown[0]
    return f"[{', '.join(shown)}{', …' * (array.size > SHOWN)}]"


def answered(answer: Any) -> str:
    """An answer, or the beginning of an error's message.

    >>> answered(ValueError("y_pred must be at least 0"))
    'ValueError: y_pred must be at least 0'
    """
    if not isinstance(answer, Exception):
        return numbers(answer)
    message = str(answer).splitlines()[0]
    return f"{type(answer).__name__}: {message if len(message) <= LONGEST else message[: LONGEST - 1] + '…'}"


def remark(verdict: Verdict) -> str:
    """What an answer does not say of itself.

    >>> remark(Verdict(Failure.WRONG, 0.024)), remark(Verdict(Failure.WRONG, 40.0)), remark(Verdict(Failure.NAN))
    ('off by 2.4 %', 'off by 40 times the truth', '')
    """
    if verdict.failure is Failure.WRONG:
        size = (
            f"{100 * verdict.error:.3g} %" if verdict.error < 10 else f"{verdict.error:.2g} times the truth"
        )
        return f"off by {size}"
    return "no error" if verdict.failure is Failure.ACCEPTED else ""


def asked(case: Case) -> str:
    """What the peer was asked for."""
    return case.theirs if case.gradient is None else f"derivative in {case.gradient} of {case.theirs}"


def given(case: Case) -> str:
    """The inputs, with their dtype where it is not float32."""
    return case.inputs if case.dtype == "float32" else f"{case.inputs}; {case.dtype}"


def truth(row: Row) -> str:
    """The truth of a row."""
    return "an error" if row.truth is None else numbers(row.truth)


def table(chapter: Chapter) -> Table:
    """A peer's cases for the terminal."""
    title = f"{chapter.peer.name} {chapter.version or chapter.missing}"
    columns = ("asked", "truth", chapter.peer.name, "losskit")
    made = Table(*columns, title=title, title_justify="left", show_lines=True)
    for row in chapter.rows:
        first = Text(f"{asked(row.case)}\n{given(row.case)}").append(f"\n{_why(row.case)}", style="dim")
        theirs = "" if row.theirs is None else _marked(answered(row.theirs), row.their_verdict)
        made.add_row(first, truth(row), Text(theirs), Text(_marked(answered(row.ours), row.our_verdict)))
    return made


def _why(case: Case) -> str:
    reference = case.reference
    return f"{case.why} ({reference.place or reference.title})" if reference else case.why


def _marked(answer: str, verdict: Verdict | None) -> str:
    remarked = remark(verdict) if verdict else ""
    return f"{answer} ({remarked})" if remarked else answer


def summary(chapters: Iterable[Chapter]) -> str:
    """How often the peers fail in which way."""
    verdicts = [row.their_verdict for chapter in chapters for row in chapter.rows]
    kinds = Counter(v.failure.value if v.failure else "right" for v in verdicts if v is not None)
    return ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())


def versions() -> dict[str, str]:
    """What losskit ran with."""
    packages = ("losskit", "numpy", "mpmath")
    return {"python": platform.python_version(), **{p: importlib.metadata.version(p) for p in packages}}


def as_data(chapters: Iterable[Chapter]) -> dict[str, Any]:
    """Everything, for JSON; answers are text, since NaN and infinity are no numbers there."""
    return {
        "versions": versions(),
        "peers": [
            {
                "name": c.peer.name,
                "version": c.version,
                "missing": c.missing,
                "cases": [_data(row) for row in c.rows],
            }
            for c in chapters
        ],
    }


def _data(row: Row) -> dict[str, Any]:
    case, reference = row.case, row.case.reference
    return {
        "asked": asked(case),
        "losskit_asked": case.ours,
        "inputs": case.inputs,
        "dtype": case.dtype,
        "truth": truth(row),
        "peer": None if row.theirs is None else _verdict(row.theirs, row.their_verdict),
        "losskit": _verdict(row.ours, row.our_verdict),
        "why": case.why,
        "reference": None if reference is None else vars(reference),
    }


def _verdict(answer: Any, verdict: Verdict | None) -> dict[str, Any]:
    failure = verdict.failure if verdict else None
    error = verdict.error if verdict and failure in (None, Failure.WRONG) else None
    return {"answer": answered(answer), "failure": failure, "relative_error": error}
