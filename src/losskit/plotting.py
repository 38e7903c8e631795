"""Draw losses: value, slope and curvature over a range of what the loss is a function of."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from losskit import catalogue
from losskit.drawing import FAINT, INK, PALETTE, check_output, new_figure, quiet, save
from losskit.errors import InputError, nearest
from losskit.labels import label_of
from losskit.loss import LossFunction
from losskit.structures import RowLoss

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WHAT = ("value", "slope", "curvature")
"""What can be drawn of a loss."""

POINTS = 601

Pair = tuple[Any, Any]


@dataclass(frozen=True)
class View:
    """What a kind of loss is drawn over, and the targets and predictions at a point of it."""

    axis: str
    low: float
    high: float
    curves: tuple[tuple[str, Literal["-", "--"], Callable[[float], Pair]], ...]
    """For each curve: what it is called, its line style, and (y_true, y_pred) at x."""
    column: int = 0
    """Which column of a row the slope is taken by."""
    bounded: bool = False
    """Whether the curves go off to infinity at the ends, as at the probabilities 0 and 1."""


def _softmax_row(x: float) -> Pair:
    return np.array([0]), np.array([[x, 0.0, 0.0]])


def _probability_row(x: float) -> Pair:
    return np.array([0]), np.array([[x, (1 - x) / 2, (1 - x) / 2]])


def _at(y: float) -> Callable[[float], Pair]:
    return lambda x: (np.array([y]), np.array([x]))


_BOTH: tuple[tuple[str, Literal["-", "--"], Callable[[float], Pair]], ...] = (
    ("y = 1", "-", _at(1.0)),
    ("y = 0", "--", _at(0.0)),
)

VIEWS = {
    "residual": View("residual  y_pred - y_true", -4.0, 4.0, (("", "-", _at(0.0)),)),
    "margin": View("margin  y_true · y_pred", -2.5, 3.0, (("", "-", _at(1.0)),)),
    "logit": View("logit", -6.0, 6.0, _BOTH),
    "probability": View("predicted probability", 0.002, 0.998, _BOTH, bounded=True),
    "prediction": View("prediction, where y_true = 1", 0.05, 4.0, (("", "-", _at(1.0)),)),
    "row of logits": View("logit of the true class, two others at 0", -6.0, 6.0, (("", "-", _softmax_row),)),
    "row of probabilities": View(
        "probability of the true class, of three", 0.002, 0.998, (("", "-", _probability_row),), bounded=True
    ),
}
"""How each kind of loss is drawn."""


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
        the range of the residual, margin, logit or probability; a fitting one when left out
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
    rows: dict[str, list[tuple[LossFunction, str]]] = {}
    for i, loss in enumerate(made):
        rows.setdefault(view_of(loss), []).append((loss, PALETTE[i % len(PALETTE)]))
    figure = new_figure(4.0 * len(columns) + 2.2, 3.4 * len(rows))
    panels = figure.subplots(len(rows), len(columns), squeeze=False)
    for panel_row, (kind, members) in zip(panels, rows.items(), strict=True):
        view = VIEWS[kind]
        x = _grid(view, [loss for loss, _ in members], low, high)
        for axes, name in zip(panel_row, columns, strict=True):
            _panel(axes, name, view, x, members)
        _legend(panel_row[-1], view, members)
    if output is not None:
        save(figure, output)
    return figure


def view_of(loss: LossFunction) -> str:
    """Which kind of picture a loss has: what it is a function of.

    >>> view_of(catalogue.parse("mae + 0.5 * huber"))
    'residual'
    """
    kinds = {_kind(part) for _, part in loss.weighted_terms()}
    if len(kinds) > 1:
        raise InputError(
            f"{loss!r} cannot be drawn: its terms are functions of different things:"
            f" {', '.join(sorted(kinds))}."
        )
    return kinds.pop()


def _kind(loss: LossFunction) -> str:
    argument = getattr(loss, "argument", "")
    from_logits = loss.parameters().get("from_logits")
    if isinstance(loss, RowLoss):
        link = loss.form.link
        if link == "log_probability":
            raise InputError(f"{loss!r} cannot be drawn: write it with probabilities or logits.")
        return "row of logits" if link == "softmax" else "row of probabilities"
    if argument in {"residual", "margin"}:
        return str(argument)
    if from_logits is not None:
        return "logit" if from_logits else "probability"
    if argument == "pair":
        return "prediction"
    if loss.structure == "by_hand":
        return "residual"
    raise InputError(f"{loss!r} cannot be drawn: a {loss.structure} loss is no function of one number.")


def _columns(what: Sequence[str]) -> list[str]:
    columns = [what] if isinstance(what, str) else list(what)
    for name in columns:
        if name not in WHAT:
            raise InputError(f'"{name}" cannot be drawn.{nearest(name, WHAT)} It may be: {", ".join(WHAT)}.')
    if not columns:
        raise InputError(f"there is nothing to draw: it may be {', '.join(WHAT)}.")
    return columns


def _grid(
    view: View, losses: Iterable[LossFunction], low: float | None, high: float | None
) -> NDArray[np.float64]:
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
    return np.linspace(left, right, POINTS)


def _panel(
    axes: "Axes", what: str, view: View, x: NDArray[np.float64], members: list[tuple[LossFunction, str]]
) -> None:
    seen: list[NDArray[np.float64]] = []
    for i, (loss, colour) in enumerate(members):
        width = 1.9 + 1.2 * min(2, len(members) - 1 - i)  # a curve under an equal one shows as its edge
        for _, style, pair in view.curves:
            y = _curve(loss, what, pair, x, view.column)
            seen.append(y)
            axes.plot(x, y, style, color=colour, linewidth=width, alpha=0.92, zorder=3 + i)
    quiet(axes)
    axes.axhline(0, color=FAINT, linewidth=0.8, zorder=1)
    axes.set_title(what, fontsize=12, color=INK, loc="left", fontweight="bold")
    axes.set_xlabel(view.axis, fontsize=9.5, color=FAINT)
    axes.margins(x=0.01)
    _limit(axes, seen, view)


def _limit(axes: "Axes", seen: list[NDArray[np.float64]], view: View) -> None:
    """Leave out what runs off to infinity, or far above the other curves, so that the rest can be seen."""
    inner = slice(POINTS // 20, -POINTS // 20) if view.bounded else slice(None)
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


def _curve(
    loss: LossFunction, what: str, pair: Callable[[float], Pair], x: NDArray[np.float64], column: int
) -> NDArray[np.float64]:
    """The curve point by point: the mean over one term is that term, for any loss whatever."""
    verb = {"value": loss.compute, "slope": loss.derivative, "curvature": loss.second_derivative}[what]
    one_hot = isinstance(loss, RowLoss) and loss.form.target != "index"
    y = np.full(x.shape, np.nan)
    for i, at in enumerate(x):
        y_true, y_pred = pair(float(at))
        y_true = np.eye(y_pred.shape[-1])[y_true] if one_hot else y_true
        try:
            answer = np.asarray(verb(y_true, y_pred), dtype=np.float64)
        except NotImplementedError:
            break
        except (ValueError, TypeError) as error:
            why = " ".join(str(error).split())
            raise InputError(f"{loss!r} cannot be drawn at {at:.4g}: {why}") from error
        y[i] = answer.reshape(-1)[column]
    return y


def _legend(axes: "Axes", view: View, members: list[tuple[LossFunction, str]]) -> None:
    """The losses by colour, and for two targets the line style of each, right of the last panel."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=colour, linewidth=2.4, label=label_of(loss)) for loss, colour in members]
    handles += [
        Line2D([], [], color=FAINT, linewidth=1.6, linestyle=style, label=name)
        for name, style, _ in view.curves
        if name
    ]
    axes.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(1.02, 1.0),
        frameon=False,
        fontsize=9.5,
        labelcolor=INK,
    )
