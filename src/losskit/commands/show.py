"""``losskit show``."""

import json
from typing import Annotated

import typer

from losskit import facts, terminal
from losskit.commands.options import AsJson, find_loss


def show(
    name: Annotated[str, typer.Argument(help="A loss, such as huber.")], as_json: AsJson = False
) -> None:
    """Show a loss: formula, parameters, traits, strengths, weaknesses, uses, what others call it, references.

    Example: losskit show huber
    """
    cls = find_loss(name)
    if as_json:
        print(json.dumps(facts.page(cls)))
    else:
        terminal.show(cls)
