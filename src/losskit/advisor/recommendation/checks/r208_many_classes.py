"""R208: so many classes that the logits are what fills the memory."""

from losskit.advisor.recommendation.check import CLEAR, SLIGHT, Check, Finding
from losskit.advisor.recommendation.profiles import Classes

MANY = 5000


def examine(profile: Classes) -> Finding | None:
    if len(profile.labels) < MANY:
        return None
    return Finding(
        f"{len(profile.labels):,} classes: logits take {4 * len(profile.labels) / 1024:,.0f} KiB a row",
        (("linear_cross_entropy", CLEAR + SLIGHT),),
    )


CHECK = Check(
    code="R208",
    title="Very many classes",
    severity="advice",
    of=Classes,
    examine=examine,
    reason="The last layer's product and the cross-entropy in one never hold the matrix of logits: values and"
    " gradients are the same, memory grows with the rows and not with rows times classes.",
    references=("Wijmans et al. (2025), Cut your losses in large-vocabulary language models, ICLR",),
)
