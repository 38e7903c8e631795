"""R402: more labels than a batch can show twice."""

from losskit.advisor.recommendation.check import CLEAR, SLIGHT, STRONG, Check, Finding
from losskit.advisor.recommendation.profiles import Embedding

MANY = 200


def examine(profile: Embedding) -> Finding | None:
    if profile.labels < MANY or profile.largest <= 2:
        return None
    return Finding(
        f"{profile.labels:,} labels with {profile.median_rows:.0f} rows in the middle: a random batch of 256"
        " shows few of them twice, and a vector for each label needs no second row",
        (("arc_face", STRONG), ("multi_similarity", CLEAR), ("triplet", SLIGHT)),
    )


CHECK = Check(
    code="R402",
    title="Many labels, few rows of each",
    severity="advice",
    of=Embedding,
    examine=examine,
    reason="Losses of pairs learn from rows of the same label in one batch. With thousands of labels, either"
    " the sampler puts them there, or the loss compares each row with a learnt direction for each label,"
    " as for faces.",
    references=(
        "Deng et al. (2019), ArcFace: additive angular margin loss for deep face recognition, CVPR",
        "Musgrave, Belongie and Lim (2020), A metric learning reality check, ECCV",
    ),
)
