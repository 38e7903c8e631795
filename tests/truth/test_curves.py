"""Curves, many errors at once, and values with their derivatives at once, against what they stand for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mpf

from truth.curves import Curve
from truth.derivatives import answer, expansion
from truth.samples import close
from truth.textbook import ELEMENTWISE
from truth.ulp import ulp_error, ulp_errors

SOME: list[tuple[str, float, dict[str, Any], tuple[int, ...]]] = [
    ("LogCoshLoss", 0.0, {}, (0, 126, 254)),
    ("HuberLoss", 0.0, {"delta": 1.5}, (0, 127)),
    ("ModifiedHuberLoss", 1.0, {}, (127,)),
    ("WelschLoss", 0.0, {"scale": 1.0}, (100, 129)),
    ("BinaryCrossEntropy", 0.0, {"from_logits": True}, (90, 131)),
    ("FocalLoss", 1.0, {"gamma": 2.0, "floor": 2.0**-126}, (0, 120, 126)),
]


@pytest.mark.parametrize(("name", "y", "parameters", "exponents"), SOME)
def test_curves_are_the_definition(name, y, parameters, exponents):
    random = np.random.default_rng(1)
    book = ELEMENTWISE[name]
    curve = Curve(book, y, **parameters)
    for exponent in exponents:
        edges = [1, 2, 3, (1 << 23) - 1] if exponent == 0 else [0, 1, (1 << 23) - 1]
        ordinals = np.sort([*edges, *random.integers(1, 1 << 23, 8)]) + (exponent << 23)
        for sign in (1,) if curve.of_probability else (1, -1):
            x = sign * ordinals.astype(np.uint32).view(np.float32)
            seen = 0
            for part, (exact, spread) in curve.walk(exponent, sign, x):
                seen += part.stop - part.start
                for i, at in enumerate(x[part]):
                    for order in range(3):
                        if np.isnan(exact[order, i]):
                            continue  # beside a kink: the judge asks the definition itself
                        truth = float(answer(book, order, y, float(at), **parameters).truth)
                        if min(abs(truth), abs(exact[order, i])) > 2.0**129:
                            continue  # both beyond float32
                        allowed = 2.0**-29 * max(abs(truth), spread[order, i]) + 2.0**-159
                        assert abs(exact[order, i] - truth) <= allowed, (at, order)
            assert seen == x.size


@pytest.mark.parametrize(("name", "y", "parameters", "exponents"), SOME)
def test_all_derivatives_at_once(name, y, parameters, exponents):
    for x in (1e-30, 0.3, 0.99):
        for order, got in enumerate(expansion(name, y, x, **parameters)):
            assert close(got, answer(name, order, y, x, **parameters).truth)


floats = st.floats(width=32, allow_nan=True, allow_infinity=True)


@given(
    got=floats,
    truth=st.one_of(floats, st.floats(1e30, 1e60), st.floats(-1e-36, 1e-36)),
    saturates=st.booleans(),
)
def test_many_errors_are_single_errors(got, truth, saturates):
    answers, truths = np.array([got, 0.0], np.float32), np.array([truth, 0.0])
    found = ulp_errors(answers, truths, np.zeros(2), "float32", saturates=saturates)
    expected = ulp_error(answers[0], mpf(truth), "float32", saturates=saturates)
    tiny = float(np.finfo(np.float32).tiny)
    if np.isnan(truth):
        assert found[0] == np.inf  # nothing is known there: the judge asks the definition
    elif abs(truth) < tiny and abs(got) <= tiny and got * truth >= 0:
        assert found[0] == 0.0  # may be flushed to zero
    else:
        assert found[0] == pytest.approx(expected, rel=1e-9)
    assert found[1] == 0.0


def test_many_errors_are_divided_by_the_condition():
    one = np.array([1.0 + 2.0**-20], np.float32)
    assert ulp_errors(one, np.ones(1), np.array([4.0]), "float32")[0] == 2.0
    assert ulp_errors(one, np.ones(1), np.array([0.25]), "float32")[0] == 8.0
