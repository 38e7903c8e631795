"""``losskit score``."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.filesize import decimal
from rich.progress import BarColumn, Progress, Task, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from losskit import terminal
from losskit.commands.options import AsJson, split_losses
from losskit.errors import InputError

if TYPE_CHECKING:
    from losskit.scoring.files import Progress as Callback
    from losskit.scoring.scores import Scores


def score(
    files: Annotated[list[Path], typer.Argument(help="CSV, Parquet or JSON-lines files: one data set.")],
    true: Annotated[str, typer.Option(help="The column of targets.")],
    pred: Annotated[
        list[str], typer.Option(help="The column of predictions; once for each where a loss takes several.")
    ],
    loss: Annotated[list[str], typer.Option(help="Losses, separated by commas.")],
    by: Annotated[
        list[str] | None, typer.Option(help="A column to group by; may be repeated, each for itself.")
    ] = None,
    weight: Annotated[str | None, typer.Option(help="The column of weights.")] = None,
    engine: Annotated[str, typer.Option(help="local, or ray: a task a file on a cluster.")] = "local",
    as_json: AsJson = False,
) -> None:
    """Score predictions in files of any size, several losses in one read; sums are exact.

    Example: losskit score day1.parquet day2.parquet --true y --pred p --loss huber,mae --by country
    """
    losses = [text for given in loss for text in split_losses(given)]
    if not losses:
        raise InputError("name at least one loss, such as --loss huber,mae.")
    from losskit.scoring import score as measure

    with _progress() as progress:
        scores = measure(
            files, true=true, pred=pred, losses=losses, by=by or (), weight=weight, progress=progress, engine=engine,
        )  # fmt: skip
    if as_json:
        print(json.dumps(scores.to_dict(), allow_nan=False))
    else:
        _show(scores)


def _show(scores: "Scores") -> None:
    heading, *lines = scores.table()
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("", overflow="fold")
    for title in heading[1:]:
        table.add_column(Text(title), justify="right", no_wrap=True)
    for line in lines:
        table.add_row(*map(Text, line))
    out = terminal.console()
    out.print(table)
    for note in scores.notes:
        out.print(Text(f"Note: {note}.", style="dim"))


class _Rate(TaskProgressColumn):
    """Rows and bytes a second."""

    def render(self, task: Task) -> Text:
        rows = task.fields["rows"]
        if not task.elapsed or not rows:
            return Text("")
        return Text(f"{rows / task.elapsed:,.0f} rows/s, {decimal(int(task.completed / task.elapsed))}/s")


@contextmanager
def _progress() -> "Iterator[Callback | None]":
    """A progress bar on standard error, only on a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    columns = (TextColumn("scoring"), BarColumn(), TaskProgressColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=terminal.console(stderr=True), transient=True) as bar:
        task = bar.add_task("scoring", total=None, rows=0)

        def report(done: float, total: float, rows: int) -> None:
            bar.update(task, completed=done, total=total, rows=rows)

        yield report
