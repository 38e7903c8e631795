"""Data whose best loss is known, because the law that made them is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Arguments = dict[str, Any]
"""What ``lk.recommend`` is given."""


@dataclass(frozen=True)
class Generator:
    """A law: how to draw from it with a seed, and the losses that are right for it."""

    name: str
    draw: Callable[[np.random.Generator], Arguments]
    right: frozenset[str]


GENERATORS: list[Generator] = []


def right(*losses: str) -> Callable[[Callable[[np.random.Generator], Arguments]], Any]:
    """Enter a law with the losses that are right for it."""

    def enter(draw: Callable[[np.random.Generator], Arguments]) -> Any:
        GENERATORS.append(Generator(draw.__name__, draw, frozenset(losses)))
        return draw

    return enter


def linear(rng: np.random.Generator, n: int = 500) -> tuple[np.ndarray, np.ndarray]:
    """Features, and a mean that is linear in them."""
    X = rng.normal(size=(n, 3))
    return X, 20 + X @ [4.0, -3.0, 2.0]


def log_linear(rng: np.random.Generator, n: int = 500) -> tuple[np.ndarray, np.ndarray]:
    """Features, and a positive mean whose logarithm is linear in them."""
    X = rng.normal(size=(n, 3))
    return X, np.exp(1.0 + X @ [0.5, -0.4, 0.2])


def probable(rng: np.random.Generator, classes: int, n: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and the probabilities that they were drawn with."""
    logits = 4.0 * rng.normal(size=(n, classes))
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return (p.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1), p


def wrong(rng: np.random.Generator, y: np.ndarray, classes: int, share: float) -> np.ndarray:
    """Labels, of which a share is another class than it was."""
    return np.where(rng.random(y.size) < share, (y + rng.integers(1, classes, y.size)) % classes, y)


@right("mean_squared_error")
def gaussian_noise(rng):
    _, mean = linear(rng)
    return {"y_true": mean + 2 * rng.normal(size=mean.size), "y_pred": mean}


@right("mean_squared_error")
def gaussian_noise_by_features(rng):
    X, mean = linear(rng)
    return {"y_true": mean + 2 * rng.normal(size=mean.size), "features": X}


@right("mean_squared_error")
def uniform_noise(rng):
    _, mean = linear(rng)
    return {"y_true": mean + rng.uniform(-3, 3, mean.size), "y_pred": mean}


@right("cauchy", "huber", "tukey_biweight")
def heavy_tails(rng):
    _, mean = linear(rng)
    return {"y_true": mean + rng.standard_t(1.5, mean.size), "y_pred": mean}


@right("cauchy", "huber", "tukey_biweight")
def heavy_tails_by_features(rng):
    X, mean = linear(rng)
    return {"y_true": mean + rng.standard_t(1.5, mean.size), "features": X}


@right("cauchy", "huber", "tukey_biweight")
def heavy_tails_of_targets(rng):
    return {"y_true": rng.standard_t(1.5, 500)}


@right("cauchy", "tukey_biweight")
def gross_outliers(rng):
    _, mean = linear(rng)
    wild = rng.random(mean.size) < 0.08
    return {"y_true": mean + np.where(wild, 40, 1) * rng.normal(size=mean.size), "y_pred": mean}


@right("mean_absolute_error", "huber", "cauchy")
def laplace_noise(rng):
    _, mean = linear(rng)
    return {"y_true": mean + rng.laplace(size=mean.size), "y_pred": mean}


@right("mean_squared_error")
def skewed_noise_about_the_mean(rng):
    _, mean = linear(rng)
    return {"y_true": mean + 3 * rng.exponential(size=mean.size) - 3, "y_pred": mean}


@right("student_t")
def heavy_tails_that_follow_the_prediction(rng):
    x = rng.uniform(0, 3, 800)
    return {"y_true": 2 * x - 3 + (0.2 + x) * rng.standard_t(2, x.size), "y_pred": 2 * x - 3}


@right("gaussian_nll")
def spread_that_follows_the_prediction(rng):
    x = rng.uniform(0, 3, 600)
    return {"y_true": 2 * x - 3 + (0.2 + x) * rng.normal(size=x.size), "y_pred": 2 * x - 3}


@right("gamma")
def skewed_positive(rng):
    _, mean = log_linear(rng)
    return {"y_true": mean * rng.gamma(2.0, 0.5, mean.size), "y_pred": mean}


@right("gamma")
def skewed_positive_by_features(rng):
    X, mean = log_linear(rng, 800)
    return {"y_true": mean * rng.gamma(2.0, 0.5, mean.size), "features": X}


@right("gamma")
def skewed_positive_targets(rng):
    return {"y_true": rng.gamma(2.0, 3.0, 500)}


@right("tweedie")
def many_zeros(rng):
    _, mean = log_linear(rng)
    events = rng.poisson(mean / 2)
    return {"y_true": rng.gamma(np.maximum(events, 1) * 2.0) * (events > 0), "y_pred": mean}


@right("tweedie")
def many_zeros_of_targets(rng):
    events = rng.poisson(0.8, 500)
    return {"y_true": rng.gamma(np.maximum(events, 1) * 2.0) * (events > 0)}


@right("poisson")
def counts(rng):
    _, mean = log_linear(rng)
    return {"y_true": rng.poisson(mean), "y_pred": mean}


@right("poisson")
def counts_of_targets(rng):
    return {"y_true": rng.poisson(4.0, 500)}


@right("negative_binomial")
def overdispersed_counts(rng):
    _, mean = log_linear(rng)
    return {"y_true": rng.poisson(mean * rng.gamma(1.5, 1 / 1.5, mean.size)), "y_pred": mean}


@right("negative_binomial")
def overdispersed_counts_by_features(rng):
    X, mean = log_linear(rng)
    return {"y_true": rng.poisson(mean * rng.gamma(1.5, 1 / 1.5, mean.size)), "features": X}


@right("binary_cross_entropy")
def proportions(rng):
    mean = rng.uniform(0.1, 0.9, 400)
    return {"y_true": rng.beta(8 * mean, 8 * (1 - mean)), "y_pred": mean}


@right("quantile")
def too_little_costs_four_times_as_much(rng):
    _, mean = linear(rng)
    return {"y_true": mean + rng.gamma(2.0, 1.0, mean.size), "y_pred": mean, "goal": "cost:4:1"}


@right("quantile")
def a_quantile(rng):
    return {"y_true": rng.standard_t(2, 300), "goal": "quantile:0.9"}


@right("binary_cross_entropy")
def even_classes(rng):
    y, p = probable(rng, 2)
    return {"y_true": y, "y_pred": p[:, 1]}


@right("weighted_cross_entropy", "focal")
def three_percent_positives(rng):
    return {"y_true": np.where(rng.random(1000) < 0.03, "yes", "no")}


@right("binary_cross_entropy")
def three_percent_positives_as_probabilities(rng):
    return {"y_true": rng.random(1000) < 0.03, "goal": "probability"}


@right("sparse_categorical_cross_entropy")
def many_even_classes(rng):
    y, p = probable(rng, 5)
    return {"y_true": y, "y_pred": p}


@right("sparse_categorical_cross_entropy")
def sure_but_right_labels(rng):
    y, p = probable(rng, 4)
    sharper = p**2.0
    return {"y_true": y, "y_pred": sharper / sharper.sum(axis=1, keepdims=True)}


@right("sparse_categorical_cross_entropy")
def probabilities_that_are_too_sure(rng):
    y, p = probable(rng, 4, 1000)
    cubed = p**3.0
    return {"y_true": y, "y_pred": cubed / cubed.sum(axis=1, keepdims=True)}


@right("logit_adjusted")
def a_long_tail_of_classes(rng):
    return {"y_true": rng.choice(list("abcde"), 2000, p=[0.6, 0.25, 0.1, 0.03, 0.02])}


@right("generalized_cross_entropy", "symmetric_cross_entropy")
def wrong_labels(rng):
    y, p = probable(rng, 4, 1000)
    return {"y_true": wrong(rng, y, 4, 0.2), "y_pred": p}


@right("generalized_cross_entropy", "symmetric_cross_entropy")
def wrong_labels_of_two(rng):
    y, p = probable(rng, 2, 1500)
    return {"y_true": wrong(rng, y, 2, 0.15), "y_pred": p[:, 1]}


@right("wasserstein")
def ratings(rng):
    return {"y_true": rng.binomial(4, 0.6, 300) + 1, "task": "ordinal"}


@right("kl_divergence", "categorical_cross_entropy")
def soft_labels(rng):
    return {"y_true": rng.dirichlet([1, 2, 3], 200)}


@right("0.5*dice + 0.5*binary_cross_entropy")
def masks_of_small_things(rng):
    masks = np.zeros((6, 48, 48), dtype=np.uint8)
    for mask, (row, column) in zip(masks, rng.integers(0, 36, (6, 2)), strict=True):
        mask[row : row + 10, column : column + 10] = 1
    return {"y_true": masks}


@right("binary_cross_entropy")
def masks_of_halves(rng):
    return {"y_true": np.arange(48)[None, :, None] < rng.integers(16, 32, (6, 1, 48))}


@right("generalized_dice")
def masks_of_several_classes(rng):
    masks = (rng.random((4, 48, 48)) < 0.3).astype(int)
    masks[:, :6, :6] = 2
    return {"y_true": masks}


@right("supervised_contrastive")
def vectors_of_classes(rng):
    labels = rng.integers(0, 6, 300)
    return {"y_true": labels, "y_pred": rng.normal(size=(6, 16))[labels] + 2 * rng.normal(size=(300, 16))}


@right("info_nce")
def two_views(rng):
    labels = np.repeat(np.arange(150), 2)
    return {"y_true": labels, "y_pred": rng.normal(size=(150, 16))[labels] + rng.normal(size=(300, 16))}


@right("arc_face")
def vectors_of_many_labels(rng):
    labels = rng.integers(0, 260, 1000)
    return {"y_true": labels, "y_pred": rng.normal(size=(260, 8))[labels] + rng.normal(size=(1000, 8))}
