"""The scalar functions of wide rules against NumPy's: relative error, special values, vectorisation."""

import numpy as np
import pytest

from engines.numba.test_math import TRUTH, assembly, kernel, numpy_truth, run, vectors, widest
from losskit.engines.numba import math_wide

NAMES = [name for name in TRUTH if name in math_wide.ERROR]
INF, NAN = np.inf, np.nan


def arguments() -> np.ndarray:
    """Numbers of all sizes from 2**-256 to 2**256, and many where the functions do something."""
    random = np.random.default_rng(1)
    sizes = np.concatenate([random.uniform(-256, 256, 20_000), random.uniform(-20, 9, 60_000)])
    return np.exp2(sizes) * random.choice([-1.0, 1.0], sizes.size)


def relative(got: np.ndarray, truth: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.where(got == truth, 0.0, np.abs(got / truth - 1.0))


@pytest.mark.parametrize("name", NAMES)
def test_relative_error(name):
    x = arguments()
    x = x[x > {"log": 0.0, "log1p": -1.0}.get(name, -INF)]
    with np.errstate(over="ignore", under="ignore"):
        truth = numpy_truth(name, x)
    near = (np.abs(truth) < 2.0**256) & (np.abs(truth) > 2.0**-256)
    errors = relative(run(getattr(math_wide, name), x), truth)[near]
    assert errors.max() <= math_wide.ERROR[name], x[near][errors.argmax()]
    assert math_wide.ERROR[name] < 4.0 * errors.max(), "it is better than it says"


def test_relative_error_of_power():
    random = np.random.default_rng(2)
    logarithms, sizes = random.uniform(-128, 128, 50_000), random.uniform(-256, 256, 50_000)
    x, a = np.exp2(logarithms), sizes / logarithms
    errors = relative(run(math_wide.power, x, a), np.power(x, a))
    assert errors.max() <= math_wide.ERROR["power"], (x[errors.argmax()], a[errors.argmax()])


def test_every_bound_is_tested():
    assert set(math_wide.ERROR) == {*NAMES, "power"}


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("exp", [0.0, INF, -INF, NAN, 1e30, -1e30], [1.0, INF, 0.0, NAN, INF, 0.0]),
        ("expm1", [0.0, -INF, NAN, -1e30], [0.0, -1.0, NAN, -1.0]),
        ("log", [1.0, 0.0, -0.0, INF, -INF, NAN, -1.0], [0.0, -INF, -INF, INF, NAN, NAN, NAN]),
        ("log1p", [0.0, -1.0, INF, -INF, NAN, -1.5], [0.0, -INF, INF, NAN, NAN, NAN]),
        ("tanh", [0.0, INF, -INF, NAN], [0.0, 1.0, -1.0, NAN]),
        ("sigmoid", [0.0, INF, -INF, NAN], [0.5, 1.0, 0.0, NAN]),
        ("softplus", [INF, -INF, NAN, 1e30], [INF, 0.0, NAN, 1e30]),
    ],
)
def test_special_values(name, values, expected):
    got = run(getattr(math_wide, name), np.array(values * 20))
    np.testing.assert_array_equal(got, expected * 20)


def test_power_at_its_limits():
    for x, a, expected in [
        *((x, 0.0, 1.0) for x in (0.0, 1.0, 1e-30, INF)),
        *((0.0, a, 0.0) for a in (0.5, 2.0)),
        *((0.0, a, INF) for a in (-0.5, -2.0)),
        *((INF, a, expected) for a, expected in ((0.5, INF), (-0.5, 0.0))),
        *((x, a, NAN) for x, a in ((NAN, 1.0), (0.5, NAN), (-1.0, 0.5))),
    ]:
        got = run(math_wide.power, np.full(3, x), np.full(3, a))
        np.testing.assert_array_equal(got, [expected] * 3, f"{x} ** {a}")


@vectors
@pytest.mark.parametrize("name", [*NAMES, "power"])
def test_loops_vectorise(name):
    function = getattr(math_wide, name)
    count = 2 if name == "power" else 1
    run(function, *[np.ones(64)] * count)
    assert f"%{widest()[-3:]}" in assembly(kernel(function, count))
