"""Every lesson runs as a program, and its question knows right from wrong."""

import runpy
from pathlib import Path

import numpy as np
import pytest

import losskit as lk
from losskit.scalar import power, sqrt, where

plt = pytest.importorskip("matplotlib.pyplot")

LESSONS = Path(__file__).parent.parent / "docs" / "lessons"


class Uneven(lk.ResidualLoss):
    """Charbonnier's loss, three times as steep on the right."""

    @lk.rule
    def value(r):
        return where(r > 0.0, 3.0, 1.0) * abs(r) * (abs(r) / (sqrt(1.0 + r * r) + 1.0))

    @lk.rule
    def slope(r):
        return where(r > 0.0, 3.0, 1.0) * r / sqrt(1.0 + r * r)

    @lk.rule
    def curvature(r):
        return where(r > 0.0, 3.0, 1.0) / power(1.0 + r * r, 1.5)


class UnevenByHand(lk.LossFunction):
    """The same on arrays, with the derivative of ``sign`` times the value."""

    def __init__(self, sign=1.0):
        self.sign = sign

    def compute(self, y_true, y_pred):
        r = y_pred - y_true
        return np.mean(np.where(r > 0, 3, 1) * (np.hypot(1, r) - 1))

    def derivative(self, y_true, y_pred):
        r = y_pred - y_true
        return self.sign * np.where(r > 0, 3, 1) * r / np.hypot(1, r) / r.size


ANSWERS = {
    "1_outliers": ([0.5], [0.1, 2.0]),
    "2_choosing": (
        ["quantile(quantile=0.8)", lk.QuantileLoss(quantile=0.8)],
        ["quantile(quantile=0.75)", "expectile(expectile=0.8)", "mean_absolute_error"],
    ),
    "3_custom_loss": (
        [UnevenByHand()],
        [UnevenByHand(-1.0), lk.CharbonnierLoss(), lk.QuantileLoss(quantile=0.25)],
    ),
    "4_stability": (
        [
            lambda m: np.maximum(-m, 0) + np.log1p(np.exp(-np.abs(m))),
            lambda m: np.logaddexp(0, -m),
        ],
        [lambda m: np.log(1 + np.exp(-m)), lambda m: np.log1p(np.exp(-m)), lambda m: np.maximum(-m, 0)],
    ),
    "5_training": (
        [lambda loss, y, p: np.sum(loss.derivative(y, p) * p)],
        [
            lambda loss, y, p: np.sum(loss.derivative(y, p)),
            lambda loss, y, p: np.mean(loss.derivative(y, p) * p),
            lambda loss, y, p: loss.derivative(y, p) * p,
        ],
    ),
    "6_clipping": (["huber(delta=2.5)"], ["huber(delta=2)", "mean_absolute_error", "mean_squared_error"]),
    "7_rare_classes": (
        [lambda q, w: q / (q + w * (1 - q))],
        [lambda q, w: q, lambda q, w: q / w, lambda q, w: q * w],
    ),
    "8_estimates": ([lambda y: np.expm1(np.mean(np.log1p(y)))], [np.mean, np.median]),
}
"""Right and wrong answers to the question of each lesson."""

PRINTED = {
    "2_choosing": ("residuals grow with the prediction", "No clear winner", "Train with "),
    "3_custom_loss": ("ByHand(scale=1.0): not ok", "Digits cancel there", "Linex(scale=1.0): ok"),
    "4_stability": ("[0.0000000e+00 2.0611537e-09]", "[-2.0611537e-09  2.0611537e-09]"),
    "6_clipping": ("textbook: [0. 0.]  losskit: [0.6 0.8]",),
    "7_rare_classes": ("2.0% are ill", "33.0%", "15.2%"),
}
"""What a lesson prints, where its text says so."""

LESSON_NAMES = sorted(path.stem for path in LESSONS.glob("*.py"))


@pytest.fixture(scope="module")
def lessons():
    """What each lesson has defined when it has run; a lesson runs once, when it is first asked for."""
    found = {}

    def lesson(name):
        if name not in found:
            found[name] = runpy.run_path(str(LESSONS / f"{name}.py"))
        return found[name]

    with pytest.MonkeyPatch.context() as patch, lk.use_engine("numpy"):  # kernels are not the point
        patch.setattr(plt, "show", lambda: plt.close("all"))
        plt.switch_backend("agg")
        yield lesson


def test_each_lesson_has_answers():
    assert list(ANSWERS) == LESSON_NAMES


@pytest.mark.parametrize("name", LESSON_NAMES)
def test_lesson(lessons, name, capsys):
    lesson = lessons(name)
    assert not plt.get_fignums(), "a figure is shown where it is drawn"
    printed = capsys.readouterr().out
    for text in (*PRINTED.get(name, ()), "Not yet: "):  # the reader's first try is a wrong one
        assert text in printed
    right, wrong = ANSWERS[name]
    for answer in right:
        assert lesson["check_answer"](answer).startswith("Right")
    for answer in wrong:
        assert lesson["check_answer"](answer).startswith("Not yet")


def test_the_hint_leads_to_the_answer(lessons):
    lesson = lessons("2_choosing")
    advised = lk.recommend(lesson["minutes"], goal="cost:4:1").best.loss
    assert lesson["check_answer"](advised).startswith("Right")


def test_the_laws_hold_of_the_answer_as_a_kernel(lessons):
    with lk.use_engine("numba"):
        assert lessons("3_custom_loss")["check_answer"](Uneven()).startswith("Right")


def test_backpropagation_is_the_derivative(lessons):
    lesson = lessons("6_clipping")
    target, steps = lesson["TARGET"], lesson["STEPS"]
    for w in (0.9, 1.01, 1.1):
        assert lesson["gradient"](w)[0] == pytest.approx(
            2 * (w**steps - target[0]) * steps * w ** (steps - 1)
        )


def test_the_loss_of_the_lesson_is_flawless(lessons):
    report = lk.check(lessons("3_custom_loss")["Linex"](scale=3.0))
    assert not report.findings, report


def test_every_page_is_in_the_index():
    docs = LESSONS.parent
    listed = (docs / "index.rst").read_text(encoding="utf-8").split()
    assert {page.stem for page in docs.glob("*.md")} <= set(listed), (
        "docs/index.rst lists every page for the site"
    )
