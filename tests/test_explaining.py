"""Explanations: every loss has one, its steps come to what the loss answers, and bad input is a sentence."""

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import losskit as lk
from losskit.catalogue import find
from losskit.commands.explain import explain as command
from losskit.errors import InputError
from losskit.explanation import explaining
from losskit.explanation.explaining import Explanation, explain
from losskit.explanation.steps import steps_of
from losskit.facts import specimen
from losskit.laws.inputs import of_loss
from losskit.structures import ArrayLoss, ElementwiseLoss, RowLoss


def arguments_of(loss: Any) -> tuple[Any, ...]:
    """Ordinary arguments of a loss, two terms of them."""
    random = np.random.default_rng(3)
    if isinstance(loss, ArrayLoss):
        return tuple(loss.example(random, 2))
    inputs = of_loss(loss)
    assert inputs is not None
    return inputs.ordinary(random, 2)


def value_in(explanation: Explanation, term: int = 0) -> float:
    """The value that the steps of a term end with."""
    (value,) = (part for part in explanation.terms[term].parts if part.kind == "value")
    return float(np.squeeze(value.steps[-1].result))


EVERY = lk.list_losses()


@pytest.mark.parametrize("name", EVERY)
def test_every_loss_can_be_explained(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explaining, "LARGE", 20)  # differences of what takes long are others' tests
    loss = specimen(find(name))
    arguments = arguments_of(loss)
    explanation = explain(loss, *arguments)
    assert str(explanation).startswith(repr(loss))
    data = json.loads(json.dumps(explanation.to_dict(), allow_nan=False))
    with lk.use_engine("numpy"):
        np.testing.assert_allclose(data["value"], loss.compute(*arguments))
    if not isinstance(loss, ElementwiseLoss | RowLoss):
        return
    assert len(explanation.terms) == 2
    with lk.use_engine("numpy"):
        terms = loss.replace(reduction="none").compute(*arguments)
    np.testing.assert_allclose([value_in(explanation, i) for i in (0, 1)], terms, rtol=1e-12)


@pytest.mark.parametrize("name", [n for n in EVERY if issubclass(find(n), ElementwiseLoss)])
def test_the_steps_of_a_slope_end_in_the_derivative(name: str) -> None:
    loss = specimen(find(name)).replace(reduction="sum")
    arguments = arguments_of(loss)
    explanation = explain(loss, *arguments)
    for i, term in enumerate(explanation.terms):
        slope = next(part for part in term.parts if part.kind == "slope").steps[-1].result
        np.testing.assert_allclose(slope, explanation.derivative[i], rtol=1e-12)


def test_large_arrays_have_no_second_derivative() -> None:
    assert explain("dice", [1.0, 0.0], [0.5, 0.5]).second_derivative is not None
    assert explain("dice", np.ones(51), np.ones(51)).second_derivative is None


def test_a_residual() -> None:
    text = str(explain("huber(delta=1)", 3, 1.5))
    assert "r = y_pred - y_true = 1.5 - 3 = -1.5   the residual" in text
    assert "= 1 * (1.5 - 0.5 * 1)\n" in text
    assert "= 1   since 1.5 <= 1 is false" in text
    assert "slope = clip(r, -delta, delta) = clip(-1.5, -1, 1) = -1" in text
    assert "mean of 1 term = 1 / 1 = 1" in text


def test_several_elements_are_explained_one_by_one() -> None:
    explanation = explain("mse", [3, 1], [2.5, 0])
    assert [term.place for term in explanation.terms] == ["element 0", "element 1"]
    assert "mean of 2 terms = 1.25 / 2 = 0.625" in str(explanation)
    np.testing.assert_allclose(explanation.derivative, [-0.5, -1.0])


def test_a_sum_of_losses_names_its_summands() -> None:
    text = str(explain("0.7*mse + 0.3*mae", 3, 2.5))
    assert "value of mean_absolute_error = abs(r) = abs(-0.5) = 0.5" in text
    assert "together = 0.7 * 0.25 + 0.3 * 0.5 = 0.325" in text


def test_a_row_of_logits() -> None:
    explanation = explain("sparse_categorical_cross_entropy(from_logits=True)", 1, [2, 0.5, -1])
    text = str(explanation)
    assert "probabilities = softmax(y_pred) = [0.785597, 0.17529, 0.0391126]" in text
    assert "y_true = [1]   a class index" in text
    np.testing.assert_allclose(value_in(explanation), np.log(np.exp([2, 0.5, -1]).sum()) - 0.5)


def test_a_margin_has_its_chain() -> None:
    assert "in y_pred = slope * y_true = (-1) * (-1) = 1" in str(explain("hinge", -1, 0.8))


def test_sums_of_masks() -> None:
    text = str(explain("dice", [1, 0, 1], [0.8, 0.1, 0.4]))
    assert "tp = 1.2   Σ y p" in text
    assert "fn = 0.8   Σ y (1 - p)" in text


def test_losses_of_ones_own() -> None:
    class ByHand(lk.LossFunction):
        def __init__(self, scale: float = 2.0) -> None:
            self.scale = scale

        def compute(self, y_true: Any, y_pred: Any) -> Any:
            d = (y_pred - y_true) / self.scale
            return np.mean(d**4)

    text = str(explain(ByHand(), [1.0, 2.0], [2.0, 2.5]))
    assert "d = (y_pred - y_true) / self.scale = ([2, 2.5] - [1, 2]) / 2 = [0.5, 0.25]" in text
    assert "derivative         none" in text


def test_what_branches_has_its_result_alone() -> None:
    def either(x: float) -> float:
        if x > 0:
            return x
        return -x

    (step,) = steps_of(either, {"x": -2.0}, "value")
    assert (step.result, step.formula) == (2.0, "")
    assert str(step) == "value = 2   its text cannot be followed"


def halves(x: float) -> tuple[float, float]:
    return 0.5 * x, -0.5 * x


def of_two_names(x: float) -> float:
    a, b = halves(x)
    return a - b


def test_several_names_at_once() -> None:
    lines = [str(step) for step in steps_of(of_two_names, {"x": 3.0}, "value")]
    assert lines == [
        "  halves(3) = (0.5 * x, -0.5 * x) = (0.5 * 3, -0.5 * 3) = (1.5, -1.5)",
        "a, b = halves(x) = (1.5, -1.5)",
        "value = a - b = 1.5 - (-1.5) = 3",
    ]


def scaled_by(x: float, factor: float = 2.0) -> float:
    return factor * x


def with_names_of_its_own(x: float) -> float:
    total = sum([abs(i * x) for i in (1, 2)])
    return total + scaled_by(x)


def test_comprehensions_and_defaults() -> None:
    lines = [str(step) for step in steps_of(with_names_of_its_own, {"x": 3.0}, "value")]
    assert lines == [
        "total = sum([abs(i * x) for i in (1, 2)]) = 9",
        "  scaled_by(3) = factor * x = 2 * 3 = 6",
        "value = total + scaled_by(x) = 9 + 6 = 15",
    ]


def test_what_only_a_class_can_read() -> None:
    class Base(lk.LossFunction):
        def compute(self, y_true: Any, y_pred: Any) -> Any:
            return super().__hash__() * 0.0 + np.mean((y_pred - y_true) ** 2)

    assert "value = 4   its text cannot be followed" in str(explain(Base(), [1.0], [3.0]))


def test_text_that_is_gone() -> None:
    space: dict[str, Any] = {}
    exec("def typed(r):\n    return r * r", space)
    (step,) = steps_of(space["typed"], {"r": 3.0}, "value")
    assert step.result == 9.0


@pytest.fixture
def run() -> Any:
    """The command alone, as a program of its own."""
    app = typer.Typer()
    app.command()(command)

    def call(*arguments: str) -> SimpleNamespace:
        result = CliRunner().invoke(app, list(arguments))
        return SimpleNamespace(status=result.exit_code, out=result.stdout, error=result.exception)

    return call


def test_the_command(run: Any) -> None:
    answer = run("huber(delta=1)", "--y", "3,1", "--p", "2.5,-1")
    assert answer.status == 0
    assert "element 1:" in answer.out
    data = json.loads(run("mse", "--y", "3", "--p", "2.5", "--json").out)
    assert (data["value"], data["derivative"]) == (0.25, [-1.0])
    assert "row 1:" in run("categorical_focal", "--y", "1,0", "--p", "0.2,0.8;0.5,0.5").out
    assert "variance = 2" in run("gaussian_nll", "--y", "1", "--p", "0.5", "--arg", "variance=2").out
    assert "Example:" in run("--help").out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("hubber", "--y", "3", "--p", "2"), "huber"),
        (("mse", "--y", "three", "--p", "2"), '--y: "three" is no number'),
        (("mse", "--y", "3"), "y_pred missing"),
        (("mse", "--y", "3", "--p", "2", "--arg", "weight=1"), 'no argument "weight"'),
        (("mse", "--y", "3,4", "--p", "2"), "shape"),
        (("binary_cross_entropy", "--y", "3", "--p", "0.5"), "y_true must be in [0, 1], got 3"),
        (("sparse_categorical_cross_entropy", "--y", "7", "--p", "0.5,0.5"), "must be in 0..1"),
        (("categorical_focal", "--y", "1", "--p", "0.5,0.5;1"), "as many numbers each"),
    ],
)
def test_bad_input(run: Any, arguments: tuple[str, ...], words: str) -> None:
    answer = run(*arguments)
    assert isinstance(answer.error, InputError)
    assert words in str(answer.error)


def test_a_sum_of_losses_of_different_structures() -> None:
    text = str(explain("0.5*mse + 2*dice(smooth=0)", [1.0, 0.0], [0.5, 0.5]))
    assert "value of dice" in text
    assert "together = 0.5 * 0.25 + 2 * 0.5" in text
    assert "value              1.125" in text


def test_rows_that_are_left_out() -> None:
    loss = lk.SparseCategoricalCrossEntropy(ignore_index=-100)
    explanation = explain(loss, [1, -100], [[0.25, 0.75], [0.5, 0.5]])
    assert [term.place for term in explanation.terms] == ["row 0"]
    assert "a class index; -100 is left out" in str(explanation)
    assert "mean of 1 term" in str(explanation)


def test_a_sum_of_losses_of_different_arguments() -> None:
    explanation = explain("mse + hinge", -1.0, 0.5)
    assert value_in(explanation) == 2.25 + 1.5
    assert explanation.derivative[0] == 3.0 + 1.0
    assert [part.steps[-1].name for part in explanation.terms[0].parts] == ["together"] + [
        f"{kind} of hinge" for kind in ("slope", "curvature")
    ]


def test_arguments_that_are_none() -> None:
    with pytest.raises(TypeError, match="explain takes a loss or its text, got 3"):
        explain(3, 1.0, 2.0)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"takes y_true, y_pred: it got 3"):
        explain("mse", 1, 2, 3)
    with pytest.raises(InputError, match="y_pred must be numbers, got 'two'"):
        explain("mse", 1, "two")
