"""Numbers of extended range: a mantissa in [1, 2) and an integer exponent of their own.

Probabilities of paths fall below the smallest float within a hundred steps. Their logarithms do not,
but a sum then costs an exponential and a logarithm, and digits: an error of 1e-16 of -1000 is 1e-13 of
the probability. Here a sum costs shifts, every operation is right to the last bit or two, and all of
it vectorises. There is no zero: ``NOTHING`` stands for it, an exponent below all that paths can reach.

Rows of numbers are a row of mantissas and one of exponents. What is done to them is cut into loops of
few rows each: LLVM vectorises a loop only where it takes it few comparisons to tell its rows apart.
"""
# mypy: ignore-errors

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from losskit.engines.numba import math64
from losskit.engines.numba.intrinsics import bits, fma, from_bits, polynomial, select, shift_left, shift_right

NOTHING = np.int64(-(2**42))
"""The exponent of a probability of 0."""
RARE = np.float64(2.0**20)
"""Logarithms fit that are smaller than this, up to 2**19 of them in a row."""

inline = njit(forceinline=True, error_model="numpy", no_cfunc_wrapper=True, no_cpython_wrapper=True)
part = njit(inline="always", error_model="numpy")  # what has loops would else be optimised twice
kernel: Any = njit(nogil=True, error_model="numpy", cache=True)

_ONE, _BIAS, _ZERO, _INF = np.float64(1), np.int64(1023), np.int64(0), np.float64(np.inf)
_EXP, _LOG2E, _HIGH, _LOW = math64.EXP, math64.LOG2E, math64.LN2_HIGH, math64.LN2_LOW
_LN2 = np.float64(np.log(2.0))
_ROUND, _ROUND_BITS = math64.ROUND, np.int64(np.float64(math64.ROUND).view(np.int64))
_MANTISSA = math64.MANTISSA


@inline
def larger(i, j):
    """The larger of two exponents."""
    return select(i > j, i, j)


@inline
def power_of_2(n):
    """2**n as a float; 0 where that is no normal number. n is below 1024."""
    return from_bits(shift_left(larger(n + _BIAS, _ZERO), _MANTISSA))


@inline
def exp(x):
    """(m, n) with exp(x) = m 2**n, for |x| < RARE; -inf gives NOTHING, what is beyond some number."""
    x = select(x == -_INF, -RARE, x)
    t = fma(x, _LOG2E, _ROUND)
    n = t - _ROUND
    m = polynomial(fma(n, -_HIGH, x) - n * _LOW, _EXP)
    return m, select(x == -RARE, NOTHING, bits(t) - _ROUND_BITS)


@inline
def log(m, n):
    """The logarithm of m 2**n; of NOTHING, -inf."""
    if n < NOTHING // 2:
        return -_INF
    return _LN2 * np.float64(n) + math64.log(m)


@part
def exp_row(x, m, n):
    """exp of each number."""
    for j in range(x.size):
        m[j], n[j] = exp(x[j])


@part
def add_2(m, n, m1, n1, total, top):
    """The sums of two rows; their mantissas are below 4."""
    for j in range(top.size):
        top[j] = larger(n[j], n1[j])
    for j in range(top.size):
        total[j] = m[j] * power_of_2(n[j] - top[j]) + m1[j] * power_of_2(n1[j] - top[j])


@part
def add_3(m, n, m1, n1, m2, n2, lift, total, top):
    """The sums of three rows, of which the third is lifted by powers of 2; their mantissas are below 6."""
    for j in range(top.size):
        top[j] = larger(larger(n[j], n1[j]), n2[j] + lift[j])
    for j in range(top.size):
        x = m[j] * power_of_2(n[j] - top[j]) + m1[j] * power_of_2(n1[j] - top[j])
        total[j] = x + m2[j] * power_of_2(n2[j] + lift[j] - top[j])


@part
def multiply(m, n, m1, n1, product, top):
    """The products of two rows, with their mantissas in [1, 2) again."""
    for j in range(top.size):
        i = bits(m[j] * m1[j])
        product[j] = from_bits(i - shift_left(shift_right(i, _MANTISSA) - _BIAS, _MANTISSA))
    for j in range(top.size):
        top[j] = n[j] + n1[j] + (shift_right(bits(m[j] * m1[j]), _MANTISSA) - _BIAS)


@part
def shares(m, n, m1, n1, m2, n2, tm, tn, out):
    """m * m1 / (m2 * t) as floats: which share of the paths, tm 2**tn in all, passes from m on to m1.

    Both have the factor m2 in them.
    """
    for j in range(out.size):
        out[j] = m[j] * m1[j] / (m2[j] * tm) * power_of_2(n[j] + n1[j] - n2[j] - tn)
