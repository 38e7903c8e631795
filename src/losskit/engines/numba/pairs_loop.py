"""The loops of losses of pairs of vectors; pairs.py copies them under the rules of a loss.

A row is read into scratch memory in float64, measured, judged by the rule and differentiated while it
is in the first cache. An argument ``c`` of None means that there are two vectors and not three.
"""
# mypy: ignore-errors

from typing import Any

import numpy as np

from losskit.engines.numba.intrinsics import add_reassoc, fma

# Written above the loops in each generated module.
UP: Any
DOWN: Any
LEAST: Any
MOST: Any
value_of: Any
slopes_of: Any


def squares_of(v):
    """The sum of squares."""
    total = 0.0
    for i in range(v.size):
        total = add_reassoc(total, v[i] * v[i])
    return total


def measured(v, squares):
    """(length, lift): the length of the row ``v`` is length / lift, and its direction v / length.

    Where the sum of squares has no room in float64, v itself is multiplied by ``lift``, a power of 2.
    An infinite row becomes the direction in which it points, with a lift of 0.
    """
    if LEAST <= squares <= MOST:
        return np.sqrt(squares), 1.0
    largest = 0.0
    for i in range(v.size):
        largest = max(largest, abs(v[i]))
    if squares == 0.0 and largest == 0.0:
        return 0.0, 1.0
    lift = UP if squares < LEAST else DOWN
    if largest == np.inf:
        lift = 0.0
    for i in range(v.size):
        if lift != 0.0:
            v[i] *= lift
        else:
            v[i] = np.sign(v[i]) if abs(v[i]) == np.inf else v[i] * 0.0  # NaN stays
    return np.sqrt(squares_of(v)), lift


def difference(x1, x2, v):
    """(length, lift) of x1 - x2, which is put into ``v``."""
    total = 0.0
    for i in range(v.size):
        d = np.float64(x1[i]) - np.float64(x2[i])
        v[i] = d
        total = add_reassoc(total, d * d)
    if total <= MOST:
        return measured(v, total)
    infinite = False
    for i in range(v.size):
        infinite |= abs(x1[i]) == np.inf or abs(x2[i]) == np.inf
    if infinite:
        return measured(v, total)
    for i in range(v.size):  # the difference of two finite numbers may overflow
        v[i] = np.float64(x1[i]) * DOWN - np.float64(x2[i]) * DOWN
    return np.sqrt(squares_of(v)), DOWN


def copied(x, u):
    """(inverse, lift) of x, which is put into ``u``: its direction is inverse * u, of zeros 0."""
    total = 0.0
    for i in range(u.size):
        number = np.float64(x[i])
        u[i] = number
        total = add_reassoc(total, number * number)
    length, lift = measured(u, total)
    return (1.0 / length if length != 0.0 else 0.0), lift


def between(x, p, y, q):
    """y q - x p, with what rounding takes from the products."""
    product = x * p
    return fma(y, q, -product) - fma(x, p, -product)


def angle(u, p, v, q):
    """(cosine, gap, side, in_u, in_v) of two vectors, whose directions are p u and q v.

    The gradient of the cosine, in the first vector and times its length, is q v - cosine p u, which is
    (q v - side p u) + in_u u; in the second it is (p u - side q v) + in_v v. Towards 1 or -1, which is
    then the side, the small vector q v - side p u holds all digits; its projection, not the rounded
    cosine, makes the gradient orthogonal to its vector.
    """
    c = 0.0
    for i in range(u.size):
        c = add_reassoc(c, u[i] * v[i])
    c = c * p * q
    if p == 0.0 or q == 0.0:
        return 0.0, 1.0, 0.0, 0.0, 0.0
    if abs(c) < 0.5:
        return c, 1.0 - c, 0.0, -c * p, -c * q
    side = np.sign(c)
    squares, along_u, along_v = 0.0, 0.0, 0.0
    for i in range(u.size):
        d = between(u[i], side * p, v[i], q)
        squares = add_reassoc(squares, d * d)
        along_u = add_reassoc(along_u, d * u[i])
        along_v = add_reassoc(along_v, d * v[i])
    near = 0.5 * squares
    return c, (near if side > 0.0 else 2.0 - near), side, -along_u * p * p, side * along_v * q * q


def pull(along, unit, length, lift):
    """What to multiply the row of ``measured`` by: ``along`` times its length plus ``unit``, over its length."""
    if length == 0.0:
        return 0.0
    factor = along * (length / lift) + unit if along != 0.0 else unit
    return factor / length


def distances(y, a, b, c, k, cotangent, step, terms, ga, gb, gc, first, last):
    """Blocks of ``step`` rows: terms, and where there is a cotangent the gradients."""
    u, v = np.empty(a.shape[1]), np.empty(a.shape[1])
    for row in range(first * step, min(last * step, a.shape[0])):
        label = np.float64(y[row])
        length, lift = difference(a[row], b[row], u)
        length2, lift2 = 0.0, 1.0
        if c is not None:
            length2, lift2 = difference(a[row], c[row], v)
        measures = (length / lift, length2 / lift2)
        terms[row] = value_of(label, measures, k)
        if cotangent is None:
            continue
        slopes = slopes_of(label, measures, k)
        f = cotangent[row] * pull(slopes[0], slopes[1], length, lift)
        A, B = ga[row], gb[row]
        if c is None:
            for i in range(u.size):
                g = f * u[i]
                A[i] = g
                B[i] = -g
        else:
            h = cotangent[row] * pull(slopes[2], slopes[3], length2, lift2)
            C = gc[row]
            for i in range(u.size):
                g, e = f * u[i], h * v[i]
                A[i] = g + e
                B[i] = -g
                C[i] = -e


def cosines(y, a, b, c, k, cotangent, step, terms, ga, gb, gc, first, last):
    """The same for cosines; see ``angle`` for their gradient."""
    u, v, w = np.empty(a.shape[1]), np.empty(a.shape[1]), np.empty(a.shape[1])
    for row in range(first * step, min(last * step, a.shape[0])):
        label = np.float64(y[row])
        p, lift_a = copied(a[row], u)
        q, lift_b = copied(b[row], v)
        cosine, gap, side, in_u, in_v = angle(u, p, v, q)
        cosine2, gap2 = 0.0, 1.0
        if c is not None:
            o, lift_c = copied(c[row], w)
            cosine2, gap2, side2, in_u2, in_w = angle(u, p, w, o)
        measures = (cosine, gap, cosine2, gap2)
        terms[row] = value_of(label, measures, k)
        if cotangent is None:
            continue
        slopes = slopes_of(label, measures, k)
        f = cotangent[row] * slopes[0] if p != 0.0 and q != 0.0 else 0.0
        A, B = ga[row], gb[row]
        if c is None:
            for i in range(u.size):
                A[i] = f * p * (between(u[i], side * p, v[i], q) + in_u * u[i]) * lift_a
                B[i] = f * q * (between(v[i], side * q, u[i], p) + in_v * v[i]) * lift_b
        else:
            h = cotangent[row] * slopes[1] if p != 0.0 and o != 0.0 else 0.0
            C = gc[row]
            for i in range(u.size):
                first = f * (between(u[i], side * p, v[i], q) + in_u * u[i])
                second = h * (between(u[i], side2 * p, w[i], o) + in_u2 * u[i])
                A[i] = p * (first + second) * lift_a
                B[i] = f * q * (between(v[i], side * q, u[i], p) + in_v * v[i]) * lift_b
                C[i] = h * o * (between(w[i], side2 * o, u[i], p) + in_w * w[i]) * lift_c
