"""R102: the rows that each loss needs for the same precision, from its own slope and curvature on these residuals."""

from losskit.advisor.recommendation.check import Check, Finding
from losskit.advisor.recommendation.profiles import Quantity

START = "mean_squared_error"
WEIGHT = 4.0
"""Points for a loss that needs no more rows than the best, where the squared error needs any number more."""


def examine(profile: Quantity) -> Finding | None:
    alike = not profile.noise.is_skewed and not profile.fans_out and profile.noise.deviation > 0
    if not profile.adds or not alike:
        return None
    found, baseline = profile.efficiency, profile.efficiency[START]
    weight = WEIGHT if profile.has_residuals else WEIGHT / 2
    rows = {name: 1000 * e / max(baseline, 1e-6) for name, e in found.items()}
    each = {
        name: f"as precise with 1,000 rows as the squared error with {n:,.0f}" for name, n in rows.items()
    }
    rival = max((name for name in found if name != START), key=found.__getitem__)
    each[START] = f"as precise with {rows[rival]:,.0f} rows as {rival}, the best of the others, is with 1,000"
    points = tuple((name, weight * (e - baseline)) for name, e in found.items())
    return Finding(f"{rival} is {each[rival]}", points, each)


CHECK = Check(
    code="R102",
    title="Efficiency",
    severity="advice",
    of=Quantity,
    examine=examine,
    reason="The variance of what a loss estimates is E[slope²] / E[curvature]² / n. Both means are taken over"
    " the residuals at hand, so that each loss says itself how well it suits them. Targets without"
    " predictions are weaker evidence and count half. Where the noise is skewed the losses estimate different"
    " things, and where its spread differs from row to row none of them has the one scale it wants: then"
    " they are not compared.",
    references=(
        "Huber (1964), Robust estimation of a location parameter, Ann. Math. Statist.",
        "van der Vaart (1998), Asymptotic Statistics, section 5.3",
    ),
)
