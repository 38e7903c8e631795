"""R401: every label has two rows."""

from losskit.advisor.recommendation.check import STRONG, Check, Finding
from losskit.advisor.recommendation.profiles import Embedding


def examine(profile: Embedding) -> Finding | None:
    if profile.largest != 2 or profile.single > 0.1:
        return None
    return Finding(
        f"{profile.labels:,} labels of two rows each: pairs of views, where all other rows of a batch are negatives",
        (("info_nce", STRONG),),
    )


CHECK = Check(
    code="R401",
    title="Pairs of views",
    severity="advice",
    of=Embedding,
    examine=examine,
    reason="With one positive a row, finding it among the batch is the whole task: InfoNCE, of which the"
    " supervised form is the one for more. Large batches bring the negatives.",
    references=(
        "van den Oord, Li and Vinyals (2018), Representation learning with contrastive predictive coding",
        "Chen et al. (2020), A simple framework for contrastive learning of visual representations, ICML",
    ),
)
