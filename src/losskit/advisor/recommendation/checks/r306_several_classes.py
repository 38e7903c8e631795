"""R306: several kinds of foreground of different size."""

from losskit.advisor.recommendation.check import STRONG, Check, Finding
from losskit.advisor.recommendation.profiles import Mask


def examine(profile: Mask) -> Finding | None:
    present = [share for share in profile.shares if share > 0]
    if len(present) < 3 or max(present) < 8 * min(present):
        return None
    return Finding(
        f"{len(present)} classes of pixels, the largest {max(present) / min(present):.0f} times the smallest: weights by"
        " volume let the small ones count",
        (("generalized_dice", STRONG),),
    )


CHECK = Check(
    code="R306",
    title="Classes of different volume",
    severity="advice",
    of=Mask,
    examine=examine,
    reason="A Dice of all classes at once is that of the largest. Weighed by the reciprocal of its squared"
    " volume, each class counts as much as any other. It wants one-hot masks with a class axis.",
    references=("Sudre et al. (2017), Generalised Dice overlap as a deep learning loss function, DLMIA",),
)
