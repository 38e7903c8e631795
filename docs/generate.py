"""Writes what the documentation takes from the classes: the README's table of losses.

Run it after adding a loss: ``python docs/generate.py``. A test fails while the table is stale.
"""

from pathlib import Path

from losskit.catalogue import all_losses

README = Path(__file__).parent.parent / "README.md"
START = "<!-- losses: written by `python docs/generate.py` -->\n"
END = "<!-- end of losses -->"


def losses_table() -> str:
    """One line a built-in loss: class, name, tasks, estimates."""
    lines = ["| loss | name | tasks | its best constant prediction |", "| --- | --- | --- | --- |"]
    for cls in all_losses():
        if cls.__module__.startswith("losskit.losses.") and cls.about is not None:
            tasks = ", ".join(sorted(cls.about.tasks))
            lines.append(f"| `{cls.__name__}` | `{cls.name}` | {tasks} | {_cell(cls.about.estimates)} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def with_table(text: str) -> str:
    """The README with its table made anew."""
    head, rest = text.split(START)
    return head + START + losses_table() + END + rest.split(END)[1]


if __name__ == "__main__":
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
