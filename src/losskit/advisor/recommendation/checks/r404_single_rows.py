"""R404: labels that only one row has."""

from losskit.advisor.recommendation.check import Check, Finding
from losskit.advisor.recommendation.profiles import Embedding


def examine(profile: Embedding) -> Finding | None:
    if profile.single < 0.05:
        return None
    return Finding(
        f"{profile.single:.1%} of the rows have a label that no other row has: they serve as negatives only"
    )


CHECK = Check(
    code="R404",
    title="Labels of a single row",
    severity="warning",
    of=Embedding,
    examine=examine,
    reason="A row without a positive is no anchor: contrastive losses leave it out of their mean. Augmented"
    " copies give it one.",
)
