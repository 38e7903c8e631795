"""The scalar functions of the CPU kernels against mpmath: error in ulp, special values, vectorisation."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

import llvmlite.binding as llvm
import mpmath as mp
import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError

from engines.numba import minimax
from losskit import scalar
from losskit.engines.numba import intrinsics, math32, math64, math_wide
from losskit.losses import residual

DIGITS = 60
EXTENDED = np.finfo(np.longdouble).nmant >= 63
MODULES: dict[type[np.floating], ModuleType] = {np.float32: math32, np.float64: math64}
BOTH = pytest.mark.parametrize("dtype", [np.float32, np.float64])

TRUTH: dict[str, Callable[..., Any]] = {
    "exp": mp.exp,
    "expm1": mp.expm1,
    "log": mp.log,
    "log1p": mp.log1p,
    "tanh": mp.tanh,
    "sqrt": mp.sqrt,
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "softplus": lambda x: mp.log1p(mp.exp(x)),
}
"""One argument, in mpmath: accurate at any size of the argument."""


def numpy_truth(name: str, x: np.ndarray) -> np.ndarray:
    """The function in the (higher) precision of x, a rounding or two from the truth."""
    if name == "sigmoid":
        return np.where(x < 0, np.exp(-np.abs(x)), 1) / (1 + np.exp(-np.abs(x)))
    if name == "softplus":
        return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
    return getattr(np, name)(x)


# ---- running a function over an array -------------------------------------------------------------------------------


@cache
def kernel(f: Callable[..., Any], arguments: int = 1) -> Any:
    """f over arrays as the engine's kernels run it: over slices, into a slice."""

    def one(x, out, low, high):
        X, O = x[low:high], out[low:high]
        for i in range(X.size):
            O[i] = f(X[i])

    def two(x, a, out, low, high):
        X, A, O = x[low:high], a[low:high], out[low:high]
        for i in range(X.size):
            O[i] = f(X[i], A[i])

    return njit(error_model="numpy")(one if arguments == 1 else two)


def run(f: Callable[..., Any], *arrays: np.ndarray) -> np.ndarray:
    out = np.empty_like(arrays[0])
    kernel(f, len(arrays))(*arrays, out, 0, out.size)
    return out


def run_on(name: str, dtype: type[np.floating], *values: list[float]) -> list[float]:
    arrays = [np.array(v, dtype) for v in np.broadcast_arrays(*values)]
    return run(getattr(MODULES[dtype], name), *arrays).tolist()


# ---- errors in ulp --------------------------------------------------------------------------------------------------


def worst(
    got: np.ndarray, high: np.ndarray, low: np.ndarray, *at: np.ndarray
) -> tuple[float, tuple[Any, ...]]:
    """The largest error of got in ulp of the truth high + low, and where. A difference in kind (NaN, inf) is infinite."""
    info = np.finfo(got.dtype)
    exponent = np.maximum(np.frexp(high)[1] - 1, info.minexp) - info.nmant
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.abs((got.astype(high.dtype) - high) - low)
        error = np.where(np.isfinite(difference), np.ldexp(difference, -exponent), np.inf)
        overflows = np.abs(high) > (2 - np.ldexp(1.0, -info.nmant - 1)) * np.ldexp(
            high.dtype.type(1), info.maxexp - 1
        )
    error[overflows & (got == np.copysign(np.inf, high))] = 0
    error[(got == high) & (low == 0)] = 0
    error[np.isnan(got) & np.isnan(high)] = 0
    k = int(np.argmax(error))
    return float(error[k]), tuple(a[k] for a in at)


def exact(f: Callable[..., Any], *arrays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The truth of mpmath as a float64 and the rest."""

    def pair(*values: float) -> tuple[float, float]:
        t = f(*map(mp.mpf, values))
        if not isinstance(t, mp.mpf) or not mp.isfinite(t) or abs(t) > mp.mpf(2) ** 1024:
            return (
                float("nan") if not isinstance(t, mp.mpf) or mp.isnan(t) else float(mp.sign(t)) * np.inf
            ), 0.0
        high = float(t)
        return (high, float(t - high)) if np.isfinite(high) else (high, 0.0)

    with mp.workdps(DIGITS):
        pairs = [pair(*values) for values in zip(*(a.tolist() for a in arrays), strict=True)]
    return np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])


def binades(dtype: type[np.floating], rng: np.random.Generator) -> np.ndarray:
    """Edges of every binade and a number inside, of both signs, subnormal numbers included."""
    info = np.finfo(dtype)
    two = np.ldexp(dtype(1), np.arange(info.minexp - info.nmant, info.maxexp))
    positive = np.concatenate([two, np.nextafter(two, dtype(0)), np.nextafter(two, dtype(np.inf))])
    inside = (two * rng.uniform(1, 2, two.size).astype(dtype)).astype(dtype)
    return np.concatenate([positive, inside, -positive, -inside])


def random_bits(dtype: type[np.floating], n: int, rng: np.random.Generator) -> np.ndarray:
    width = np.uint32 if dtype is np.float32 else np.uint64
    return rng.integers(0, np.iinfo(width).max, n, dtype=width, endpoint=True).view(dtype)


def ordinary(dtype: type[np.floating], n: int, rng: np.random.Generator) -> np.ndarray:
    """Where the functions do something: from large enough to overflow down to small, and around the ends of the steps."""
    log_max = float(np.log(np.finfo(dtype).max))
    parts = [rng.uniform(-s, s, n) for s in (1.2 * log_max, 20.0, 3.0, 1.0, 0.3)]
    parts.append(np.exp2(rng.uniform(-2 * np.finfo(dtype).nmant, 8, n)) * rng.choice([-1, 1], n))
    return np.concatenate(parts).astype(dtype)


def in_domain(name: str, x: np.ndarray) -> np.ndarray:
    return x[x >= {"log": 0, "sqrt": 0, "log1p": -1}.get(name, -np.inf)]


@pytest.mark.parametrize("name", TRUTH)
def test_error_float32(name: str) -> None:
    rng = np.random.default_rng(1)
    dtype = np.float32
    x = np.concatenate([binades(dtype, rng), random_bits(dtype, 100_000, rng), ordinary(dtype, 100_000, rng)])
    got = run(getattr(math32, name), x)
    with np.errstate(all="ignore"):
        high = numpy_truth(name, x.astype(np.float64))
    error, at = worst(got, high, np.zeros_like(high), x)
    assert error <= math32.ULP[name], at


@pytest.mark.parametrize("name", TRUTH)
def test_error_against_mpmath(name: str) -> None:
    rng = np.random.default_rng(2)
    for dtype, module in MODULES.items():
        x = np.concatenate(
            [rng.choice(binades(dtype, rng), 1500), random_bits(dtype, 500, rng), ordinary(dtype, 300, rng)]
        )
        x = in_domain(name, x[np.isfinite(x)])
        error, at = worst(run(getattr(module, name), x), *exact(TRUTH[name], x), x)
        assert error <= module.ULP[name], (dtype, at)


@pytest.mark.skipif(not EXTENDED, reason="long double is no wider than float64 here")
@pytest.mark.parametrize("name", TRUTH)
def test_error_float64_dense(name: str) -> None:
    rng = np.random.default_rng(3)
    dtype = np.float64
    x = np.concatenate([binades(dtype, rng), random_bits(dtype, 10_000, rng), ordinary(dtype, 30_000, rng)])
    with np.errstate(all="ignore"):
        high = numpy_truth(name, x.astype(np.longdouble))
    error, at = worst(run(getattr(math64, name), x), high, np.zeros_like(high), x)
    assert error <= math64.ULP[name], at


@BOTH
def test_error_of_power(dtype: type[np.floating]) -> None:
    rng = np.random.default_rng(4)
    x = np.abs(
        np.concatenate([binades(dtype, rng), random_bits(dtype, 2000, rng), ordinary(dtype, 200, rng)])
    )
    x = rng.choice(x[np.isfinite(x) & (x > 0) & (x != 1)], 3000)
    largest = np.log(float(np.finfo(dtype).max)) / np.abs(
        np.log(x.astype(np.float64))
    )  # of exponents that matter
    a = np.where(
        rng.random(x.size) < 0.4, rng.uniform(-4, 4, x.size), rng.uniform(-1.2, 1.2, x.size) * largest
    )
    a[:300] = rng.choice([1, 2, 3, 0.5, -1, -2, 1.5, 0.25], 300)
    x, a = np.append(x, dtype(1e-30)), np.append(a, 2).astype(dtype)
    error, at = worst(run(MODULES[dtype].power, x, a), *exact(mp.power, x, a), x, a)
    assert error <= MODULES[dtype].ULP["power"], at


@BOTH
def test_every_bound_is_tested(dtype: type[np.floating]) -> None:
    assert set(MODULES[dtype].ULP) == {*TRUTH, "power"}


# ---- special values -------------------------------------------------------------------------------------------------

INF, NAN = float("inf"), float("nan")
HUGE = {np.float32: 3e38, np.float64: 1.7e308}


@BOTH
@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("exp", [0.0, -0.0, INF, -INF, NAN, 1e30, -1e30], [1.0, 1.0, INF, 0.0, NAN, INF, 0.0]),
        ("expm1", [0.0, -0.0, INF, -INF, NAN, 1e30, -1e30], [0.0, -0.0, INF, -1.0, NAN, INF, -1.0]),
        ("log", [1.0, 0.0, -0.0, INF, -INF, NAN, -1.0, -1e-45], [0.0, -INF, -INF, INF, NAN, NAN, NAN, NAN]),
        ("log1p", [0.0, -0.0, -1.0, INF, -INF, NAN, -1.5], [0.0, -0.0, -INF, INF, NAN, NAN, NAN]),
        ("tanh", [0.0, -0.0, INF, -INF, NAN, 1e30, -1e30], [0.0, -0.0, 1.0, -1.0, NAN, 1.0, -1.0]),
        ("sigmoid", [0.0, -0.0, INF, -INF, NAN, 1e30, -1e30], [0.5, 0.5, 1.0, 0.0, NAN, 1.0, 0.0]),
        ("softplus", [INF, -INF, NAN, 1e30, -1e30], [INF, 0.0, NAN, float(np.float32(1e30)), 0.0]),
        ("sqrt", [4.0, 0.0, -0.0, INF, NAN, -1.0], [2.0, 0.0, -0.0, INF, NAN, NAN]),
        ("abs", [1.0, -2.0, -0.0, -INF, NAN], [1.0, 2.0, 0.0, INF, NAN]),
        ("sign", [3.0, -3.0, 0.0, -0.0, INF, -INF, NAN], [1.0, -1.0, 0.0, -0.0, 1.0, -1.0, NAN]),
    ],
)
def test_special_values(
    dtype: type[np.floating], name: str, values: list[float], expected: list[float]
) -> None:
    values = [float(np.float32(v)) for v in values]
    for repeats in (1, 40):  # in the scalar remainder of a loop and in its vectors
        got = run_on(name, dtype, values * repeats)
        np.testing.assert_array_equal(got, expected * repeats)
        np.testing.assert_array_equal(
            np.signbit(got), np.signbit(expected * repeats) | np.isnan(got) & np.signbit(got)
        )


@BOTH
def test_every_nan_stays_nan(dtype: type[np.floating]) -> None:
    width = np.uint32 if dtype is np.float32 else np.uint64
    payloads = np.random.default_rng(5).integers(1, 2**22, 200, dtype=width)
    x = np.concatenate([dtype(sign * np.inf).reshape(1).view(width) | payloads for sign in (1, -1)]).view(
        dtype
    )
    assert np.isnan(x).all()
    for name in ("exp", "expm1", "log", "log1p", "tanh", "sigmoid", "softplus", "sqrt", "abs", "sign"):
        assert np.isnan(run(getattr(MODULES[dtype], name), x)).all(), name
    assert np.isnan(run(MODULES[dtype].power, x, np.ones_like(x))).all()


@BOTH
@pytest.mark.parametrize("name", ["expm1", "log1p", "tanh"])
def test_tiny_arguments_pass_through(dtype: type[np.floating], name: str) -> None:
    info = np.finfo(dtype)
    tiny = np.ldexp(dtype(1.5), np.arange(info.minexp - info.nmant, -info.nmant - 4))
    x = np.concatenate([tiny, -tiny, [info.smallest_subnormal, -info.smallest_subnormal]]).astype(dtype)
    np.testing.assert_array_equal(run(getattr(MODULES[dtype], name), x), x)


@BOTH
def test_power_at_its_limits(dtype: type[np.floating]) -> None:
    for x, a, expected in [
        *((x, a, 1.0) for x in (0.0, -0.0, 1.0, 1e-30, INF) for a in (0.0, -0.0)),
        *((x, a, 0.0) for x in (0.0, -0.0) for a in (1e-3, 0.5, 2.0, 1e30, INF)),
        *((x, a, INF) for x in (0.0, -0.0) for a in (-1e-3, -0.5, -2.0, -1e30)),
        *((INF, a, INF) for a in (1e-3, 0.5, 2.0, INF)),
        *((INF, a, 0.0) for a in (-1e-3, -0.5, -2.0, -INF)),
        *((1.0, a, 1.0) for a in (1e30, -1e30, 0.3)),
        *((0.5, a, expected) for a, expected in ((INF, 0.0), (-INF, INF), (1e30, 0.0), (-1e30, INF))),
        *((NAN, a, NAN) for a in (1.0, -2.5)),
        *((0.5, NAN, NAN), (-1.0, 0.5, NAN)),
        *((x, 1.0, float(dtype(x))) for x in (1e-40, 1e-30, 0.1, 3.0, 1e30)),
    ]:
        np.testing.assert_array_equal(run_on("power", dtype, [x] * 3, [a] * 3), [expected] * 3, f"{x} ** {a}")


@BOTH
def test_choosing(dtype: type[np.floating]) -> None:
    values = np.array([0.0, 1.0, -2.0, INF, -INF, NAN, HUGE[dtype]], dtype)
    a, b = (v.ravel() for v in np.meshgrid(values, values))
    np.testing.assert_array_equal(run(MODULES[dtype].maximum, a, b), np.maximum(a, b))
    np.testing.assert_array_equal(run(MODULES[dtype].minimum, a, b), np.minimum(a, b))
    where, clip = MODULES[dtype].where, MODULES[dtype].clip
    low, high = dtype(-1), dtype(2)

    @njit
    def chosen(x, y):
        return where(x > y, x, y)

    @njit
    def clipped(x):
        return clip(x, low, high)

    np.testing.assert_array_equal(run(chosen, a, b), np.where(a > b, a, b))
    np.testing.assert_array_equal(run(clipped, values), np.clip(values, low, high))


# ---- how they are compiled ------------------------------------------------------------------------------------------


def assembly(f: Any) -> str:
    return "\n".join(f.inspect_asm().values())


def widest() -> str:
    """The name of the vectors that LLVM should choose; some Intel CPUs with 512 bits prefer 256."""
    features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        return "zmm" if llvm.get_host_cpu_name().startswith("znver") else "[yz]mm"
    return "ymm" if features.get("avx2") else ""


vectors = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64") or not widest(),
    reason="knows only the names of x86 vectors",
)


@vectors
@BOTH
@pytest.mark.parametrize("name", [*TRUTH, "power", "maximum", "minimum", "abs", "sign"])
def test_loops_vectorise(name: str, dtype: type[np.floating]) -> None:
    f = getattr(MODULES[dtype], name)
    arguments = 2 if name in ("power", "maximum", "minimum") else 1
    x = np.ones(64, dtype)
    run(f, *[x] * arguments)
    text = assembly(kernel(f, arguments))
    assert re.search(rf"\tv\w+p[sd]\s.*%{widest()}", text), "no wide registers"
    assert not re.search(r"\b(call|jmp)\w*\s+\*?(exp|log|pow|tanh|fma|expm1|log1p)f?\b", text), (
        "calls the C library"
    )


@vectors
def test_a_sum_vectorises_and_nothing_else_is_reordered() -> None:
    add = intrinsics.add_reassoc

    @njit(error_model="numpy")
    def total(x):
        acc = np.float32(0)
        for i in range(x.size):
            acc = add(acc, (x[i] + np.float32(2.0**25)) - np.float32(2.0**25))  # 0 unless reordered
        return acc

    assert total(np.ones(1000, np.float32)) == 0
    assert re.search(rf"\tvaddps\s.*%{widest()}", assembly(total))


def test_flags_of_the_caller_stay_outside() -> None:
    x = ordinary(np.float32, 2000, np.random.default_rng(6))
    for name in TRUTH:
        f = getattr(math32, name)

        @njit(error_model="numpy", fastmath=True)
        def loose(x, out, f=f):
            for i in range(x.size):
                out[i] = f(x[i])

        out = np.empty_like(x)
        loose(x, out)
        np.testing.assert_array_equal(out, run(f, x), name)


def test_intrinsics_are_exact_operations() -> None:
    fma, bits, from_bits, copysign = (
        intrinsics.fma,
        intrinsics.bits,
        intrinsics.from_bits,
        intrinsics.copysign,
    )

    @njit
    def residue(a, b):
        return fma(a, b, -(a * b))

    @njit
    def round_trip(x):
        return from_bits(bits(x))

    @njit
    def signed(x, y):
        return copysign(x, y)

    for dtype in (np.float32, np.float64):
        a = dtype(1) + np.finfo(dtype).eps
        assert residue(a, a) == np.finfo(dtype).eps ** 2
        assert [round_trip(dtype(v)) for v in (1.5, -0.0, -INF)] == [1.5, 0.0, -INF]
        assert signed(dtype(2), dtype(-0.0)) == -2


def test_intrinsics_refuse_mixed_types() -> None:
    select, fma, polynomial = intrinsics.select, intrinsics.fma, intrinsics.polynomial
    one = np.float32(1)

    @njit
    def mixed_select(x):
        return select(x > 0, x, 1.0)

    @njit
    def mixed_fma(x):
        return fma(x, x, 1.0)

    @njit
    def mixed_polynomial(x):
        return polynomial(x, (1.0, 2.0))

    for f in (mixed_select, mixed_fma, mixed_polynomial):
        with pytest.raises(TypingError, match=r"one type|a tuple of float32"):
            f(one)


# ---- coefficients ---------------------------------------------------------------------------------------------------

DECLARED = {  # log2 of the error that the comments at the tables state
    "math32.EXP_REST": -28.2,
    "math32.LOG": -27.6,
    "math32.LOG1P": -30.1,
    "math32.LOG2": -37.8,
    "math32.EXP2": -29.0,
    "math64.EXP_REST": -57.9,
    "math64.ATANH": -55.9,
    "math64.LOG2": -66.3,
    "math64.EXP2": -57.8,
    "math_wide.EXP_REST": -34.2,
    "math_wide.LOG": -32.8,
    "math_wide.LOG1P": -32.9,
    "math_wide.EXP2": -34.5,
    "residual.LOG_COSH": -56.7,
    "scalar.LOG_FACTORIAL": -54.8,
    "scalar.STIRLING": -54.0,
    "scalar.DIGAMMA": -54.3,
    "scalar.DIGAMMA_SERIES": -47.4,
}


def test_every_table_has_a_fit() -> None:
    assert set(DECLARED) == set(minimax.FITS)


@pytest.mark.parametrize("name", DECLARED)
def test_coefficients_are_minimax(name: str) -> None:
    module, table = name.split(".")
    where = {m.__name__.rpartition(".")[2]: m for m in (math32, math64, math_wide, residual, scalar)}
    assert minimax.error(name, getattr(where[module], table)) <= DECLARED[name] + 0.05


def test_the_exchange_finds_a_known_minimax_polynomial() -> None:
    f = minimax.Fit(lambda x: x**3, lambda x: mp.mpf(1), mp.mpf(-1), mp.mpf(1), 2)
    with mp.workdps(30):  # Chebyshev: x**3 - 3 x / 4 is least
        c = [float(x) for x in minimax.fit(f)]
    np.testing.assert_allclose(c, [0, 0.75, 0], atol=1e-4)
