"""A picture of a comparison: every fold, the means, and which differences are more than noise."""

import os
import textwrap
from typing import TYPE_CHECKING

import numpy as np

from losskit.advisor.comparison.metrics import metric_named
from losskit.advisor.comparison.result import Comparison, Score
from losskit.labels import number
from losskit.pictures.drawing import FAINT, INK, PALETTE, check_output, new_figure, quiet, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BETTER, WORSE, SAME, BASE = PALETTE[2], PALETTE[1], PALETTE[0], "#4a5561"
"""Colours for better and worse than the baseline by more than noise, for neither, and for the baseline."""

WIDE = 3
"""Panels beside each other."""


def draw(
    comparison: Comparison, output: str | os.PathLike[str] | None = None, *, heading: bool = True
) -> "Figure":
    """Draw a comparison, one panel a metric, the losses best first; write it to ``output`` if given.

    A dot is the mean over the folds, the small dots are the folds. The bar through a dot is the 95 % interval
    of the loss's difference from the model's baseline: where it crosses the baseline's line, the difference is noise.
    """
    if output is not None:
        check_output(output)
    names = comparison.metric_names
    scores = [score for model in comparison.models for score in comparison.of_model(model)]
    longest = max(len(_tick(comparison, score)) for score in scores)
    across = 2 if len(names) == 4 else min(WIDE, len(names))
    down = -(-len(names) // across)
    figure = new_figure(3.5 * across + 0.085 * longest + 0.4, down * (0.52 * len(scores) + 1.1) + 1.4)
    panels = figure.subplots(down, across, sharey=True, squeeze=False).ravel()
    for axes, metric in zip(panels, names, strict=False):
        _panel(axes, comparison, scores, metric)
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    panels[0].set_yticks(range(len(scores)), [_tick(comparison, score) for score in scores])
    panels[0].set_ylim(len(scores) - 0.45, -0.55)
    for axes in panels[::across]:
        axes.tick_params(axis="y", labelsize=10, labelcolor=INK)
    if heading:
        _heading(figure, comparison)
    _key(figure)
    if output is not None:
        save(figure, output)
    return figure


def _tick(comparison: Comparison, score: Score) -> str:
    below = [score.model] if len(comparison.models) > 1 else []
    below += ["baseline"] if comparison.is_base(score) else []
    return score.label + ("\n" + ", ".join(below) if below else "")


def _panel(axes: "Axes", comparison: Comparison, scores: list[Score], metric: str) -> None:
    quiet(axes)
    axes.grid(visible=False, axis="y")
    for model in comparison.models:
        rows = [row for row, score in enumerate(scores) if score.model == model]
        base = comparison.base(model).mean(metric)
        line = [rows[0] - 0.45, rows[-1] + 0.45]
        axes.plot([base, base], line, color=BASE, linewidth=1.2, linestyle=(0, (4, 3)), zorder=2)
        for row in rows:
            _mark(axes, comparison, scores[row], row, metric, base)
    about = metric_named(metric)
    decides = metric == comparison.metric
    weight = "bold" if decides else "normal"
    axes.set_title(about.title, loc="left", fontsize=11, color=INK, fontweight=weight)
    better = "less is better" if about.sign > 0 else "more is better"
    axes.set_xlabel(better + (", decides" if decides else ""), fontsize=9, color=FAINT)
    axes.margins(x=0.08)


def _mark(axes: "Axes", comparison: Comparison, score: Score, row: int, metric: str, base: float) -> None:
    """A row of a panel: the folds, the interval of the difference, the mean with its number."""
    values, mean, colour = score.metrics[metric], score.mean(metric), _colour(comparison, score, metric)
    jitter = 0.16 * np.sin(np.arange(len(values)) * 2.4)
    axes.scatter(values, row + jitter, s=13, color=colour, alpha=0.28, linewidths=0, zorder=3)
    if not comparison.is_base(score):
        d = comparison.difference(score, comparison.base(score.model), metric)
        ends = [base + d.low, base + d.high]
        axes.plot(ends, [row, row], color=colour, linewidth=2.6, zorder=4, solid_capstyle="round")
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
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},  # or the dashed line reads as a colon
    )


def _colour(comparison: Comparison, score: Score, metric: str) -> str:
    if comparison.is_base(score):
        return BASE
    return {"+": BETTER, "-": WORSE}.get(comparison.mark(score, metric), SAME)


def _heading(figure: "Figure", comparison: Comparison) -> None:
    """What was compared, and the verdicts."""
    wide = int(figure.get_figwidth() * 11.5)
    texts = [comparison.heading(), *(verdict.text for verdict in comparison.verdicts)]
    above = "\n".join(textwrap.fill(text, wide) for text in texts)
    figure.suptitle(above, x=0.012, ha="left", fontsize=10.5, color=INK, linespacing=1.45)


def _key(figure: "Figure") -> None:
    """How to read the panels."""
    key = (
        "dot: mean; small dots: folds; bar: 95 % interval of the difference from the baseline (dashed)."
        "  Green: better, red: worse than it by more than noise; blue: neither."
    )
    below = textwrap.fill(key, int(figure.get_figwidth() * 14))
    figure.supxlabel(below, x=0.012, ha="left", fontsize=8.5, color=FAINT)
