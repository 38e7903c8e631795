"""Draw a loss over two predictions at once: colours for its value, arrows for where it sends them."""

import os
from typing import TYPE_CHECKING

import numpy as np

from losskit import catalogue
from losskit.errors import InputError, nearest
from losskit.loss import LossFunction
from losskit.pictures.drawing import FAINT, INK, PALETTE, check_output, new_figure, quiet, save
from losskit.pictures.planes import CORNERS, Array, Plane, plane_of, sampled
from losskit.pictures.sweeps import Sweep, swept

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WHAT = ("value", "slope")
"""What a map can show: the value, or the size of the derivative."""

POINTS, ARROWS, LEVELS = 41, 13, 12
"""Points and arrows along a side, and about how many steps of colour."""

COLOURS = ("#fbfcfe", "#a9c6e8", PALETTE[0], "#12304f")
"""From the least to the most."""

IN_A_ROW = 4
"""Maps side by side."""


def plot_map(
    *losses: LossFunction | str,
    what: str = "value",
    sweep: Sweep | None = None,
    output: str | os.PathLike[str] | None = None,
) -> "Figure":
    """Draw maps of losses of classes and of masks, a panel each, with arrows down their gradient.

    From logits a map is over those of two classes; from probabilities over the triangle of three, with the
    true class on top, or for losses of distributions the target as a ring. A loss of masks is drawn over
    two elements, one inside of the region.

    Parameters
    ----------
    losses
        losses, or text for ``losskit.parse``
    what
        "value", or "slope" for the size of the derivative
    sweep
        values of parameters, such as ``{"gamma": [0, 2]}``: a panel for each
    output
        a file to write the picture to as well: .png, .svg, .pdf, ...

    Returns the matplotlib figure.

    Examples
    --------
    >>> figure = plot_map("dice")
    >>> [axes.get_title(loc="left") for axes in figure.axes]
    ['dice', 'value']
    """
    if output is not None:
        check_output(output)
    if what not in WHAT:
        raise InputError(f'no map shows "{what}".{nearest(what, WHAT)} It may be: {", ".join(WHAT)}.')
    made = [catalogue.parse(loss) if isinstance(loss, str) else loss for loss in losses]
    if not made:
        raise InputError("there is no loss to draw: name one or more.")
    panels = [panel for variants in swept(made, sweep or {}) for panel in variants]
    planes = [plane_of(loss) for loss, _ in panels]
    rows = -(-len(panels) // IN_A_ROW)
    columns = -(-len(panels) // rows)
    figure = new_figure(4.6 * columns, 4.2 * rows)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (loss, label), plane in zip(grid, panels, planes, strict=False):
        _panel(figure, axes, loss, plane, what)
        axes.set_title(label, fontsize=11, color=INK, loc="left", fontweight="bold", wrap=True)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    ring = "; ring: the target" if any(plane.target is not None for plane in planes) else ""
    key = f"arrows: down the gradient{ring}"
    figure.supxlabel(key, x=0.012, ha="left", fontsize=8.5, color=FAINT)
    if output is not None:
        save(figure, output)
    return figure


def _panel(figure: "Figure", axes: "Axes", loss: LossFunction, plane: Plane, what: str) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    points = plane.points(POINTS)
    values, slopes = sampled(loss, plane, points)
    shown = values if what == "value" else np.linalg.norm(_tangent(plane, slopes), axis=1)
    colours = LinearSegmentedColormap.from_list("losskit", COLOURS)
    x, y = plane.places(points).T
    levels = _levels(shown)
    # just below the last level: what lies on it is left blank
    heights = np.clip(shown, levels[0], levels[-1] - 1e-9 * (levels[-1] - levels[0]))
    filled = axes.tricontourf(x, y, heights, levels=levels, cmap=colours)
    axes.tricontour(x, y, heights, levels=levels, colors="white", linewidths=0.5, alpha=0.6)
    _arrows(axes, loss, plane)
    if plane.target is not None:
        axes.plot(
            *plane.places(np.array(plane.target)), "o", markersize=8, mfc="none", mec=PALETTE[1], mew=2.0
        )
    quiet(axes)
    axes.grid(visible=False)
    axes.set_aspect("equal")
    (_corners if plane.is_triangle else _axes)(axes, plane)
    bar = figure.colorbar(filled, ax=axes, shrink=0.8, aspect=28, ticks=levels[::2], format="%g")
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=FAINT, labelsize=8, length=0)
    bar.ax.set_title(what if what == "value" else "|slope|", fontsize=8.5, color=FAINT, loc="left")


def _tangent(plane: Plane, slopes: Array) -> Array:
    """The derivative along the plane: probabilities move with their sum at 1."""
    return slopes - slopes.mean(axis=1, keepdims=True) if plane.is_triangle else slopes


def _levels(shown: Array) -> Array:
    """Round steps from the least to the most, but for the few numbers far above the others."""
    from matplotlib.ticker import MaxNLocator

    finite = shown[np.isfinite(shown)]
    low, high = float(finite.min()), float(finite.max())
    high = min(high, low + 2.0 * (float(np.quantile(finite, 0.8)) - low))
    if not high > low + 1e-9 * max(abs(low), abs(high)):
        high = low + 1.0
    return np.asarray(MaxNLocator(LEVELS).tick_values(low, high))


def _arrows(axes: "Axes", loss: LossFunction, plane: Plane) -> None:
    """Where gradient descent goes, all of one length: the colours say how steep it is."""
    points = plane.points(ARROWS)
    middle = points.mean(axis=0)
    points = middle + (points - middle) * (1.0 - 1.5 / ARROWS)  # off the edges
    ways = plane.places(-_tangent(plane, sampled(loss, plane, points)[1]))
    sizes = np.linalg.norm(ways, axis=1, keepdims=True)
    moving = (sizes > 1e-9 * max(float(np.nanmax(sizes)), 1e-300))[:, 0]
    places = plane.places(points)
    length = 0.5 * float(np.ptp(places)) / ARROWS
    axes.quiver(
        *places[moving].T, *(length * ways[moving] / sizes[moving]).T, color=PALETTE[3], angles="xy",
        scale_units="xy", scale=1.0, pivot="middle", width=0.005, headwidth=4.0, zorder=5,
    )  # fmt: skip


def _axes(axes: "Axes", plane: Plane) -> None:
    axes.set_xlabel(plane.names[0], fontsize=9, color=FAINT)
    axes.set_ylabel(plane.names[1], fontsize=9, color=FAINT)


def _corners(axes: "Axes", plane: Plane) -> None:
    """Name the corners of the triangle, and leave out the axes."""
    axes.set_axis_off()
    axes.margins(0.04)
    for name, corner in zip(plane.names, CORNERS, strict=True):
        top = corner[1] > 0.0
        axes.annotate(
            name, corner, xytext=(9, -4) if top else (0, -6), textcoords="offset points", fontsize=9, color=FAINT,
            annotation_clip=False, ha="left" if top else "center", va="top",
        )  # fmt: skip
