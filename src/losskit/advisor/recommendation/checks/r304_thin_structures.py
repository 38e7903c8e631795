"""R304: the foreground is mostly edge."""

from losskit.advisor.recommendation.check import CLEAR, Check, Finding
from losskit.advisor.recommendation.profiles import Mask


def examine(profile: Mask) -> Finding | None:
    if profile.edge < 0.6 or len(profile.shares) > 2:
        return None
    return Finding(
        f"{profile.edge:.0%} of the foreground touches background: regions are thin or small, and where the edge runs is"
        " most of the answer",
        (("boundary", CLEAR),),
    )


CHECK = Check(
    code="R304",
    title="Thin structures",
    severity="advice",
    of=Mask,
    examine=examine,
    reason="Overlap counts pixels, wherever they are. The boundary loss weighs each by its distance from the"
    " true edge, so that far mistakes cost more than near ones; it is added to an overlap loss, alone it"
    " may collapse.",
    references=("Kervadec et al. (2019), Boundary loss for highly unbalanced segmentation, MIDL",),
)
