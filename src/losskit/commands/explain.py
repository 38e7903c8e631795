"""``losskit explain``."""

import json
import re
from typing import Annotated, Any

import typer

from losskit.commands.options import AsJson, parse_loss
from losskit.errors import InputError, unknown


def explain(
    loss: Annotated[str, typer.Argument(help="A loss, such as huber or 'focal(gamma=1)'.")],
    y: Annotated[
        str | None, typer.Option("--y", help="Targets: numbers with commas between; ; begins a new row.")
    ] = None,
    p: Annotated[str | None, typer.Option("--p", help="Predictions, likewise.")] = None,
    arg: Annotated[
        list[str] | None, typer.Option(help="Another argument of the loss, such as variance=0.5.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Explain how a loss comes to its number: what comes in, each step of its rules, and the reduction.

    Example: losskit explain "huber(delta=1)" --y 3,1 --p 2.5,0
    """
    made = parse_loss(loss)
    given: dict[str, Any] = {}
    for option, name, text in zip(("--y", "--p"), made.arguments, (y, p), strict=False):
        if text is not None:
            given[name] = numbers_of(option, text)
    for text in arg or []:
        name, _, numbers = text.partition("=")
        if name.strip() not in made.arguments:
            raise unknown("argument", name.strip(), made.arguments)
        given[name.strip()] = numbers_of(f"--arg {name}", numbers)
    from losskit.explanation.explaining import explain as explained

    try:
        explanation = explained(made, **given)
    except (ValueError, TypeError, IndexError) as error:
        about = repr(made)
        raise InputError(str(error) if str(error).startswith(about) else f"{about}: {error}") from None
    print(json.dumps(explanation.to_dict(), allow_nan=False) if as_json else explanation)


def numbers_of(option: str, text: str) -> Any:
    """The numbers of an option: one, a row of them, or rows.

    >>> numbers_of("--p", "2"), numbers_of("--p", "2, 0.5"), numbers_of("--p", "1,0; 0,1")
    (2, [2, 0.5], [[1, 0], [0, 1]])
    """
    rows = [[_number(option, word) for word in row.split(",")] for row in text.split(";") if row.strip()]
    if not rows:
        raise InputError(f"{option}: no numbers in {text!r}; write them as 2.5 or 2,0.5,-1.")
    if len({len(row) for row in rows}) != 1:
        raise InputError(f"{option}: rows need as many numbers each as the first, got {text!r}.")
    if ";" in text:
        return rows
    return rows[0] if "," in text else rows[0][0]


def _number(option: str, word: str) -> int | float:
    try:
        return int(word) if re.fullmatch(r"\s*[+-]?\d{1,18}\s*", word) else float(word)  # as int64 holds
    except ValueError:
        raise InputError(f'{option}: "{word.strip()}" is no number; write 2.5 or 2,0.5,-1.') from None
