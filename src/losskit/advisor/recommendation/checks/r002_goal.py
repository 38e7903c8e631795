"""R002: what the prediction shall be decides before anything in the data does."""

from losskit.advisor.recommendation.check import DECISIVE, SLIGHT, STRONG, Check, Finding
from losskit.advisor.recommendation.profiles import COUNT, NONNEGATIVE, PROPORTION, Classes, Profile, Quantity


def examine(profile: Profile) -> Finding | None:
    goal = profile.goal
    if goal is None:
        return None
    if isinstance(profile, Classes):
        two = profile.task == "binary"
        plain = "binary_cross_entropy" if two else "sparse_categorical_cross_entropy"
        even = "weighted_cross_entropy" if two else "logit_adjusted"
        name = plain if goal.name == "probability" else even
        return Finding(
            f"the goal is {_meaning(goal.name, goal.level)}, which {name} estimates", ((name, DECISIVE),)
        )
    if not isinstance(profile, Quantity):
        return None
    names = _of_quantity(profile)[goal.name]
    points = (
        (names[0], DECISIVE),
        *((name, DECISIVE - STRONG - i * SLIGHT) for i, name in enumerate(names[1:])),
    )
    return Finding(f"the goal is {_meaning(goal.name, goal.level)}, which {names[0]} estimates", points)


def _of_quantity(profile: Quantity) -> dict[str, tuple[str, ...]]:
    """The losses that estimate each goal, the best first."""
    of_mean = {COUNT: "poisson", NONNEGATIVE: "tweedie", PROPORTION: "binary_cross_entropy"}
    mean = "gamma" if profile.multiplies else of_mean.get(profile.kind, "mean_squared_error")
    return {
        "mean": (mean,) if mean == "mean_squared_error" else (mean, "mean_squared_error"),
        "median": ("mean_absolute_error",),
        "spread": ("student_t", "gaussian_nll", "laplace_nll")
        if profile.local.beyond > 0.005
        else ("gaussian_nll", "student_t"),
        "quantile": ("quantile",),
        "expectile": ("expectile",),
    }


def _meaning(name: str, level: float | None) -> str:
    words = {
        "spread": "the mean and the spread of each prediction",
        "quantile": f"the {level:.4g} quantile" if level else "",
        "expectile": f"the {level:.4g} expectile" if level else "",
        "probability": "probabilities that can be taken at their word",
        "balanced": "that each class counts the same",
    }
    return words.get(name, f"the {name}")


CHECK = Check(
    code="R002",
    title="The goal decides",
    severity="advice",
    of=Profile,
    examine=examine,
    reason="A loss decides what is predicted: the mean, the median, a quantile, a probability. Where"
    " predicting too little costs a times as much as predicting too much, the best prediction is the a /"
    " (a + 1) quantile.",
    references=(
        "Gneiting (2011), Making and evaluating point forecasts, JASA",
        "Koenker and Bassett (1978), Regression quantiles, Econometrica",
        "Newey and Powell (1987), Asymmetric least squares estimation and testing, Econometrica",
    ),
)
