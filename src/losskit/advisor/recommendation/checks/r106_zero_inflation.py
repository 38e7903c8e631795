"""R106: amounts that are often exactly 0."""

from losskit.advisor.recommendation.check import CLEAR, SLIGHT, STRONG, Check, Finding
from losskit.advisor.recommendation.profiles import NONNEGATIVE, Quantity


def examine(profile: Quantity) -> Finding | None:
    if profile.kind != NONNEGATIVE or profile.zeros < 0.01:
        return None
    return Finding(
        f"{profile.zeros:.1%} of the targets are exactly 0 and the others are amounts: a Tweedie law has both in one",
        (("tweedie", STRONG + CLEAR), ("poisson", CLEAR), ("mean_squared_error", -SLIGHT)),
    )


CHECK = Check(
    code="R106",
    title="Many zeros",
    severity="advice",
    of=Quantity,
    examine=examine,
    reason="Claims, rainfall and sales are 0 or an amount. A sum of a Poisson number of gamma amounts is a"
    " Tweedie law with a power between 1 and 2, which gives 0 a probability of its own; the gamma"
    " likelihood forbids it.",
    references=(
        "Jorgensen (1987), Exponential dispersion models, JRSS B",
        "Smyth and Jorgensen (2002), Fitting Tweedie's compound Poisson model to insurance claims data, ASTIN Bulletin",
    ),
)
