"""Draw losses: value, slope and curvature over a range of what the loss is a function of."""

import os
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from losskit import catalogue
from losskit.errors import InputError, nearest
from losskit.loss import LossFunction
from losskit.pictures.drawing import FAINT, INK, check_output, colour, new_figure, quiet, save
from losskit.pictures.sweeps import Sweep, swept
from losskit.pictures.views import WHAT, Array, View, subject_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Member:
    """A loss in a picture."""

    loss: LossFunction
    label: str
    colour: tuple[float, float, float]
    is_variant: bool = False
    """Whether it is one of several with another value of a parameter."""


def plot(
    *losses: LossFunction | str,
    what: Sequence[str] = WHAT,
    sweep: Sweep | None = None,
    log: bool = False,
    low: float | None = None,
    high: float | None = None,
    output: str | os.PathLike[str] | None = None,
) -> "Figure":
    """Draw value, slope and curvature of losses, those of a kind in one row of panels.

    Parameters
    ----------
    losses
        losses, or text for ``losskit.parse``
    what
        any of "value", "slope", "curvature"
    sweep
        values of parameters, such as ``{"delta": [0.5, 1, 2]}``: each loss that has the parameter is drawn with each
    log
        a logarithmic scale, linear around 0 so that signs remain
    low, high
        the range of the residual, margin, logit or probability; a fitting one when left out. A loss of whole
        arrays is drawn along the straight line between two examples of its arguments, 0 and 1
    output
        a file to write the picture to as well: .png, .svg, .pdf, ...

    Returns the matplotlib figure. A loss without a second derivative has no curvature curve.

    Examples
    --------
    >>> figure = plot("huber", "mae", what=["value", "slope"], sweep={"delta": [0.5, 1, 2]})
    >>> [axes.get_title(loc="left") for axes in figure.axes]
    ['value', 'slope']
    >>> [text.get_text() for text in figure.axes[-1].get_legend().get_texts()]
    ['huber(delta=0.5)', 'huber(delta=1)', 'huber(delta=2)', 'mean_absolute_error']
    """
    if output is not None:
        check_output(output)
    columns = _columns(what)
    views: dict[str, View] = {}
    rows: dict[str, list[Member]] = {}
    for member in _members(losses, sweep or {}):
        subject, views[subject] = subject_of(member.loss)
        rows.setdefault(subject, []).append(member)
    figure = new_figure(4.0 * len(columns) + _legend_width(rows), 3.4 * len(rows))
    panels = figure.subplots(len(rows), len(columns), squeeze=False)
    for panel_row, (subject, members) in zip(panels, rows.items(), strict=True):
        view = views[subject]
        x = _grid(view, [member.loss for member in members], low, high)
        for axes, name in zip(panel_row, columns, strict=True):
            _panel(axes, name, view, x, members, log)
        _legend(panel_row[-1], view, members)
    if output is not None:
        save(figure, output)
    return figure


def _members(losses: Sequence[LossFunction | str], sweep: Sweep) -> list[Member]:
    """The losses with their variants, and a colour each."""
    made = [catalogue.parse(loss) if isinstance(loss, str) else loss for loss in losses]
    if not made:
        raise InputError("there is no loss to draw: name one or more.")
    return [
        Member(loss, label, colour(i, len(variants), k), is_variant=len(variants) > 1)
        for i, variants in enumerate(swept(made, sweep))
        for k, (loss, label) in enumerate(variants)
    ]


def _legend_width(rows: dict[str, list[Member]]) -> float:
    """Inches that the longest line of a label takes."""
    lines = [
        line for members in rows.values() for member in members for line in _folded(member.label).split("\n")
    ]
    return 0.8 + 0.075 * max(14, *map(len, lines))


def _folded(label: str) -> str:
    """A label in lines that leave most of the picture to the curves."""
    return textwrap.fill(label, 36, subsequent_indent="    ", break_long_words=False)


def _columns(what: Sequence[str]) -> list[str]:
    columns = [what] if isinstance(what, str) else list(what)
    for name in columns:
        if name not in WHAT:
            raise InputError(f'"{name}" cannot be drawn.{nearest(name, WHAT)} It may be: {", ".join(WHAT)}.')
    if not columns:
        raise InputError(f"there is nothing to draw: it may be {', '.join(WHAT)}.")
    return columns


def _grid(view: View, losses: Iterable[LossFunction], low: float | None, high: float | None) -> Array:
    """Points over the range; a loss with a scale of its own widens the usual one to show it."""
    wide = 1.0
    if view.axis.startswith("residual"):
        scales = [
            float(value)
            for loss in losses
            for _, part in loss.weighted_terms()
            for name, value in part.parameters().items()
            if name in {"delta", "scale", "beta", "epsilon"}
        ]
        wide = max([1.0, *(1.5 * s / view.high for s in scales)])
    left = view.low * wide if low is None else low
    right = view.high * wide if high is None else high
    if not (np.isfinite(left) and np.isfinite(right) and left < right):
        raise InputError(f"the range must go from a lower to a higher number, got {left:g} to {right:g}.")
    return np.linspace(left, right, view.points)


def _panel(axes: "Axes", what: str, view: View, x: Array, members: list[Member], log: bool) -> None:
    seen: list[Array] = []
    for i, member in enumerate(members):
        above = 0 if member.is_variant else min(2, len(members) - 1 - i)
        width = 1.9 + 1.2 * above  # a curve under an equal one shows as its edge
        for one in view.curves:
            seen.append(one.sample(member.loss, what, x))
            axes.plot(x, seen[-1], one.style, color=member.colour, linewidth=width, alpha=0.92, zorder=3 + i)
    quiet(axes)
    axes.axhline(0, color=FAINT, linewidth=0.8, zorder=1)
    axes.set_title(what, fontsize=12, color=INK, loc="left", fontweight="bold")
    axes.set_xlabel(view.axis, fontsize=9.5, color=FAINT)
    axes.margins(x=0.01)
    if log:
        _logarithmic(axes, seen)
    else:
        _limit(axes, seen, view)


def _logarithmic(axes: "Axes", seen: list[Array]) -> None:
    """A logarithmic scale over at most six decades; where numbers are negative, too, a linear one around 0."""
    numbers = np.concatenate(seen)
    sizes = np.abs(numbers[np.isfinite(numbers) & (numbers != 0.0)])
    if not sizes.size:
        return
    top = np.ceil(np.log10(sizes.max()))
    bottom = max(np.floor(np.log10(sizes.min())), top - 6.0)
    if np.nanmin(numbers) < 0.0:
        axes.set_yscale("symlog", linthresh=10.0**bottom, linscale=1.0)
    else:
        axes.set_yscale("log")
        axes.set_ylim(10.0**bottom, 10.0**top)
    axes.minorticks_off()


def _limit(axes: "Axes", seen: list[Array], view: View) -> None:
    """Leave out what runs off to infinity, or far above the other curves, so that the rest can be seen."""
    inner = slice(view.points // 20, -view.points // 20) if view.bounded else slice(None)
    curves = [y[inner][np.isfinite(y[inner])] for y in seen]
    curves = [y for y in curves if y.size]
    if not curves:
        axes.text(0.5, 0.5, "not defined", transform=axes.transAxes, ha="center", color=FAINT)
        axes.set_yticks([])
        return
    sizes = sorted(float(np.abs(y).max()) for y in curves)
    most = 4.0 * sizes[(len(sizes) - 1) // 2] or sizes[-1]
    low = max(-most, min(0.0, *(float(y.min()) for y in curves)))
    high = min(most, max(0.0, *(float(y.max()) for y in curves)))
    room = 0.06 * ((high - low) or 1.0)
    axes.set_ylim(low - room, high + room)


def _legend(axes: "Axes", view: View, members: list[Member]) -> None:
    """The losses by colour, and for two targets the line style of each, right of the last panel."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=m.colour, linewidth=2.4, label=_folded(m.label)) for m in members]
    handles += [
        Line2D([], [], color=FAINT, linewidth=1.6, linestyle=one.style, label=one.label)
        for one in view.curves
        if one.label
    ]
    axes.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(1.02, 1.0),
        frameon=False,
        fontsize=9.5,
        labelcolor=INK,
    )
