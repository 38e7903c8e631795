"""R112: predictions that are the targets."""

from losskit.advisor.recommendation.check import Check, Finding
from losskit.advisor.recommendation.profiles import Quantity


def examine(profile: Quantity) -> Finding | None:
    if not profile.has_residuals or profile.noise.deviation > 1e-9 * profile.target_spread.deviation:
        return None
    return Finding(
        "the predictions are the targets, up to an offset: most likely something that follows from the target is"
        " among the features"
    )


CHECK = Check(
    code="R112",
    title="Perfect predictions",
    severity="warning",
    of=Quantity,
    examine=examine,
    reason="Without residuals there is no noise to choose a loss by, and a model without any is more often leakage"
    " than skill.",
    references=("Kaufman et al. (2012), Leakage in data mining, ACM TKDD",),
)
