"""Minimax polynomials: where the coefficients of math32.py, math64.py, math_wide.py and scalar.py come from.

``python tests/engines/numba/minimax.py`` prints every table of these modules. A polynomial is fitted by Remez'
exchange in 60 digits, then rounded one coefficient at a time, lowest power first: each is fixed at its rounded
value and the others are fitted again, so that they take up its rounding error. That makes the derivatives worse, so
where these count as well all are rounded at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

import mpmath as mp
import numpy as np

DIGITS = 60
GRID = 600  # points on which a fit is made


class Fit(NamedTuple):
    """Approximate ``target(x)`` by a polynomial so that ``weight(x) * error(x)`` is smallest on ``[low, high]``."""

    target: Callable[[mp.mpf], mp.mpf]
    weight: Callable[[mp.mpf], mp.mpf]
    low: mp.mpf
    high: mp.mpf
    degree: int
    dtype: type[np.floating] = np.float64
    at_once: bool = False


def remez(values: list[mp.mpf], weights: list[mp.mpf], grid: list[mp.mpf], degree: int) -> list[mp.mpf]:
    """Coefficients of the polynomial with the least weighted maximum error on the grid."""
    n = degree + 2
    last = len(grid) - 1
    nodes = [round(last * (1 - np.cos(np.pi * (k + 0.5) / n)) / 2) for k in range(n)]
    for _ in range(300):
        matrix = mp.matrix(n, n)
        right = mp.matrix(n, 1)
        for row, node in enumerate(nodes):
            for power in range(degree + 1):
                matrix[row, power] = weights[node] * grid[node] ** power
            matrix[row, n - 1] = (-1) ** row
            right[row] = weights[node] * values[node]
        solution = mp.lu_solve(matrix, right)
        c = [solution[k] for k in range(n - 1)]
        error = [w * (mp.polyval(c[::-1], x) - v) for x, v, w in zip(grid, values, weights, strict=True)]
        worst = max(range(last + 1), key=lambda k: abs(error[k]))
        if abs(error[worst]) <= abs(solution[n - 1]) * mp.mpf("1.01"):
            return c
        nodes = exchanged(nodes, worst, error)
    raise RuntimeError("the exchange did not converge")


def exchanged(nodes: list[int], worst: int, error: list[mp.mpf]) -> list[int]:
    """The nodes with ``worst`` in place of a neighbour, so that the signs of the error still alternate."""

    def same(k: int) -> bool:
        return (error[nodes[k]] > 0) == (error[worst] > 0)

    after = sum(node < worst for node in nodes)
    if after == 0:
        return [worst, *nodes[1:]] if same(0) else [worst, *nodes[:-1]]
    if after == len(nodes):
        return [*nodes[:-1], worst] if same(-1) else [*nodes[1:], worst]
    k = after if same(after) else after - 1
    return [*nodes[:k], worst, *nodes[k + 1 :]]


def rounded(x: mp.mpf, dtype: type[np.floating]) -> mp.mpf:
    """x rounded once to dtype, exactly, as an mpf."""
    bits = 24 if dtype is np.float32 else 53
    with mp.workprec(bits):
        return +x


def grid(f: Fit) -> list[mp.mpf]:
    """Points of the interval, denser towards its ends; none at 0, where a target may be 0 / 0."""
    middle, half = (f.low + f.high) / 2, (f.high - f.low) / 2
    points = [middle - half * mp.cos(mp.pi * k / GRID) for k in range(GRID + 1)]
    return [x for x in points if abs(x) > mp.mpf(2) ** -40]


def fit(f: Fit) -> list[mp.mpf]:
    """Rounded coefficients, lowest power first."""
    points = grid(f)
    weights = [f.weight(x) for x in points]
    rest = [f.target(x) for x in points]
    if f.at_once:
        return [rounded(c, f.dtype) for c in remez(rest, weights, points, f.degree)]
    fixed: list[mp.mpf] = []
    for degree in range(f.degree, -1, -1):
        c = remez(rest, weights, points, degree)
        fixed.append(rounded(c[0], f.dtype))
        rest = [(v - fixed[-1]) / x for v, x in zip(rest, points, strict=True)]
        weights = [w * abs(x) for w, x in zip(weights, points, strict=True)]
    return fixed


LN2 = mp.ln2  # mpmath's constant: as precise as the place where it is used
ATANH_MAX = mp.mpf(1) / 25  # s**2 for s = f / (2 + f), f = 1/2
LOG2_MAX = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2


def exponential(degree: int, dtype: type[np.floating]) -> Fit:
    """e**r after 1 + r; the relative error of the whole counts."""
    return Fit(
        lambda r: (mp.expm1(r) - r) / r**2,
        lambda r: r**2 / mp.exp(r),
        -1.001 * LN2 / 2,
        1.001 * LN2 / 2,
        degree,
        dtype,
    )


def logarithm(degree: int, dtype: type[np.floating]) -> Fit:
    """log(1 + f) after f - f**2 / 2."""
    return Fit(
        lambda f: (mp.log1p(f) - f + f * f / 2) / f**3,
        lambda f: f**3 / mp.log1p(f),
        mp.mpf(-0.25),
        mp.mpf(0.5),
        degree,
        dtype,
    )


def logarithm_above_1(degree: int, dtype: type[np.floating]) -> Fit:
    """log(1 + e) after e."""
    return Fit(
        lambda e: (mp.log1p(e) - e) / e**2, lambda e: e**2 / mp.log1p(e), mp.mpf(0), mp.mpf(1), degree, dtype
    )


def power_of_2(degree: int) -> Fit:
    return Fit(lambda g: mp.mpf(2) ** g, lambda g: mp.mpf(2) ** -g, mp.mpf(-0.5), mp.mpf(0.5), degree)


def atanh_ratio(z: mp.mpf) -> mp.mpf:
    """2 atanh(s) / s, as a function of z = s**2."""
    return 2 * mp.atanh(mp.sqrt(z)) / mp.sqrt(z)


DIGAMMA_ZERO = "1.46163214496836234126265954232572132846819620400644629512959884"
STIRLING_FROM = mp.mpf(7)  # log x! by Stirling's series
DIGAMMA_SERIES_FROM = mp.mpf(8)


def stirling(z: mp.mpf) -> mp.mpf:
    """x (log x! - (x + 1/2) log x + x - log(2 pi) / 2), as a function of z = 1 / x**2."""
    x = 1 / mp.sqrt(z)
    return x * (mp.loggamma(1 + x) - (x + mp.mpf(0.5)) * mp.log(x) + x - mp.log(2 * mp.pi) / 2)


def digamma_series(z: mp.mpf) -> mp.mpf:
    """x**2 (log x - 1 / (2 x) - digamma(x)), as a function of z = 1 / x**2."""
    x = 1 / mp.sqrt(z)
    return x * x * (mp.log(x) - 1 / (2 * x) - mp.digamma(x))


def relative(target: Callable[[mp.mpf], mp.mpf], low: float, high: mp.mpf, degree: int) -> Fit:
    """A fit whose own relative error counts."""
    return Fit(target, lambda x: 1 / target(x), mp.mpf(low), mp.mpf(high), degree)


FITS: dict[str, Fit] = {
    "math32.EXP_REST": exponential(4, np.float32),
    "math32.LOG": logarithm(7, np.float32),
    "math32.LOG1P": logarithm_above_1(9, np.float32),
    "math32.LOG2": Fit(
        lambda z: atanh_ratio(z) / LN2, lambda z: LN2 / atanh_ratio(z), mp.mpf(0), LOG2_MAX, 4
    ),
    "math32.EXP2": power_of_2(6),
    "math64.EXP_REST": exponential(9, np.float64),
    "math64.ATANH": Fit(
        lambda z: (atanh_ratio(z) - 2) / z, lambda z: z / atanh_ratio(z), mp.mpf(0), ATANH_MAX, 6
    ),
    "math64.LOG2": Fit(
        lambda z: ((atanh_ratio(z) - 2) / z - mp.mpf(2) / 3) / z / LN2,
        lambda z: z**2 * LN2 / atanh_ratio(z),
        mp.mpf(0),
        LOG2_MAX,
        6,
    ),
    "math64.EXP2": power_of_2(11),
    "math_wide.EXP_REST": exponential(5, np.float64),
    "math_wide.LOG": logarithm(9, np.float64),
    "math_wide.LOG1P": logarithm_above_1(10, np.float64),
    "math_wide.EXP2": power_of_2(7),
    "residual.LOG_COSH": relative(lambda z: mp.log(mp.cosh(mp.sqrt(z))) / z, 0, mp.mpf(1), 19)._replace(
        at_once=True
    ),
    "scalar.LOG_FACTORIAL": relative(
        lambda e: mp.loggamma(1.75 + e) / ((e + 0.75) * (e - 0.25)), -0.7501, mp.mpf(0.75), 26
    ),
    "scalar.STIRLING": relative(stirling, 0, STIRLING_FROM**-2, 6),
    "scalar.DIGAMMA": relative(
        lambda e: mp.digamma(1.5 + e) / (1.5 + e - mp.mpf(DIGAMMA_ZERO)), -0.5, mp.mpf(0.5), 22
    ),
    "scalar.DIGAMMA_SERIES": relative(digamma_series, 0, DIGAMMA_SERIES_FROM**-2, 5),
}
"""Each table's fit. The weight turns the error of the polynomial into the relative error of the function."""


def error(name: str, coefficients: Sequence[float]) -> float:
    """log2 of the largest error on the interval of the table's fit."""
    f = FITS[name]
    with mp.workdps(DIGITS):
        c = [mp.mpf(float(x)) for x in reversed(coefficients)]
        return float(mp.log(max(abs(f.weight(x) * (mp.polyval(c, x) - f.target(x))) for x in grid(f)), 2))


def main(names: list[str]) -> None:
    for name in names or FITS:
        with mp.workdps(DIGITS):
            c = [FITS[name].dtype(str(x)) for x in fit(FITS[name])]
        print(f"{name}: error 2**{error(name, c):.1f}")
        for x in c:
            print("   ", np.format_float_scientific(x, unique=True) + ",")


if __name__ == "__main__":
    main(sys.argv[1:])
