"""R203: so few rows of a class that it can hardly be learnt."""

from losskit.advisor.recommendation.check import Check, Finding
from losskit.advisor.recommendation.profiles import Classes


def examine(profile: Classes) -> Finding | None:
    if profile.smallest >= 30 or profile.task not in ("binary", "multiclass", "ordinal"):
        return None
    label = profile.labels[profile.rarest]
    rows = f"{profile.smallest} row{'s' if profile.smallest != 1 else ''}"
    return Finding(
        f'"{label}" has {rows}: no loss makes up for rows that are not there; merge it, or find more'
    )


CHECK = Check(
    code="R203",
    title="Too few rows of a class",
    severity="warning",
    of=Classes,
    examine=examine,
    reason="Weights repeat what the few rows say; with fewer than about 30 that is mostly noise.",
)
