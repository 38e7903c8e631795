"""R109: without predictions the spread of the target stands in for the noise."""

from losskit.advisor.recommendation.check import Check, Finding
from losskit.advisor.recommendation.profiles import Quantity


def examine(profile: Quantity) -> Finding | None:
    if profile.has_residuals or profile.goal is not None:
        return None
    return Finding(
        "there are no predictions, so this speaks of the targets' spread, which is that of the noise only if nothing"
        " predicts them; with predictions the answer can change"
    )


CHECK = Check(
    code="R109",
    title="Targets are not residuals",
    severity="warning",
    of=Quantity,
    examine=examine,
    reason="A loss meets residuals. A target may be skewed because a feature is, and heavy-tailed because"
    " groups differ; what a model explains is no noise.",
)
