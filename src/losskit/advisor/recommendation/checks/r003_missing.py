"""R003: rows that cannot be learnt from."""

from losskit.advisor.recommendation.check import Check, Finding
from losskit.advisor.recommendation.profiles import Profile


def examine(profile: Profile) -> Finding | None:
    share = profile.dropped / (profile.rows + profile.dropped)
    if share < 0.05:
        return None
    return Finding(
        f"{share:.1%} of the rows lack a target, a prediction or a weight; if they lack it for a reason that has to do"
        " with the target, every loss learns from a biased sample"
    )


CHECK = Check(
    code="R003",
    title="Many rows are left out",
    severity="warning",
    of=Profile,
    examine=examine,
    reason="No loss repairs rows that are missing because of what they would have said.",
    references=("Rubin (1976), Inference and missing data, Biometrika",),
)
