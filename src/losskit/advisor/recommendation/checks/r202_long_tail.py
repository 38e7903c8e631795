"""R202: some of many classes are rare."""

from losskit.advisor.recommendation.check import CLEAR, SLIGHT, STRONG, Check, Finding
from losskit.advisor.recommendation.profiles import Classes


def examine(profile: Classes) -> Finding | None:
    if len(profile.shares) < 3 or profile.imbalance < 8 or profile.task != "multiclass":
        return None
    return Finding(
        f'the most frequent class is {profile.imbalance:.0f} times as frequent as "{profile.labels[profile.rarest]}"'
        f" ({min(profile.shares):.2%} of the rows)",
        (("logit_adjusted", STRONG), ("categorical_focal", CLEAR + SLIGHT)),
    )


CHECK = Check(
    code="R202",
    title="A long tail of classes",
    severity="advice",
    of=Classes,
    examine=examine,
    reason="Adding the log shares to the logits while training makes rare classes ask for a wider margin, and"
    " is consistent for the balanced error, which class weights are not once the data can be separated.",
    references=(
        "Menon et al. (2021), Long-tail learning via logit adjustment, ICLR",
        "Ren et al. (2020), Balanced meta-softmax for long-tailed visual recognition, NeurIPS",
    ),
)
