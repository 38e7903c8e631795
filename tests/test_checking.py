"""``losskit.check`` finds planted defects, each with the right counterexample, and survives any loss."""

import json
from typing import ClassVar

import numpy as np
import pytest

import losskit as lk
from losskit.about import CONVEX, PROPER, ROBUST, SMOOTH, SYMMETRIC, About, lipschitz
from losskit.domain import PROBABILITY
from losskit.laws import traits
from losskit.laws.subject import Subject
from losskit.rules import rule
from losskit.scalar import clip, exp, log, maximum, sigmoid, softplus, sqrt, tanh, where
from losskit.structures import ElementwiseLoss, MarginLoss, ResidualLoss, SoftmaxLoss

COMPILED = {"test_overflow_and_cancellation", "test_a_sound_loss_passes", "test_rows", "test_sign"}
"""Tests that run on the kernels."""


@pytest.fixture(autouse=True)
def engine(request):
    """The reference: what is planted lies in the rules, and compiling each of them takes seconds."""
    with lk.use_engine("numba" if request.node.name in COMPILED else "numpy"):
        yield


def promises(*traits):
    return About(formula="r", tasks={"regression"}, traits=traits)


def found(loss, law, severity="error"):
    """The finding of a law; the report must be readable whatever it says."""
    report = lk.check(loss)
    assert str(report)
    assert report._repr_html_()
    json.dumps(report.to_dict(), allow_nan=False)
    findings = [f for f in report.findings if f.law == law and f.severity == severity]
    assert findings, f"no {severity} of {law} in\n{report}"
    assert report.ok == (not any(f.severity == "error" for f in report.findings))
    return findings[0]


def laws_broken(loss):
    return {f.law for f in lk.check(loss).findings if f.severity == "error"}


# ---- losses of rules ------------------------------------------------------------------------------------


class Sound(ResidualLoss):
    """Pseudo-Huber as it should be: what check must not complain of."""

    @rule
    def value(r):
        return r * (r / (sqrt(1.0 + r * r) + 1.0))

    @rule
    def slope(r):
        return r / sqrt(1.0 + r * r)

    @rule
    def curvature(r):
        s = 1.0 + r * r
        return 1.0 / (s * sqrt(s))


class WrongSign(ResidualLoss):
    @rule
    def value(r):
        return r * r

    @rule
    def slope(r):
        return -2.0 * r

    @rule
    def curvature(r):
        return where(r == r, 2.0, r)


class WrongFactor(ResidualLoss):
    @rule
    def value(r):
        return 0.5 * r * r

    @rule
    def slope(r):
        return 2.0 * r

    @rule
    def curvature(r):
        return where(r == r, 4.0, r)


class WrongCurvature(MarginLoss):
    """Logistic, its curvature with a sign too few."""

    @rule
    def value(m):
        return softplus(-m)

    @rule
    def slope(m):
        return -sigmoid(-m)

    @rule
    def curvature(m):
        return sigmoid(m)


class Overflowing(ResidualLoss):
    """log(cosh(r)) as it is usually written."""

    @rule
    def value(r):
        return log(0.5 * (exp(r) + exp(-r)))

    @rule
    def slope(r):
        return tanh(r)

    @rule
    def curvature(r):
        return 1.0 - tanh(r) ** 2


class NanAtZero(ResidualLoss):
    @rule
    def value(r):
        return abs(r)

    @rule
    def slope(r):
        return r / abs(r)

    @rule
    def curvature(r):
        return 0.0 * r


class Clipped(ElementwiseLoss):
    """Cross-entropy of probabilities clipped as in many a program."""

    targets: ClassVar = PROBABILITY
    predictions: ClassVar = PROBABILITY

    @rule
    def value(y, p):
        q = clip(p, 0.01, 0.99)
        return -y * log(q) - (1.0 - y) * log(1.0 - q)

    @rule
    def slope(y, p):
        q = clip(p, 0.01, 0.99)
        return where(q == p, (1.0 - y) / (1.0 - q) - y / q, 0.0 * p)

    @rule
    def curvature(y, p):
        q = clip(p, 0.01, 0.99)
        return where(q == p, (1.0 - y) / (1.0 - q) / (1.0 - q) + y / q / q, 0.0 * p)


class Saturated(ElementwiseLoss):
    """Cross-entropy of logits whose slope is written as it is usually written."""

    targets: ClassVar = PROBABILITY

    @rule
    def value(y, p):
        return y * softplus(-p) + (1.0 - y) * softplus(p)

    @rule
    def slope(y, p):
        return sigmoid(p) - y

    @rule
    def curvature(y, p):
        return sigmoid(p) * sigmoid(-p)


class Losing(ResidualLoss):
    """NaN in the residual is lost."""

    @rule
    def value(r):
        return where(r > 0.0, r, where(r <= 0.0, -r, 0.0))

    @rule
    def slope(r):
        return where(r > 0.0, 1.0, where(r < 0.0, -1.0, 0.0))

    @rule
    def curvature(r):
        return 0.0 * r


def test_a_sound_loss_passes():
    report = lk.check(Sound())
    assert report.ok
    assert all(
        "e+" in f.message for f in report.findings
    )  # its r * r overflows for huge residuals: a warning


def test_sign():
    finding = found(WrongSign(), "derivative")
    assert (finding.y, finding.p, finding.got, finding.expected) == (0.0, 0.5, -1.0, 1.0)
    assert "y_true = 0, y_pred = 0.5" in finding.message
    assert "opposite in sign; the sign is flipped everywhere" in finding.message


def test_factor():
    assert "2 times the true one everywhere" in found(WrongFactor(), "derivative").message
    assert found(WrongFactor(), "second-derivative").expected == 1.0


def test_curvature():
    finding = found(WrongCurvature(), "second-derivative")
    m = float(finding.y * finding.p)
    s = 1 / (1 + np.exp(-m))
    assert finding.expected == pytest.approx(s * (1 - s), rel=1e-6)
    assert laws_broken(WrongCurvature()) == {"second-derivative"}


def test_overflow_and_cancellation():
    finding = found(Overflowing(), "finite")
    assert finding.got == np.inf
    assert finding.expected == pytest.approx(abs(float(finding.p)) - np.log(2.0))
    finding = found(Overflowing(), "value")
    assert abs(float(finding.p)) < 0.1
    assert finding.expected == pytest.approx(float(finding.p) ** 2 / 2, rel=1e-2)


def test_nan_at_zero():
    finding = found(NanAtZero(), "finite")
    assert (finding.y, finding.p) == (0.0, 0.0)
    assert np.isnan(finding.got)


def test_dead_gradient_by_clipping():
    finding = found(Clipped(), "dead-gradient", "warning")
    assert finding.p < 0.01 or finding.p > 0.99
    assert "a clipped argument does this" in finding.message


def test_dead_gradient_by_saturation():
    finding = found(Saturated(), "dead-gradient")
    assert finding.y == 1.0
    assert finding.expected == pytest.approx(-np.exp(-float(finding.p)), rel=1e-3)


def test_lost_nan():
    assert "y_pred NaN" in found(Losing(), "nan", "warning").message


def test_undefined_outside_an_undeclared_domain():
    class LogRatio(ElementwiseLoss):
        @rule
        def value(y, p):
            return log(p / y) ** 2

    finding = found(LogRatio(), "finite")
    assert "is not defined. If such inputs cannot occur, declare the domain" in finding.message


def test_derived_rules_pass():
    class Quartic(ResidualLoss):
        @rule
        def value(r):
            return r**4

    assert not lk.check(Quartic()).findings


def test_rows():
    class Powers(SoftmaxLoss):
        @rule
        def value(nll):
            return nll * nll

        @rule
        def slope(nll):
            return nll

        @rule
        def curvature(nll):
            return where(nll == nll, 2.0, nll)

    finding = found(Powers(from_logits=True), "derivative")
    assert len(finding.p) == 3
    assert finding.got == pytest.approx(finding.expected / 2)


# ---- traits ---------------------------------------------------------------------------------------------


def with_traits(base, *traits):
    """A loss like another, with other promises."""
    rules = {name: base.__dict__[name] for name in ("value", "slope", "curvature")}
    return type("Claiming", (base,), {**rules, "about": promises(*traits), "__module__": __name__})()


class Sigmoid(MarginLoss):
    @rule
    def value(m):
        return sigmoid(-m)

    @rule
    def slope(m):
        return -sigmoid(m) * sigmoid(-m)

    @rule
    def curvature(m):
        return sigmoid(m) * sigmoid(-m) * tanh(0.5 * m)


class Asymmetric(ResidualLoss):
    @rule
    def value(r):
        return maximum(2.0 * r, -r)

    @rule
    def slope(r):
        return where(r > 0.0, 2.0, where(r < 0.0, -1.0, 0.0 * r))

    @rule
    def curvature(r):
        return 0.0 * r


def test_false_convexity():
    finding = found(with_traits(Sigmoid, CONVEX), "convex")
    assert finding.y * finding.p < 0  # concave where the margin is negative
    assert "falls from" in finding.message


def test_false_symmetry():
    finding = found(with_traits(Asymmetric, SYMMETRIC), "symmetric")
    assert finding.got in (pytest.approx(2 * finding.expected), pytest.approx(finding.expected / 2))


def test_false_lipschitz_constant():
    finding = found(with_traits(Asymmetric, lipschitz(1)), "lipschitz")
    assert finding.got == 2.0
    assert not laws_broken(with_traits(Asymmetric, lipschitz(2), CONVEX, ROBUST))


def test_lipschitz_names_a_parameter():
    class Scaled(ResidualLoss):
        k: float = lk.parameter(default=1.0, above=0, doc="half the slope")
        about: ClassVar = promises(lipschitz("k"))

        @rule
        def value(r, k):
            return 2.0 * k * abs(r)

        @rule
        def slope(r, k):
            return where(r > 0.0, 2.0 * k, where(r < 0.0, -2.0 * k, 0.0 * r))

        @rule
        def curvature(r, k):
            return 0.0 * r

    finding = found(Scaled(3.0), "lipschitz")
    assert (abs(finding.got), finding.expected) == (6.0, 3.0)


def test_false_smoothness():
    finding = found(with_traits(Asymmetric, SMOOTH), "smooth")
    assert abs(float(finding.p)) < 1e-15  # the kink itself, not near it
    assert {finding.got, finding.expected} <= {2.0, -1.0, 0.0}


def test_false_boundedness_robustness_and_return():
    assert found(with_traits(WrongFactor, "bounded"), "bounded").by == "without bound"
    assert found(with_traits(WrongFactor, ROBUST), "robust").by == "without bound"
    assert found(with_traits(Asymmetric, "redescending"), "redescending").got in (1.0, 2.0)


def test_false_propriety():
    class Linear(ElementwiseLoss):
        targets: ClassVar = PROBABILITY
        predictions: ClassVar = PROBABILITY
        about: ClassVar = promises(PROPER)

        @rule
        def value(y, p):
            return abs(p - y)

        @rule
        def slope(y, p):
            return where(p > y, 1.0, where(p < y, -1.0, 0.0 * p))

        @rule
        def curvature(y, p):
            return 0.0 * p

    assert "predicting 0.01 costs only" in found(Linear(), "proper").message


# ---- losses written by hand -----------------------------------------------------------------------------


class GoodByHand(lk.LossFunction):
    def compute(self, y_true, y_pred):
        return np.mean((y_pred - y_true) ** 2)

    def derivative(self, y_true, y_pred):
        return 2 * (y_pred - y_true) / len(y_true)


class NotesHuber(lk.LossFunction):
    """Huber's derivative with the sign of the residual turned round, as often printed."""

    def __init__(self, delta=1.0):
        self.delta = delta

    def compute(self, y_true, y_pred):
        r = y_true - y_pred
        return np.mean(
            np.where(np.abs(r) <= self.delta, 0.5 * r**2, self.delta * (np.abs(r) - 0.5 * self.delta))
        )

    def derivative(self, y_true, y_pred):
        r = y_true - y_pred
        return np.where(np.abs(r) <= self.delta, r, self.delta * np.sign(r)) / len(y_true)


def test_by_hand_passes():
    report = lk.check(GoodByHand())
    assert not report.findings, str(report)


def test_the_sign_of_the_notes_huber():
    finding = found(NotesHuber(), "derivative-by-difference")
    assert finding.got == pytest.approx(-finding.expected, rel=1e-5)
    assert "the sign is flipped everywhere" in finding.message


def test_a_mean_without_its_n():
    class Undivided(GoodByHand):
        def compute(self, y_true, y_pred):
            return np.mean((y_pred - y_true) ** 2)

        def derivative(self, y_true, y_pred):
            return 2 * (y_pred - y_true)

    assert "n = 6 times too large" in found(Undivided(), "derivative-by-difference").message


def test_a_sum_that_calls_itself_a_mean():
    class Sum(lk.LossFunction):
        def compute(self, y_true, y_pred):
            return np.sum((y_pred - y_true) ** 2)

        def derivative(self, y_true, y_pred):
            return 2 * (y_pred - y_true)

    finding = found(Sum(), "duplication")
    assert finding.got == pytest.approx(2 * finding.expected)
    assert {"weights", "parts", "mask"} <= laws_broken(Sum())


def test_a_mean_that_ignores_weights():
    class Unweighted(GoodByHand):
        def _evaluate(self, arguments, wanted, sample_weight, mask, out=None):
            return super()._evaluate(arguments, wanted, None, mask, out)

    assert "weights 1 to 3 against repeated terms" in found(Unweighted(), "weights").message


def test_a_loss_that_looks_at_the_batch():
    class Standardised(lk.LossFunction):
        def compute(self, y_true, y_pred):
            return np.mean((y_pred - y_true) ** 2) / (1 + np.var(y_true))

        def derivative(self, y_true, y_pred):
            return 2 * (y_pred - y_true) / len(y_true) / (1 + np.var(y_true))

    assert "no mean over its rows" in found(Standardised(), "parts").message


def test_written_inputs():
    class InPlace(lk.LossFunction):
        def compute(self, y_true, y_pred):
            y_pred -= y_true
            return np.mean(y_pred**2)

        def derivative(self, y_true, y_pred):
            return 2 * (y_pred - y_true) / len(y_true)

    finding = found(InPlace(), "inputs-untouched")
    assert "compute writes to its input: y_pred[0]" in finding.message


def test_probabilities_are_found_out():
    """A loss by hand declares no domain: of those it may be meant for, the one it works on counts."""

    class Clipping(lk.LossFunction):
        def compute(self, y_true, y_pred):
            p = np.clip(y_pred, 1e-15, 1 - 1e-15)
            return -np.mean(y_true * np.log(p) + (1 - y_true) * np.log(1 - p))

        def derivative(self, y_true, y_pred):
            p = np.clip(y_pred, 1e-15, 1 - 1e-15)
            return (p - y_true) / (p * (1 - p)) / y_true.size

    report = lk.check(Clipping())
    assert report.ok, str(report)
    assert "[0, 1]" in report.inputs


def test_a_loss_that_divides_by_zero():
    class Relative(lk.LossFunction):
        def compute(self, y_true, y_pred):
            return np.mean((y_pred - y_true) ** 2 / np.abs(y_pred - y_true))

        def derivative(self, y_true, y_pred):
            return np.sign(y_pred - y_true) / len(y_true)

    assert "nan" in found(Relative(), "finite-by-hand").message


# ---- check itself ---------------------------------------------------------------------------------------


def test_exceptions_are_findings():
    class Broken(lk.LossFunction):
        def compute(self, y_true, y_pred):
            raise RuntimeError("boom")

    report = lk.check(Broken)
    assert not report.ok
    assert "compute raises RuntimeError on ordinary inputs" in str(report)
    assert "boom" in report.findings[0].message
    assert {law.status for law in report.laws} == {"not applicable"}


def test_an_exception_in_one_verb_leaves_the_other_laws():
    class Half(lk.LossFunction):
        def compute(self, y_true, y_pred):
            if len(y_true) == 1:
                raise ValueError("one row is not enough")
            return np.mean((y_pred - y_true) ** 2)

        def derivative(self, y_true, y_pred):
            return 2 * (y_pred - y_true) / len(y_true)

    report = lk.check(Half())
    assert any("one row is not enough" in f.message for f in report.findings)
    assert {law.code for law in report.laws if law.status == "held"} >= {"value-object", "repr", "config"}


@pytest.mark.parametrize("answer", ["text", None, [[1.0]], np.nan])
def test_odd_answers_are_findings(answer):
    class Odd(lk.LossFunction):
        def compute(self, y_true, y_pred):
            return answer

        def derivative(self, y_true, y_pred):
            return 0 * y_pred

    assert not lk.check(Odd()).ok


def test_no_derivative():
    class Missing(lk.LossFunction):
        def compute(self, y_true, y_pred):
            return np.mean((y_pred - y_true) ** 2)

    assert "has no derivative" in found(Missing(), "verbs").message


def test_construction():
    class Fussy(lk.LossFunction):
        def __init__(self):
            raise ValueError("not today")

    assert lk.check(Fussy).findings[0].message == "Fussy() raises ValueError: not today"
    with pytest.raises(TypeError, match="check takes a loss or a class of losses, got 3"):
        lk.check(3)
    with pytest.raises(TypeError, match="BarronLoss has parameters without a default: check an instance"):
        lk.check(lk.BarronLoss)


def test_rules_that_numpy_has_and_kernels_do_not():
    class Sine(ResidualLoss):
        @rule
        def value(r):
            return 1.0 - np.cos(r)

        @rule
        def slope(r):
            return np.sin(r)

        @rule
        def curvature(r):
            return np.cos(r)

    report = lk.check(Sine())
    assert "no kernel" in str(report)
    assert "runs on the NumPy engine" in next(f.message for f in report.findings if f.law == "engines")
    assert report.ok or {f.law for f in report.findings if f.severity == "error"} == {
        "value"
    }  # 1 - cos cancels


def test_seed_and_repeatability():
    one, two, other = lk.check(NotesHuber()), lk.check(NotesHuber()), lk.check(NotesHuber(), seed=1)
    assert str(one) == str(two)
    assert not other.ok


def test_a_slope_that_overflows_is_not_bounded():
    class Exploding(MarginLoss):
        about = promises(ROBUST)

        @rule
        def value(m):
            return exp(-m)

        @rule
        def slope(m):
            return -exp(-m)

        @rule
        def curvature(m):
            return exp(-m)

    finding = next(iter(traits.robust(Subject(Exploding(), seed=0))))
    assert "grows without bound" in finding.message


def test_report():
    report = lk.check(WrongSign())
    text = str(report)
    assert text.startswith("WrongSign(): not ok. Of ")
    assert "BROKEN" in text
    assert "error (derivative): the derivative at" in text
    data = report.to_dict()
    assert data["ok"] is False
    assert data["findings"][0]["law"] == "derivative"
    assert {law["status"] for law in data["laws"]} == {"held", "broken", "not applicable"}


def test_square_root_at_zero_is_no_false_alarm():
    class Root(ResidualLoss):
        @rule
        def value(r):
            return sqrt(abs(r))

        @rule
        def slope(r):
            return where(r == 0.0, 0.0, 0.5 * r / (abs(r) * sqrt(abs(r))))

        @rule
        def curvature(r):
            return where(r == 0.0, 0.0, -0.25 / (abs(r) * sqrt(abs(r))))

    assert "derivative" not in laws_broken(Root())


def test_two_losses_of_the_same_name() -> None:
    """The first is not rebuilt as the second, whose parameters are others."""

    def first() -> type[lk.LossFunction]:
        class Namesake(ResidualLoss):
            scale: float = lk.parameter(default=2.0, above=0, doc="width")

            @rule
            def value(r, scale):
                return r * r * scale

        return Namesake

    def second() -> type[lk.LossFunction]:
        class Namesake(ResidualLoss):
            @rule
            def value(r):
                return abs(r)

        return Namesake

    losses = first()(), second()()
    note = found(losses[0], "config", "note")
    assert "'namesake' is taken" in note.message
    assert all(lk.check(loss).ok for loss in losses)


def test_a_small_derivative_has_a_sign_of_its_own() -> None:
    """1e-9 and -1e-9 are not near each other, small as both are."""

    class Slight(ResidualLoss):
        @rule
        def value(r):
            return 1e-9 * r * r

        @rule
        def slope(r):
            return 3e-9 * r

    assert "it is 1.5 times" in found(Slight(), "derivative").message
    assert "opposite" not in found(Slight(), "derivative").message
