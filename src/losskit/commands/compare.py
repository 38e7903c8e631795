"""``losskit compare``."""

import json
from pathlib import Path
from typing import Annotated

import typer

from losskit import terminal
from losskit.commands.options import AsJson, Output, parse_loss, split_losses
from losskit.errors import InputError

INTERRUPTED = 130
"""The exit status that shells expect after Ctrl-C."""


def compare(
    data: Annotated[Path | None, typer.Argument(help="A CSV, Parquet or JSON-lines file.")] = None,
    target: Annotated[str | None, typer.Option(help="The column to predict.")] = None,
    example: Annotated[
        str | None, typer.Option(help="Instead of a file: diabetes, breast-cancer, digits or wine.")
    ] = None,
    loss: Annotated[list[str] | None, typer.Option(help="Losses to compare, separated by commas.")] = None,
    task: Annotated[str | None, typer.Option(help="regression, binary or multiclass; else found.")] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="linear, network, lightgbm or xgboost; several separated by commas. Else linear."),
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="The metric that decides; pinball_0.9 for a quantile.")
    ] = None,
    folds: Annotated[int, typer.Option(help="Parts the rows are split into.")] = 5,
    repeats: Annotated[
        int | None, typer.Option(help="How often the rows are split anew; else 2, or 1 for many rows.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same answer.")] = 0,
    seeds: Annotated[int, typer.Option(help="Starts of a network on each fold.")] = 1,
    tune: Annotated[
        bool, typer.Option("--tune", help="Choose parameters such as Huber's delta by inner folds.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from an interrupted run.")] = False,
    report: Annotated[
        Path | None, typer.Option(help="Write a report: an .html file that opens from disk.")
    ] = None,
    as_json: AsJson = False,
    output: Output = None,
) -> None:
    """Find which loss to train with on your data: train a model with each on the same folds, and measure.

    Example: losskit compare houses.csv --target price --loss huber,mae --model linear,lightgbm --report houses.html
    """
    if data is None and example is None:
        raise InputError("no data: give a CSV or Parquet file and --target COLUMN, or --example diabetes.")
    if data is not None and target is None:
        raise InputError(f"{data}: name the column to predict with --target COLUMN.")
    losses = [text for given in loss or [] for text in split_losses(given)]
    for text in losses:
        parse_loss(text)  # a misspelt one is found before the data are read
    _check_outputs(output, report)
    from losskit.advisor.comparison.journal import Interrupted
    from losskit.advisor.comparison.trial import compare as measure

    try:
        with terminal.progress() as progress:
            result = measure(
                data,
                target,
                losses,
                example=example,
                task=task,
                model=model or "linear",
                folds=folds,
                repeats=repeats,
                seed=seed,
                seeds=seeds,
                tune=tune,
                metric=metric,
                keep=True,
                resume=resume,
                progress=progress,
            )
    except Interrupted as stopped:
        terminal.console(stderr=True).print(f"{stopped}; the same command with --resume goes on from there")
        raise typer.Exit(INTERRUPTED) from None
    if output is not None:
        result.plot(output)
    if report is not None:
        from losskit.advisor.comparison.report import write_report

        write_report(result, report)
    if as_json:
        print(json.dumps(result.to_dict(), allow_nan=False))
        return
    terminal.comparison(result)
    for path in filter(None, (output, report)):
        terminal.wrote(path)


def _check_outputs(output: Path | None, report: Path | None) -> None:
    """Refuse what could not be written, before any work is done."""
    if output is not None:
        from losskit.pictures.drawing import check_output

        check_output(output)
    if report is not None:
        from losskit.advisor.comparison.report import check_report

        check_report(report)
