"""R110: the predictions are off on average."""

from losskit.advisor.recommendation.check import Check, Finding
from losskit.advisor.recommendation.profiles import Quantity


def examine(profile: Quantity) -> Finding | None:
    noise = profile.noise
    if not profile.has_residuals or not profile.adds or noise.is_skewed:
        return None
    off = noise.median / noise.scale
    if abs(off) < 0.1 or abs(off) * noise.count**0.5 < 4:
        return None
    return Finding(
        f"the predictions are {'low' if off > 0 else 'high'} by {abs(off):.2f} robust deviations in the middle:"
        " whatever the loss, the model lacks an offset, or was trained for another goal"
    )


CHECK = Check(
    code="R110",
    title="Biased predictions",
    severity="warning",
    of=Quantity,
    examine=examine,
    reason="Half of the residuals should be positive. Where far fewer or more are, the fault is in the model,"
    " its penalty or its training, and no scale of a loss cures it.",
)
