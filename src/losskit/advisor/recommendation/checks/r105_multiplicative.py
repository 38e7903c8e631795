"""R105: the noise of a positive target is a factor."""

from losskit.advisor.recommendation.check import CLEAR, SLIGHT, STRONG, Check, Finding
from losskit.advisor.recommendation.profiles import Quantity


def examine(profile: Quantity) -> Finding | None:
    if not profile.multiplies:
        return None
    if profile.power is not None:
        power = profile.power
        evidence = f"the variance of the residuals grows like mean^{power.estimate:.2f} (± {power.error:.2f})"
        tweedie = CLEAR if power.estimate > 1.5 else STRONG + SLIGHT
    else:
        evidence = (
            f"a gamma law fits the positive targets better than a Gaussian (z = {profile.gamma_gain:.1f})"
        )
        tweedie = SLIGHT
    return Finding(
        f"{evidence}: errors are relative, as in gamma regression",
        (
            ("gamma", STRONG),
            ("tweedie", tweedie),
            ("mean_squared_logarithmic_error", CLEAR),
            ("mean_squared_error", -SLIGHT),
        ),
    )


CHECK = Check(
    code="R105",
    title="Relative errors",
    severity="advice",
    of=Quantity,
    examine=examine,
    reason="Prices, durations and amounts err by per cent: the variance is proportional to mean². The gamma"
    " likelihood weighs each row by that and still estimates the mean; the squared error of logarithms"
    " estimates the mean of log y, lower by half of the log variance.",
    references=(
        "McCullagh and Nelder (1989), Generalized Linear Models, chapter 8",
        "Jorgensen (1997), The Theory of Dispersion Models",
    ),
)
