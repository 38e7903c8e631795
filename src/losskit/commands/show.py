"""``losskit show``."""

from typing import Annotated

import typer

from losskit import terminal
from losskit.commands.options import find_loss


def show(name: Annotated[str, typer.Argument(help="A loss, such as huber.")]) -> None:
    """Show a loss: formula, parameters, traits, strengths, weaknesses, uses, what others call it, references."""
    terminal.show(find_loss(name))
