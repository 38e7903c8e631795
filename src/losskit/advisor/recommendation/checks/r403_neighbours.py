"""R403: how much the vectors know already."""

from losskit.advisor.recommendation.check import SLIGHT, Check, Finding
from losskit.advisor.recommendation.profiles import Embedding


def examine(profile: Embedding) -> Finding | None:
    sentence = (
        f"the nearest neighbour has the same label for {profile.nearest:.1%} of the rows (by chance {profile.chance:.1%}),"
        f" and cosines within labels are {profile.gap:.2f} above those between"
    )
    if profile.nearest < 0.9:
        return Finding(sentence)
    return Finding(
        f"{sentence}: what is left are the hard pairs, which these pick out",
        (("multi_similarity", SLIGHT), ("triplet", SLIGHT)),
    )


CHECK = Check(
    code="R403",
    title="What the neighbours say",
    severity="note",
    of=Embedding,
    examine=examine,
    reason="Once most rows have a neighbour of their own label, most pairs cost next to nothing, and a loss"
    " that weighs or mines hard pairs has more left to learn from.",
    references=(
        "Wang et al. (2019), Multi-similarity loss with general pair weighting for deep metric learning, CVPR",
    ),
)
