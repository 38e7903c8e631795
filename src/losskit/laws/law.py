"""Laws and what they find: the vocabulary of ``losskit.check``."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from losskit.laws.subject import Subject

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """What a law has to say of a loss: a sentence, with the counterexample as data."""

    severity: Severity
    message: str
    y: Any = None
    p: Any = None
    got: Any = None
    expected: Any = None
    by: str = ""
    """How far ``got`` is from ``expected``, in words."""
    law: str = ""


Examine = Callable[[Subject], Iterable[Finding]]
"""What a law is: a generator of findings."""


@dataclass(frozen=True)
class Law:
    """Something that must hold of a loss."""

    code: str
    title: str
    examine: Examine
    applies: Callable[[Subject], str | None]
    """Why the law says nothing of a loss; None where it does."""


@dataclass(frozen=True)
class Outcome:
    """How a law went for one loss."""

    code: str
    title: str
    status: Literal["held", "broken", "not applicable"]
    reason: str = ""
    """Why it does not apply."""


LAWS: list[Law] = []
"""Every law, in the order of the report."""


def law(
    code: str, title: str, applies: Callable[[Subject], str | None] | None = None
) -> Callable[[Examine], Examine]:
    """Register the decorated generator of findings as a law."""

    def register(examine: Examine) -> Examine:
        LAWS.append(Law(code, title, examine, applies or (lambda subject: None)))
        return examine

    return register
