"""Known answers: data from laws whose right loss is known, and what training says of the advice."""

from typing import Any

import numpy as np
import pytest

from advisor.generators import GENERATORS, Generator, linear, log_linear
from losskit.advisor import compare, recommend

SEEDS = 20


@pytest.mark.parametrize("generator", GENERATORS, ids=lambda g: g.name)
def test_the_first_recommendation_is_right(generator: Generator) -> None:
    """In at least 95 % of the runs."""
    first = [recommend(**generator.draw(np.random.default_rng(seed))).best.name for seed in range(SEEDS)]
    right = sum(name in generator.right for name in first)
    assert right >= 0.95 * SEEDS, f"{right} of {SEEDS} are of {set(generator.right)}: {first}"


def confirmed(X: Any, y: Any, rival: str) -> str:
    """The loss that is recommended, with + or - where training shows it better or worse than the baseline.

    Better or worse is by more than noise, by the metric that decides, on rows that were not trained on.
    """
    loss = recommend(y, features=X).best.loss
    columns = {f"x{i}": column for i, column in enumerate(X.T)} | {"y": y}
    result = compare(columns, "y", losses=[loss, rival], folds=5, repeats=1).to_dict()
    labels = [score["label"] for score in result["losses"]]  # best first
    ours = next(score for score in result["losses"] if score["loss"] == loss.name)
    if ours["p_values"] is None or ours["p_values"][next(iter(ours["metrics"]))] > 0.05:
        return loss.name
    return loss.name + ("+" if labels.index(ours["label"]) < labels.index(result["baseline"]) else "-")


def test_training_confirms_it_under_gross_outliers() -> None:
    rng = np.random.default_rng(1)
    X, mean = linear(rng, 300)
    noise = np.where(rng.random(300) < 0.15, 60, 1) * rng.normal(size=300)
    assert confirmed(X, mean + noise, "mae") in ("cauchy+", "tukey_biweight+")


def test_training_does_not_contradict_it_under_gaussian_noise() -> None:
    rng = np.random.default_rng(2)
    X, mean = linear(rng, 200)
    assert confirmed(X, mean + rng.normal(size=200), "mae") == "mean_squared_error"


def test_training_does_not_contradict_it_for_positive_targets() -> None:
    rng = np.random.default_rng(3)
    X, mean = log_linear(rng, 300)
    assert confirmed(X, mean * rng.gamma(2.0, 0.5, 300), "mae") in ("gamma", "gamma+")


def test_training_does_not_contradict_it_for_a_rare_class() -> None:
    rng = np.random.default_rng(4)
    X = rng.normal(size=(900, 3))
    y = np.where(rng.random(900) < 1 / (1 + np.exp(4 - X @ [1.5, -1.0, 0.0])), "yes", "no")
    assert confirmed(X, y, "hinge") in ("weighted_cross_entropy", "weighted_cross_entropy+")
