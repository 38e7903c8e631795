"""The site: the guides, a page for each loss, and the lessons, run. ``make site`` builds it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # the gallery's scraper and style, named below
import _gallery

import losskit

project = "losskit"
author = "the losskit authors"
release = version = losskit.__version__
html_title = f"losskit {release}"

extensions = [
    "myst_parser",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",  # formulas without a network
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "lessons"]  # the gallery holds the lessons with their output
nitpicky = True

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

sphinx_gallery_conf = {
    "examples_dirs": "lessons",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",
    "within_subsection_order": "FileNameSortKey",
    "image_scrapers": ("matplotlib", "_gallery.scrape"),
    "reset_modules": ("matplotlib", "_gallery.restyle"),
    "remove_config_comments": True,
    "capture_repr": (),  # a lesson prints what it wants to say
    "image_srcset": ["2x"],
    "abort_on_example_error": True,
    "write_computation_times": False,
    "show_signature": False,
    "download_all_examples": False,
}

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "light_css_variables": {"color-brand-primary": _gallery.BLUE, "color-brand-content": _gallery.BLUE}
}
html_copy_source = False
html_show_sphinx = False


def setup(app):
    """Have the index of losses list its pages in the sidebar."""
    app.connect("source-read", _gallery.list_losses)
