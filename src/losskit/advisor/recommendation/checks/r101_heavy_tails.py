"""R101: more of the noise lies far out than Gaussian noise does."""

from losskit.advisor.recommendation.check import CLEAR, SLIGHT, Check, Finding
from losskit.advisor.recommendation.profiles import Quantity

NOTABLE = 0.004
"""The share beyond 5 robust deviations that matters: Student's t with 5 degrees of freedom has 0.2 %, with 3 1 %."""


def examine(profile: Quantity) -> Finding | None:
    noise = profile.local
    if not profile.adds or noise.beyond < NOTABLE or noise.beyond * noise.count < 3:
        return None
    return Finding(
        f"{noise.beyond:.1%} of the {profile.basis} lie beyond 5 robust deviations (Gaussian: 0.00006 %), and"
        f" their 1 % quantiles {noise.tail:.1f} times as far out as a Gaussian's",
        (("huber", CLEAR), ("cauchy", CLEAR), ("tukey_biweight", SLIGHT), ("mean_absolute_error", SLIGHT)),
    )


CHECK = Check(
    code="R101",
    title="Heavy tails",
    severity="advice",
    of=Quantity,
    examine=examine,
    reason="A residual of 5 deviations pulls the squared error with 25 times the cost of one deviation, and a"
    " few of them outweigh the rest. A loss of bounded slope caps the pull. Where the spread follows the"
    " prediction, residuals are first divided by the spread among like predictions.",
    references=(
        "Huber (1964), Robust estimation of a location parameter, Ann. Math. Statist.",
        "Hampel et al. (1986), Robust Statistics: The Approach Based on Influence Functions",
    ),
)
