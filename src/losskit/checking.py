"""``losskit.check``: do the laws hold of a loss, the user's own too?"""

import html
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from losskit.errors import needs
from losskit.loss import LossFunction
from losskit.structures import ArrayLoss

with needs("check"):
    import mpmath  # noqa: F401 - the exact values rest on it

from losskit.laws import differences, inputs, numbers, objects, sets, traits  # noqa: F401 - each registers its laws
from losskit.laws.array_subject import ArraySubject
from losskit.laws.law import LAWS, SEVERITIES, Finding, Law, Outcome
from losskit.laws.subject import Subject, show


@dataclass(frozen=True)
class Report:
    """What the laws found of a loss."""

    loss: str
    findings: tuple[Finding, ...]
    laws: tuple[Outcome, ...]
    inputs: str = ""
    """The domain that was looked at, in words."""

    @property
    def ok(self) -> bool:
        """Whether no law found an error; warnings and notes are advice."""
        return not any(f.severity == "error" for f in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data for JSON."""
        return {
            "loss": self.loss,
            "ok": self.ok,
            "inputs": self.inputs,
            "findings": [{k: _plain(v) for k, v in vars(f).items()} for f in self.findings],
            "laws": [vars(outcome).copy() for outcome in self.laws],
        }

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        tally = Counter(outcome.status for outcome in self.laws)
        counts = ", ".join(f"{tally[s]} {s}" for s in ("held", "broken", "not applicable") if tally[s])
        yield f"{self.loss}: {'ok' if self.ok else 'not ok'}. Of {len(self.laws)} laws: {counts}."
        yield f"Inputs: {self.inputs}."
        yield ""
        width = max((len(outcome.code) for outcome in self.laws), default=0)
        for outcome in self.laws:
            sign = {"held": "ok", "broken": "BROKEN", "not applicable": "-"}[outcome.status]
            yield f"  {outcome.code:<{width}}  {sign:<6}  {outcome.reason or outcome.title}"
        for severity in SEVERITIES:
            for finding in (f for f in self.findings if f.severity == severity):
                yield ""
                yield f"{severity} ({finding.law}): {finding.message}"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(o.code)}</td><td>{o.status}</td><td>{html.escape(o.reason or o.title)}</td></tr>"
            for o in self.laws
        )
        found = "".join(
            f"<li><b>{f.severity}</b> ({f.law}): {html.escape(f.message)}</li>" for f in self.findings
        )
        verdict = "ok" if self.ok else "not ok"
        return f"<p><code>{html.escape(self.loss)}</code>: {verdict}</p><ul>{found}</ul><table>{rows}</table>"


def check(loss: LossFunction | type[LossFunction], *, seed: int = 0) -> Report:
    """Run the laws on a loss: is it right, stable, and what its traits promise?

    A loss of rules is compared with the exact value of its own rule, in as many digits as it takes, and
    with the derivatives of that; a loss written by hand with differences of its ``compute``. Every
    finding names the inputs, what came, and what is true.

    Parameters
    ----------
    loss : a loss, or a class that can be made without arguments
    seed : of the ordinary inputs that are drawn at random

    Raises TypeError where ``loss`` is neither. An exception that the loss raises is a finding.

    >>> import losskit as lk
    >>> class Steep(lk.ResidualLoss):
    ...     @lk.rule
    ...     def value(r):
    ...         return r * r
    ...     @lk.rule
    ...     def slope(r):
    ...         return -2.0 * r
    ...     @lk.rule
    ...     def curvature(r):
    ...         return 2.0 + 0.0 * r
    >>> report = check(Steep)
    >>> report.ok
    False
    >>> print(report.findings[0].message.split(", the true")[0])
    the derivative at y_true = 0, y_pred = 0.5 (float64) is -1
    """
    made = _made(loss)
    if isinstance(made, Report):
        return made
    outcomes: list[Outcome] = []
    findings: list[Finding] = []
    subject, trouble = _subject(made, seed)
    if trouble is not None:
        findings.append(trouble)
        outcomes = [
            Outcome(law.code, law.title, "not applicable", "the loss cannot be computed") for law in LAWS
        ]
    for law in LAWS if trouble is None else ():
        outcome, found = _run(law, subject)
        outcomes.append(outcome)
        findings += found
    order = {severity: i for i, severity in enumerate(SEVERITIES)}
    findings.sort(key=lambda f: order[f.severity])
    return Report(_name(made), tuple(findings), tuple(outcomes), subject.inputs.words)


def _made(loss: Any) -> LossFunction | Report:
    if isinstance(loss, LossFunction):
        return loss
    if not (isinstance(loss, type) and issubclass(loss, LossFunction)):
        raise TypeError(f"check takes a loss or a class of losses, got {loss!r} ({type(loss).__name__})")
    try:
        return loss()
    except TypeError as error:
        if "required" in str(error):
            raise TypeError(
                f"{loss.__name__} has parameters without a default: check an instance of it. {error}"
            ) from None
        return _unmade(loss, error)
    except Exception as error:
        return _unmade(loss, error)


def _unmade(cls: type, error: Exception) -> Report:
    message = f"{cls.__name__}() raises {type(error).__name__}: {error}"
    return Report(cls.__name__, (Finding("error", message, law="construction"),), ())


def _subject(loss: LossFunction, seed: int) -> tuple[Subject, Finding | None]:
    """The loss with inputs that suit it, or a finding that says why none does.

    A loss that declares no domain is tried on several; the one on which it works best counts.
    """
    if isinstance(loss, ArrayLoss):
        packed = ArraySubject(loss, seed)
        return packed, _cannot(packed)
    subject = Subject(loss, seed)
    if subject.declared is not None:
        return subject, _cannot(subject)
    tried = [Subject(loss, seed, kind) for kind in inputs.CANDIDATES]
    troubles = [_cannot(s) for s in tried]
    working = [s for s, trouble in zip(tried, troubles, strict=True) if trouble is None]
    if not working:
        return tried[0], troubles[0]
    return min(working, key=_discord), None


def _cannot(subject: Subject) -> Finding | None:
    """A finding where the loss cannot even be computed on ordinary inputs."""
    batch = subject.inputs.ordinary(subject.random, 5)
    for verb in ("compute", "derivative"):
        try:
            answer = np.asarray(subject.ask(verb, batch))
            if answer.dtype.kind not in "fiub":
                raise TypeError(f"it answers {answer.dtype} instead of numbers")
        except Exception as error:
            return Finding(
                "error", f"{verb} raises {type(error).__name__} on ordinary inputs ({subject.inputs.words}): {error}",
                *batch, law="verbs",
            )  # fmt: skip
    return None


def _discord(subject: Subject) -> float:
    """How badly value and derivative fit on the inputs of a subject."""
    batch = subject.inputs.ordinary(subject.random, 5)
    try:
        if not np.all(np.isfinite(np.asarray(subject.ask("derivative", batch), np.float64))):
            return float("inf")
        return len(differences.mismatches(subject, batch)) / batch[1].size
    except Exception:
        return float("inf")


def _run(law: Law, subject: Subject) -> tuple[Outcome, list[Finding]]:
    """One law on one loss; what the loss raises is a finding."""
    found: list[Finding] = []
    try:
        reason = law.applies(subject)
        if reason is not None:
            return Outcome(law.code, law.title, "not applicable", reason), []
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found += (replace(finding, law=law.code) for finding in law.examine(subject))
    except Exception as error:
        message = f"the loss raises {type(error).__name__}: {error}"
        found.append(Finding("error", message, law=law.code))
    broken = any(f.severity != "note" for f in found)
    return Outcome(law.code, law.title, "broken" if broken else "held"), found


def _name(loss: LossFunction) -> str:
    try:
        return repr(loss)
    except Exception:
        return type(loss).__name__


def _plain(value: Any) -> Any:
    """A finding's data as JSON has it."""
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, bool | int | float | str) else show(value)
