"""R004: little to judge by."""

from losskit.advisor.recommendation.check import Check, Finding
from losskit.advisor.recommendation.profiles import Mask, Profile


def examine(profile: Profile) -> Finding | None:
    if profile.rows >= 50 or isinstance(profile, Mask):
        return None
    return Finding(f"{profile.rows} rows are few: tails and balance are known roughly, and so is the ranking")


CHECK = Check(
    code="R004",
    title="Few rows",
    severity="warning",
    of=Profile,
    examine=examine,
    reason="Of 50 rows, one lies beyond the 2 % quantile on average: what happens further out cannot be seen.",
)
