"""The command: `python -m benchmarks --help`."""

import argparse
import datetime
import json
import os
import sys
from pathlib import Path
from types import ModuleType

from rich.console import Console
from rich.status import Status
from rich.text import Text

from benchmarks import (
    columns,
    elementwise,
    lattice,
    linear,
    lists,
    overlap,
    pairs,
    peers,
    report,
    rows,
    similarity,
    startup,
    transport,
)
from benchmarks.harness import QUICK, Case, Outcome, Plan, compete

STRUCTURES: dict[str, ModuleType] = {
    module.__name__.rpartition(".")[2]: module
    for module in (elementwise, rows, columns, pairs, lists, overlap, similarity, linear, lattice, transport)
}


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="losskit beside its peers.")
    add = parser.add_argument
    add("--only", action="append", metavar="NAME", help="a structure, a loss or startup; may be repeated")
    add(
        "--without",
        action="append",
        default=[],
        metavar="NAME",
        help='leave a contestant out, such as "torch.compile"',
    )
    add("--quick", action="store_true", help="small sizes, few rounds")
    add(
        "--sizes",
        type=_list,
        metavar="LIST",
        help="such as 1e3,1e7,65536x1000; each structure takes the sizes with as many axes as its own",
    )
    add(
        "--threads",
        type=_threads,
        default=[min(2, cores)],
        metavar="LIST",
        help="such as 1,2; default: %(default)s",
    )
    add("--seconds", type=float, metavar="S", help="time to spend on a case")
    add("--date", default=datetime.date.today().isoformat(), help="the date that the tables state")
    add("--json", type=Path, metavar="FILE", help="write every sample")
    add("--markdown", type=Path, metavar="FILE", help="write the README's table")
    arguments = parser.parse_args(argv)
    losses = [case.loss for module in STRUCTURES.values() for case in module.cases(module.QUICK, 1)]
    names = [*STRUCTURES, *dict.fromkeys(losses), "startup"]
    for name in arguments.only or ():
        if name not in names:
            parser.error(f"--only {name}: must be one of {', '.join(names)}")
    for size in arguments.sizes or ():
        if not all(_positive(part) for part in size.split("x")):
            parser.error(f"--sizes {size}: must be numbers with x between them, such as 1e5 or 65536x1000")
    return arguments


def _list(text: str) -> list[str]:
    return text.split(",")


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


def _cases(arguments: argparse.Namespace, threads: int) -> list[Case]:
    """The cases that the arguments ask for."""
    found: list[Case] = []
    for module in STRUCTURES.values():
        if arguments.sizes:
            axes = {size.count("x") for size in module.SIZES}
            sizes = tuple(s for s in arguments.sizes if s.count("x") in axes)
        else:
            sizes = module.QUICK if arguments.quick else module.SIZES
        found += module.cases(sizes, threads)
    only = arguments.only
    return [case for case in found if not only or case.structure in only or case.loss in only]


def main(argv: list[str] | None = None) -> int:
    """Run the benchmarks; 1 if losskit itself failed or answered otherwise than with ``out=``."""
    arguments = _arguments(argv)
    plan = QUICK if arguments.quick else Plan()
    if arguments.seconds is not None:
        plan = Plan(arguments.seconds, plan.at_least, plan.at_most)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    facts = report.machine(arguments.threads, arguments.date)
    console.print(Text(report.machine_line(facts)))
    if facts["load"] is not None and facts["load"] > 0.5:
        busy = f"the machine is busy (load {facts['load']}): read the best rounds, medians suffer from what else runs"
        console.print(Text(busy, style="yellow"))

    outcomes: list[Outcome] = []
    for threads in arguments.threads:
        peers.set_threads(threads)
        for case in _cases(arguments, threads):
            with _status(console, f"{case.loss}, {case.size}, {threads} threads"):
                outcomes.append(compete(case, threads, plan, arguments.without))
                peers.forget_compiled()
            console.print(report.case_table(outcomes[-1]))
    costs: list[startup.Cost] = []
    if not arguments.only or "startup" in arguments.only:
        with _status(console, "startup"):
            costs = startup.costs(2 if arguments.quick else 5)
        console.print(report.startup_table(costs))
    for name, why in peers.left_out.lines.items():
        console.print(Text(f"left out: {name}: {why}", style="yellow"))

    if arguments.json is not None:
        data = report.as_data(facts, outcomes, costs, peers.left_out.lines)
        arguments.json.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if arguments.markdown is not None:
        arguments.markdown.write_text(report.markdown(facts, outcomes), encoding="utf-8")
    return int(any(e.trouble for o in outcomes for e in o.entries if e.kind == "losskit"))


def _status(console: Console, text: str) -> Status:
    """Says on a terminal what is being measured."""
    return console.status(Text(text))


if __name__ == "__main__":
    raise SystemExit(main())
