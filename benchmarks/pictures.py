"""A picture for each structure: times over the floor, loss by loss. `python -m benchmarks.pictures RUN.json FOLDER`."""

import argparse
import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import records
from benchmarks.outcomes import Entry, Outcome, most_threads
from losskit.errors import InputError
from losskit.pictures.drawing import FAINT, GRID, INK, PALETTE, new_figure, quiet, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

AHEAD, BEHIND, NEITHER, ALONE = PALETTE[2], PALETTE[1], INK, "#a9b4bf"
"""losskit where it is faster than the best peer beyond noise, slower, neither, and where there is no peer."""

MARKS = {
    "torch eager": ("o", PALETTE[3]), "torch.compile": ("s", PALETTE[4]), "JAX jit": ("D", PALETTE[0]),
    "scikit-learn": ("^", PALETTE[6]), "Keras": ("v", PALETTE[5]),
}  # fmt: skip
OTHER_PEER = ("P", PALETTE[7])
"""A library that has only a few of the losses."""


def write(outcomes: Iterable[Outcome], folder: Path) -> list[Path]:
    """Draw each structure and dtype in a file of its own; only the runs with most threads are drawn."""
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in most_threads(outcomes):
        if outcome.floor is not None:
            groups.setdefault((outcome.structure, outcome.dtype), []).append(outcome)
    folder.mkdir(exist_ok=True)
    written = []
    for (structure, dtype), group in groups.items():
        name = structure if dtype == "float32" else f"{structure}-{dtype}"
        written.append(folder / f"{name}.svg")
        draw(group, written[-1])
    return written


def draw(outcomes: list[Outcome], output: Path) -> None:
    """A panel for each size, a line for each loss, the fastest loss at the top."""
    sizes = list(dict.fromkeys(o.size for o in outcomes))
    losses = _by_ratio(outcomes, sizes[-1])
    figure = new_figure(3.4 + 3.3 * len(sizes), 1.5 + 0.24 * len(losses))
    panels = figure.subplots(1, len(sizes), sharey=True, squeeze=False)[0]
    for axes, size in zip(panels, sizes, strict=True):
        _panel(axes, [o for o in outcomes if o.size == size], losses)
        axes.set_title(size.replace("x", " × "), fontsize=10, color=INK, loc="left")
    first = outcomes[0]
    what = f"time of value and gradient ÷ that of a plain {_floors(outcomes)}"
    figure.suptitle(
        f"{first.structure}, {first.dtype}, threads: {first.threads} — {what}",
        x=0.01, ha="left", fontsize=11, color=INK,
    )  # fmt: skip
    named = {
        label: line for axes in panels for line, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    labels = sorted(named, key=lambda label: (not label.startswith("losskit"), label))
    figure.legend(
        [named[label] for label in labels], labels, loc="outside lower center", ncols=2 + len(sizes),
        frameon=False, fontsize=9, labelcolor=INK,
    )  # fmt: skip
    save(figure, output)


def _by_ratio(outcomes: list[Outcome], size: str) -> list[str]:
    """The losses, from near the floor to far from it at one size; those not timed there last."""
    at = {o.loss: _over_floor(o, o.find("losskit")) for o in outcomes if o.size == size}
    return sorted(dict.fromkeys(o.loss for o in outcomes), key=lambda loss: at.get(loss, math.inf))


def _panel(axes: "Axes", outcomes: list[Outcome], losses: list[str]) -> None:
    quiet(axes)
    axes.set_xscale("log")
    axes.axvline(1.0, color=FAINT, linewidth=1.2, zorder=1)
    for outcome in outcomes:
        y = losses.index(outcome.loss)
        for entry in outcome.entries:
            if entry.kind == "peer" and entry.times:
                mark, colour = MARKS.get(entry.name, OTHER_PEER)
                label = entry.name if entry.name in MARKS else "another library"
                axes.plot(
                    _over_floor(outcome, entry),
                    y,
                    mark,
                    color=colour,
                    markersize=5,
                    alpha=0.75,
                    zorder=6,
                    label=label,
                )
        _ours(axes, outcome, y)
    axes.set_yticks(range(len(losses)), [_short(loss) for loss in losses])
    axes.set_ylim(len(losses) - 0.3, -0.7)
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}" if x >= 1.0 else f"{x:g}")
    axes.grid(axis="y", color=GRID, linewidth=0.5)


def _ours(axes: "Axes", outcome: Outcome, y: int) -> None:
    """losskit, with what it takes into memory that is warm as a small dot on a line."""
    ratio, warm = (_over_floor(outcome, outcome.find(name)) for name in ("losskit", "losskit out="))
    colour, label = _standing(outcome)
    axes.plot([ratio, warm], [y, y], color=colour, linewidth=1.5, zorder=3)
    axes.plot(warm, y, "o", color="white", markeredgecolor=colour, markersize=5, zorder=4)
    axes.plot(ratio, y, "o", color=colour, markersize=8, zorder=5, label=label)


def _standing(outcome: Outcome) -> tuple[str, str]:
    best = outcome.best_peer
    if best is None:
        return ALONE, "losskit, no peer"
    if outcome.ahead:
        return AHEAD, "losskit, ahead of all"
    return (BEHIND, "losskit, behind one") if outcome.behind else (NEITHER, "losskit, within noise of one")


def _over_floor(outcome: Outcome, entry: Entry | None) -> float:
    """Best round over best round: on a shared machine what the code can do when left alone."""
    floor = outcome.floor
    return math.nan if floor is None or entry is None else entry.best / floor.best


def _floors(outcomes: list[Outcome]) -> str:
    """What the floors do: losses with distributions as targets read two arrays, those of indices one."""
    names = {o.floor.name.partition(",")[0].removeprefix("floor: ") for o in outcomes if o.floor is not None}
    return " or ".join(sorted(names))


def _short(loss: str) -> str:
    """A loss's name as a label: numbers with few digits, a long class weight left out."""
    return loss.replace("1.4142135623730951", "√2").replace("class_weights=(1.0, 3.0), ", "")


def main(argv: list[str] | None = None) -> int:
    """Draw what a run measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pictures", description=__doc__)
    parser.add_argument("run", type=Path, metavar="RUN.json", help="what `python -m benchmarks --json` wrote")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the pictures go")
    arguments = parser.parse_args(argv)
    try:
        for file in write(records.read(arguments.run)[1], arguments.folder):
            print(file)
    except (InputError, OSError) as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
