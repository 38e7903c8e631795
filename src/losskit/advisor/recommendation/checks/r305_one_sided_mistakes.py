"""R305: predictions miss foreground more than they invent it, or the reverse."""

from losskit.advisor.recommendation.check import CLEAR, SLIGHT, Check, Finding
from losskit.advisor.recommendation.profiles import Mask


def examine(profile: Mask) -> Finding | None:
    if profile.missed is None or profile.invented is None:
        return None
    if profile.missed < 0.1 or profile.missed < 2 * profile.invented:
        return None
    return Finding(
        f"{profile.missed:.1%} of the foreground is missed, {profile.invented:.1%} of its size invented beside it:"
        " misses should weigh more",
        (("tversky", CLEAR + SLIGHT),),
    )


CHECK = Check(
    code="R305",
    title="More missed than invented",
    severity="advice",
    of=Mask,
    examine=examine,
    reason="Tversky's beta is the price of a missed pixel, alpha that of an invented one. The ratio of the"
    " mistakes made now is where to start.",
    references=("Salehi, Erdogmus and Gholipour (2017), Tversky loss function for image segmentation, MLMI",),
)
