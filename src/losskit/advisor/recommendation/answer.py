"""The answer: losses best first, each with its evidence, as text for people and as JSON for programs."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from losskit.advisor.recommendation.check import Check, Finding
from losskit.advisor.recommendation.profiles import Profile
from losskit.advisor.recommendation.recipes import Made
from losskit.labels import COMMON, finite, label_of, own_parameters, plain
from losskit.loss import LossFunction

SHOWN = 3
"""Losses shown to people; programs get all."""


@dataclass(frozen=True)
class Reason:
    """What a check says for a loss, or against it."""

    code: str
    sentence: str
    points: float


@dataclass(frozen=True)
class Suggestion:
    """A loss with parameters set from the data, and why."""

    made: Made
    points: float
    reasons: tuple[Reason, ...]

    @property
    def loss(self) -> LossFunction:
        """The loss itself."""
        return self.made.loss

    @property
    def name(self) -> str:
        """The loss's name; a sum of losses as ``losskit.parse`` reads it."""
        return self.loss.name if len(self.loss.weighted_terms()) == 1 else label_of(self.loss)

    @property
    def code(self) -> str:
        """The line of Python that makes the loss."""
        return " + ".join(
            f"{'' if k == 1 else f'{k:g} * '}{_call(part)}" for k, part in self.loss.weighted_terms()
        )

    @property
    def estimates(self) -> str:
        """What the best constant prediction is."""
        return "; ".join(part.about.estimates for _, part in self.loss.weighted_terms() if part.about)

    @property
    def weaknesses(self) -> tuple[str, ...]:
        """When not to use it."""
        return tuple(w for _, part in self.loss.weighted_terms() if part.about for w in part.about.weaknesses)


@dataclass(frozen=True)
class Recommendation:
    """What was measured, what the checks found, and the losses, best first."""

    profile: Profile
    suggestions: tuple[Suggestion, ...]
    findings: tuple[tuple[Check, Finding], ...]
    notes: tuple[str, ...] = ()

    @property
    def best(self) -> Suggestion:
        """The first recommendation."""
        return self.suggestions[0]

    @property
    def heading(self) -> str:
        """One line that says what was looked at."""
        p = self.profile
        rows = f"{p.rows:,} row{'s' if p.rows != 1 else ''}" + (
            f", {p.dropped:,} left out" if p.dropped else ""
        )
        goal = f", goal {p.goal.said or p.goal.name}" if p.goal else ""
        return f"{p.source}: {rows}, target {p.target}, {p.task} ({p.kind}){goal}"

    @property
    def remarks(self) -> list[tuple[str, str, str]]:
        """Code, severity and sentence of the notes and warnings that are no reason of a loss shown."""
        reasons = {reason.code for s in self.suggestions[:SHOWN] for reason in s.reasons}
        told = [
            (c, f)
            for c, f in self.findings
            if c.code not in reasons and (c.severity != "advice" or not f.points)
        ]
        return [(check.code, check.severity, finding.sentence) for check, finding in told]

    def to_dict(self) -> dict[str, Any]:
        """The answer as plain data, for JSON."""
        return {
            "task": self.profile.task,
            "target": self.profile.target,
            "rows": self.profile.rows,
            "dropped": self.profile.dropped,
            "kind": self.profile.kind,
            "goal": self.profile.goal and self.profile.goal.said,
            "losses": [_suggestion(s) for s in self.suggestions],
            "findings": [
                {"code": c.code, "title": c.title, "severity": c.severity, "sentence": f.sentence}
                for c, f in self.findings
            ],
            "profile": _plain(dataclasses.asdict(self.profile)),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        lines = [self.heading, ""]
        for place, s in enumerate(self.suggestions[:SHOWN], 1):
            lines.append(f"{place}. {s.code}  ({s.points:.1f} points)")
            lines += [f"   {line}" for line in details(s, brief=place > 1)]
        lines += [f"{code} {sentence}." for code, _, sentence in self.remarks]
        lines += [f"Note: {note}." for note in self.notes]
        return "\n".join(lines)


def details(suggestion: Suggestion, brief: bool) -> list[str]:
    """The lines below a loss: reasons, what it estimates, and unless brief its parameters, cost and weaknesses."""
    reasons = sorted(suggestion.reasons, key=lambda reason: -abs(reason.points))
    lines = [
        f"{'-' if r.points < 0 else '+'} {r.sentence} ({r.code})"
        for r in (reasons[:1] if brief else reasons[:4])
    ]
    lines.append(f"estimates {suggestion.estimates}")
    if not brief:
        lines += [suggestion.made.setting] if suggestion.made.setting else []
        lines.append(f"costs {suggestion.made.cost}")
        lines += [f"beware: {'; '.join(suggestion.weaknesses)}"] if suggestion.weaknesses else []
    return lines


def _call(loss: LossFunction) -> str:
    """A loss as Python makes it, without what is left at its default."""
    defaults = {field.name: field.default for field in dataclasses.fields(loss)}
    given = ", ".join(
        f"{name}={value!r}"
        for name, value in loss.parameters().items()
        if name not in COMMON and value != defaults.get(name, dataclasses.MISSING)
    )
    return f"lk.{type(loss).__name__}({given})"


def _suggestion(s: Suggestion) -> dict[str, Any]:
    return {
        "loss": s.name,
        "parameters": {name: plain(value) for name, value in own_parameters(s.loss).items()},
        "reasons": [reason.sentence for reason in s.reasons],
        "points": round(s.points, 3),
        "checks": {reason.code: round(reason.points, 3) for reason in s.reasons},
        "estimates": s.estimates,
        "setting": s.made.setting,
        "cost": s.made.cost,
        "weaknesses": list(s.weaknesses),
        "code": s.code,
    }


def _plain(value: Any) -> Any:
    """A record as JSON has it."""
    if isinstance(value, dict):
        return {name: _plain(v) for name, v in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return finite(value) if isinstance(value, float) else value
