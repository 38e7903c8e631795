"""The command: `python -m certificate --help`."""

import argparse
import datetime
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from certificate import results
from certificate.measuring import engines
from certificate.measuring.ledger import Ledger
from certificate.page import page
from certificate.plan import FULL, QUICK, Effort, LossClass, a_few, all_classes, steps
from certificate.table import Results, errors, headings, in_words, lines
from losskit.errors import InputError, nearest
from losskit.pictures.drawing import write_whole

PAGE = results.ROOT / "docs" / "certificate.md"


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m certificate", description="How far each loss is from the truth."
    )
    add = parser.add_argument
    add("--only", action="append", metavar="NAME", help="a loss or a structure; may be repeated")
    add(
        "--engine", type=lambda text: text.split(","), default=list(engines.available()), metavar="LIST",
        help=f"of {', '.join(engines.ENGINES)}; those installed by default",
    )  # fmt: skip
    add("--quick", action="store_true", help="a few losses at a few inputs")
    add("--output", "-o", type=Path, metavar="FILE", help=f"the page; docs/{PAGE.name} where all is measured")
    arguments = parser.parse_args(argv)
    names = [name for cls in all_classes() for name in (cls.name, cls.structure)]
    for option, given, known in (
        ("--only", arguments.only, names),
        ("--engine", arguments.engine, engines.available()),
    ):
        for name in given or ():
            if name not in known:
                parser.error(f'{option} "{name}": unknown, or not installed.{nearest(name, known)}')
    return arguments


def main(argv: list[str] | None = None) -> int:
    """Measure, write the page, and say whether all is within its bounds: 0 if so, else 1; 130 if interrupted."""
    arguments = _arguments(argv)
    effort = QUICK if arguments.quick else FULL
    console = Console(highlight=False, stderr=True, width=None if sys.stderr.isatty() else 160)
    chosen = _chosen(arguments)
    try:
        failed = measure(chosen, arguments.engine, effort, console)
    except KeyboardInterrupt:
        console.print("interrupted: what was measured is kept, and the same command goes on from there")
        return 130
    known = {cls: found for cls in all_classes() if (found := _known(cls, effort))}
    asked = {
        cls: {e: of[e] for e in arguments.engine if e in of} for cls, of in known.items() if cls in chosen
    }
    is_whole = not (arguments.quick or arguments.only or set(engines.available()) - set(arguments.engine))
    output = arguments.output or (PAGE if is_whole else None)
    if output is None:
        Console(width=None if sys.stdout.isatty() else 160).print(_table(asked, arguments.engine))
    elif not _write(output, known, console):
        return 2
    missed = [line for line in lines(asked) if not line.passes]
    for line in missed:
        console.print(Text(in_words(line), style="red"))
    console.print(
        f"{len(chosen)} losses: {len(missed)} entries beyond their bound, {failed} losses not measured"
    )
    return int(bool(missed or failed))


def _chosen(arguments: argparse.Namespace) -> list[LossClass]:
    """The losses that the arguments ask for."""
    if arguments.only:
        return [cls for cls in all_classes() if {cls.name, cls.structure} & set(arguments.only)]
    return a_few() if arguments.quick else all_classes()


def measure(chosen: list[LossClass], names: list[str], effort: Effort, console: Console) -> int:
    """Measure what is not known yet, a loss at a time; how many could not be."""
    missing = {cls: [e for e in names if results.load(cls, e, effort) is None] for cls in chosen}
    work = {cls: list(steps(cls, effort)) for cls, some in missing.items() if some}
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    failed = 0
    with Progress(*columns, console=console, disable=not work) as progress:
        bar = progress.add_task("", total=sum(cost for some in work.values() for cost, _ in some))
        for cls, some in work.items():
            progress.update(bar, description=cls.name)
            ledgers = {engine: Ledger() for engine in missing[cls]}
            try:
                for cost, step in some:
                    step(ledgers)
                    progress.advance(bar, cost)
            except Exception as error:  # of whatever kind: the others are measured all the same
                failed += 1
                console.print(
                    Text(f"{cls.name} cannot be measured: {type(error).__name__}: {error}", style="red")
                )
                continue
            for engine, ledger in ledgers.items():
                results.store(cls, engine, effort, ledger)
    return failed


def _known(cls: LossClass, effort: Effort) -> dict[str, Ledger]:
    """What is known of a loss, by engine."""
    found = {engine: results.load(cls, engine, effort) for engine in engines.available()}
    return {engine: ledger for engine, ledger in found.items() if ledger is not None}


def _write(output: Path, known: Results, console: Console) -> bool:
    """Write the page of all that is known; False if that cannot be."""
    versions = results.versions(*(e for e in engines.available() if e != "numpy"))
    try:
        write_whole(output, page(known, versions, datetime.date.today().isoformat()).encode())
    except InputError as error:
        console.print(Text(str(error), style="red"))
        return False
    return True


def _table(asked: Results, names: list[str]) -> Table:
    """The largest errors, for a terminal."""
    shown = Table(title="Largest errors in ulp: value, derivative, second derivative", title_justify="left")
    for heading in headings(names):
        shown.add_column(heading)
    for row in errors(lines(asked), names):
        shown.add_row(*(Text(cell) for cell in row))
    return shown


if __name__ == "__main__":
    raise SystemExit(main())
