"""The estimators: scikit-learn's own checks, known answers, and every loss there is."""

import warnings
from typing import Any, ClassVar

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, QuantileRegressor, Ridge
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import losskit as lk
from losskit.about import CONVEX, SMOOTH, About
from losskit.advisor import LossClassifier, LossRegressor
from losskit.advisor.models.boosted import BoostedClassifier, BoostedRegressor
from losskit.boosting import best_constant, boosting_objective
from losskit.catalogue import find
from losskit.loss import LossFunction
from losskit.scalar import exp, expm1
from losskit.structures import ArrayLoss


def inexact(estimator: Any) -> dict[str, str]:
    """Checks that ask for 7 equal digits of what has no unique or no smooth minimum."""
    if estimator.hidden or estimator.loss == "hinge":
        return {"check_sample_weight_equivalence_on_dense_data": "holds to 3 digits: kinks or several minima"}
    return {}


@parametrize_with_checks(
    [
        LossRegressor(),
        LossRegressor("huber", hidden=3, max_iter=200),
        LossClassifier(),
        LossClassifier("hinge"),
    ],
    expected_failed_checks=inexact,
)
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


@pytest.fixture(scope="module")
def diabetes() -> tuple[Any, Any]:
    X, y = load_diabetes(return_X_y=True)
    return StandardScaler().fit_transform(X), y


@pytest.fixture(scope="module")
def cancer() -> tuple[Any, Any]:
    X, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def test_least_squares_is_least_squares(diabetes: tuple[Any, Any]) -> None:
    X, y = diabetes
    ours, theirs = LossRegressor("mse", l2=0, tol=1e-9).fit(X, y), Ridge(alpha=0).fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-4)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-5)
    np.testing.assert_allclose(X @ ours.coef_ + ours.intercept_, ours.predict(X))


@pytest.mark.parametrize(("text", "quantile"), [("mae", 0.5), ("quantile(quantile=0.9)", 0.9)])
def test_kinks_reach_the_linear_programs_optimum(
    diabetes: tuple[Any, Any], text: str, quantile: float
) -> None:
    X, y = diabetes
    loss = lk.parse(text)
    best = loss.compute(y, QuantileRegressor(quantile=quantile, alpha=0).fit(X, y).predict(X))
    assert loss.compute(y, LossRegressor(loss, l2=0).fit(X, y).predict(X)) < best * 1.001


def test_cross_entropy_is_logistic_regression(cancer: tuple[Any, Any]) -> None:
    X, y = cancer
    # Ours divides the mean loss by its steepness at the start, 1/2 on zero logits.
    l2 = 1e-2
    theirs = LogisticRegression(C=2 / (l2 * len(y)), tol=1e-8, max_iter=1000).fit(X, y)
    ours = LossClassifier("binary_cross_entropy", l2=l2, tol=1e-8).fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-4)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-4)


def test_twice_a_loss_and_other_units_give_the_same_model(diabetes: tuple[Any, Any]) -> None:
    X, y = diabetes
    once = LossRegressor("mse", l2=0.1).fit(X, y).predict(X)
    np.testing.assert_allclose(LossRegressor(2 * lk.get("mse"), l2=0.1).fit(X, y).predict(X), once, rtol=1e-5)
    np.testing.assert_allclose(LossRegressor("mse", l2=0.1).fit(X, 1e6 * y).predict(X), 1e6 * once, rtol=1e-5)


def test_the_targets_unit_is_the_losss_unit(diabetes: tuple[Any, Any]) -> None:
    """A Huber loss with a huge delta is least squares, with a tiny one it is least absolute errors."""
    X, y = diabetes
    wide = LossRegressor("huber(delta=1e6)").fit(X, y).predict(X)
    np.testing.assert_allclose(wide, LossRegressor("mse").fit(X, y).predict(X), rtol=1e-3)
    narrow = LossRegressor("huber(delta=0.01)").fit(X, y).predict(X)
    mae = LossRegressor("mae").fit(X, y).predict(X)
    assert np.abs(narrow - mae).mean() < 1.0
    assert np.abs(wide - mae).mean() > 3.0


@pytest.mark.parametrize("name", ["tukey_biweight(scale=5)", "welsch(scale=3)", "geman_mcclure(scale=3)"])
def test_redescending_losses_start_well(name: str) -> None:
    """A third of the rows lie far out on one side; a bad start would find them."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    y = 100 + 20 * X[:, 0] - 10 * X[:, 1] + rng.normal(size=300)
    y[:90] += 1e4
    try:
        model = LossRegressor(name, l2=1e-6).fit(X, y)
    except ValueError as error:  # pragma: no cover
        pytest.fail(str(error))
    np.testing.assert_allclose([*model.coef_, model.intercept_], [20, -10, 100], atol=0.5)


class Linex(lk.ResidualLoss):
    """exp(-r) - 1 + r, of r in units of the scale."""

    scale: float = lk.parameter(default=1.0, above=0, doc="residual at which the loss bends, in units of y")

    @lk.rule
    def value(r, scale):
        return expm1(-r / scale) + r / scale

    @lk.rule
    def slope(r, scale):
        return -expm1(-r / scale) / scale

    @lk.rule
    def curvature(r, scale):
        return exp(-r / scale) / (scale * scale)

    about: ClassVar = About(formula="e^{-r} - 1 + r", tasks={"regression"}, traits={CONVEX, SMOOTH})


def test_a_loss_that_grows_exponentially_is_learnt(diabetes: tuple[Any, Any]) -> None:
    """It is so steep at the median that, divided by that, nothing is left of it where it is small."""
    X, _ = diabetes
    y = 200 + 100 * X[:, 2] + np.random.default_rng(0).normal(size=len(X))
    loss = Linex(scale=8)
    with lk.use_engine("numpy"):
        model = LossRegressor(loss, l2=1e-6).fit(X, y)
        np.testing.assert_allclose(model.coef_[2], 100, atol=1)
        assert loss.compute(y, model.predict(X)) < 0.01
        start = boosting_objective(loss).init_score(y)
        assert loss.derivative(y, np.full_like(y, start)).sum() == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("text", "best"), [("mse", 4.0), ("quantile(quantile=0.95)", 9.0), ("expectile(expectile=0.5)", 4.0)]
)
def test_best_constant(text: str, best: float) -> None:
    y = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 5.0, 5.0, 6.0, 9.0])
    for unit in (1e-200, 1.0, 1e150):
        assert best_constant(lk.parse(text), unit * y) == pytest.approx(best * unit, rel=1e-6)
    weight = (y == 5.0).astype(float)
    assert best_constant(lk.parse(text), y, weight) == pytest.approx(5.0)


def test_weights_count_rows(diabetes: tuple[Any, Any]) -> None:
    X, y = diabetes
    weight = np.random.default_rng(0).integers(0, 3, len(y))
    repeated = LossRegressor("huber(delta=50)").fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    weighted = LossRegressor("huber(delta=50)").fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-4)


def trainable(task: str) -> list[str]:
    """The losses of a task that a model with one number a row, or one a class, can be trained with."""
    without = {"hellinger_distance"}  # of probabilities alone, where a classifier has logits
    names = (n for n in lk.list_losses(task=task) if not issubclass(find(n), ArrayLoss))
    return [name for name in names if name not in without]


def test_losses_of_whole_arrays_are_refused() -> None:
    with pytest.raises(ValueError, match=r"GaussianNLLLoss takes \(y_true, mean, variance\) as whole arrays"):
        LossRegressor("gaussian_nll").fit(np.zeros((4, 1)), np.arange(4.0))


@pytest.mark.parametrize("name", trainable("regression"))
def test_every_regression_loss_learns(name: str) -> None:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(200, 3))
    y = 30 + X @ [3.0, -2.0, 0.0] + 0.1 * rng.normal(size=200)
    model = LossRegressor(_made(name), l2=1e-6).fit(X, y)
    assert np.abs(y - model.predict(X)).mean() < 0.5 * np.abs(y - y.mean()).mean()


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("name", sorted({*trainable("binary"), *trainable("multiclass")}))
def test_every_classification_loss_learns(name: str, classes: int) -> None:
    X, y = load_wine(return_X_y=True)
    X, y = StandardScaler().fit_transform(X[y < classes]), y[y < classes]
    labels = np.array(["a", "b", "c"])[y]
    model = LossClassifier(_made(name, classes)).fit(X, labels)
    assert model.score(X, labels) > 0.95
    p = model.predict_proba(X)
    assert p.shape == (len(y), classes)
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert (model.classes_[p.argmax(axis=1)] == labels).mean() > 0.95


def _made(name: str, classes: int = 2) -> LossFunction:
    """A loss of default parameters, or of some where it has no defaults."""
    required = {
        "weighted_cross_entropy": {"class_weights": (1, 2)},
        "barron": {"alpha": 1},
        "logit_adjusted": {"class_priors": (1,) * classes},
    }
    return lk.get(name, **required.get(name, {}))


def test_sums_of_losses_and_losses_by_hand(diabetes: tuple[Any, Any], cancer: tuple[Any, Any]) -> None:
    class Quartic(LossFunction):
        def compute(self, y_true: Any, y_pred: Any) -> Any:
            return np.mean((y_pred - y_true) ** 4)

        def derivative(self, y_true: Any, y_pred: Any) -> Any:
            return 4 * (y_pred - y_true) ** 3 / y_true.size

    X, y = diabetes
    assert LossRegressor(Quartic()).fit(X, y).score(X, y) > 0.4
    assert LossRegressor("0.5*mse + 20*mae").fit(X, y).score(X, y) > 0.4
    X, y = cancer
    mixed = LossClassifier("0.5*binary_cross_entropy + 0.5*focal(gamma=1)").fit(X, y)
    assert all(part.from_logits for _, part in mixed.loss_.weighted_terms())
    assert mixed.score(X, y) > 0.97


def test_a_network_learns_what_no_line_can() -> None:
    rng = np.random.default_rng(0)
    X = rng.uniform(-2, 2, size=(400, 2))
    y = X[:, 0] * X[:, 1]
    assert LossRegressor("mse").fit(X, y).score(X, y) < 0.1
    network = LossRegressor("mse", hidden=16, l2=1e-4, random_state=0).fit(X, y)
    assert network.score(X, y) > 0.95
    again = LossRegressor("mse", hidden=16, l2=1e-4, random_state=0).fit(X, y)
    np.testing.assert_array_equal(network.predict(X), again.predict(X))
    X, labels = load_wine(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    assert LossClassifier(hidden=8, random_state=0).fit(X, labels).score(X, labels) > 0.98


def test_what_is_wrong_is_said(diabetes: tuple[Any, Any]) -> None:
    X, y = diabetes
    with pytest.raises(ValueError, match=r"hidden must be an integer >= 0, got 1\.5"):
        LossRegressor(hidden=1.5).fit(X, y)
    with pytest.raises(TypeError, match="a loss must be a losskit loss or text"):
        LossRegressor(loss=3).fit(X, y)
    with pytest.raises(ValueError, match="only one class"):
        LossClassifier().fit(X, np.ones(len(y), dtype=int))
    with pytest.warns(ConvergenceWarning, match="scale the features"):
        LossRegressor("mae", max_iter=2).fit(X, y)


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
@pytest.mark.parametrize(
    "text", ["mse", "mae", "log_cosh", "tukey_biweight(scale=2)", "poisson", "mean_absolute_percentage_error"]
)
def test_boosted_trees_learn_numbers(library: str, text: str) -> None:
    """Also in other units, of which a loss without a scale knows nothing."""
    pytest.importorskip(library)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    y = 30 + X @ [3.0, -2.0, 0.0] + 0.1 * rng.normal(size=200)
    model = BoostedRegressor(text, library).fit(X, y)
    assert np.abs(y - model.predict(X)).mean() < 0.4 * np.abs(y - y.mean()).mean()
    if text in ("mse", "mae", "poisson"):  # without a scale of their own
        again = BoostedRegressor(text, library).fit(X, 1e-4 * y).predict(X)
        np.testing.assert_allclose(again, 1e-4 * model.predict(X), rtol=0.05)


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
@pytest.mark.parametrize(
    "text", ["auto", "hinge", "focal", "mse", "sparse_categorical_cross_entropy", "categorical_cross_entropy"]
)
@pytest.mark.parametrize("classes", [2, 3])
def test_boosted_trees_learn_classes(library: str, text: str, classes: int) -> None:
    pytest.importorskip(library)
    X, y = load_wine(return_X_y=True)
    X, y = X[y < classes], y[y < classes]
    model = BoostedClassifier(text, library).fit(X, y)
    assert (model.predict(X) == y).mean() > 0.95
    p = model.predict_proba(X)
    assert p.shape == (len(y), classes)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert (p.argmax(axis=1) == y).mean() > 0.95
    scores = model.decision_function(X)
    assert scores.shape == ((len(y),) if classes == 2 else (len(y), classes))
