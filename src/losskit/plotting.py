"""Draw losses: value, slope and curvature over a range of what the loss is a function of."""

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from losskit import catalogue
from losskit.drawing import FAINT, INK, PALETTE, check_output, new_figure, quiet, save
from losskit.errors import InputError, nearest
from losskit.labels import label_of
from losskit.loss import LossFunction
from losskit.views import WHAT, Array, View, subject_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot(
    *losses: LossFunction | str,
    what: Sequence[str] = WHAT,
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
    low, high
        the range of the residual, margin, logit or probability; a fitting one when left out. A loss of whole
        arrays is drawn along the straight line between two examples of its arguments, 0 and 1
    output
        a file to write the picture to as well: .png, .svg, .pdf, ...

    Returns the matplotlib figure. A loss without a second derivative has no curvature curve.

    Examples
    --------
    >>> figure = plot("huber(delta=1)", "mae", what=["value", "slope"])
    >>> [axes.get_title(loc="left") for axes in figure.axes]
    ['value', 'slope']
    """
    if output is not None:
        check_output(output)
    made = [catalogue.parse(loss) if isinstance(loss, str) else loss for loss in losses]
    columns = _columns(what)
    if not made:
        raise InputError("there is no loss to draw: name one or more.")
    views: dict[str, View] = {}
    rows: dict[str, list[tuple[LossFunction, str]]] = {}
    for i, loss in enumerate(made):
        subject, views[subject] = subject_of(loss)
        rows.setdefault(subject, []).append((loss, PALETTE[i % len(PALETTE)]))
    figure = new_figure(4.0 * len(columns) + 2.2, 3.4 * len(rows))
    panels = figure.subplots(len(rows), len(columns), squeeze=False)
    for panel_row, (subject, members) in zip(panels, rows.items(), strict=True):
        view = views[subject]
        x = _grid(view, [loss for loss, _ in members], low, high)
        for axes, name in zip(panel_row, columns, strict=True):
            _panel(axes, name, view, x, members)
        _legend(panel_row[-1], view, members)
    if output is not None:
        save(figure, output)
    return figure


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


def _panel(axes: "Axes", what: str, view: View, x: Array, members: list[tuple[LossFunction, str]]) -> None:
    seen: list[Array] = []
    for i, (loss, colour) in enumerate(members):
        width = 1.9 + 1.2 * min(2, len(members) - 1 - i)  # a curve under an equal one shows as its edge
        for one in view.curves:
            seen.append(one.sample(loss, what, x))
            axes.plot(x, seen[-1], one.style, color=colour, linewidth=width, alpha=0.92, zorder=3 + i)
    quiet(axes)
    axes.axhline(0, color=FAINT, linewidth=0.8, zorder=1)
    axes.set_title(what, fontsize=12, color=INK, loc="left", fontweight="bold")
    axes.set_xlabel(view.axis, fontsize=9.5, color=FAINT)
    axes.margins(x=0.01)
    _limit(axes, seen, view)


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


def _legend(axes: "Axes", view: View, members: list[tuple[LossFunction, str]]) -> None:
    """The losses by colour, and for two targets the line style of each, right of the last panel."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=colour, linewidth=2.4, label=label_of(loss)) for loss, colour in members]
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
