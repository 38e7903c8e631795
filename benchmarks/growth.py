"""How cost grows with size, as a picture: `python -m benchmarks.growth RUN.json PICTURE`.

The run is one of elementwise losses at several sizes, such as
`python -m benchmarks --alone --only huber --only mae --sizes 1e5,1e6,1e7,1e8 --json RUN.json`.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

from benchmarks import records
from benchmarks.outcomes import Outcome, most_threads
from losskit.errors import InputError
from losskit.pictures.drawing import FAINT, INK, colour, new_figure, quiet, save

Points = list[tuple[float, float]]
"""Number of elements, and nanoseconds for each."""


def lines(outcomes: Iterable[Outcome]) -> dict[str, Points]:
    """Nanoseconds an element over sizes, in memory that is warm: for each loss, and for the floor at its best."""
    found: dict[str, Points] = {}
    floor: dict[float, float] = {}
    for outcome in most_threads(o for o in outcomes if o.structure == "elementwise" and o.dtype == "float32"):
        entry = outcome.find("losskit out=")
        if entry is None or outcome.floor is None:
            continue
        n = float(outcome.size)
        found.setdefault(outcome.loss, []).append((n, 1e9 * entry.best / n))
        floor[n] = min(floor.get(n, float("inf")), 1e9 * outcome.floor.best / n)
    losses = {loss: sorted(points) for loss, points in found.items() if len(points) > 1}
    return losses | ({"floor: add": sorted(floor.items())} if losses else {})


def draw(outcomes: Iterable[Outcome], output: Path) -> None:
    """A line for each loss: level where cost grows as the number of elements does."""
    found = lines(outcomes)
    if not found:
        raise InputError(
            "the run holds no elementwise loss at two sizes or more; give it --sizes 1e5,1e6,1e7."
        )
    figure = new_figure(7.0, 4.4)
    axes = figure.subplots()
    quiet(axes)
    for i, (name, points) in enumerate(found.items()):
        is_floor = name.startswith("floor")
        axes.loglog(
            *zip(*points, strict=True), "--" if is_floor else "o-", color=FAINT if is_floor else colour(i),
            markersize=5, label=name,
        )  # fmt: skip
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:g}")
    axes.set_xlabel("number of elements", color=INK)
    axes.set_title(
        "nanoseconds an element, value and gradient, with out=", loc="left", fontsize=11, color=INK
    )
    axes.legend(frameon=False, fontsize=9, labelcolor=INK)
    save(figure, output)


def main(argv: list[str] | None = None) -> int:
    """Draw what a run measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("run", type=Path, metavar="RUN.json", help="what `python -m benchmarks --json` wrote")
    parser.add_argument("picture", type=Path, metavar="PICTURE", help="a file to write, such as growth.svg")
    arguments = parser.parse_args(argv)
    try:
        draw(records.read(arguments.run)[1], arguments.picture)
    except InputError as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
