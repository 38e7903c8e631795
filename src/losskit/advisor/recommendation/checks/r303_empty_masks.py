"""R303: images without foreground."""

from losskit.advisor.recommendation.check import Check, Finding
from losskit.advisor.recommendation.profiles import Mask


def examine(profile: Mask) -> Finding | None:
    if profile.empty < 0.05:
        return None
    return Finding(
        f"{profile.empty:.1%} of the images have no foreground: overlap of each image by itself (per='sample') jumps between"
        " 0 and 1 there; take it over the batch"
    )


CHECK = Check(
    code="R303",
    title="Empty masks",
    severity="warning",
    of=Mask,
    examine=examine,
    reason="For an empty mask one false pixel turns Dice from perfect to worst, and the gradient hangs on the"
    " smoothing alone. Sums over the whole batch, and a share of cross-entropy, keep it defined.",
    references=(
        "Reinke et al. (2024), Understanding metric-related pitfalls in image analysis validation, Nature Methods",
    ),
)
