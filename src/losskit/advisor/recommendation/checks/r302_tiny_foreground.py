"""R302: hardly any of the image is foreground."""

from losskit.advisor.recommendation.check import CLEAR, SLIGHT, Check, Finding
from losskit.advisor.recommendation.profiles import Mask


def examine(profile: Mask) -> Finding | None:
    if profile.foreground > 0.003 or len(profile.shares) > 2:
        return None
    return Finding(
        f"the foreground is tiny ({profile.foreground:.3%}): missing it costs Dice little more than doubting it, so missed"
        " pixels should weigh more",
        (("focal_tversky", CLEAR + SLIGHT), ("tversky", CLEAR)),
    )


CHECK = Check(
    code="R302",
    title="Tiny foreground",
    severity="advice",
    of=Mask,
    examine=examine,
    reason="Lesions of a few pixels are missed before they are drawn badly. Tversky's index with a larger beta"
    " trades false alarms for hits, and an exponent below 1 keeps the gradient where the overlap is"
    " poor.",
    references=(
        "Salehi, Erdogmus and Gholipour (2017), Tversky loss function for image segmentation, MLMI",
        "Abraham and Khan (2019), A novel focal Tversky loss function, ISBI",
    ),
)
