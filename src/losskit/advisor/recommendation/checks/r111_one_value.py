"""R111: one value is so frequent that half of the rows say nothing of the spread."""

from losskit.advisor.recommendation.check import Check, Finding
from losskit.advisor.recommendation.profiles import Quantity


def examine(profile: Quantity) -> Finding | None:
    if not profile.adds or profile.zeros < 0.3:
        return None
    return Finding(
        f"{profile.zeros:.1%} of the targets are exactly 0: predict first whether it is 0, then how much, or the"
        " losses here will settle between the two"
    )


CHECK = Check(
    code="R111",
    title="One value dominates",
    severity="warning",
    of=Quantity,
    examine=examine,
    reason="A heap at one value and a spread beside it are two questions. The median, and with it every robust"
    " loss, may answer with the heap alone.",
    references=("Cragg (1971), Some statistical models for limited dependent variables, Econometrica",),
)
