"""The truth itself examined: hand arithmetic, digits from the literature, derivatives by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from mpmath import mp, mpf

from truth import grids
from truth.derivatives import (
    _derivatives,
    answer,
    curvature,
    exact,
    one_sided,
    residual_rounding,
    rounded,
    settle,
    slope,
    value,
)
from truth.rows import ROWS, row_curvatures, row_slopes, row_value
from truth.samples import CASES, INF, TINY, close
from truth.textbook import ELEMENTWISE

# --- values -------------------------------------------------------------------------------------

HAND: list[tuple[str, float, float, dict[str, Any], Callable[[], Any]]] = [
    ("MeanSquaredError", 1, 3.5, {}, lambda: 6.25),
    ("MeanAbsoluteError", 1, -1.5, {}, lambda: 2.5),
    ("HuberLoss", 0, 2, {"delta": 1.0}, lambda: 1.5),
    ("HuberLoss", 0, -0.5, {"delta": 1.0}, lambda: 0.125),
    ("LogCoshLoss", 0, 1, {}, lambda: mp.log(mp.e + 1 / mp.e) - mp.log(2)),
    ("SmoothL1Loss", 0, 2, {"beta": 0.5}, lambda: 1.75),
    ("SmoothL1Loss", 0, 0.25, {"beta": 0.5}, lambda: 0.0625),
    ("QuantileLoss", 2, 0, {"quantile": 0.75}, lambda: 1.5),  # predicted too low costs q
    ("QuantileLoss", 0, 2, {"quantile": 0.75}, lambda: 0.5),
    ("ExpectileLoss", 2, 0, {"expectile": 0.75}, lambda: 3),
    ("ExpectileLoss", 0, 2, {"expectile": 0.75}, lambda: 1),
    ("EpsilonInsensitiveLoss", 0, -1, {"epsilon": 0.25}, lambda: 0.75),
    ("EpsilonInsensitiveLoss", 0, 0.2, {"epsilon": 0.25}, lambda: 0),
    ("CharbonnierLoss", 0, 4, {"delta": 3.0}, lambda: 6),  # 3-4-5 triangle: 9 (5/3 - 1)
    ("CauchyLoss", 0, 1, {"scale": 1.0}, lambda: mp.log(2) / 2),
    ("GemanMcClureLoss", 0, 1, {"scale": 1.0}, lambda: 0.25),
    ("WelschLoss", 0, 1, {"scale": 1.0}, lambda: (1 - 1 / mp.e) / 2),
    ("TukeyBiweightLoss", 0, 2, {"scale": 4.0}, lambda: mpf(37) / 24),  # 16/6 (1 - (3/4)^3)
    ("TukeyBiweightLoss", 0, 30, {"scale": 3.0}, lambda: 1.5),
    ("BarronLoss", 0, 3, {"alpha": 2.0, "scale": 2.0}, lambda: 1.125),
    ("BarronLoss", 0, 0.75, {"alpha": 1.0}, lambda: 0.25),  # sqrt(9/16 + 1) - 1
    ("BarronLoss", 0, 2, {"alpha": -2.0}, lambda: 1),  # 2 r^2 / (r^2 + 4)
    ("BarronLoss", 0, 2, {"alpha": 0.0}, lambda: mp.log(3)),
    ("BarronLoss", 0, 1, {"alpha": -INF}, lambda: 1 - 1 / mp.sqrt(mp.e)),
    ("CustomRegressionLoss", 0, 2, {"alpha": 0.25}, lambda: 2.5),
    ("MeanAbsolutePercentageError", -4, -3, {}, lambda: 25),
    ("MeanSquaredLogarithmicError", 1, 0, {}, lambda: mp.log(2) ** 2),
    ("BinaryCrossEntropy", 1, 0.5, {}, lambda: mp.log(2)),
    ("BinaryCrossEntropy", 0.25, 0.5, {"pos_weight": 5.0}, lambda: 2 * mp.log(2)),
    ("BinaryCrossEntropy", 1, 0.25, {"label_smoothing": 0.5}, lambda: 2 * mp.log(2) - mp.log(3) / 4),
    ("BinaryCrossEntropy", 1, 0, {"floor": 0.5}, lambda: mp.log(2)),
    ("BinaryCrossEntropy", 0, 1, {"floor": 0.5}, lambda: mp.log(2)),
    ("WeightedCrossEntropy", 1, 0.5, {"class_weights": (7.0, 1.0)}, lambda: mp.log(2)),
    ("WeightedCrossEntropy", 0, 0.5, {"class_weights": (1.0, 7.0)}, lambda: mp.log(2)),
    ("FocalLoss", 1, 0.5, {"gamma": 2.0, "alpha": (9.0, 4.0)}, lambda: mp.log(2)),
    ("FocalLoss", 0, 0.5, {"gamma": 2.0, "alpha": (4.0, 9.0)}, lambda: mp.log(2)),
    ("FocalLoss", 0, 0, {"from_logits": True, "alpha": 4.0}, lambda: mp.log(2)),
    ("HingeLoss", -1, 2, {}, lambda: 3),
    ("HingeLoss", 1, 2, {}, lambda: 0),
    ("SquaredHingeLoss", -1, 2, {}, lambda: 9),
    ("KLDivergence", 1, 0.5, {}, lambda: mp.log(2)),
    ("KLDivergence", 0, 0.5, {}, lambda: 0),
]


@pytest.mark.parametrize(("name", "y", "p", "params", "expected"), HAND)
def test_values_by_hand(
    name: str, y: float, p: float, params: dict[str, Any], expected: Callable[[], Any]
) -> None:
    with mp.workprec(300):
        assert close(value(name, y, p, **params), expected())


def test_tails_keep_their_digits() -> None:
    with mp.workprec(4000):
        r = mpf(1e-30)
        assert close(value("LogCoshLoss", 0, 1e-30), r**2 / 2 - r**4 / 12)
        assert close(value("LogCoshLoss", 0, 1), mpf("0.4337808304830271870"), 18)
        assert close(value("LogCoshLoss", 0, 5e-324), mpf(5e-324) ** 2 / 2)
        assert close(value("LogCoshLoss", 0, 1.7e308), mpf(1.7e308) - mp.log(2))
        # e^-20 = 2.0611536224385578e-9, less half its square
        ce = mpf("2.0611536203143807e-9")
        assert close(row_value("CategoricalCrossEntropy", 0, [20, 0], from_logits=True).truth, ce, 15)
        assert close(value("BinaryCrossEntropy", 1, 20, from_logits=True), ce, 15)
        one_less_sigmoid = mpf("1.3838965267367375e-87")  # 1 - sigmoid(200)
        assert close(-slope("BinaryCrossEntropy", 1, 200, from_logits=True), one_less_sigmoid, 15)
        assert close(value("BinaryCrossEntropy", 1, 0.0, floor=TINY), 126 * mp.log(2))
        assert close(slope("BinaryCrossEntropy", 1, 0.0, floor=TINY), -(mpf(2) ** 126))
        assert close(value("BinaryCrossEntropy", 0, -1.7e308, from_logits=True), 0)
        assert close(slope("BinaryCrossEntropy", 0, -745, from_logits=True), mp.exp(-745))


def test_a_term_too_small_to_be_seen_is_not_lost() -> None:
    """y log(1 + e^-z) is 690e-300 here, and the other term 1e-300 or so, far below 1's last bit."""
    z = -690.0
    with mp.workprec(3000):
        y = mpf(1e-300)
        expected = y * mp.log1p(mp.exp(-z)) + (1 - y) * mp.log1p(mp.exp(z))
    assert close(value("BinaryCrossEntropy", 1e-300, z, from_logits=True), expected)


@pytest.mark.parametrize("p", [5e-324, 2.0**-1022, 1e-300, 1e-30])
def test_a_part_of_a_slope_too_small_to_be_seen_is_not_lost(p: float) -> None:
    """p^g (-log(1 - p)) is p^(g + 1) for a tiny p; half of its slope comes through 1 - p."""
    with mp.workprec(3000):
        expected = mpf(1.75) * mpf(p) ** mpf(0.75)
        assert close(slope("FocalLoss", 0, p, gamma=0.75), expected, 28)
        expected = mpf(1.75) * mpf(0.75) / mpf(p) ** mpf(0.25)
        assert close(curvature("FocalLoss", 0, p, gamma=0.75)[0], expected, 28)


@pytest.mark.parametrize(("alpha", "near"), [(2.0, 2 + 1e-9), (0.0, 1e-9), (-INF, -1e9), (INF, 1e9)])
def test_barron_is_continuous_in_alpha(alpha: float, near: float) -> None:
    for order in (0, 1, 2):
        limit = answer("BarronLoss", order, 0, 0.7, alpha=alpha).truth
        assert close(answer("BarronLoss", order, 0, 0.7, alpha=near).truth, limit, 7)


def test_m_estimators_begin_as_half_the_square() -> None:
    for name in ("CauchyLoss", "GemanMcClureLoss", "WelschLoss", "TukeyBiweightLoss"):
        with mp.workprec(300):
            assert close(value(name, 0, 1e-12, scale=2.0), mpf(1e-12) ** 2 / 2, 20)
        assert curvature(name, 0, 0.0, scale=2.0) == (1,)
    assert curvature("BarronLoss", 0, 0.0, alpha=0.5, scale=2.0) == (0.25,)


# --- slopes and curvatures ----------------------------------------------------------------------


def _sigmoid(z: Any) -> Any:
    return 1 / (1 + mp.exp(-z))


# Hand-differentiated, straight from the papers or by the chain rule: (slope, curvature) in r or z.
BY_HAND: list[tuple[str, dict[str, Any], Callable[[Any], Any], Callable[[Any], Any]]] = [
    ("MeanSquaredError", {}, lambda r: 2 * r, lambda r: 2),
    ("LogCoshLoss", {}, mp.tanh, lambda r: mp.sech(r) ** 2),
    (
        "CharbonnierLoss",
        {"delta": 2.0},
        lambda r: r / mp.sqrt(1 + r * r / 4),
        lambda r: (1 + r * r / 4) ** -1.5,
    ),
    (
        "CauchyLoss",
        {"scale": 2.0},
        lambda r: r / (1 + r * r / 4),
        lambda r: (1 - r * r / 4) / (1 + r * r / 4) ** 2,
    ),
    (
        "GemanMcClureLoss",
        {"scale": 1.0},
        lambda r: r / (1 + r * r) ** 2,
        lambda r: (1 - 3 * r * r) / (1 + r * r) ** 3,
    ),
    ("WelschLoss", {"scale": 1.0}, lambda r: r * mp.exp(-r * r), lambda r: (1 - 2 * r * r) * mp.exp(-r * r)),
    (
        "BarronLoss",
        {"alpha": -2.0},
        lambda r: r * (r * r / 4 + 1) ** -2,
        lambda r: (r * r / 4 + 1) ** -2 - r * r * (r * r / 4 + 1) ** -3,
    ),
    ("BinaryCrossEntropy", {"from_logits": True}, _sigmoid, lambda z: _sigmoid(z) * _sigmoid(-z)),
]
POINTS = [0.0, 5e-324, -1e-308, 1e-30, 2.0**-40, 1e-8, -0.3, 1.0, 2.5, -20.0, 104.0, -746.0, 1e4, 1e30]


@pytest.mark.parametrize(("name", "params", "first", "second"), BY_HAND)
def test_derivatives_by_hand(name: str, params: dict[str, Any], first: Any, second: Any) -> None:
    with mp.workprec(5000):
        for x in POINTS:
            assert close(slope(name, 0, x, **params), first(mpf(x))), x
            assert close(curvature(name, 0, x, **params)[0], second(mpf(x))), x


@pytest.mark.parametrize(("name", "params"), CASES)
def test_derivatives_by_central_differences(name: str, params: dict[str, Any]) -> None:
    """The jets against differences of the plain value, for every loss."""
    book = ELEMENTWISE[name]
    y, p = grids.ordinary(grids.domain_of(book, **params), np.float32, seed=3, size=12)
    for at_y, at_p in zip(map(exact, y), map(exact, p), strict=True):
        with mp.workprec(3000):
            h = mpf(2) ** -400
            low, here, high = (book.value(at_y, at_p + k * h, **params) for k in (-1, 0, 1))
            assert close(slope(book, at_y, at_p, **params), (high - low) / (2 * h))
            assert close(curvature(book, at_y, at_p, **params)[0], (high - 2 * here + low) / h**2)


@pytest.mark.parametrize("wrt", ["y", "p"])
def test_slopes_in_the_target(wrt: str) -> None:
    book = ELEMENTWISE["KLDivergence"]
    y, p = mpf(0.375), mpf(0.625)
    with mp.workprec(300):
        expected = mp.log(y / p) + 1 if wrt == "y" else -y / p
    assert close(answer(book, 1, y, p, wrt=wrt).truth, expected)
    assert slope(book, 0, 0.5, wrt="y") == -INF
    # A soft label of 0 still has a slope: its term is absent from the value only.
    assert close(slope("BinaryCrossEntropy", 0, 1, from_logits=True, wrt="y"), -1)


@pytest.mark.parametrize(("name", "params"), CASES)
def test_two_precisions_that_agree_are_right(name: str, params: dict[str, Any]) -> None:
    """At extreme inputs, against an answer from many more bits than it took."""
    book = ELEMENTWISE[name]
    y, p = grids.extreme(grids.domain_of(book, **params), np.float64, [0.1])
    for i in np.random.default_rng(11).choice(len(y), 8, replace=False):
        point = exact(y[i]), exact(p[i])
        for order in (0, 1, 2):
            found = one_sided(book, order, *point, **params)[1]
            if mp.isfinite(found) and 0 < abs(point[1]) != 1:  # where there is a Taylor series
                assert close(found, _derivatives(book, order, *point, 1, "p", params, 3072)[0])


# --- kinks, edges, infinities -------------------------------------------------------------------


@pytest.mark.parametrize(("name", "params"), CASES)
def test_declared_kinks_are_all_the_kinks(name: str, params: dict[str, Any]) -> None:
    """Slopes of both sides differ at kinks and nowhere else, curvatures there and at second kinks."""
    book = ELEMENTWISE[name]
    domain = grids.domain_of(book, **params)
    sizes = [v for k, v in params.items() if k in ("delta", "beta", "epsilon", "scale") and v]
    y, p = grids.extreme(domain, np.float32, sizes)
    for at_y, at_p in list(zip(map(exact, y), map(exact, p), strict=True))[:: len(y) // 80 + 1]:
        with mp.workprec(4096):
            kinks = {k.at: k.least for k in book.kinks(at_y, params)}
            seconds = book.second_kinks(at_y, params)
        left, right = one_sided(book, 1, at_y, at_p, **params)
        assert (at_p in kinks) == (left != right), (at_y, at_p)
        if at_p in kinks:
            assert kinks[at_p] == (0 if left <= 0 <= right else min(left, right, key=abs))
            assert slope(book, at_y, at_p, **params) == kinks[at_p]
        elif at_p not in seconds:
            left, right = one_sided(book, 2, at_y, at_p, **params)
            assert left == right, (at_y, at_p)


def test_second_kinks_accept_either_side() -> None:
    assert set(curvature("HuberLoss", 2, 3.5, delta=1.5)) == {0, 1}
    assert set(curvature("ExpectileLoss", 1, 1, expectile=0.75)) == {1.5, 0.5}
    assert set(curvature("SquaredHingeLoss", -1, -1)) == {0, 2}


def test_a_kink_within_the_rounding_of_the_residual() -> None:
    """1.1 - 0.1 rounds to 1 in float64 but is a little more: either side of the kink will do."""
    y, p = 0.1, 1.1
    assert slope("EpsilonInsensitiveLoss", y, p, epsilon=1.0) == 1
    near = residual_rounding(y, p, 53)
    assert set(answer("EpsilonInsensitiveLoss", 1, y, p, epsilon=1.0, within=near).accepted) == {0, 1}
    exactly = answer("EpsilonInsensitiveLoss", 1, 1, 2, epsilon=1.0, within=near)
    assert exactly.accepted == (0,)


def test_edges_of_the_domain_are_limits_from_inside() -> None:
    assert slope("FocalLoss", 1, 1, gamma=0.5) == 0
    assert curvature("FocalLoss", 1, 1, gamma=0.5) == (INF,)
    assert curvature("FocalLoss", 1, 1, gamma=1.5) == (0,)
    assert slope("BinaryCrossEntropy", 1, 0) == -INF
    assert slope("BinaryCrossEntropy", 1, 1) == -1
    assert slope("FocalLoss", 0, 0, gamma=0.0) == 1
    assert row_slopes("CategoricalFocalLoss", 0, [1, 0], gamma=0.5)[0].truth == 0
    alone = row_slopes("CategoricalFocalLoss", 0, [4.0, -INF], gamma=0.5, from_logits=True)
    assert [told.truth for told in alone.values()] == [0, 0]


def test_infinite_predictions_are_limits() -> None:
    def all_orders(name: str, p: float, **params: Any) -> tuple[Any, ...]:
        return tuple(answer(name, order, 0, p, **params).truth for order in (0, 1, 2))

    assert all_orders("MeanSquaredError", -INF) == (INF, -INF, 2)
    assert all_orders("HuberLoss", INF, delta=2.0) == (INF, 2, 0)
    assert all_orders("LogCoshLoss", -INF) == (INF, -1, 0)
    assert all_orders("CauchyLoss", INF, scale=1.0) == (INF, 0, 0)
    assert all_orders("WelschLoss", INF, scale=2.0) == (2, 0, 0)
    assert all_orders("BarronLoss", INF, alpha=1.001) == (INF, INF, 0)
    assert all_orders("BinaryCrossEntropy", INF, from_logits=True) == (INF, 1, 0)
    assert all_orders("BinaryCrossEntropy", -INF, from_logits=True) == (0, 0, 0)
    assert mp.isnan(value("MeanSquaredError", INF, INF))
    assert mp.isnan(slope("HuberLoss", 0, math.nan))


# --- rows ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", grids.logit_rows(np.float32, wide=False), ids=lambda c: c.name)
def test_cross_entropy_of_logits_by_hand(case: grids.RowCase) -> None:
    """Slopes softmax - y, curvatures p (1 - p): Bishop 2006, eq. 4.109 and 4.110."""
    target = case.target
    y = [float(j == target) for j in range(len(case.row))] if isinstance(target, int) else target
    slopes = row_slopes("CategoricalCrossEntropy", target, case.row, from_logits=True)
    curvatures = row_curvatures("CategoricalCrossEntropy", target, case.row, from_logits=True)
    with mp.workprec(5000):
        powers = [mp.exp(exact(z)) for z in case.row]
        total = mp.fsum(powers)
        mass = mp.fsum(exact(t) for t in y)
        for i, e in enumerate(powers):
            assert close(slopes[i].truth, mass * e / total - exact(y[i])), i
            assert close(curvatures[i].truth, mass * e * (total - e) / total**2), i


def test_row_values_by_hand() -> None:
    with mp.workprec(300):
        log2, log3 = mp.log(2), mp.log(3)
        even = [0.0, 0.0, 0.0]

        def of(name: str, target: Any, row: Any, **params: Any) -> Any:
            return row_value(name, target, row, **params).truth

        assert close(of("CategoricalCrossEntropy", 1, even, from_logits=True), log3)
        assert close(of("CategoricalCrossEntropy", 1, [0.5, 0.25, 0.25]), 2 * log2)
        weighted = of("CategoricalCrossEntropy", 1, even, from_logits=True, class_weights=[1, 5, 1])
        assert close(weighted, 5 * log3)
        # smoothing 0.5 over two classes: 3/4 and 1/4 of the mass
        smooth = of("LabelSmoothingCrossEntropy", 0, [0.5, 0.25], smoothing=0.5)
        assert close(smooth, log2 * 3 / 4 + 2 * log2 / 4)
        z_loss = of("SparseCategoricalCrossEntropy", 0, even, from_logits=True, z_loss=0.5)
        assert close(z_loss, log3 + log3**2 / 2)
        focal = of("CategoricalFocalLoss", 0, [0.0, 0.0], from_logits=True, gamma=2.0, alpha=[4, 9])
        assert close(focal, log2)
        assert close(of("KLDivergence", [0.5, 0.5], [0.25, 0.75]), log2 / 2 + mp.log(mpf(2) / 3) / 2)
        reverse = of("KLDivergence", [0.25, 0.75], [0.5, 0.5], reverse=True)
        assert close(reverse, log2 / 2 + mp.log(mpf(2) / 3) / 2)
        assert of("KLDivergence", [0.25, 0.75], [0.25, 0.75]) == 0
        logs = [float(np.log(0.25)), float(np.log(0.75))]
        assert close(
            of("KLDivergence", [0.5, 0.5], logs, log_input=True), log2 / 2 + mp.log(mpf(2) / 3) / 2, 15
        )
        assert of("KLDivergence", [0, 1], [0.5, 0.5], reverse=True) == INF
        # p log(p/y): nothing at p = 0, and there the slope log(p/y) + 1 of the floored p
        assert close(of("KLDivergence", [0.5, 0.5], [0, 1], reverse=True, floor=TINY), log2)
        at_zero = row_slopes("KLDivergence", [0.5, 0.5], [0, 1], [0], reverse=True, floor=TINY)[0]
        assert close(at_zero.truth, 1 - 125 * log2)
        assert of("CategoricalCrossEntropy", 0, even, from_logits=True, axis=1, ignore_index=-1) > 1


@pytest.mark.parametrize("name", sorted(ROWS))
@pytest.mark.parametrize("from_logits", [True, False])
def test_row_derivatives_by_central_differences(name: str, from_logits: bool) -> None:
    book, target = ROWS[name], [0.125, 0.25, 0.625]
    row = [mpf(x) for x in ((0.5, -1.25, 3.0) if from_logits else (0.5, 0.125, 0.375))]
    params: dict[str, Any] = {"from_logits": from_logits}
    if "Sparse" in name and from_logits:
        params["z_loss"] = 0.25
    if name == "LogitAdjustedLoss":
        if not from_logits:
            pytest.skip("the loss takes logits only")
        params = {"class_priors": (0.5, 0.25, 0.25)}
    if name == "HellingerDistance":
        if from_logits:
            pytest.skip("the loss takes no logits")
        params = {}
    slopes = row_slopes(book, target, row, **params)
    curvatures = row_curvatures(book, target, row, **params)
    with mp.workprec(3000):
        h = mpf(2) ** -400
        for i in range(3):
            moved = [[z + k * h * (i == j) for j, z in enumerate(row)] for k in (-1, 0, 1)]
            low, here, high = (book.value(target, r, **params) for r in moved)
            assert close(slopes[i].truth, (high - low) / (2 * h))
            assert close(curvatures[i].truth, (high - 2 * here + low) / h**2)


# --- what goes with the truth ---------------------------------------------------------------------


def test_terms_that_cancel_are_told() -> None:
    told = answer("BinaryCrossEntropy", 1, 0.5, 1e-8, from_logits=True)
    assert close(told.largest_term, 0.25, 7)
    assert close(told.truth, 2.5e-9, 7)
    assert answer("BinaryCrossEntropy", 1, 0.5, 0, from_logits=True).truth == 0


def test_parameters_are_rounded_to_the_format() -> None:
    params = rounded({"delta": 0.1, "pair": [0.1, 1], "flag": True, "eps": None}, np.float32)
    tenth = float(np.float32(0.1))
    assert params == {"delta": tenth, "pair": (tenth, 1), "flag": True, "eps": None}


def test_settling_does_not_believe_an_early_zero() -> None:
    def cancelling() -> tuple[list[Any], list[Any]]:
        return [(1 + mpf(2) ** -1000) - 1], []

    assert settle(cancelling)[0] == mpf(2) ** -1000
