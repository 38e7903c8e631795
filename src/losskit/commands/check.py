"""``losskit check``."""

import json
from typing import Annotated

import typer
from rich.text import Text

from losskit import terminal
from losskit.commands.options import AsJson, Output


def check(
    path: Annotated[
        str, typer.Argument(metavar="MODULE:CLASS", help="A loss of your own, such as mine:MyLoss.")
    ],
    output: Output = None,
    timeout: Annotated[float, typer.Option(help="Seconds that the check may take.")] = 60.0,
    as_json: AsJson = False,
) -> None:
    """Check a loss of your own against the laws that every loss keeps; exit status 1 where it breaks one.

    Your code runs in a process of its own. Status 2 means that it could not be loaded.

    Example: losskit check my_losses:MyLoss -o my_loss.png
    """
    from losskit.examining import examine

    result = examine(path, output, timeout)
    if as_json:
        print(json.dumps(result.data, allow_nan=False))
    else:
        text = Text(result.text)
        text.highlight_regex(r"(?m)BROKEN|^error|not ok", "bold red")
        text.highlight_regex(r"(?m)^warning", "yellow")
        terminal.console().print(text, soft_wrap=True)
    if output is not None and "failed" not in result.data:
        terminal.wrote(output)
    if not result.ok:
        raise typer.Exit(1)
