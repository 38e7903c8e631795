"""The subcommands of ``losskit``. What is slow to import is imported inside the command that needs it."""

import importlib
import json
import sys
from pathlib import Path
from typing import Annotated

import losskit as lk
from losskit import catalogue, terminal
from losskit.errors import InputError, needs
from losskit.loss import LossFunction

with needs("cli"):
    import typer

app = typer.Typer(
    help="Every deep-learning loss: look one up, draw it, check your own, or find which to train with.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write a picture: .png, .svg, .pdf, ...")]


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(version("losskit"))
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Every deep-learning loss: look one up, draw it, check your own, or find which to train with."""


@app.command("list")
def list_losses(
    task: Annotated[str | None, typer.Option(help="Only losses for this task, such as regression.")] = None,
    trait: Annotated[str | None, typer.Option(help="Only losses with this trait, such as convex.")] = None,
) -> None:
    """List the losses, one a line."""
    try:
        names = catalogue.list_losses(task=task, trait=trait)
    except (ValueError, KeyError) as error:
        raise InputError(_said(error)) from None
    print("\n".join(names))


@app.command()
def show(name: Annotated[str, typer.Argument(help="A loss, such as huber.")]) -> None:
    """Show a loss: formula, parameters, traits, strengths, weaknesses, uses, what others call it, references."""
    terminal.show(_find(name))


@app.command()
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

    losses = [_parse(text) for name in names for text in split_losses(name)]
    plotting.plot(*losses, low=low, high=high, output=output)
    terminal.wrote(output)


@app.command()
def compare(
    data: Annotated[Path | None, typer.Argument(help="A CSV, Parquet or JSON-lines file.")] = None,
    target: Annotated[str | None, typer.Option(help="The column to predict.")] = None,
    example: Annotated[
        str | None, typer.Option(help="Instead of a file: diabetes, breast-cancer, digits or wine.")
    ] = None,
    loss: Annotated[list[str] | None, typer.Option(help="Losses to compare, separated by commas.")] = None,
    task: Annotated[str | None, typer.Option(help="regression, binary or multiclass; else found.")] = None,
    model: Annotated[str, typer.Option(help="linear, or network: one hidden layer of 16 units.")] = "linear",
    metric: Annotated[str | None, typer.Option(help="The metric that decides.")] = None,
    folds: Annotated[int, typer.Option(help="Parts the rows are split into.")] = 5,
    repeats: Annotated[
        int | None, typer.Option(help="How often the rows are split anew; else 2, or 1 for many rows.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same answer.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    output: Output = None,
) -> None:
    """Find which loss to train with on your data: train a model with each on the same folds, and measure."""
    if data is None and example is None:
        raise InputError("no data: give a CSV or Parquet file and --target COLUMN, or --example diabetes.")
    if data is not None and target is None:
        raise InputError(f"{data}: name the column to predict with --target COLUMN.")
    losses = [_parse(text) for given in loss or [] for text in split_losses(given)]
    if output is not None:
        from losskit.drawing import check_output

        check_output(output)
    from losskit.advisor.comparison import compare as measure

    with terminal.progress() as progress:
        result = measure(
            data,
            target,
            losses,
            example=example,
            task=task,
            model=model,
            folds=folds,
            repeats=repeats,
            seed=seed,
            metric=metric,
            progress=progress,
        )
    if output is not None:
        from losskit.advisor.picture import draw

        draw(result, output)
    if as_json:
        print(json.dumps(result.to_dict(), allow_nan=False))
        return
    terminal.comparison(result)
    if output is not None:
        terminal.wrote(output)


@app.command()
def check(
    path: Annotated[
        str, typer.Argument(metavar="MODULE:CLASS", help="A loss of your own, such as mine:MyLoss.")
    ],
) -> None:
    """Check a loss of your own against the laws that every loss keeps; exit status 1 where it breaks one."""
    loss = _imported(path)
    report = lk.check(loss)
    print(report)
    if not report.ok:
        raise typer.Exit(1)


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


def _parse(text: str) -> LossFunction:
    try:
        return catalogue.parse(text)
    except (ValueError, KeyError, TypeError, SyntaxError) as error:
        raise InputError(_said(error)) from None


def _find(name: str) -> type[LossFunction]:
    try:
        return catalogue.find(name)
    except (ValueError, KeyError) as error:
        raise InputError(_said(error)) from None


def _said(error: Exception) -> str:
    """An error's own sentence: a KeyError would put it in quotation marks."""
    return str(error.args[0]) if error.args else str(error)


def _imported(path: str) -> LossFunction:
    """The loss that ``module:Class`` names; the working directory counts as a place for modules."""
    module_name, _, class_name = path.partition(":")
    if not module_name or not class_name:
        raise InputError(f'"{path}" is not of the form module:Class, such as my_losses:MyLoss.')
    sys.path.insert(0, "")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise InputError(
            f'{path}: there is no module "{error.name}" here or among what is installed.'
        ) from None
    except Exception as error:
        raise InputError(f"{path}: importing it fails with {type(error).__name__}: {error}") from None
    try:
        found = getattr(module, class_name)
    except AttributeError:
        from losskit.errors import nearest

        raise InputError(
            f'{path}: the module has no "{class_name}".{nearest(class_name, vars(module))}'
        ) from None
    try:
        made = found() if isinstance(found, type) else found
    except Exception as error:
        raise InputError(
            f"{path}: making one without arguments fails with {type(error).__name__}: {error}"
        ) from None
    if not isinstance(made, LossFunction):
        raise InputError(f"{path}: {class_name} is no loss; a loss subclasses losskit.LossFunction.")
    return made
