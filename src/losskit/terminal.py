"""How the command line shows things, with Rich."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from losskit import facts
from losskit.errors import needs
from losskit.loss import LossFunction

with needs("cli"):
    from rich.console import Console
    from rich.padding import Padding
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.table import Table
    from rich.text import Text

if TYPE_CHECKING:
    from losskit.advisor.comparison.campaign import Progress as Callback
    from losskit.advisor.comparison.result import Comparison


def console(stderr: bool = False) -> Console:
    """A console as wide as the terminal; what goes to a file is not folded."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else 160)


@contextmanager
def progress() -> "Iterator[Callback | None]":
    """A progress bar on standard error, only on a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading the data", total=None)

        def report(done: int, total: int, name: str) -> None:
            bar.update(
                task, completed=done, total=total, description=f"training with {name}" if name else "done"
            )

        yield report


def wrote(path: Path) -> None:
    """Say on standard error that a file was written."""
    console(stderr=True).print(Text(f"wrote {path}", style="dim"))


def comparison(result: "Comparison") -> None:
    """Print a comparison: heading, table with as many metrics as fit, verdicts, notes."""
    from losskit.advisor.comparison.forms import LEGEND, cell
    from losskit.advisor.comparison.metrics import metric_named

    out = console()
    out.print(Text(result.heading(), style="bold"))
    several = len(result.models) > 1
    names = result.metric_names[: max(1, (out.width - 40 - 10 * several) // 22)]
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("loss", overflow="fold")
    if several:
        table.add_column("model")
    for metric in names:
        table.add_column(metric_named(metric).title, justify="right", no_wrap=True)
    table.add_column("s/fit", justify="right", style="dim")
    for score in result.scores:
        name = Text(score.label)
        if result.is_base(score):
            name.append("  baseline", style="dim")
        cells = [_cell(cell(result, score, metric)) for metric in names]
        table.add_row(name, *([score.model] if several else []), *cells, f"{score.seconds:.3f}")
    out.print()
    out.print(table)
    out.print()
    out.print(Text(LEGEND, style="dim"))
    if len(names) < len(result.metric_names):
        left = ", ".join(metric_named(metric).title for metric in result.metric_names[len(names) :])
        out.print(Text(f"in --json and --report as well: {left}", style="dim"))
    out.print()
    for verdict in result.verdicts:
        out.print(Text(verdict.text, style="bold"))
    for note in result.notes:
        out.print(Text(f"Note: {note}.", style="dim"))


def _cell(text: str) -> Text:
    return Text(text, style={"+": "green", "-": "red"}.get(text[-1:], ""))


def show(cls: type[LossFunction]) -> None:
    """Print the page of a loss."""
    out, paragraphs = console(), facts.paragraphs(cls)
    out.print(Text(cls.name, style="bold"), Text(f"({cls.__module__}.{cls.__name__})", style="dim"))
    if paragraphs:
        out.print(Text(" ".join(paragraphs[0].split())))
    _parameters(out, cls)
    for title, body in facts.sections(cls).items():
        _section(out, title, [body] if isinstance(body, str) else [f"- {line}" for line in body])


def _section(out: Console, title: str, lines: list[str]) -> None:
    out.print()
    out.print(Text(title, style="bold cyan"))
    for line in lines:
        out.print(Padding(Text(line), (0, 0, 0, 2), expand=False))


def _parameters(out: Console, cls: type[LossFunction]) -> None:
    found = facts.parameters(cls)
    if not found:
        return
    out.print()
    out.print(Text("parameters", style="bold cyan"))
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for fact in found:
        default = f"= {fact.default}" if fact.default else "required"
        table.add_row(fact.name, default, Text(fact.meaning), Text(fact.legal, style="dim"))
    out.print(Padding(table, (0, 0, 0, 2), expand=False))
