"""A comparison as one HTML file that opens from disk: no script, no network, pictures inside."""

import base64
import hashlib
import io
import os
from importlib import resources
from pathlib import Path

import losskit
from losskit.advisor.comparison.forms import LEGEND, cell
from losskit.advisor.comparison.metrics import metric_named
from losskit.advisor.comparison.picture import draw
from losskit.advisor.comparison.result import Comparison, Score
from losskit.advisor.models.choices import CHOICES
from losskit.errors import InputError, needs
from losskit.labels import number, short
from losskit.pictures.drawing import write_whole

with needs("compare"):
    import jinja2


def write_report(comparison: Comparison, output: str | os.PathLike[str]) -> None:
    """Write the report: the file is there whole, or as it was before."""
    path = check_report(output)
    write_whole(path, report(comparison).encode())


def check_report(output: str | os.PathLike[str]) -> Path:
    """The path of a report to write, or an error before any work is done.

    >>> check_report("report.pdf")
    Traceback (most recent call last):
    ...
    losskit.errors.InputError: report.pdf: a report is HTML; give it a name that ends in .html.
    """
    path = Path(output)
    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"{path}: a report is HTML; give it a name that ends in .html.")
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the name of a report to write.")
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent} to write it in.")
    return path


def report(comparison: Comparison) -> str:
    """The report's text."""
    style = _resource("report.css")
    # autoescape: names of columns and classes are the user's, or whoever made the file's
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["short"] = short
    return environment.from_string(_resource("report.html")).render(
        c=comparison,
        losses=_each_loss_once(comparison),
        several=len(comparison.models) > 1,
        seeded=any(score.seed_spreads for score in comparison.scores),
        style=style,
        style_hash=_hash(style),
        picture=_picture(comparison),
        legend=LEGEND,
        version=losskit.__version__,
        metric=metric_named,
        cell=cell,
        number=number,
        about=lambda model: CHOICES[model].about,
    )


def _each_loss_once(comparison: Comparison) -> list[Score]:
    """A score for each loss; where it is tuned, one for each model as well."""
    first: dict[tuple[str, str], Score] = {}
    for score in comparison.scores:
        first.setdefault((score.label, score.model if score.tuned else ""), score)
    return list(first.values())


def _picture(comparison: Comparison) -> str:
    with io.BytesIO() as stream:
        draw(comparison, heading=False).savefig(stream, format="png", dpi=144)
        return base64.b64encode(stream.getvalue()).decode()


def _hash(style: str) -> str:
    """The style as the content policy names it: nothing else may style the page."""
    return f"sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}"


def _resource(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
