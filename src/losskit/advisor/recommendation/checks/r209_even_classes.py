"""R209: the classes are about as frequent as each other."""

from losskit.advisor.recommendation.check import SLIGHT, Check, Finding
from losskit.advisor.recommendation.profiles import Classes


def examine(profile: Classes) -> Finding | None:
    even = 1 / len(profile.shares)
    if profile.task not in ("binary", "multiclass") or min(profile.shares) < even / 2:
        return None
    name = "binary_cross_entropy" if profile.task == "binary" else "sparse_categorical_cross_entropy"
    return Finding(
        f"the rarest class has {min(profile.shares):.1%} of the rows, where {even:.1%} would be even: no weights are needed",
        ((name, SLIGHT),),
    )


CHECK = Check(
    code="R209",
    title="Even classes",
    severity="note",
    of=Classes,
    examine=examine,
    reason="Weights cost calibration and variance, and pay only where a class would otherwise be ignored.",
)
