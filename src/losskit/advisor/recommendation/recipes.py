"""How each loss is made for the data: its parameters, where they come from, and what it costs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from losskit import catalogue
from losskit.advisor.recommendation.profiles import Classes, Embedding, Mask, Profile, Quantity
from losskit.loss import LossFunction

EFFICIENT = {"huber": ("delta", 1.345), "cauchy": ("scale", 2.385), "tukey_biweight": ("scale", 4.685)}
"""Robust losses: the parameter, in robust deviations, that makes them 95 % as efficient as the squared error
under Gaussian noise (Huber 1981; Holland and Welsch 1977)."""

LOCATION = ("mean_squared_error", "mean_absolute_error")


@dataclass(frozen=True)
class Made:
    """A loss with its parameters."""

    loss: LossFunction
    setting: str
    """Where the parameters come from; empty where there are none."""
    cost: str


Recipe = Callable[[Any], Made]


def rounded(x: float) -> float:
    """Four significant digits: what a person would write down."""
    return float(f"{x:.4g}")


_found, _parsed = cache(catalogue.find), cache(catalogue.parse)
"""The built-in losses stay what they are."""


def _get(name: str, **parameters: Any) -> LossFunction:
    return _found(name)(**parameters)


@lru_cache(maxsize=8)
def residual_losses(scale: float) -> Mapping[str, LossFunction]:
    """The losses of a residual that compete for a target with a centre, for residuals of a robust scale."""
    found = {name: _get(name) for name in LOCATION}
    for name, (parameter, factor) in EFFICIENT.items():
        found[name] = _get(name, **{parameter: rounded(factor * scale)})
    return found


def make(name: str, profile: Profile) -> Made:
    """The loss of a recipe's name, for a profile.

    >>> from losskit.advisor.recommendation.advice import recommend
    >>> make("huber", recommend([1.5, -2.5, 3.0, 0.1, -0.7]).profile).loss
    HuberLoss(delta=2.792)
    """
    return RECIPES[name](profile)


def _fixed(text: str, cost: str, setting: str = "") -> Recipe:
    def recipe(_: Profile) -> Made:
        return Made(_parsed(text), setting, cost)

    return recipe


def _robust(name: str, cost: str) -> Recipe:
    parameter, factor = EFFICIENT[name]

    def recipe(profile: Quantity) -> Made:
        setting = (
            f"{parameter} is {factor:g} robust deviations ({profile.noise.scale:.4g}) of the {profile.basis}"
        )
        return Made(residual_losses(profile.noise.scale)[name], setting, cost)

    return recipe


def _levelled(name: str) -> Recipe:
    def recipe(profile: Quantity) -> Made:
        level = profile.goal.level if profile.goal and profile.goal.level is not None else 0.5
        return Made(_get(name, **{name: rounded(level)}), f"{name} as asked for", ARITHMETIC)

    return recipe


def _student_t(profile: Quantity) -> Made:
    return Made(_get("student_t", df=4.0), "df = 4, the usual choice where it is not known", TWO_OUTPUTS)


def _negative_binomial(profile: Quantity) -> Made:
    alpha = rounded(max(profile.dispersion.alpha if profile.dispersion else 1.0, 1e-3))
    setting = "dispersion from the variance of the counts beyond Poisson's, by moments"
    return Made(_get("negative_binomial", dispersion=alpha, log_input=True), setting, LOG_LINK)


def _tweedie(profile: Quantity) -> Made:
    """Between 1 and 2: from residuals, else from the positive targets, which a compound Poisson-gamma law spreads."""
    if profile.power is not None and 1.05 < profile.power.estimate < 1.95 and profile.power.error < 0.3:
        power, setting = (
            profile.power.estimate,
            "power from the variance of the residuals as a power of the mean",
        )
    else:
        shape = 1.0 / max(profile.variation, 0.1) ** 2
        power, setting = (shape + 2) / (shape + 1), "power from the spread of the positive targets"
    power = round(min(max(power, 1.05), 1.95), 2)
    return Made(_get("tweedie", power=power, log_input=True), setting, LOG_LINK)


def _class_weights(profile: Classes) -> tuple[float, ...]:
    return tuple(rounded(1.0 / (len(profile.shares) * share)) for share in _shares(profile))


def _shares(profile: Classes) -> list[float]:
    """The shares of the classes; one without rows counts as having half of one."""
    return [max(share, 0.5 / profile.rows) for share in profile.shares]


def _order(profile: Classes) -> str:
    """The order of the classes, where it fits a line."""
    return f", in the order {', '.join(profile.labels)}" if len(", ".join(profile.labels)) < 60 else ""


def _weighted_cross_entropy(profile: Classes) -> Made:
    loss = _get("weighted_cross_entropy", class_weights=_class_weights(profile), from_logits=True)
    return Made(loss, f"class weights: each class weighs the same as a whole{_order(profile)}", ONE_LOGARITHM)


def _focal(profile: Classes) -> Made:
    weights = _class_weights(profile)
    alpha = rounded(weights[1] / sum(weights))
    setting = f"alpha from the balance of the classes{_order(profile)}; gamma as published"
    return Made(
        _get("focal", alpha=(rounded(1 - alpha), alpha), gamma=2.0, from_logits=True),
        setting,
        ONE_LOGARITHM,
    )


def _categorical_focal(profile: Classes) -> Made:
    loss = _get("categorical_focal", gamma=2.0, alpha=_class_weights(profile), from_logits=True)
    return Made(loss, f"alpha from the balance of the classes{_order(profile)}; gamma as published", ROWS)


def _logit_adjusted(profile: Classes) -> Made:
    priors = tuple(rounded(share) for share in _shares(profile))
    return Made(
        _get("logit_adjusted", class_priors=priors),
        f"class_priors are the shares of the classes{_order(profile)}",
        ROWS,
    )


def _tversky(name: str) -> Recipe:
    def recipe(profile: Mask) -> Made:
        beta, setting = 0.7, "beta = 0.7 as published: a missed pixel counts more than an invented one"
        if (
            profile.missed is not None
            and profile.invented is not None
            and profile.missed + profile.invented > 0
        ):
            beta = min(max(profile.missed / (profile.missed + profile.invented), 0.5), 0.9)
            setting = "beta is the share of missed among wrong pixels of the predictions, between 0.5 and 0.9"
        beta = round(beta, 2)
        loss = _get(name, alpha=round(1 - beta, 2), beta=beta, from_logits=True, **_per(profile))
        return Made(loss, setting, SUMS)

    return recipe


def _per(profile: Mask) -> dict[str, str]:
    return {"per": "class"} if len(profile.shares) > 2 else {}


def _triplet(profile: Embedding) -> Made:
    return Made(
        _get("triplet", margin=0.2),
        "margin 0.2 on unit vectors, as published",
        "a distance for each of two pairs a triplet",
    )


ARITHMETIC = "one pass of additions and multiplications"
ONE_LOGARITHM = "one pass, an exponential and a logarithm a row"
LOG_LINK = "one pass, an exponential a row; the model predicts log(mean)"
TWO_OUTPUTS = "one pass, a logarithm a row; the model has a second output, the scale"
ROWS = "one pass over each row of logits, an exponential a class"
SUMS = "two passes: sums over the image, then the gradient"
PAIRS = "all pairs of a batch: batch² similarities, never stored whole"

RECIPES: Mapping[str, Recipe] = {
    "mean_squared_error": _fixed("mean_squared_error", ARITHMETIC),
    "mean_absolute_error": _fixed("mean_absolute_error", ARITHMETIC),
    "huber": _robust("huber", ARITHMETIC),
    "cauchy": _robust("cauchy", "one pass, a division a row"),
    "tukey_biweight": _robust("tukey_biweight", ARITHMETIC),
    "quantile": _levelled("quantile"),
    "expectile": _levelled("expectile"),
    "gaussian_nll": _fixed("gaussian_nll", TWO_OUTPUTS),
    "laplace_nll": _fixed("laplace_nll", TWO_OUTPUTS),
    "student_t": _student_t,
    "poisson": _fixed("poisson(log_input=True)", LOG_LINK),
    "negative_binomial": _negative_binomial,
    "gamma": _fixed("gamma(log_input=True)", LOG_LINK),
    "tweedie": _tweedie,
    "mean_squared_logarithmic_error": _fixed("mean_squared_logarithmic_error", "one pass, a logarithm a row"),
    "binary_cross_entropy": _fixed("binary_cross_entropy(from_logits=True)", ONE_LOGARITHM),
    "weighted_cross_entropy": _weighted_cross_entropy,
    "focal": _focal,
    "sparse_categorical_cross_entropy": _fixed("sparse_categorical_cross_entropy(from_logits=True)", ROWS),
    "categorical_cross_entropy": _fixed("categorical_cross_entropy(from_logits=True)", ROWS),
    "kl_divergence": _fixed("kl_divergence(from_logits=True)", ROWS),
    "wasserstein": _fixed(
        "wasserstein(p=1, of='bins')", "one pass over cumulative sums of each row of probabilities"
    ),
    "logit_adjusted": _logit_adjusted,
    "categorical_focal": _categorical_focal,
    "generalized_cross_entropy": _fixed(
        "generalized_cross_entropy(q=0.7, from_logits=True)", ROWS, "q = 0.7 as published"
    ),
    "symmetric_cross_entropy": _fixed(
        "symmetric_cross_entropy(from_logits=True)", ROWS, "weights as published"
    ),
    "label_smoothing_cross_entropy": _fixed(
        "label_smoothing_cross_entropy(smoothing=0.1, from_logits=True)",
        ROWS,
        "smoothing = 0.1, the usual choice",
    ),
    "linear_cross_entropy": _fixed(
        "linear_cross_entropy", "the matrix product again in the gradient; no matrix of logits"
    ),
    "dice + binary_cross_entropy": _fixed(
        "0.5*dice(from_logits=True) + 0.5*binary_cross_entropy(from_logits=True)",
        SUMS,
        "halves, as in nnU-Net",
    ),
    "generalized_dice": _fixed("generalized_dice(from_logits=True, activation='softmax')", SUMS),
    "tversky": _tversky("tversky"),
    "focal_tversky": _tversky("focal_tversky"),
    "boundary": _fixed(
        "0.5*dice(from_logits=True) + 0.5*boundary(from_logits=True)", SUMS + "; a distance map, once a mask"
    ),
    "supervised_contrastive": _fixed(
        "supervised_contrastive(temperature=0.1)", PAIRS, "temperature as published"
    ),
    "multi_similarity": _fixed("multi_similarity", PAIRS, "alpha, beta and base as published"),
    "info_nce": _fixed("info_nce(temperature=0.1)", PAIRS, "temperature as published"),
    "arc_face": _fixed(
        "arc_face", "a matrix product with one vector a label", "margin and scale as published"
    ),
    "triplet": _triplet,
}
