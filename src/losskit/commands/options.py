"""What several subcommands share: options, and losses by their text."""

from pathlib import Path
from typing import Annotated

from losskit import catalogue
from losskit.errors import InputError, needs
from losskit.loss import LossFunction

with needs("cli"):
    import typer

Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write a picture: .png, .svg, .pdf, ...")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def parse_loss(text: str) -> LossFunction:
    """The loss that a text names."""
    try:
        return catalogue.parse(text)
    except (ValueError, KeyError, TypeError, SyntaxError) as error:
        raise InputError(said(error)) from None


def parse_losses(texts: list[str] | None) -> list[LossFunction]:
    """The losses of texts, each of which may name several, separated by commas."""
    return [parse_loss(text) for given in texts or [] for text in split_losses(given)]


def find_loss(name: str) -> type[LossFunction]:
    """The class that a name stands for."""
    try:
        return catalogue.find(name)
    except (ValueError, KeyError) as error:
        raise InputError(said(error)) from None


def split_losses(text: str) -> list[str]:
    """Split at the commas that are outside parentheses.

    >>> split_losses("huber(delta=2), 0.5*mae + tversky(alpha=0.3, beta=0.7)")
    ['huber(delta=2)', '0.5*mae + tversky(alpha=0.3, beta=0.7)']
    """
    parts, depth = [""], 0
    for character in text:
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]


def said(error: Exception) -> str:
    """An error's own sentence: a KeyError would put it in quotation marks."""
    return str(error.args[0]) if error.args else str(error)
