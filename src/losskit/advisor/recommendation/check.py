"""What a check is: a number, a title, one function from a profile to a finding or nothing, a reason and references."""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from losskit.advisor.recommendation.profiles import Profile

SLIGHT, CLEAR, STRONG, DECISIVE = 0.5, 1.0, 2.0, 8.0
"""Points: what speaks a little, clearly or strongly for a loss, and what overrules all else."""

SEVERITIES = ("note", "advice", "warning")
"""A note explains, advice moves the ranking, a warning says that the answer rests on shaky ground."""


@dataclass(frozen=True)
class Finding:
    """What a check found: a sentence with its numbers, and points for or against losses, by recipe."""

    sentence: str
    points: tuple[tuple[str, float], ...] = ()
    each: Mapping[str, str] = field(default_factory=dict)
    """Where it is not the sentence, what it means for a loss."""


@dataclass(frozen=True)
class Check:
    """One piece of advice."""

    code: str
    title: str
    severity: str
    of: type[Profile]
    """The profiles it looks at."""
    examine: Callable[[Any], Finding | None]
    reason: str
    """Why it matters, for the documentation."""
    references: tuple[str, ...] = ()


@cache
def all_checks() -> tuple[Check, ...]:
    """Every check, by its number.

    >>> all_checks()[0].code
    'R001'
    """
    from losskit.advisor.recommendation import checks

    modules = (
        importlib.import_module(f"{checks.__name__}.{m.name}") for m in pkgutil.iter_modules(checks.__path__)
    )
    return tuple(sorted((module.CHECK for module in modules), key=lambda check: str(check.code)))


def examined(profile: Profile) -> list[tuple[Check, Finding]]:
    """What the checks that look at such a profile find."""
    found = ((check, check.examine(profile)) for check in all_checks() if isinstance(profile, check.of))
    return [(check, finding) for check, finding in found if finding is not None]
