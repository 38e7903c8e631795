"""``losskit list``."""

from typing import Annotated

import typer

from losskit import catalogue
from losskit.commands.options import said
from losskit.errors import InputError


def list_losses(
    task: Annotated[str | None, typer.Option(help="Only losses for this task, such as regression.")] = None,
    trait: Annotated[str | None, typer.Option(help="Only losses with this trait, such as convex.")] = None,
) -> None:
    """List the losses, one a line."""
    try:
        names = catalogue.list_losses(task=task, trait=trait)
    except (ValueError, KeyError) as error:
        raise InputError(said(error)) from None
    print("\n".join(names))
