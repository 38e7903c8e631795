"""``losskit plot``."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from losskit import terminal
from losskit.commands.options import AsJson, parse_losses
from losskit.errors import InputError


def plot(
    names: Annotated[
        list[str], typer.Argument(help='Losses, such as huber "focal(gamma=1, from_logits=True)".')
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The picture to write: .png, .svg, .pdf, ...")
    ],
    what: Annotated[
        str | None, typer.Option(help="Some of value, slope, curvature, with commas between.")
    ] = None,
    sweep: Annotated[
        list[str] | None, typer.Option(help="Values of a parameter, such as delta=0.5,1,2.")
    ] = None,
    log: Annotated[bool, typer.Option("--log", help="A logarithmic scale.")] = False,
    as_map: Annotated[
        bool, typer.Option("--map", help="A map over two predictions: losses of classes and of masks.")
    ] = False,
    low: Annotated[float | None, typer.Option(help="Where the range begins.")] = None,
    high: Annotated[float | None, typer.Option(help="Where the range ends.")] = None,
    as_json: AsJson = False,
) -> None:
    """Draw value, slope and curvature of losses over a range, or a map of their value.

    Example: losskit plot huber mae --sweep delta=0.5,1,2 --what value,slope -o huber.png

    Example: losskit plot dice iou --map -o masks.svg
    """
    losses = parse_losses(names)
    values = dict(values_of(text) for text in sweep or [])
    if not as_map:
        from losskit.pictures.plotting import plot as plot_curves
        from losskit.pictures.views import WHAT

        columns = WHAT if what is None else [word.strip() for word in what.split(",")]
        plot_curves(*losses, what=columns, sweep=values, log=log, low=low, high=high, output=output)
    else:
        from losskit.pictures.maps import plot_map

        if log or low is not None or high is not None:
            raise InputError("a map has a range and a scale of its own: leave out --log, --low and --high.")
        plot_map(*losses, what=what or "value", sweep=values, output=output)
    if as_json:
        print(json.dumps({"picture": str(output), "losses": [loss.to_config() for loss in losses]}))
    else:
        terminal.wrote(output)


def values_of(text: str) -> tuple[str, list[Any]]:
    """A parameter and its values.

    >>> values_of("delta=0.5, 1"), values_of("kind=iou,giou")
    (('delta', [0.5, 1.0]), ('kind', ['iou', 'giou']))
    """
    name, sign, values = text.partition("=")
    if not (sign and name.strip().isidentifier() and values.strip()):
        raise InputError(f'--sweep "{text}" is not of the form PARAMETER=VALUE,VALUE, such as delta=0.5,1,2.')
    return name.strip(), [_value(word.strip()) for word in values.split(",")]


def _value(word: str) -> Any:
    words = {"True": True, "False": False, "None": None}
    if word in words:
        return words[word]
    try:
        return float(word)
    except ValueError:
        return word
