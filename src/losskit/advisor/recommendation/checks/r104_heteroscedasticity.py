"""R104: the size of the residuals follows the prediction."""

from losskit.advisor.recommendation.check import CLEAR, STRONG, Check, Finding
from losskit.advisor.recommendation.profiles import Quantity


def examine(profile: Quantity) -> Finding | None:
    if not profile.adds or not profile.fans_out or profile.fan is None:
        return None
    heavy = profile.local.beyond > 0.01
    names = ("student_t", "laplace_nll") if heavy else ("gaussian_nll", "student_t")
    return Finding(
        f"residuals {'grow' if profile.fan.rho > 0 else 'shrink'} with the prediction: rank correlation"
        f" {profile.fan.rho:+.2f}, p = {profile.fan.p_value:.1g}",
        ((names[0], STRONG + CLEAR), (names[1], STRONG)),
    )


CHECK = Check(
    code="R104",
    title="The spread follows the prediction",
    severity="advice",
    of=Quantity,
    examine=examine,
    reason="One scale for all rows gives noisy rows too much say and precise ones too little. A model that"
    " predicts the scale as well weighs each row by its own, and says how sure it is.",
    references=(
        "Nix and Weigend (1994), Estimating the mean and variance of the target probability distribution, ICNN",
        "Breusch and Pagan (1979), A simple test for heteroscedasticity, Econometrica",
    ),
)
