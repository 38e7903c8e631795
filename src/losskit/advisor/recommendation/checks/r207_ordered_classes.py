"""R207: the classes have an order."""

from losskit.advisor.recommendation.check import STRONG, Check, Finding
from losskit.advisor.recommendation.profiles import Classes


def examine(profile: Classes) -> Finding | None:
    if profile.task != "ordinal":
        return None
    return Finding(
        f"{len(profile.labels)} classes in an order: a mistake by two ranks is worse than one by one, and the"
        " cumulative distance knows it",
        (("wasserstein", STRONG),),
    )


CHECK = Check(
    code="R207",
    title="Ordered classes",
    severity="advice",
    of=Classes,
    examine=examine,
    reason="The cross-entropy of a rating of 5 is the same whether 4 or 1 was predicted. The earth mover's"
    " distance between the distributions over ranks grows with the number of ranks in between. It wants"
    " one-hot targets and probabilities.",
    references=(
        "Hou, Yu and Samaras (2016), Squared earth mover's distance-based loss for training deep neural networks",
    ),
)
