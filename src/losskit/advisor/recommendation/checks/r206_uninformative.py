"""R206: the predictions know less than the shares of the classes."""

from losskit.advisor.recommendation.check import Check, Finding
from losskit.advisor.recommendation.profiles import Classes


def examine(profile: Classes) -> Finding | None:
    doubt = profile.doubt
    if doubt is None or doubt.log_loss < 0.98 * doubt.base_log_loss:
        return None
    return Finding(
        f"the predictions' log loss is {doubt.log_loss:.3f}, that of the classes' shares alone {doubt.base_log_loss:.3f}:"
        " they tell little of the labels, and so does what is said of them here"
    )


CHECK = Check(
    code="R206",
    title="Predictions that tell nothing",
    severity="warning",
    of=Classes,
    examine=examine,
    reason="Before the loss is chosen, the model should beat a constant. Often the columns are in another"
    " order than the classes, or the probability is that of the other class.",
)
