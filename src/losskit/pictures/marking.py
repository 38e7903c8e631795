"""Draw what ``losskit.check`` found of a loss: its curves, with broken laws marked where they break."""

import os
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from losskit.checking import Report
from losskit.errors import InputError
from losskit.laws.law import SEVERITIES, Finding
from losskit.loss import LossFunction
from losskit.pictures.drawing import FAINT, INK, PALETTE, check_output, new_figure, save
from losskit.pictures.plotting import plot
from losskit.pictures.views import WHAT, subject_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = {
    "the value": "value", "compute": "value",
    "the derivative": "slope", "derivative": "slope", "the slope": "slope",
    "the second derivative": "curvature",
}  # fmt: skip
"""The panel that a finding belongs to, by what it speaks of first."""

RED, GREEN = PALETTE[1], PALETTE[2]
LABEL: dict[str, Any] = {"color": RED, "fontsize": 10, "fontweight": "bold"}
MOST = 4
"""Findings that are marked, and written out below the curves."""


@dataclass(frozen=True)
class Mark:
    """Where a law breaks, in a panel."""

    panel: str
    x: float
    got: float | None
    expected: float | None
    number: int


def plot_report(report: Report, loss: LossFunction, output: str | os.PathLike[str] | None = None) -> "Figure":
    """Draw value, slope and curvature of a loss, with what a report says of it: marks, and its sentences below.

    A finding whose inputs lie outside the range has its number at the edge, with an arrow.

    >>> import losskit as lk
    >>> loss = lk.MeanSquaredError()
    >>> figure = plot_report(lk.check(loss), loss)
    >>> [text.get_text() for text in figure.texts]
    ['MeanSquaredError(): no law is broken']
    """
    if output is not None:
        check_output(output)
    found = sorted(
        (f for f in report.findings if f.severity != "note"), key=lambda f: SEVERITIES.index(f.severity)
    )
    try:
        figure = plot(loss)
    except (InputError, ValueError, TypeError) as error:  # a loss that cannot be computed has no curves
        figure = new_figure(12.0, 1.0)
        figure.suptitle(" ".join(str(error).split())[:120], fontsize=10, color=FAINT)
    else:
        panels = dict(zip(WHAT, figure.axes, strict=True))
        marks = [mark for i, finding in enumerate(found[:MOST], start=1) for mark in _marks(finding, loss, i)]
        for panel, axes in panels.items():
            _draw(axes, [mark for mark in marks if mark.panel == panel])
    _sentences(figure, report, found)
    if output is not None:
        save(figure, output)
    return figure


def _marks(finding: Finding, loss: LossFunction, number: int) -> list[Mark]:
    """Where a finding is in the pictures of the loss; nowhere for a law about sets, dtypes or objects."""
    panel = next((p for words, p in PANELS.items() if finding.message.startswith(f"{words} ")), None)
    x = _place(finding, subject_of(loss)[0])
    if panel is None or x is None:
        return []
    return [Mark(panel, x, _single(finding.got), _single(finding.expected), number)]


def _place(finding: Finding, subject: str) -> float | None:
    """The coordinate of a finding on the horizontal axis, where it is on a curve that is drawn."""
    y, p = _single(finding.y), _single(finding.p)
    if y is None or p is None:
        return None
    if subject == "residual":
        return p - y
    if subject == "margin":
        return y * p
    drawn = {"logit": (0.0, 1.0), "probability": (0.0, 1.0), "prediction": (1.0,), "log prediction": (1.0,)}
    return p if y in drawn.get(subject, ()) else None


def _single(x: Any) -> float | None:
    """A number, where that is what a finding holds."""
    if x is None or isinstance(x, str) or np.size(x) != 1:
        return None
    number = float(np.ravel(x)[0])
    return None if np.isnan(number) else number


def _draw(axes: "Axes", marks: list[Mark]) -> None:
    """The marks of a panel; what lies beyond its range shares a label at the edge."""
    left, right = axes.get_xlim()
    for mark in marks:
        if left <= mark.x <= right:
            _ring(axes, mark)
    beyond = (
        ("\u2190 {}", 0.02, "left", [mark for mark in marks if mark.x < left]),
        ("{} \u2192", 0.98, "right", [mark for mark in marks if mark.x > right]),
    )
    for label, place, side, there in beyond:
        if there:
            text = label.format(", ".join(str(mark.number) for mark in there))
            axes.text(place, 0.93, text, transform=axes.transAxes, ha=side, zorder=21, **LABEL)


def _ring(axes: "Axes", mark: Mark) -> None:
    """A red ring at what came, a green one at what is true, and the finding's number beside."""
    bottom, top = axes.get_ylim()
    for ring, height, size in ((RED, mark.got, 12), (GREEN, mark.expected, 7)):
        if height is not None:
            y = float(np.clip(height, bottom, top))
            axes.plot(
                [mark.x], [y], "o", markersize=size, mfc="none", mec=ring, mew=2.0, zorder=20, clip_on=False
            )
    if mark.got is None:
        axes.axvline(mark.x, color=RED, linewidth=1.2, linestyle=":", zorder=15)
    y = float(np.clip(mark.got if mark.got is not None else top, bottom, top))
    beside = -9 if mark.x > 0.5 * sum(axes.get_xlim()) else 9
    axes.annotate(
        str(mark.number), (mark.x, y), xytext=(beside, 9 if y < 0.5 * (bottom + top) else -12),
        textcoords="offset points", ha="center", zorder=21, annotation_clip=False, **LABEL,
    )  # fmt: skip


def _sentences(figure: "Figure", report: Report, found: list[Finding]) -> None:
    """The verdict above the curves, and the findings below them."""
    verdict = "no law is broken"
    if found:
        findings = "finding" if len(found) == 1 else "findings"
        verdict = f"{len(found)} {findings}   (red: what came; green: what is true)"
    figure.suptitle(f"{report.loss}: {verdict}", x=0.01, ha="left", fontsize=12, color=INK, fontweight="bold")
    lines = [
        textwrap.fill(f"{i}  {f.severity} ({f.law}): {f.message}", 170, subsequent_indent="    ")
        for i, f in enumerate(found[:MOST], start=1)
    ]
    if len(found) > MOST:
        lines.append(f"... and {len(found) - MOST} more")
    if lines:
        text = "\n".join(lines)
        width, height = figure.get_size_inches()
        figure.set_size_inches(width, height + 0.35 + 0.19 * (text.count("\n") + 1))
        figure.supxlabel(text, x=0.01, ha="left", fontsize=9, color=INK)
