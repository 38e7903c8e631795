"""``losskit plot``."""

from pathlib import Path
from typing import Annotated

import typer

from losskit import terminal
from losskit.commands.options import parse_losses


def plot(
    names: Annotated[
        list[str], typer.Argument(help='Losses, such as huber "focal(gamma=1, from_logits=True)".')
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The picture to write: .png, .svg, .pdf, ...")
    ],
    low: Annotated[float | None, typer.Option(help="Where the range begins.")] = None,
    high: Annotated[float | None, typer.Option(help="Where the range ends.")] = None,
) -> None:
    """Draw value, slope and curvature of losses over a range."""
    from losskit import plotting

    losses = parse_losses(names)
    plotting.plot(*losses, low=low, high=high, output=output)
    terminal.wrote(output)
