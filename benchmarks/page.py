"""Tables in Markdown, written into pages: `python -m benchmarks.page RUN.json README.md docs/speed.md`.

A page holds a table between `<!-- speed -->`, for the short one, or `<!-- speed: rows -->`, for a structure, and
`<!-- end of speed -->`. The words around them are a person's. Pictures in the folder `speed` beside a page are shown
above their table.
"""

import argparse
import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from benchmarks import records
from benchmarks.outcomes import Entry, Outcome, most_threads
from benchmarks.report import digits, duration, machine_line
from losskit.errors import InputError
from losskit.pictures.drawing import write_whole

HEADLINES = (
    "mean_squared_error", "mean_absolute_error", "huber", "binary_cross_entropy(from_logits=True)",
    "focal(from_logits=True)", "log_cosh", "sparse_categorical_cross_entropy(from_logits=True)",
)  # fmt: skip
"""The losses of the short table, in float32."""

_BLOCK = re.compile(r"(<!-- speed(?:: (\w+))? -->\n).*?(<!-- end of speed -->)", re.DOTALL)


def headlines(facts: dict[str, Any], outcomes: Iterable[Outcome]) -> str:
    """The short table: a few losses at the largest elementwise size and at all sizes of rows."""
    lines = [
        "| loss | size | losskit | with `out=` | floor | ÷ floor | with `out=` "
        "| torch eager ÷ losskit | torch.compile ÷ losskit |",
        "| --- | --- | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for outcome in _largest([o for o in outcomes if o.loss in HEADLINES and o.dtype == "float32"]):
        ours, warm = outcome.find("losskit"), outcome.find("losskit out=")
        cells = [
            _words(outcome.loss.partition("(")[0]), _size(outcome), _time(ours), _time(warm), _time(outcome.floor),
            _over_floor(outcome, ours), _over_floor(outcome, warm), _times_faster(outcome.find("torch eager")),
            _times_faster(outcome.find("torch.compile")),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    note = (
        "Value and gradient in float32, cross-entropies from logits. Times are best rounds, out of rounds in random "
        "order in one process; of the ratio in the best rounds and the median of the ratios within a round the smaller "
        "one is shown. "
        "Floor: `torch.add(a, b, out=c)` on arrays of the same size, for softmax rows a copy. "
        f"{machine_line(facts)}."
    )
    return "\n".join([*lines, "", note, ""])


def table(facts: dict[str, Any], outcomes: Iterable[Outcome], structure: str) -> str:
    """Every loss of a structure beside its best peer, at every size and dtype."""
    lines = [
        "| loss | size | dtype | losskit | ÷ floor | with `out=` | best peer | ÷ losskit (95 %) | |",
        "| --- | --- | --- | --: | --: | --: | --- | --: | --- |",
    ]
    for outcome in most_threads([o for o in outcomes if o.structure == structure]):
        ours, warm, best = outcome.find("losskit"), outcome.find("losskit out="), outcome.best_peer
        cells = [
            f"`{outcome.loss}`", _size(outcome), outcome.dtype, _time(ours), _over_floor(outcome, ours),
            _over_floor(outcome, warm), best.name if best else "none", _interval(best), _standing(outcome),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", f"{machine_line(facts)}.", ""])


def filled(text: str, facts: dict[str, Any], outcomes: list[Outcome], pictures: Collection[str] = ()) -> str:
    """A page with its tables anew, each under its picture; one of which the run holds nothing stays as it is."""

    def block(found: re.Match[str]) -> str:
        start, structure, end = found.groups()
        if structure is None:
            return f"{start}{headlines(facts, outcomes)}{end}"
        if structure != "growth" and not any(o.structure == structure for o in outcomes):
            return found.group()
        shown = "".join(f"![{name}](speed/{name}.svg)\n\n" for name in pictures if _is_of(name, structure))
        rest = "" if structure == "growth" else table(facts, outcomes, structure)
        return f"{start}{shown}{rest}{end}"

    return _BLOCK.sub(block, text)


def _is_of(picture: str, structure: str) -> bool:
    return picture.partition("-")[0] == structure


def _largest(outcomes: list[Outcome]) -> list[Outcome]:
    timed = most_threads(outcomes)
    largest = max((float(o.size) for o in timed if o.structure == "elementwise"), default=0.0)
    return [o for o in timed if o.structure != "elementwise" or float(o.size) == largest]


def _words(name: str) -> str:
    return name.replace("_", " ")


def _size(outcome: Outcome) -> str:
    return outcome.size.replace("x", " × ")


def _time(entry: Entry | None) -> str:
    return duration(entry.best) if entry is not None and entry.times else ""


def _over_floor(outcome: Outcome, entry: Entry | None) -> str:
    floor = outcome.floor
    return f"{entry.best / floor.best:.2f}" if floor is not None and entry is not None and entry.times else ""


def _times_faster(entry: Entry | None) -> str:
    return "–" if entry is None or entry.times_faster is None else digits(entry.times_faster)


def _interval(entry: Entry | None) -> str:
    if entry is None or entry.ratio is None:
        return "–"
    return f"{digits(entry.ratio.median)} ({digits(entry.ratio.low)}–{digits(entry.ratio.high)})"


def _standing(outcome: Outcome) -> str:
    return "ahead" if outcome.ahead else "behind" if outcome.behind else ""


def main(argv: list[str] | None = None) -> int:
    """Write the tables of a run into pages."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__)
    parser.add_argument("run", type=Path, metavar="RUN.json", help="what `python -m benchmarks --json` wrote")
    parser.add_argument("pages", type=Path, nargs="+", metavar="PAGE.md")
    arguments = parser.parse_args(argv)
    try:
        facts, outcomes = records.read(arguments.run)
        for page in arguments.pages:
            pictures = sorted(file.stem for file in (page.parent / "speed").glob("*.svg"))
            write_whole(page, filled(page.read_text(encoding="utf-8"), facts, outcomes, pictures).encode())
    except (InputError, OSError) as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
