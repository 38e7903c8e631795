"""R108: more zeros than Poisson's distribution has."""

from losskit.advisor.recommendation.check import SLIGHT, Check, Finding
from losskit.advisor.recommendation.profiles import Quantity


def examine(profile: Quantity) -> Finding | None:
    found = profile.dispersion
    if found is None or profile.zeros < found.zeros + 0.05 or found.z < 4:
        return None
    return Finding(
        f"{profile.zeros:.1%} of the counts are 0, where Poisson's distribution has {found.zeros:.1%}",
        (("negative_binomial", SLIGHT), ("poisson", -SLIGHT)),
    )


CHECK = Check(
    code="R108",
    title="More zeros than expected",
    severity="advice",
    of=Quantity,
    examine=examine,
    reason="A wide distribution of counts has many zeros, and the negative binomial expects them. Where even"
    " that has too few, train a classifier for zero and a loss of counts for the rest.",
    references=("Lambert (1992), Zero-inflated Poisson regression, Technometrics",),
)
