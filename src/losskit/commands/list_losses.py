"""``losskit list``."""

import json
from typing import Annotated

import typer

from losskit import catalogue
from losskit.commands.options import AsJson, said
from losskit.errors import InputError


def list_losses(
    task: Annotated[str | None, typer.Option(help="Only losses for this task, such as regression.")] = None,
    trait: Annotated[str | None, typer.Option(help="Only losses with this trait, such as convex.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the losses, one a line.

    Example: losskit list --task regression --trait robust
    """
    try:
        names = catalogue.list_losses(task=task, trait=trait)
    except (ValueError, KeyError) as error:
        raise InputError(said(error)) from None
    print(json.dumps({"losses": names}) if as_json else "\n".join(names))
