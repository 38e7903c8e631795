"""``losskit compare``."""

import json
from pathlib import Path
from typing import Annotated

import typer

from losskit import terminal
from losskit.commands.options import AsJson, Output, parse_losses
from losskit.errors import InputError


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
    as_json: AsJson = False,
    output: Output = None,
) -> None:
    """Find which loss to train with on your data: train a model with each on the same folds, and measure."""
    if data is None and example is None:
        raise InputError("no data: give a CSV or Parquet file and --target COLUMN, or --example diabetes.")
    if data is not None and target is None:
        raise InputError(f"{data}: name the column to predict with --target COLUMN.")
    losses = parse_losses(loss)
    if output is not None:
        from losskit.drawing import check_output

        check_output(output)
    from losskit.advisor.comparison.trial import compare as measure

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
        from losskit.advisor.comparison.picture import draw

        draw(result, output)
    if as_json:
        print(json.dumps(result.to_dict(), allow_nan=False))
        return
    terminal.comparison(result)
    if output is not None:
        terminal.wrote(output)
