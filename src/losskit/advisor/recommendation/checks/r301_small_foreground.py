"""R301: little of the image is foreground."""

from losskit.advisor.recommendation.check import CLEAR, SLIGHT, STRONG, Check, Finding
from losskit.advisor.recommendation.profiles import Mask


def examine(profile: Mask) -> Finding | None:
    if profile.foreground > 0.1 or len(profile.shares) > 2:
        return None
    return Finding(
        f"{profile.foreground:.2%} of the pixels are foreground: each pixel by itself, background has"
        f" {1 / max(profile.foreground, 1e-9) - 1:,.0f} times the say",
        (("dice + binary_cross_entropy", STRONG), ("tversky", CLEAR + SLIGHT), ("focal_tversky", CLEAR)),
    )


CHECK = Check(
    code="R301",
    title="Small foreground",
    severity="advice",
    of=Mask,
    examine=examine,
    reason="Overlap losses do not count the background that is rightly left out. Alone, their gradient is"
    " noisy while nothing overlaps yet, and cross-entropy helps over that: sums of both were the most"
    " robust in comparisons.",
    references=(
        "Milletari, Navab and Ahmadi (2016), V-Net, 3DV",
        "Ma et al. (2021), Loss odyssey in medical image segmentation, Medical Image Analysis",
        "Isensee et al. (2021), nnU-Net, Nature Methods",
    ),
)
