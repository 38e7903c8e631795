"""A recommendation on a terminal, with Rich."""

from losskit.advisor.recommendation.answer import SHOWN, Recommendation, details
from losskit.errors import needs

with needs("cli"):
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

STYLES = {"warning": "yellow", "advice": "", "note": "dim"}


def show(answer: Recommendation, out: Console) -> None:
    """Print the first losses with their reasons, then what else was found, then notes."""
    out.print(Text(answer.heading, style="bold"))
    for place, suggestion in enumerate(answer.suggestions[:SHOWN], 1):
        out.print()
        line = Text(f"{place}. ", style="dim").append(
            suggestion.code, style="bold cyan" if place == 1 else "cyan"
        )
        out.print(line.append(f"  {suggestion.points:.1f} points", style="dim"))
        for detail in details(suggestion, brief=place > 1):
            style = {"+ ": "green", "- ": "red"}.get(detail[:2], "dim")
            out.print(Padding(Text(detail, style=style), (0, 0, 0, 3), expand=False))
    if answer.remarks or answer.notes:
        out.print()
    for code, severity, sentence in answer.remarks:
        out.print(Text(f"{code} ", style="bold").append(f"{sentence}.", style=STYLES[severity]))
    for note in answer.notes:
        out.print(Text(f"Note: {note}.", style="dim"))
