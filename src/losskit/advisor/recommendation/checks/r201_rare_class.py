"""R201: one of two classes is rare."""

from losskit.advisor.recommendation.check import CLEAR, SLIGHT, STRONG, Check, Finding
from losskit.advisor.recommendation.profiles import Classes


def examine(profile: Classes) -> Finding | None:
    share = min(profile.shares)
    if profile.task != "binary" or share >= 0.1:
        return None
    return Finding(
        f'{share:.2%} of the rows are "{profile.labels[profile.rarest]}": unweighted, the other class has'
        f" {profile.imbalance:.0f} times the say",
        (("weighted_cross_entropy", STRONG), ("focal", CLEAR + SLIGHT)),
    )


CHECK = Check(
    code="R201",
    title="A rare class",
    severity="advice",
    of=Classes,
    examine=examine,
    reason="With 3 % positives a model that always says no is 97 % accurate. Weights that give each class the"
    " same say move the decision to where both are equally likely under equal shares. They also multiply"
    " the predicted odds by w1 / w0: divide by it for probabilities, or ask for the goal probability,"
    " for which the plain cross-entropy is right.",
    references=(
        "King and Zeng (2001), Logistic regression in rare events data, Political Analysis",
        "Elkan (2001), The foundations of cost-sensitive learning, IJCAI",
        "Lin et al. (2017), Focal loss for dense object detection, ICCV",
    ),
)
