"""Dense sweeps of rules of one argument: every float16, and float32 numbers of every exponent."""

import numpy as np
import pytest

import losskit as lk
from laws.cases import CASES, name_of
from truth.derivatives import rounded
from truth.ulp import ulp_errors

VERBS = ("compute", "derivative", "second_derivative")
ULP = 2.0  # the bound of float32 in test_exactness; here against float64, whose own bound is 2^-28 of that
ONE_ARGUMENT = [
    pytest.param(*case, id=name_of(*case))
    for case in CASES
    if getattr(case[0], "argument", None) in ("residual", "margin") and case[0].structure == "elementwise"
]


def answers(loss, y, p):
    """What all verbs answer, term by term."""
    return [*loss.value_and_derivative(y, p), loss.second_derivative(y, p)]


def compare(loss, wide, x):
    """float32 answers at x within ULP of the float64 ones, times the condition of the problem."""
    y32, y64 = (
        (np.ones_like(x), np.ones(x.shape))
        if type(loss).argument == "margin"
        else (np.zeros_like(x), np.zeros(x.shape))
    )
    r = x.astype(np.float64)
    step = 2.0**-20
    with lk.use_engine("numpy"):
        truths, *near = (answers(wide, y64, r * f) for f in (1, 1 - step, 1 + step))
    found = answers(loss, y32, x)
    for order, verb in enumerate(VERBS):
        got, truth, below, above = found[order], truths[order], near[0][order], near[1][order]
        with np.errstate(all="ignore"):
            spread = np.abs(above - below) / (2 * step)  # |x f'|, the condition times |f|
        errors = ulp_errors(got, truth, np.where(np.isfinite(spread), spread, 0.0), "float32")
        right = (np.isnan(truth) & np.isnan(got)) | _jumps(below, above)
        if len(loss.terms) > 1:  # where a term of a sum overflows, the sum does
            right |= np.isinf(got) & (np.abs(x) > 1e18)
        errors[right] = 0.0
        i = int(np.argmax(errors))
        assert errors[i] <= ULP, (
            f"{verb} of {loss} at {x[i]!r}: {got[i]!r}, true {truth[i]!r}, {errors[i]:.1f} ulp"
        )


def _jumps(below, above):
    """Where a second derivative jumps beside the point, the rounding of the argument decides the side."""
    with np.errstate(all="ignore"):
        return np.abs(above - below) > 0.5 * np.maximum(np.abs(above), np.abs(below))


def pair(cls, parameters):
    parameters = rounded(parameters, "float32")
    return [cls(**parameters, reduction="none", validate=False) for _ in range(2)]


@pytest.mark.parametrize(("cls", "parameters"), ONE_ARGUMENT)
def test_every_float16(cls, parameters):
    """All 65536, through the float32 kernel that float16 input is computed with."""
    x = np.arange(65536, dtype=np.uint16).view(np.float16)
    loss, wide = pair(cls, parameters)
    compare(loss, wide, x[np.isfinite(x)].astype(np.float32))
    zeros = np.ones_like(x) if cls.argument == "margin" else np.zeros_like(x)
    value, gradient = loss.value_and_derivative(zeros, x)
    assert value.dtype == np.float32
    assert gradient.dtype == np.float16
    _, as_float32 = loss.value_and_derivative(zeros.astype(np.float32), x.astype(np.float32))
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(gradient, as_float32.astype(np.float16))


@pytest.mark.parametrize(("cls", "parameters"), ONE_ARGUMENT)
def test_float32_of_every_exponent(cls, parameters):
    """512 numbers of each of the 255 exponents, both signs."""
    random = np.random.default_rng(3)
    exponents = np.repeat(np.arange(255, dtype=np.uint32), 512)
    bits = exponents << np.uint32(23) | random.integers(0, 1 << 23, exponents.size, dtype=np.uint32)
    x = bits.view(np.float32)
    compare(*pair(cls, parameters), np.concatenate([x, -x]))
