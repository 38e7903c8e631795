"""R107: counts that vary more than Poisson's."""

from losskit.advisor.recommendation.check import CLEAR, STRONG, Check, Finding
from losskit.advisor.recommendation.profiles import Quantity


def examine(profile: Quantity) -> Finding | None:
    found = profile.dispersion
    if found is None or found.z < 4 or found.ratio < 1.2:
        return None
    evidence = "the residuals' variance" if profile.has_residuals else "the variance of the targets"
    return Finding(
        f"{evidence} is {found.ratio:.2f} times the mean, where Poisson counts have 1 (z = {found.z:.1f})",
        (("negative_binomial", STRONG + CLEAR), ("poisson", -CLEAR)),
    )


CHECK = Check(
    code="R107",
    title="Overdispersed counts",
    severity="advice",
    of=Quantity,
    examine=examine,
    reason="Poisson's likelihood takes the variance for the mean. Counts that vary more make it trust large"
    " ones too much; the negative binomial lets the variance be mean + alpha mean². Without predictions,"
    " a mean that differs from row to row looks the same.",
    references=(
        "Dean and Lawless (1989), Tests for detecting overdispersion in Poisson regression models, JASA",
        "Cameron and Trivedi (1998), Regression Analysis of Count Data",
    ),
)
