"""The subcommands of ``losskit``, one a file. What is slow to import is imported inside the command that needs it."""

from typing import Annotated

from losskit.errors import needs

with needs("cli"):
    import typer

from losskit.commands.check import check
from losskit.commands.compare import compare
from losskit.commands.explain import explain
from losskit.commands.list_losses import list_losses
from losskit.commands.plot import plot
from losskit.commands.recommend import recommend
from losskit.commands.score import score
from losskit.commands.show import show

app = typer.Typer(
    help="Every deep-learning loss: look one up, draw it, check your own, or find which to train with.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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


app.command("list")(list_losses)
for command in (show, explain, plot, recommend, compare, score, check):
    app.command()(command)
