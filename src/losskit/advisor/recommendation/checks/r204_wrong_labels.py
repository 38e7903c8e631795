"""R204: labels contradict even the surest predictions."""

from losskit.advisor.recommendation.check import CLEAR, SLIGHT, STRONG, Check, Finding
from losskit.advisor.recommendation.profiles import Classes


def examine(profile: Classes) -> Finding | None:
    doubt = profile.doubt
    if doubt is None or doubt.wrong < 0.05 or doubt.wrong_z < 1.64:
        return None
    return Finding(
        f"the labels are as if {doubt.wrong:.0%} of them were wrong, and probabilities that are too sure do not explain it"
        f" (z = {doubt.wrong_z:.1f})",
        (
            ("generalized_cross_entropy", STRONG + SLIGHT),
            ("symmetric_cross_entropy", STRONG),
            ("label_smoothing_cross_entropy", CLEAR),
            ("focal" if profile.task == "binary" else "categorical_focal", -CLEAR),
        ),
    )


CHECK = Check(
    code="R204",
    title="Signs of wrong labels",
    severity="advice",
    of=Classes,
    examine=examine,
    reason="A model that is merely too sure errs less and less as its confidence rises; wrong labels contradict"
    " the surest predictions as often as others, which no temperature repairs. The cross-entropy of such a"
    " label has no bound, and a model that is trained on it long enough learns it by heart; a bounded loss"
    " lets it go.",
    references=(
        "Northcutt, Jiang and Chuang (2021), Confident learning: estimating uncertainty in dataset labels, JAIR",
        "Zhang and Sabuncu (2018), Generalized cross entropy loss for training with noisy labels, NeurIPS",
        "Wang et al. (2019), Symmetric cross entropy for robust learning with noisy labels, ICCV",
    ),
)
