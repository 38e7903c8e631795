"""Writes what the documentation takes from the classes: a page and a picture for each loss, and the tables of all.

Run it after adding a loss: ``make docs``. A test fails while a page or a table is stale.
"""

import inspect
import io
import re
from collections.abc import Iterator
from pathlib import Path

from _characteristics import page as characteristics
from _markdown import cell, prose
from _pages import page

from losskit import facts
from losskit.about import TASKS, About
from losskit.advisor.recommendation.page import page as page_of_advice
from losskit.catalogue import all_losses
from losskit.loss import LossFunction
from losskit.pictures.plotting import plot

DOCS = Path(__file__).parent
README = DOCS.parent / "README.md"
LOSSES = DOCS / "losses"
START = "<!-- losses: written by `make docs` -->\n"
END = "<!-- end of losses -->"
Loss = type[LossFunction]


def built_in() -> dict[Loss, About]:
    """The losses of the library, with their facts."""
    classes = (cls for cls in all_losses() if cls.__module__.startswith("losskit.losses."))
    return {cls: cls.about for cls in classes if cls.about is not None}


def pages() -> Iterator[tuple[Path, str]]:
    """Every generated text: where it belongs, and how it reads."""
    for cls, about in built_in().items():
        yield LOSSES / f"{cls.name}.md", page(cls, about)
    yield LOSSES / "README.md", index()
    yield DOCS / "advice.md", page_of_advice()
    yield DOCS / "characteristics.md", characteristics(built_in())
    yield README, with_table(README.read_text(encoding="utf-8"))


def with_table(text: str) -> str:
    """The README with its table of losses made anew."""
    head, rest = text.split(START)
    return head + START + losses_table() + END + rest.split(END)[1]


def losses_table() -> str:
    """One line a loss: class, name, tasks, estimates."""
    lines = ["| loss | name | tasks | its best constant prediction |", "| --- | --- | --- | --- |"]
    for cls, about in built_in().items():
        link, tasks = _link(cls, "docs/losses/"), ", ".join(sorted(about.tasks))
        lines.append(f"| {link} | `{cls.name}` | {tasks} | {cell(about.estimates)} |")
    return "\n".join(lines) + "\n"


def index() -> str:
    """All losses by structure, and again by task."""
    found = built_in()
    structures = dict.fromkeys(cls.structure for cls in found)
    by_structure = (_of_structure([cls for cls in found if cls.structure == name]) for name in structures)
    by_task = (
        f"- **{task}**: " + ", ".join(_link(cls) for cls, about in found.items() if task in about.tasks)
        for task in sorted(TASKS)
    )
    return "\n\n".join(
        [
            "# Losses",
            "A page for each: formula, derivative, picture, parameters, facts, conventions, and its names elsewhere.",
            "## By structure",
            "What a loss is a function of decides how it is evaluated.",
            *by_structure,
            "## By task",
            "\n".join(by_task) + "\n",
        ]
    )


def _of_structure(members: list[Loss]) -> str:
    base = next(cls for cls in members[0].__mro__ if "structure" in cls.__dict__)
    first = (inspect.getdoc(base) or "").split("\n\n")[0].split(". ")[0]
    rows = [f"| {_link(cls)} | {cell(prose(_summary(cls)))} |" for cls in members]
    head = [f"### {base.structure}", "", f"{prose(' '.join(first.split())).rstrip('.')}.", ""]
    return "\n".join([*head, "| loss | what it is |", "| --- | --- |", *rows])


def _summary(cls: Loss) -> str:
    return " ".join(facts.paragraphs(cls)[0].split())


def _link(cls: Loss, folder: str = "") -> str:
    return f"[`{cls.__name__}`]({folder}{cls.name}.md)"


STYLE = {"svg.fonttype": "none", "svg.hashsalt": "losskit", "font.sans-serif": ["DejaVu Sans"]}
"""Text stays text, and identifiers are the same at every run."""


def draw() -> None:
    """A picture for each loss, small and without a date."""
    import matplotlib

    for cls in built_in():
        svg = io.StringIO()
        with matplotlib.rc_context(STYLE):
            plot(facts.specimen(cls)).savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
        (LOSSES / f"{cls.name}.svg").write_text(_smaller(svg.getvalue()), encoding="utf-8")


def _smaller(svg: str) -> str:
    """Coordinates with two decimals; no rotations by nothing, empty groups or indentation."""
    rounded = re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", svg)
    bare = re.sub(r' transform="rotate\(-0 [^"]*"|<g id="\w*"/>', "", rounded)
    return re.sub(r"\s*\n\s*", "\n", bare)


def remove_the_gone() -> None:
    """Pages and pictures of losses that are no more, or that have another name now."""
    kept = {cls.name for cls in built_in()} | {"README"}
    for path in LOSSES.iterdir():
        if path.stem not in kept:
            path.unlink()


if __name__ == "__main__":
    LOSSES.mkdir(exist_ok=True)
    remove_the_gone()
    for path, text in pages():
        path.write_text(text, encoding="utf-8")
    draw()
