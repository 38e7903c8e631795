"""R103: mean and median of the residuals differ, so losses differ in what they predict."""

from losskit.advisor.recommendation.check import CLEAR, Check, Finding
from losskit.advisor.recommendation.profiles import Quantity


def examine(profile: Quantity) -> Finding | None:
    noise = profile.noise
    if not profile.has_residuals or not profile.adds or not noise.is_skewed or profile.goal is not None:
        return None
    side = "above" if noise.shift > 0 else "below"
    return Finding(
        f"the residuals are skewed ({noise.skew:+.2f}), their mean {abs(noise.shift):.2f} robust deviations {side} their"
        " median: the squared error predicts the one, the absolute error the other; say with a goal which you need",
        (("mean_squared_error", CLEAR), ("cauchy", -CLEAR), ("tukey_biweight", -CLEAR)),
    )


CHECK = Check(
    code="R103",
    title="Skewed noise",
    severity="warning",
    of=Quantity,
    examine=examine,
    reason="Under symmetric noise all losses of the residual estimate the same. Under skewed noise the squared"
    " error estimates the mean, the absolute error the median, and a loss that fades out far values"
    " something near the mode. Say which you want with a goal.",
    references=("Gneiting (2011), Making and evaluating point forecasts, JASA",),
)
