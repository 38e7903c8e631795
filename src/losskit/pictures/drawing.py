"""What all pictures share: a palette, a quiet style, and writing a file whole or not at all."""

import io
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from losskit.errors import InputError, nearest, needs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PALETTE = ("#2a6fbb", "#d1495b", "#2e9e6b", "#e08e1b", "#7a4fa3", "#159eb0", "#a0522d", "#5f6b7a")
"""Eight colours that stay apart for most eyes, on white; blue first."""

INK, FAINT, GRID = "#22303c", "#6b7785", "#e4e8ec"
"""Text, secondary text, and lines behind the data."""


def colour(i: int, of: int = 0, at: int = 0) -> "tuple[float, float, float]":
    """The colour of the i-th loss; of its ``of`` variants the first is the lightest, the last the darkest."""
    with needs("plot"):
        from matplotlib.colors import to_rgb
    pure, rounds = to_rgb(PALETTE[i % len(PALETTE)]), i // len(PALETTE)
    shade = -0.35 * rounds if of < 2 else 0.55 - 0.95 * at / (of - 1)
    towards = 1.0 if shade > 0.0 else 0.0  # white or black
    share = min(abs(shade), 0.8)
    red, green, blue = (c + share * (towards - c) for c in pure)
    return red, green, blue


FORMATS = ("png", "svg", "pdf", "jpg", "jpeg", "webp")
"""Pictures that can be written, by the end of the file's name."""


def new_figure(width: float, height: float) -> "Figure":
    """A figure that belongs to no window and no global state."""
    with needs("plot"):
        from matplotlib.figure import Figure
    figure = Figure(figsize=(width, height), facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.1)
    return figure


def quiet(axes: "Axes") -> None:
    """Take away what is not data: two spines, ticks, dark grids."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#b8c0c8")
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=FAINT, labelsize=9, length=0)


def check_output(output: str | os.PathLike[str]) -> Path:
    """The path of a picture to write, or an error before any work is done.

    >>> check_output("picture.pgn")
    Traceback (most recent call last):
    ...
    losskit.errors.InputError: picture.pgn: no picture can be written as ".pgn". Did you mean "png"? \
It may end in .png, .svg, .pdf, .jpg, .jpeg, .webp.
    """
    path = Path(output)
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the name of a picture to write.")
    suffix = path.suffix.lower().lstrip(".")
    if suffix not in FORMATS:
        named = f'as ".{suffix}"' if suffix else "without knowing its format"
        ends = ", ".join(f".{name}" for name in FORMATS)
        raise InputError(
            f"{path}: no picture can be written {named}.{nearest(suffix, FORMATS)} It may end in {ends}."
        )
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent} to write it in.")
    return path


def save(figure: "Figure", output: str | os.PathLike[str]) -> None:
    """Write a picture: the file is there whole, or as it was before."""
    path = check_output(output)
    picture = io.BytesIO()
    try:
        figure.savefig(picture, format=path.suffix.lower().lstrip("."), dpi=160)
    except OSError as error:
        raise _unwritten(path, error) from None
    write_whole(path, picture.getvalue())


def write_whole(output: str | os.PathLike[str], content: bytes) -> None:
    """Write a file that is there whole, or as it was before."""
    path = Path(output)
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise _unwritten(path, error) from None
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except BaseException as error:
        os.unlink(temporary)
        if isinstance(error, OSError):
            raise _unwritten(path, error) from None
        raise


def _unwritten(path: Path, error: OSError) -> InputError:
    return InputError(f"{path}: the file cannot be written: {error.strerror or error}.")
