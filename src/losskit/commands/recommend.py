"""``losskit recommend``."""

import json
from pathlib import Path
from typing import Annotated

import typer

from losskit import terminal
from losskit.commands.options import AsJson
from losskit.errors import InputError


def recommend(
    data: Annotated[
        Path | None, typer.Argument(help="A CSV, Parquet or JSON-lines file, or arrays: .npy, .npz.")
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="The column to predict; of a .npz file the array.", show_default=False)
    ] = None,
    prediction: Annotated[
        list[str] | None,
        typer.Option(
            help="The column of predictions; for several classes once for each.", show_default=False
        ),
    ] = None,
    weight: Annotated[
        str | None, typer.Option(help="The column of sample weights.", show_default=False)
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            help="regression, binary, multiclass, ordinal, distribution, segmentation or similarity; else found.",
            show_default=False,
        ),
    ] = None,
    goal: Annotated[
        str | None,
        typer.Option(
            help="What a prediction shall be: mean, median, spread, quantile:0.9, expectile:0.9, cost:4:1,"
            " probability or balanced.",
            show_default=False,
        ),
    ] = None,
    example: Annotated[
        str | None,
        typer.Option(help="Instead of a file: diabetes, breast-cancer, digits or wine.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Recommend losses for your data: measured, with parameters set and the evidence in numbers; quick.

    Example: losskit recommend data.csv --target price --prediction forecast
    """
    if (data is None) == (example is None):
        raise InputError("give a file and --target COLUMN, or --example diabetes; one of the two.")
    from losskit.advisor.recommendation.reading import recommend_example, recommend_file

    if example is not None:
        if target or prediction or weight:
            raise InputError("an example has its own target; leave --target, --prediction and --weight out.")
        answer = recommend_example(example, task=task, goal=goal)
    else:
        answer = recommend_file(str(data), target, prediction or (), weight, task=task, goal=goal)
    if as_json:
        print(json.dumps(answer.to_dict(), allow_nan=False))
        return
    from losskit.advisor.recommendation.display import show

    show(answer, terminal.console())
