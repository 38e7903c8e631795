"""The main job: known answers, evidence, determinism, the JSON form, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import losskit as lk
from losskit.advisor import Comparison, compare
from losskit.advisor.comparison.bench import Bench
from losskit.advisor.comparison.evidence import corrected_t_test
from losskit.advisor.comparison.metrics import METRICS, calibration_error, metric_named
from losskit.advisor.comparison.picture import draw
from losskit.errors import InputError

REGRESSION = {"median_absolute_error", "mean_absolute_error", "rmse"}
CLASSES = {"accuracy", "log_loss", "balanced_accuracy", "calibration_error"}
BINARY = CLASSES | {"average_precision", "roc_auc"}


def noisy(noise: str, n: int = 400, seed: int = 0) -> dict[str, Any]:
    """A linear relation with noise whose best loss is known."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    heavy = 3 * rng.standard_cauchy(size=n)
    e = {"gaussian": rng.normal(size=n), "cauchy": heavy, "none": np.zeros(n)}[noise]
    columns: dict[str, Any] = {f"x{i}": X[:, i] for i in range(4)}
    return columns | {"y": 50 + X @ [4.0, -3.0, 2.0, 0.0] + e}


@pytest.fixture(scope="module")
def heavy() -> Comparison:
    return compare(noisy("cauchy"), "y", seed=3)


@pytest.fixture(scope="module")
def cancer() -> Comparison:
    return compare(example="breast-cancer", folds=3, repeats=1)


def test_heavy_tails_want_a_robust_loss(heavy: Comparison) -> None:
    assert heavy.task == "regression"
    assert heavy.verdict.winner != "mean_squared_error"
    assert heavy.verdict.more_than_noise
    assert heavy.verdict.difference.high < 0
    assert heavy.scores[-1].label == "mean_squared_error"
    assert "more than noise" in heavy.verdict.text
    best, worst = heavy.scores[0], heavy.scores[-1]
    assert best.metrics["median_absolute_error"].mean() < 0.8 * worst.metrics["median_absolute_error"].mean()
    assert heavy.mark(best, "median_absolute_error") == "+"


def test_gaussian_noise_leaves_the_baseline_alone() -> None:
    result = compare(noisy("gaussian"), "y")
    assert not result.verdict.more_than_noise
    assert "noise" in result.verdict.text
    rmse = {score.label: score.metrics["rmse"].mean() for score in result.scores}
    assert rmse["mean_squared_error"] < 1.02 * min(rmse.values())


def test_parameters_follow_the_data(heavy: Comparison) -> None:
    """Huber's delta is 1.345 times the robust scale of the noise: 1.4826 times a Cauchy's quartile, 3."""
    huber = next(score.loss for score in heavy.scores if score.loss.name == "huber")
    assert huber.parameters()["delta"] == pytest.approx(1.345 * 1.4826 * 3, rel=0.2)
    reasons = next(score.reasons for score in heavy.scores if score.loss.name == "huber")
    assert any("robust scale" in reason for reason in reasons)


def test_parameters_come_from_training_rows_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test row that changes must not change what is learnt from the training rows."""
    seen: list[list[float]] = []
    original = Bench._facts

    def spy(self: Any, X: Any, y: Any) -> Any:
        facts = original(self, X, y)
        seen[-1].append(facts.scale)
        return facts

    monkeypatch.setattr(Bench, "_facts", spy)
    data = noisy("gaussian", n=100)
    for change in (0.0, 1e3):
        seen.append([])
        data["y"] = data["y"].copy()
        data["y"][0] += change
        compare(data, "y", losses=["mae", "mse", "huber"], folds=5, repeats=1)
    same = np.isclose(seen[0], seen[1], rtol=1e-12)
    assert same[:5].sum() == 1, "only the fold that tests row 0 may stay the same"


def test_a_perfect_fit_is_no_division_by_zero() -> None:
    result = compare(noisy("none", n=60), "y", folds=3, repeats=1)
    assert all(np.isfinite(score.metrics["rmse"]).all() for score in result.scores)


def test_classes(cancer: Comparison) -> None:
    assert (cancer.task, cancer.positive, cancer.rows) == ("binary", "malignant", 569)
    names = {score.loss.name for score in cancer.scores}
    assert {"binary_cross_entropy", "weighted_cross_entropy", "focal", "hinge"} <= names
    for score in cancer.scores:
        assert score.metrics["accuracy"].mean() > 0.95
        assert score.metrics["average_precision"].mean() > 0.98
        assert score.metrics["log_loss"].mean() < 0.2


@pytest.mark.parametrize("model", ["linear", "network"])
def test_more_classes(model: str) -> None:
    result = compare(example="wine", model=model, folds=3, repeats=1)
    assert result.task == "multiclass"
    assert min(score.metrics["accuracy"].mean() for score in result.scores) > 0.93


def check_schema(answer: dict[str, Any], metrics: set[str]) -> None:
    """The JSON form that other programs rely on."""
    assert {"task", "target", "rows", "losses", "verdict"} <= answer.keys()
    assert len(answer["losses"]) >= 3
    for loss in answer["losses"]:
        assert {"loss", "parameters", "reasons", "metrics", "spreads", "seconds"} <= loss.keys()
        assert loss["loss"] in lk.list_losses()
        assert set(loss["metrics"]) == metrics == set(loss["spreads"])
        assert all(isinstance(value, float) for value in loss["metrics"].values())
        assert all(isinstance(reason, str) for reason in loss["reasons"])
        lk.get(loss["loss"], **loss["parameters"])
    json.dumps(answer, allow_nan=False)


def test_json_form(heavy: Comparison, cancer: Comparison) -> None:
    check_schema(heavy.to_dict(), REGRESSION)
    check_schema(cancer.to_dict(), BINARY)
    medians = [loss["metrics"]["median_absolute_error"] for loss in heavy.to_dict()["losses"]]
    assert medians == sorted(medians)


def without_times(result: Comparison) -> dict[str, Any]:
    answer = result.to_dict()
    for loss in answer["losses"]:
        del loss["seconds"]
    return answer


def test_the_same_seed_gives_the_same_answer() -> None:
    data = noisy("cauchy", n=120)
    first, again, other = (
        compare(data, "y", ["mae"], model="network", folds=2, repeats=1, seed=seed) for seed in (1, 1, 2)
    )
    assert without_times(first) == without_times(again)
    assert without_times(first) != without_times(other)


def test_losses_asked_for() -> None:
    data = noisy("gaussian", n=100)
    result = compare(data, "y", "quantile(quantile=0.9)", folds=2, repeats=1)
    assert {score.label for score in result.scores} == {
        "quantile(quantile=0.9)", "mean_squared_error", "mean_absolute_error"
    }  # fmt: skip
    losses = [lk.get("mse"), "0.5*mse + 0.5*mae", lk.get("log_cosh"), "mae", "mean_absolute_error"]
    result = compare(data, "y", losses, folds=2, repeats=1)
    assert len(result.scores) == 4
    assert result.baseline == "mean_squared_error"


def test_a_robust_loss_that_is_only_named_gets_its_scale_from_the_data() -> None:
    data = noisy("gaussian", n=100)
    data["y"] = 1000 * data["y"]
    result = compare(data, "y", ["huber", "huber(delta=1.345)"], folds=2, repeats=1)
    deltas = sorted(s.loss.parameters()["delta"] for s in result.scores if s.loss.name == "huber")
    assert deltas[0] == 1.345
    assert deltas[1] == pytest.approx(1345, rel=0.3)


@pytest.mark.parametrize("metric", ["rmse", "mean_absolute_error"])
def test_the_metric_that_decides(metric: str) -> None:
    result = compare(noisy("cauchy", n=100), "y", ["mae"], folds=2, repeats=1, metric=metric)
    means = [score.metrics[metric].mean() for score in result.scores]
    assert means == sorted(means)
    assert result.metric_names[0] == metric == result.verdict.metric


def test_forms_of_data(tmp_path: Path) -> None:
    data = noisy("gaussian", n=60)
    frame = pd.DataFrame(data)
    frame.to_csv(tmp_path / "d.csv", index=False)
    options: dict[str, Any] = {"losses": ["mae"], "folds": 2, "repeats": 1}
    matrix = np.column_stack([data[f"x{i}"] for i in range(4)])
    answers = [
        compare(data, "y", **options),
        compare(frame, "y", **options),
        compare(tmp_path / "d.csv", "y", **options),
        compare(matrix, data["y"], **options),
    ]
    for answer in answers:
        assert [s.label for s in answer.scores] == [s.label for s in answers[0].scores]
        np.testing.assert_allclose(answer.scores[0].metrics["rmse"], answers[0].scores[0].metrics["rmse"])


def test_gaps_and_texts_in_features() -> None:
    rng = np.random.default_rng(0)
    data = noisy("gaussian", n=200)
    data["x0"] = np.where(rng.random(200) < 0.3, np.nan, data["x0"])
    data["x1"] = np.where(rng.random(200) < 0.1, np.inf, data["x1"])
    data["colour"] = [None if u < 0.2 else "red" if u < 0.6 else "blue" for u in rng.random(200)]
    data["rare"] = [f"t{int(i)}" for i in rng.geometric(0.1, 200)]
    result = compare(data, "y", folds=3, repeats=1)
    assert result.features == 6
    assert result.scores[0].metrics["rmse"].mean() < 4.5


def test_the_task_is_found() -> None:
    x = np.arange(60.0)
    flags = np.tile([0, 1], 30)
    few = np.tile([1, 2, 3], 20)
    quick: dict[str, Any] = {"folds": 2, "repeats": 1}
    assert compare({"x": x, "y": flags}, "y", **quick).task == "binary"
    assert compare({"x": x, "y": few}, "y", **quick).task == "multiclass"
    assert compare({"x": x, "y": few}, "y", task="regression", **quick).task == "regression"
    assert compare({"x": x, "y": few}, "y", ["mae"], **quick).task == "regression"
    assert compare({"x": x, "y": x**2}, "y", **quick).task == "regression"
    assert any("taken as classes" in note for note in compare({"x": x, "y": few}, "y", **quick).notes)


WORDS = np.array(["cat", "dog", "cow"])
REFUSED: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "no data": ({}, ("no data",)),
    "both": ({"data": {"y": [1]}, "target": "y", "example": "wine"}, ("not both",)),
    "example": ({"example": "diabetis"}, ('Did you mean "diabetes"?', "breast-cancer")),
    "task": ({"example": "wine", "task": "regresion"}, ('Did you mean "regression"?',)),
    "model": ({"example": "wine", "model": "forest"}, ("linear, network",)),
    "one of several models": ({"example": "wine", "model": ["linear", "nettwork"]}, ('Did you mean "network"?',)),
    "seeds": ({"example": "wine", "seeds": 0}, ("seeds must be a whole number of at least 1, got 0",)),
    "quantile": ({"example": "diabetes", "metric": "pinball_1.5"}, ('"pinball_1.5"', "rmse")),
    "metric": ({"example": "wine", "metric": "rmse"}, ('"rmse"', "accuracy, log_loss")),
    "folds": ({"example": "wine", "folds": 1}, ("folds must be a whole number of at least 2, got 1",)),
    "seed": ({"example": "wine", "seed": -1}, ("seed must be",)),
    "rows": ({"data": {"x": [1, 2, 3], "y": [1.5, 2.5, 3.5]}, "target": "y"}, ("3 rows", "too few")),
    "no target": ({"data": {"x": [1, 2, 3]}}, ("no target",)),
    "text for a regression loss": (
        {"data": {"x": np.arange(30), "animal": WORDS[np.arange(30) % 3]}, "target": "animal", "losses": ["huber"]},
        ("huber is a loss for regression", '"animal" is text such as "cat"', "sparse_categorical_cross_entropy"),
    ),
    "text as a number": (
        {"data": {"x": np.arange(30), "animal": WORDS[np.arange(30) % 3]}, "target": "animal", "task": "regression"},
        ('"animal" is text ("cat" in row 1', "needs numbers"),
    ),
    "a class loss for a quantity": (
        {"data": {"x": np.arange(30), "y": np.arange(30) / 7}, "target": "y", "losses": ["hinge"]},
        ("hinge is a loss for binary", "mse, mae, huber"),
    ),
    "a loss of whole arrays": (
        {"data": {"x": np.arange(30), "y": np.arange(30) / 7}, "target": "y", "losses": ["dice"]},
        ("DiceLoss takes (y_true, y_pred) as whole arrays",),
    ),
    "a loss of probabilities alone": (
        {"data": {"x": np.arange(30), "animal": WORDS[np.arange(30) % 3]}, "target": "animal",
         "losses": ["hellinger_distance"]},
        ("takes no logits",),
    ),
    "an example's target": ({"example": "wine", "target": "z"}, ("has its own target",)),
    "a word among numbers": (
        {"data": {"x": np.arange(40), "y": ["oops", *(str(i / 7) for i in range(39))]}, "target": "y"},
        ("too many for classes", '"oops" is none'),
    ),
    "a rare class": (
        {"data": {"x": np.arange(30), "y": ["a"] * 28 + ["b"] * 2}, "target": "y"},
        ('the class "b" of "y" has 2 rows', "fewer folds"),
    ),
    "too many classes": (
        {"data": {"x": np.arange(90), "y": [f"t{i}" for i in range(90)]}, "target": "y"},
        ("90 different values",),
    ),
    "a domain": (
        {"data": {"x": np.arange(30), "y": np.arange(30) / 7 - 2}, "target": "y",
         "losses": ["mean_squared_logarithmic_error"]},
        ("mean_squared_logarithmic_error cannot be trained", '"y"'),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    options, words = REFUSED[name]
    with pytest.raises(InputError) as caught:
        compare(**options)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_the_corrected_test() -> None:
    """The textbook formula, and honest under the null: folds that share rows find no difference."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=10), rng.normal(size=10)
    d = a - b
    t = d.mean() / np.sqrt((1 / 10 + 1 / 4) * d.var(ddof=1))
    found = corrected_t_test(a, b, test_share=0.2)
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(t), 9))
    assert corrected_t_test(a, b, 0.2, tests=3).p_value == pytest.approx(min(1, 3 * found.p_value))
    plain = stats.ttest_rel(a, b)
    assert corrected_t_test(a, b, test_share=1e-12).p_value == pytest.approx(plain.pvalue)
    assert corrected_t_test(a, a, 0.2).p_value == 1.0
    assert corrected_t_test(a + 1, a, 0.2).p_value == 0.0
    for tests in (1, 4):  # the interval and the p-value say the same
        near = corrected_t_test(a + 0.9, b, 0.2, tests)
        assert (near.p_value < 0.05) == (near.low > 0 or near.high < 0)


def test_it_prints(heavy: Comparison) -> None:
    text = str(heavy)
    assert heavy.verdict.text in text
    assert all(score.label in text for score in heavy.scores)
    assert "(baseline)" in text
    assert METRICS["rmse"].title in text


def test_progress_is_told() -> None:
    seen: list[tuple[int, int, str]] = []
    compare(
        noisy("gaussian", n=40),
        "y",
        folds=2,
        repeats=1,
        progress=lambda done, total, name: seen.append((done, total, name)),
    )
    assert [done for done, _, _ in seen] == list(range(11))
    assert seen[-1] == (10, 10, "")


@pytest.fixture(scope="module")
def two_models() -> Comparison:
    data = noisy("cauchy", n=80)
    return compare(data, "y", ["log_cosh"], model=["linear", "network"], seeds=2, folds=2, repeats=1)


def test_several_models(two_models: Comparison) -> None:
    """Each loss is compared with the baseline under its own model."""
    assert set(two_models.models) == {"linear", "network"}
    assert len(two_models.scores) == 6
    assert [v.model for v in two_models.verdicts] == list(two_models.models)
    for verdict in two_models.verdicts:
        assert verdict.text.startswith(f"With the {verdict.model} model: ")
        winner = two_models.score(verdict.winner, verdict.model)
        against = two_models.score(verdict.against, verdict.model)
        d = winner.metrics[verdict.metric] - against.metrics[verdict.metric]
        assert verdict.difference.mean == pytest.approx(d.mean())
    answer = two_models.to_dict()
    check_schema(answer, REGRESSION)
    assert answer["models"] == ["linear", "network"]
    assert {loss["model"] for loss in answer["losses"]} == {"linear", "network"}
    assert answer["verdict"] == answer["verdicts"][0]
    assert "network" in str(two_models)


def test_seeds_are_averaged_and_their_spread_is_told(two_models: Comparison) -> None:
    assert {bool(score.seed_spreads) for score in two_models.of_model("linear")} == {False}
    network = two_models.of_model("network")[0]
    assert network.seed_spreads["rmse"] > 0
    assert "2 seeds" in two_models.heading()


def test_boosted_models() -> None:
    pytest.importorskip("lightgbm")
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, 200)
    data = {"x": x, "y": x**2 + 0.1 * rng.normal(size=200)}
    result = compare(data, "y", ["huber(delta=1)", "log_cosh"], model="linear,lightgbm", folds=2, repeats=1)
    assert result.models == ("lightgbm", "linear")
    assert result.base("lightgbm").mean("rmse") < 0.5 * result.base("linear").mean("rmse")


def test_tuned_parameters() -> None:
    """A delta that is far too large for heavy tails is found out, from training rows alone."""
    data = noisy("cauchy", n=200)
    losses = ["huber(delta=10000)", "log_cosh"]
    result = compare(data, "y", losses, folds=2, repeats=1, tune=True)
    huber = next(score for score in result.scores if score.loss.name == "huber")
    assert len(huber.tuned) == 2
    assert max(huber.tuned) < 100
    assert huber.loss.parameters()["delta"] < 100
    assert any("tuned by 3 inner folds" in reason for reason in huber.reasons)
    loss = next(loss for loss in result.to_dict()["losses"] if loss["loss"] == "huber")
    assert loss["tuned"] == list(huber.tuned)
    assert all(score.tuned == () for score in result.scores if score.loss.name != "huber")


def test_tuning_of_classes() -> None:
    result = compare(example="wine", losses=["categorical_focal(gamma=2)"], tune=True, folds=2, repeats=1)
    focal = next(score for score in result.scores if score.loss.name == "categorical_focal")
    assert set(focal.tuned) <= {0.5, 1.0, 2.0, 3.0, 5.0}


def test_a_quantile_is_judged_by_its_pinball_loss() -> None:
    data = noisy("gaussian", n=200)
    result = compare(data, "y", "quantile(quantile=0.9)", folds=2, repeats=1)
    assert result.metric == "pinball_0.9"
    assert result.verdict.winner == "quantile(quantile=0.9)"
    both = compare(data, "y", ["quantile(quantile=0.9)", "mae"], folds=2, repeats=1)
    assert both.metric_names == ("median_absolute_error", "mean_absolute_error", "rmse", "pinball_0.9")
    asked = compare(data, "y", ["mae"], folds=2, repeats=1, metric="pinball_0.25")
    assert asked.metric == "pinball_0.25"


def test_the_calibration_error() -> None:
    """The definition, bin by bin; 0 where the probabilities are the frequencies."""
    rng = np.random.default_rng(0)
    p = rng.dirichlet([1, 1, 1], size=500)
    y = rng.integers(0, 3, 500)
    expected = 0.0
    for low in np.arange(15) / 15:
        inside = (p.max(axis=1) >= low) & (p.max(axis=1) < low + 1 / 15)
        if inside.any():
            gap = p.max(axis=1)[inside].mean() - (p.argmax(axis=1) == y)[inside].mean()
            expected += inside.mean() * abs(gap)
    assert calibration_error(y, p) == pytest.approx(expected)
    assert calibration_error(np.array([0, 0, 0, 1]), np.tile([0.75, 0.25], (4, 1))) == 0.0
    assert calibration_error(np.array([0, 1]), np.eye(2)) == 0.0


def test_the_picture(heavy: Comparison, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    figure = heavy.plot(path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        metric_named(m).title for m in heavy.metric_names
    ]
    assert list(tmp_path.iterdir()) == [path]
    assert heavy.verdict.text.split()[0] in figure.get_suptitle()
    assert not draw(heavy, heading=False).get_suptitle()  # where the page around it says so
    with pytest.raises(InputError, match="no folder"):
        heavy.plot(tmp_path / "nowhere" / "picture.png")
