"""Losses as objectives of LightGBM and XGBoost: exact slopes, positive curvatures, and the libraries' own answers."""

from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import losskit as lk
from losskit.boosting import LEAST, NONE, boosting_objective
from losskit.domain import PROBABILITY
from losskit.errors import InputError
from losskit.rules import rule
from losskit.structures import ElementwiseLoss

RESIDUAL = (
    "mse", "mae", "huber(delta=2)", "log_cosh", "quantile(quantile=0.9)", "expectile(expectile=0.2)",
    "epsilon_insensitive(epsilon=1)", "charbonnier", "cauchy(scale=1)", "geman_mcclure(scale=1)", "welsch(scale=1)",
    "tukey_biweight(scale=2)", "barron(alpha=-2)", "0.5*mse + 2*mae",
)  # fmt: skip
BINARY = (
    "binary_cross_entropy", "weighted_cross_entropy(class_weights=(1, 9))", "focal(gamma=2)", "hinge", "squared_hinge",
    "logistic", "exponential", "perceptron", "modified_huber", "focal + binary_cross_entropy",
)  # fmt: skip
ROWS = (
    "sparse_categorical_cross_entropy", "categorical_cross_entropy", "categorical_focal(gamma=2)",
    "generalized_cross_entropy", "symmetric_cross_entropy", "label_smoothing_cross_entropy",
)  # fmt: skip
POSITIVE = ("poisson", "gamma", "tweedie(power=1.5)", "negative_binomial")


class Brier(ElementwiseLoss):
    """A loss of probabilities without a form for logits."""

    predictions: ClassVar[Any] = PROBABILITY

    @rule
    def value(y, p):
        return (p - y) * (p - y)

    @rule
    def slope(y, p):
        return 2.0 * (p - y)

    @rule
    def curvature(y, p):
        return 2.0


@pytest.fixture(autouse=True)
def engine() -> Any:
    with lk.use_engine("numpy"):
        yield


def targets(text: str, n: int = 40) -> np.ndarray:
    rng = np.random.default_rng(0)
    if text in RESIDUAL:
        return 5 * rng.standard_t(2, n)
    return rng.gamma(2.0, size=n) if text in POSITIVE else rng.integers(0, 2, n).astype(float)


@pytest.mark.parametrize("loss", [*RESIDUAL, *BINARY, *POSITIVE, Brier()], ids=str)
def test_slopes_are_those_of_the_value(loss: Any) -> None:
    """Of the sum over the rows, by the raw scores; the truth is a central difference of the loss as it is given."""
    objective = boosting_objective(loss)
    y = targets(loss)
    z = 2 * np.random.default_rng(1).normal(size=len(y)) + 0.01
    given_loss = (lk.parse(loss) if isinstance(loss, str) else loss).replace(reduction="none")
    labels = 2 * y - 1 if objective.link == "margin" else y
    h = 1e-5
    up, down = (given_loss(labels, objective.predictions(z + step)) for step in (h, -h))
    np.testing.assert_allclose(objective(y, z)[0], (up - down) / (2 * h), rtol=1e-4, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(
    arrays(np.float64, 12, elements=st.floats(-1e6, 1e6)),
    arrays(np.float64, 12, elements=st.floats(-1e6, 1e6)),
)
@pytest.mark.parametrize("text", RESIDUAL)
def test_no_row_asks_to_go_beyond_its_target(text: str, y: np.ndarray, z: np.ndarray) -> None:
    slope, curvature = boosting_objective(text)(y, z)
    reach = np.maximum(abs(z - y), np.median(abs(z - y)))
    reach = np.where(reach < NONE, 1.0, reach)
    assert (curvature > 0).all()
    assert np.isfinite(curvature).all()
    assert (abs(slope) <= curvature * reach * (1 + 1e-9) + 1e-300).all()


@settings(max_examples=25, deadline=None)
@given(arrays(np.float64, 12, elements=st.floats(-50, 50)))
@pytest.mark.parametrize("text", BINARY)
def test_curvatures_of_logits_and_margins(text: str, z: np.ndarray) -> None:
    objective = boosting_objective(text)
    y = np.resize([0.0, 1.0], 12)
    slope, curvature = objective(y, z)
    assert (curvature > 0).all()
    labels = 2 * y - 1 if objective.link == "margin" else y
    own = objective.loss.second_derivative(labels, z)
    if "convex" in lk.parse(text).traits():
        np.testing.assert_array_equal(curvature[own > LEAST], own[own > LEAST])
    else:
        assert (curvature >= abs(slope)).all()


@pytest.mark.parametrize("text", ROWS)
def test_rows_of_logits(text: str) -> None:
    rng = np.random.default_rng(0)
    z, y = 3 * rng.normal(size=(30, 4)), rng.integers(0, 4, 30)
    slope, curvature = boosting_objective(text)(y.astype(np.float32), z)
    assert slope.shape == curvature.shape == (30, 4)
    assert (curvature > 0).all()
    if "cross_entropy" in text:
        np.testing.assert_allclose(slope.sum(axis=1), 0, atol=1e-12)


def test_the_diagonal_of_softmax_is_exact() -> None:
    z = np.random.default_rng(0).normal(size=(5, 3))
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    y = np.array([0, 1, 2, 1, 0])
    slope, curvature = boosting_objective("sparse_categorical_cross_entropy")(y, z)
    np.testing.assert_allclose(slope, p - np.eye(3)[y], rtol=1e-12)
    np.testing.assert_allclose(curvature, p * (1 - p), rtol=1e-12)


def test_one_class_against_the_rest() -> None:
    z, y = np.random.default_rng(0).normal(size=(6, 3)), np.array([0, 1, 2, 2, 1, 0])
    objective = boosting_objective("hinge")
    slope, _ = objective(y, z)
    for c in range(3):
        np.testing.assert_array_equal(slope[:, c], objective((y == c).astype(float), z[:, c])[0])


def test_log_cosh_far_from_its_target() -> None:
    """Its own curvature is 8e-9 there: a Newton step of 1e8."""
    slope, curvature = boosting_objective("log_cosh")([0.0], [10.0])
    assert slope / curvature == pytest.approx(10.0)


@pytest.mark.parametrize(
    "text", ["mse", "expectile(expectile=0.1)", "0.5*mse + 0.5*expectile(expectile=0.9)"]
)
def test_parabolas_keep_their_curvature(text: str) -> None:
    y, z = np.random.default_rng(0).normal(size=(2, 50))
    objective = boosting_objective(text)
    np.testing.assert_allclose(objective(y, z)[1], objective.loss.second_derivative(y, z), rtol=1e-12)


def test_a_quantile_is_as_stiff_on_either_side() -> None:
    """Else a leaf of rows on the flat side would leap to its targets."""
    slope, curvature = boosting_objective("quantile(quantile=0.9)")([0.0, 0.0], [2.0, -2.0])
    np.testing.assert_allclose(slope, [0.1, -0.9])
    np.testing.assert_allclose(curvature, [0.45, 0.45])


def test_content_rows_hold_the_step_back() -> None:
    slope, curvature = boosting_objective("hinge")([1.0, 1.0, 0.0], [0.0, 5.0, 0.5])
    np.testing.assert_array_equal(slope, [-1, 0, 1])
    np.testing.assert_array_equal(curvature, [1, 1, 1])


@pytest.mark.parametrize("text", ["mae", "cauchy(scale=2)", "hinge", "binary_cross_entropy"])
def test_weights_count_rows(text: str) -> None:
    objective = boosting_objective(text)
    y, z = targets(text), np.random.default_rng(1).normal(size=40)
    weight = np.random.default_rng(2).integers(0, 3, 40)
    slope, curvature = objective(y, z, weight)
    repeated = objective(np.repeat(y, weight), np.repeat(z, weight))
    assert slope.sum() == pytest.approx(repeated[0].sum())
    assert curvature.sum() == pytest.approx(
        repeated[1].sum(), rel=0.02
    )  # medians of few rows differ a little
    assert (curvature[weight == 0] == LEAST).all()
    z[weight == 0] = 1e9
    np.testing.assert_array_equal(objective(y, z, weight)[1], curvature)


def test_the_best_constants() -> None:
    y = np.array([1.0, 2.0, 3.0, 10.0, 4.0])
    assert boosting_objective("mse").init_score(y) == pytest.approx(4.0)
    assert boosting_objective("mae").init_score(y) == pytest.approx(3.0)
    assert boosting_objective("poisson").init_score(y) == pytest.approx(np.log(4.0))
    assert boosting_objective("mse").init_score(y, sample_weight=[1, 0, 0, 1, 0]) == pytest.approx(5.5)
    many = np.random.default_rng(0).standard_cauchy(1001)
    quantile = boosting_objective("quantile(quantile=0.9)").init_score(many)
    assert np.mean(many <= quantile) == pytest.approx(0.9, abs=0.01)
    assert boosting_objective("binary_cross_entropy").init_score([0] * 999 + [1]) == pytest.approx(
        np.log(1 / 999)
    )
    shares = boosting_objective("sparse_categorical_cross_entropy").init_score([0, 0, 0, 1, 1, 2], classes=3)
    np.testing.assert_allclose(np.exp(shares) / np.exp(shares).sum(), [3 / 6, 2 / 6, 1 / 6], rtol=1e-3)


def test_raw_scores_as_predictions() -> None:
    assert boosting_objective("mse").predictions([3.0]).tolist() == [3.0]
    assert boosting_objective("binary_cross_entropy").predictions([0.0]).tolist() == [0.5]
    assert boosting_objective("categorical_cross_entropy").predictions([[0.0, 0.0]]).tolist() == [[0.5, 0.5]]


def sample() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    y = 10 + 4 * X[:, 0] - 2 * X[:, 1] ** 2 + rng.normal(size=300)
    return X, y, (y > 9).astype(int), np.digitize(y, [7, 11])


QUIET: dict[str, Any] = {"n_estimators": 20, "verbosity": -1, "n_jobs": 1}


@pytest.mark.parametrize(("text", "name"), [("0.5*mse", "regression"), ("binary_cross_entropy", "binary")])
def test_lightgbm_as_it_does_it_itself(text: str, name: str) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    X, numbers, flags, _ = sample()
    y = numbers if name == "regression" else flags
    weight = np.linspace(0.5, 2, len(y))
    objective = boosting_objective(text)
    ours = lightgbm.LGBMRegressor(objective=objective, **QUIET).fit(X, y, sample_weight=weight)
    theirs = lightgbm.LGBMRegressor(objective=name, boost_from_average=False, **QUIET).fit(
        X, y, sample_weight=weight
    )
    np.testing.assert_allclose(
        ours.predict(X, raw_score=True), theirs.predict(X, raw_score=True), rtol=1e-5, atol=1e-5
    )
    data = lightgbm.Dataset(X, y, weight=weight, params={"verbosity": -1})
    native = lightgbm.train({"objective": objective, "verbosity": -1, "num_threads": 1}, data, 20)
    np.testing.assert_allclose(native.predict(X), ours.predict(X), rtol=1e-6)


def test_lightgbm_with_classes() -> None:
    lightgbm = pytest.importorskip("lightgbm")
    X, _, _, classes = sample()
    objective = boosting_objective("categorical_focal(gamma=1)")
    model = lightgbm.LGBMClassifier(objective=objective, **QUIET).fit(X, np.array(["a", "b", "c"])[classes])
    scores = model.predict(X, raw_score=True)
    assert (scores.argmax(axis=1) == classes).mean() > 0.9
    np.testing.assert_allclose(objective.predictions(scores).sum(axis=1), 1)


@pytest.mark.parametrize(
    ("text", "name"), [("0.5*mse", "reg:squarederror"), ("binary_cross_entropy", "reg:logistic")]
)
def test_xgboost_as_it_does_it_itself(text: str, name: str) -> None:
    xgboost = pytest.importorskip("xgboost")
    X, numbers, flags, _ = sample()
    y = numbers if name == "reg:squarederror" else flags
    options: dict[str, Any] = {"n_estimators": 20, "n_jobs": 1}
    weight = np.linspace(0.5, 2, len(y))
    objective = boosting_objective(text)
    ours = xgboost.XGBRegressor(objective=objective, base_score=0.0, **options).fit(
        X, y, sample_weight=weight
    )
    start = 0.0 if name == "reg:squarederror" else 0.5
    theirs = xgboost.XGBRegressor(objective=name, base_score=start, **options).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(
        ours.predict(X, output_margin=True), theirs.predict(X, output_margin=True), rtol=1e-4, atol=1e-4
    )
    native = xgboost.train(
        {"base_score": 0.0, "nthread": 1, "disable_default_eval_metric": True},
        xgboost.DMatrix(X, y, weight=weight), 20, obj=objective,
    )  # fmt: skip
    np.testing.assert_allclose(
        native.predict(xgboost.DMatrix(X), output_margin=True), ours.predict(X, output_margin=True), rtol=1e-5
    )


def test_xgboost_with_classes() -> None:
    xgboost = pytest.importorskip("xgboost")
    X, _, _, classes = sample()
    objective = boosting_objective("sparse_categorical_cross_entropy")
    data = xgboost.DMatrix(X, classes)
    booster = xgboost.train({"num_class": 3, "base_score": 0.0, "nthread": 1}, data, 20, obj=objective)
    scores = booster.predict(xgboost.DMatrix(X), output_margin=True)
    assert (scores.argmax(axis=1) == classes).mean() > 0.9


def test_what_is_refused() -> None:
    with pytest.raises(InputError, match="GaussianNLLLoss.* cannot be boosted"):
        boosting_objective("gaussian_nll")
    with pytest.raises(InputError, match="cannot be boosted"):
        boosting_objective("hellinger_distance")
    with pytest.raises(InputError, match="cannot be boosted"):
        boosting_objective(lk.MeanSquaredError() + lk.PoissonLoss())
    with pytest.raises(TypeError, match="a loss must be a losskit loss or its text, got int"):
        boosting_objective(3)  # type: ignore[arg-type]
    softmax = boosting_objective("sparse_categorical_cross_entropy")
    with pytest.raises(InputError, match=r"LightGBM before 4\.0"):
        softmax([0, 1], np.zeros(6))
    with pytest.raises(InputError, match=r"row 1 has 3"):
        softmax([0, 3], np.zeros((2, 3)))
    with pytest.raises(InputError, match=r"the scores have shape \(2,\)"):
        softmax([0, 1], np.zeros(2))
    with pytest.raises(InputError, match=r"not finite in row 1"):
        boosting_objective("mse")([0.0, 1.0], [0.0, np.nan])
