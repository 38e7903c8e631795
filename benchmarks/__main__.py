"""The command: `python -m benchmarks --help`."""

import argparse
import datetime
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.status import Status
from rich.text import Text

from benchmarks import page, peers, pictures, records, report, startup
from benchmarks.agreement import WITHIN
from benchmarks.choosing import STRUCTURES, chosen, known_names
from benchmarks.harness import QUICK, Plan, compete
from benchmarks.outcomes import Outcome
from losskit.errors import InputError, nearest


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="losskit beside its peers.")
    add = parser.add_argument
    add("--only", action="append", metavar="NAME", help="a structure, a loss or startup; may be repeated")
    add("--without", action="append", default=[], metavar="NAME", help='leave out, such as "torch.compile"')
    add("--alone", action="store_true", help="no peers: losskit and the floor")
    add("--quick", action="store_true", help="small sizes, few rounds")
    add(
        "--sizes", type=_list, metavar="LIST",
        help="such as 1e3,1e8,65536x1000; each structure takes the sizes with as many axes as its own",
    )  # fmt: skip
    add("--dtype", type=_dtypes, default=["float32"], metavar="LIST", help=f"of {', '.join(WITHIN)}")
    add(
        "--threads", type=_threads, default=[min(2, peers.cores())], metavar="LIST",
        help="such as 1,2; default: %(default)s",
    )  # fmt: skip
    add("--seconds", type=float, metavar="S", help="time to spend on a case")
    add("--date", default=datetime.date.today().isoformat(), help="the date that the tables state")
    add("--json", type=Path, metavar="FILE", help="write every sample")
    add("--markdown", type=Path, metavar="FILE", help="write the README's table")
    add("--pictures", type=Path, metavar="FOLDER", help="write a picture for each structure")
    arguments = parser.parse_args(argv)
    for name in arguments.only or ():
        if name not in known_names():
            parser.error(
                f"--only {name}: is no structure ({', '.join(STRUCTURES)}), no loss and not startup."
                f"{nearest(name, known_names())}"
            )
    for size in arguments.sizes or ():
        if not all(_positive(part) for part in size.split("x")):
            parser.error(f"--sizes {size}: must be numbers with x between them, such as 1e5 or 65536x1000")
    for file in (arguments.json, arguments.markdown, arguments.pictures):
        if file is not None and not file.parent.is_dir():
            parser.error(f"{file}: there is no folder {file.parent} to write it in")
    return arguments


def _list(text: str) -> list[str]:
    return text.split(",")


def _dtypes(text: str) -> list[str]:
    for name in _list(text):
        if name not in WITHIN:
            raise argparse.ArgumentTypeError(
                f"{name}: is none of {', '.join(WITHIN)}.{nearest(name, WITHIN)}"
            )
    return _list(text)


def _threads(text: str) -> list[int]:
    numbers = [int(part) for part in text.split(",")]
    if min(numbers) < 1:
        raise ValueError("a number of threads is at least 1")
    return numbers


def _positive(text: str) -> bool:
    try:
        return int(float(text)) >= 1
    except (ValueError, OverflowError):
        return False


def main(argv: list[str] | None = None) -> int:
    """Run the benchmarks; 1 if losskit itself failed or its doors answer differently."""
    arguments = _arguments(argv)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    facts = report.machine(arguments.threads, arguments.date)
    console.print(Text(report.machine_line(facts)))
    if facts["load"] is not None and facts["load"] > 0.5:
        busy = f"the machine is busy (load {facts['load']}): read the best rounds, medians suffer from what else runs"
        console.print(Text(busy, style="yellow"))

    outcomes = _measured(arguments, console)
    costs: list[startup.Cost] = []
    if not arguments.only or "startup" in arguments.only:
        with _status(console, "startup"):
            costs = startup.costs(2 if arguments.quick else 5)
        console.print(report.startup_table(costs))
    for name, why in peers.left_out.lines.items():
        console.print(Text(f"left out: {name}: {why}", style="yellow"))

    if arguments.json is not None:
        data = records.as_data(facts, outcomes, costs, peers.left_out.lines)
        arguments.json.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if arguments.markdown is not None:
        arguments.markdown.write_text(page.headlines(facts, outcomes), encoding="utf-8")
    if arguments.pictures is not None:
        pictures.write(outcomes, arguments.pictures)
    return int(any(e.trouble for o in outcomes for e in o.entries if e.kind == "losskit"))


def _measured(arguments: argparse.Namespace, console: Console) -> list[Outcome]:
    plan = QUICK if arguments.quick else Plan()
    if arguments.seconds is not None:
        plan = Plan(arguments.seconds, plan.at_least, plan.at_most)
    outcomes: list[Outcome] = []
    for threads in arguments.threads:
        peers.set_threads(threads)
        for dtype in arguments.dtype:
            for case in chosen(arguments.only, arguments.sizes, arguments.quick, dtype):
                with _status(console, f"{case.loss}, {case.size} {dtype}, {threads} threads"):
                    outcomes.append(compete(case, threads, plan, arguments.without, arguments.alone))
                    peers.forget_compiled()
                console.print(report.case_table(outcomes[-1]))
    return outcomes


def _status(console: Console, text: str) -> Status:
    """Says on a terminal what is being measured."""
    return console.status(Text(text))


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except InputError as error:
        raise SystemExit(f"python -m benchmarks: {error}") from None
