"""The page of the documentation that lists the checks: ``python -m losskit.advisor.recommendation.page``."""

from losskit.advisor.recommendation.check import CLEAR, DECISIVE, SLIGHT, STRONG, Check, all_checks

SECTIONS = {
    "R0": "Any data",
    "R1": "Quantities",
    "R2": "Classes",
    "R3": "Segmentation masks",
    "R4": "Embeddings",
}

INTRODUCTION = f"""# How losskit recommends a loss

`losskit recommend data.csv --target price` and `lk.recommend(y_true, y_pred)` measure the data, run the checks below
on what was measured, and rank the losses by their points. A check answers with a sentence and its numbers, or with
nothing. Its points are for or against losses: {SLIGHT:g} is slight, {CLEAR:g} clear, {STRONG:g} strong, and
{DECISIVE:g} decides. The points of a loss are the sum over all checks; there is nothing else to the ranking.

Parameters come from the data: Huber's delta from the robust scale of the residuals, class weights from the balance,
Tweedie's power and the negative binomial's dispersion from the variance beside the mean. Without predictions, a pilot
model is fitted to a sample of the rows of a file; without features either, the targets stand in for the residuals.

This page is written from the checks themselves."""


def page() -> str:
    """The page as Markdown.

    >>> page().splitlines()[0]
    '# How losskit recommends a loss'
    """
    parts = [INTRODUCTION]
    for prefix, title in SECTIONS.items():
        parts.append(f"## {title}")
        parts += [_section(check) for check in all_checks() if check.code.startswith(prefix)]
    return "\n\n".join(parts) + "\n"


def _section(check: Check) -> str:
    lines = [f"### {check.code}: {check.title}", "", f"*{check.severity}*. {check.reason}"]
    if check.references:
        lines += ["", *(f"- {reference}" for reference in check.references)]
    return "\n".join(lines)
