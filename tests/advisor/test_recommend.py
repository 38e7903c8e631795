"""What ``recommend`` measures, how it says it, and what it refuses."""

import json
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import losskit as lk
from losskit import catalogue
from losskit.advisor import recommend
from losskit.advisor.recommendation.check import SEVERITIES, all_checks
from losskit.advisor.recommendation.recipes import RECIPES
from losskit.advisor.recommendation.statistics import drawn, spread
from losskit.errors import InputError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 2))
MEAN = 10 + X @ [3.0, -2.0]
HEAVY = MEAN + RNG.standard_t(1.5, 400)

# What is measured


def test_parameters_follow_the_residuals() -> None:
    """1.345 robust deviations, whatever the unit of the target."""
    for unit in (1e-3, 1.0, 1e4):
        answer = recommend(unit * HEAVY, unit * MEAN)
        huber = next(s.loss for s in answer.suggestions if s.loss.name == "huber")
        assert huber.delta == pytest.approx(1.345 * unit * spread(HEAVY - MEAN).scale, rel=1e-3)


def test_class_weights_follow_the_balance() -> None:
    y = np.repeat([0, 1], [950, 50])
    weighted, focal = recommend(y).suggestions[:2]
    assert weighted.loss.class_weights == pytest.approx((1000 / 1900, 10.0), rel=1e-3)
    assert focal.loss.alpha == pytest.approx((0.05, 0.95))


def test_dispersion_and_power_come_from_the_data() -> None:
    rng = np.random.default_rng(0)
    mean = np.exp(rng.normal(1.5, 0.5, 5000))
    alpha = recommend(rng.poisson(mean * rng.gamma(2.0, 0.5, 5000)), mean).best.loss.dispersion
    assert alpha == pytest.approx(0.5, abs=0.1)
    events = rng.poisson(mean / 2)
    amounts = rng.gamma(np.maximum(events, 1) * 1.0) * (events > 0)  # shape 1: a power of (1 + 2) / (1 + 1)
    assert recommend(amounts, mean / 2).best.loss.power == pytest.approx(1.5, abs=0.35)


def test_tversky_takes_the_price_of_a_miss_from_the_predictions() -> None:
    mask = np.zeros((2, 40, 40), bool)
    mask[:, 5:15, 5:15] = True
    guess = mask.astype(float)
    guess[:, 5:9] = 0.0  # four of ten rows missed, nothing invented
    tversky = next(s.loss for s in recommend(mask, guess).suggestions if s.loss.name == "tversky")
    assert (tversky.alpha, tversky.beta) == (0.1, 0.9)


def test_efficiency_is_what_theory_says() -> None:
    """Under Gaussian noise the robust losses are tuned to 95 %, the absolute error has 2 / pi."""
    y = np.random.default_rng(0).normal(size=200_000)
    found = recommend(y, np.zeros(y.size)).profile.efficiency
    expected = {
        "mean_squared_error": 1,
        "mean_absolute_error": 2 / np.pi,
        "huber": 0.95,
        "cauchy": 0.95,
        "tukey_biweight": 0.95,
    }
    assert found == pytest.approx(expected, abs=0.015)


def test_a_weight_is_so_many_rows() -> None:
    """A law of half of the rows: weights that leave only them give their answer."""
    y = np.concatenate([RNG.normal(size=1000), 50 * RNG.standard_cauchy(1000)])
    weight = np.repeat([1.0, 0.0], 1000)
    answer = recommend(y, np.zeros(2000), sample_weight=weight)
    assert answer.best.loss.name == "mean_squared_error"
    assert (answer.profile.rows, answer.profile.dropped) == (1000, 1000)
    shares = recommend([0, 1, 1], sample_weight=[2.0, 1.0, 1.0]).profile.shares
    assert shares == (0.5, 0.5)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 300), st.integers(1, 50))
def test_rows_are_drawn_in_proportion_to_their_weights(rows: int, most: int) -> None:
    weight = np.random.default_rng(rows).uniform(0, 1, rows)
    weight[0] = 1.0
    found = drawn(weight, rows, most)
    worth = weight.sum() ** 2 / (weight**2).sum()
    assert found.size == max(1, min(most, round(worth)))
    counts = np.bincount(found, minlength=rows)
    assert (np.abs(counts - found.size * weight / weight.sum()) < 1 + 1e-9).all()


NUMBERS = st.floats(-1e6, 1e6).map(lambda x: round(x, 3))


@settings(max_examples=25, deadline=None)
@given(arrays.arrays(float, st.integers(2, 40), elements=NUMBERS), st.booleans())
def test_any_numbers_get_an_answer(y: np.ndarray, with_prediction: bool) -> None:
    """Or are refused as constant; never a warning, never another error."""
    if (y == y[0]).all():
        with pytest.raises(InputError, match="in every row"):
            recommend(y)
        return
    answer = recommend(y, np.roll(y, 1) if with_prediction else None)
    assert answer.suggestions
    json.dumps(answer.to_dict(), allow_nan=False)


# What is said


def test_the_line_of_code_makes_the_loss() -> None:
    for arguments in ((HEAVY, MEAN), (np.repeat([0, 1], [97, 3]),), (RNG.integers(0, 2, (3, 20, 20)),)):
        for suggestion in recommend(*arguments).suggestions:
            assert eval(suggestion.code, {"lk": lk}) == suggestion.loss


def test_the_answer_fits_a_screen() -> None:
    answer = recommend(HEAVY, MEAN)
    assert len(str(answer).splitlines()) <= 25
    assert "lie beyond 5 robust deviations" in str(answer)
    assert answer.best.code in str(answer)


def test_targets_alone_are_said_to_be_weak_evidence() -> None:
    assert "R109" in str(recommend(HEAVY))
    assert "R109" not in str(recommend(HEAVY, MEAN))


def test_what_was_guessed_is_said() -> None:
    ratings = recommend(RNG.integers(1, 6, 200))
    assert (ratings.profile.task, len(ratings.notes)) == ("multiclass", 1)
    assert "ordinal" in ratings.notes[0]
    assert "logits" in recommend(RNG.integers(0, 3, 50), RNG.normal(size=(50, 3))).notes[0]


@pytest.mark.parametrize("goal", ["mean", "median", "spread", "quantile:0.9", "expectile:0.1", "cost:4:1"])
def test_goals_decide(goal: str) -> None:
    best = recommend(HEAVY, MEAN, goal=goal).best
    assert best.reasons[0].points > 5 or best.points > 5
    expected = {
        "mean": "mean_squared_error",
        "median": "mean_absolute_error",
        "spread": "student_t",
        "expectile:0.1": "expectile",
    }
    assert best.loss.name == expected.get(goal, "quantile")
    if goal == "cost:4:1":
        assert best.loss.quantile == 0.8


def test_balanced_and_probability_are_goals_of_classes() -> None:
    y = np.repeat(list("abc"), [100, 90, 110])
    assert recommend(y, goal="balanced").best.loss.name == "logit_adjusted"
    assert recommend(y, goal="probability").best.loss.name == "sparse_categorical_cross_entropy"


# The checks


def test_each_check_is_complete_and_has_its_own_number() -> None:
    checks = all_checks()
    assert len({c.code for c in checks}) == len({c.title for c in checks}) == len(checks) >= 25
    for check in checks:
        module = sys.modules[check.examine.__module__]
        assert module.__name__.rpartition(".")[2].startswith(check.code.lower() + "_")
        assert module.__doc__.startswith(f"{check.code}: ")
        assert check.severity in SEVERITIES
        assert len(check.reason) > 60
        assert check.reason.endswith(".")


def test_every_recipe_is_a_loss_of_the_catalogue() -> None:
    for name in RECIPES:
        assert all(catalogue.find(part.strip().partition("*")[2] or part.strip()) for part in name.split("+"))


def test_the_losses_take_such_data() -> None:
    """As they are given: from logits, with as many weights as classes, with a class axis where one is wanted."""
    rng = np.random.default_rng(0)
    two, three, masks = (
        np.repeat([0, 1], [195, 5]),
        rng.choice(3, 200, p=[0.9, 0.07, 0.03]),
        np.zeros((3, 24, 24), int),
    )
    masks[:, 3:6, 3:6] = 1
    kinds = masks + 2 * np.roll(masks, 12, axis=2)
    one_hot = np.moveaxis(np.eye(3, dtype=int)[kinds], -1, 1)
    cases = [
        (recommend(two), two, rng.normal(size=200)),
        (recommend(three), three, rng.normal(size=(200, 3))),
        (recommend(masks), masks, rng.normal(size=masks.shape)),
        (
            recommend(rng.integers(0, 5, 200), rng.normal(size=(200, 8))),
            rng.integers(0, 5, 200),
            rng.normal(size=(200, 8)),
        ),
    ]
    with lk.use_engine("numpy"):
        for answer, y_true, y_pred in cases:
            for suggestion in answer.suggestions:
                value, slope = suggestion.loss.value_and_derivative(y_true, y_pred)
                assert np.isfinite(value), suggestion.code
                assert np.shape(slope) == y_pred.shape
        dice = recommend(kinds).best.loss
        assert dice.name == "generalized_dice"
        assert np.isfinite(dice(one_hot, rng.normal(size=one_hot.shape)))
        ordinal = recommend(rng.integers(1, 5, 50), task="ordinal").best.loss
        assert np.isfinite(ordinal(np.eye(4)[rng.integers(0, 4, 50)], rng.dirichlet(np.ones(4), 50)))
