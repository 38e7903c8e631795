"""What the site adds to Sphinx and its gallery: a style, losskit's own figures, and the losses in the sidebar."""

from typing import Any

import matplotlib.pyplot as plt
from cycler import cycler
from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst

from losskit.pictures.drawing import FAINT, GRID, INK, PALETTE

BLUE = PALETTE[0]
STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": "#b8c0c8",
    "axes.grid": True,
    "axes.labelcolor": FAINT,
    "axes.prop_cycle": cycler(color=PALETTE),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "figure.constrained_layout.use": True,
    "figure.facecolor": "white",
    "grid.color": GRID,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 2.0,
    "xtick.color": FAINT,
    "xtick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.color": FAINT,
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
}
"""The look of losskit's own pictures, for those that a lesson draws by hand."""


def restyle(gallery_conf: dict[str, Any], name: str) -> None:
    """Give a lesson its style, after the gallery has reset matplotlib's."""
    plt.rcParams.update(STYLE)


def scrape(block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Show the figure that a block ends with, such as ``lk.plot(...)``: it belongs to no window of pyplot."""
    figure = block_vars["example_globals"].get("___")
    if not isinstance(figure, Figure) or figure.canvas.manager is not None:
        return ""
    path = next(block_vars["image_path_iterator"])
    figure.savefig(path, dpi=160)
    block_vars["example_globals"]["___"] = None  # the next block may end without a figure
    titles = ", ".join(axes.get_title(loc="left") for axes in figure.axes)  # read out in its place
    return figure_rst([path], gallery_conf["src_dir"], titles)


def list_losses(app: Any, page: str, source: list[str]) -> None:
    """Append a toctree of all losses to their index, so that the sidebar has them."""
    if page == "losses/README":
        source[0] += "\n```{toctree}\n:hidden:\n:glob:\n\n*\n```\n"
