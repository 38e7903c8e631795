"""A picture of a comparison: every fold, the means, and which differences are more than noise."""

import os
import textwrap
from typing import TYPE_CHECKING

import numpy as np

from losskit.advisor.comparison.result import METRICS, Comparison, Score
from losskit.drawing import FAINT, INK, PALETTE, check_output, new_figure, quiet, save
from losskit.errors import needs
from losskit.labels import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BETTER, WORSE, SAME, BASE = PALETTE[2], PALETTE[1], PALETTE[0], "#4a5561"
"""Colours for better and worse than the baseline by more than noise, for neither, and for the baseline."""


def draw(comparison: Comparison, output: str | os.PathLike[str] | None = None) -> "Figure":
    """Draw a comparison, one panel a metric, the losses best first; write it to ``output`` if given.

    A dot is the mean over the folds, the small dots are the folds. The bar through a dot is the 95 % interval
    of the loss's difference from the baseline: where it crosses the baseline's line, the difference is noise.
    """
    if output is not None:
        check_output(output)
    names = comparison.metric_names
    count = len(comparison.scores)
    longest = max(len(_tick(comparison, score)) for score in comparison.scores)
    figure = new_figure(3.5 * len(names) + 0.085 * longest + 0.4, 0.52 * count + 2.5)
    panels = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    for axes, metric in zip(panels, names, strict=True):
        _panel(axes, comparison, metric)
    panels[0].set_yticks(range(count), [_tick(comparison, score) for score in comparison.scores])
    panels[0].set_ylim(count - 0.45, -0.55)
    panels[0].tick_params(axis="y", labelsize=10, labelcolor=INK)
    _titles(figure, comparison)
    if output is not None:
        save(figure, output)
    return figure


def _tick(comparison: Comparison, score: Score) -> str:
    return score.label + ("\nbaseline" if score.label == comparison.baseline else "")


def _panel(axes: "Axes", comparison: Comparison, metric: str) -> None:
    with needs("plot"):
        from matplotlib.patheffects import withStroke
    base = float(comparison.score(comparison.baseline).metrics[metric].mean())
    quiet(axes)
    axes.grid(visible=False, axis="y")
    axes.axvline(base, color=BASE, linewidth=1.2, linestyle=(0, (4, 3)), zorder=2)
    for row, score in enumerate(comparison.scores):
        values = score.metrics[metric]
        mean = float(values.mean())
        colour = _colour(comparison, score, metric)
        jitter = 0.16 * np.sin(np.arange(len(values)) * 2.4)
        axes.scatter(values, row + jitter, s=13, color=colour, alpha=0.28, linewidths=0, zorder=3)
        if score.label != comparison.baseline:
            d = comparison.difference(score.label, comparison.baseline, metric)
            axes.plot(
                [base + d.low, base + d.high],
                [row, row],
                color=colour,
                linewidth=2.6,
                zorder=4,
                solid_capstyle="round",
            )
        axes.scatter([mean], [row], s=80, color=colour, edgecolors="white", linewidths=1.4, zorder=5)
        axes.annotate(
            number(mean),
            (mean, row),
            xytext=(0, 9),
            textcoords="offset points",
            ha="center",
            fontsize=8.5,
            color=INK,
            zorder=6,
            path_effects=[withStroke(linewidth=3.2, foreground="white")],
        )
    about = METRICS[metric]
    decides = metric == comparison.metric
    axes.set_title(
        about.title, loc="left", fontsize=11, color=INK, fontweight="bold" if decides else "normal"
    )
    axes.set_xlabel(
        ("less is better" if about.sign > 0 else "more is better") + (", decides" if decides else ""),
        fontsize=9,
        color=FAINT,
    )
    axes.margins(x=0.08)


def _colour(comparison: Comparison, score: Score, metric: str) -> str:
    if score.label == comparison.baseline:
        return BASE
    return {"+": BETTER, "-": WORSE}.get(comparison.mark(score.label, metric), SAME)


def _titles(figure: "Figure", comparison: Comparison) -> None:
    """What was compared and the verdict above; how to read it below."""
    wide = int(figure.get_figwidth() * 11.5)
    verdict = textwrap.fill(comparison.verdict.text, wide)
    heading = textwrap.fill(comparison.heading(), wide)
    figure.suptitle(f"{heading}\n{verdict}", x=0.012, ha="left", fontsize=10.5, color=INK, linespacing=1.45)
    key = (
        "dot: mean; small dots: folds; bar: 95 % interval of the difference from the baseline (dashed)."
        "  Green: better, red: worse than it by more than noise; blue: neither."
    )
    figure.supxlabel(
        textwrap.fill(key, int(figure.get_figwidth() * 14)), x=0.012, ha="left", fontsize=8.5, color=FAINT
    )
