"""Rows of predictions on JAX arrays: the formulas of the NumPy reference, and the Hessian times a vector."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from losskit.engines.jax.derivatives import Numbers, TermFunctions, finite, functions_of, linear
from losskit.engines.jax.words import Array, log1p, opaque
from losskit.engines.row_outer import Outer
from losskit.rules import Term


@dataclass(frozen=True)
class Rows:
    """What a loss of rows is: all that its functions depend on besides arrays."""

    terms: tuple[Term, ...]
    link: str
    class_weights: tuple[float, ...] | None
    floor: float
    numbers: Numbers
    shift: tuple[float, ...] | None = None
    """What is added to the logits of each class."""

    def parts(self, argument: str) -> list[TermFunctions]:
        """The terms that are functions of ``argument``."""
        return [functions_of(t, self.numbers) for t in self.terms if t.rules.argument == argument]

    def weights(self, classes: int) -> Array:
        """The class weights."""
        return jnp.asarray(self.class_weights or (1.0,) * classes, self.numbers.dtype)

    def saturated(self, slope: Array) -> Array:
        """Slopes of floored probabilities stop at the largest finite number."""
        return finite(slope, self.numbers.largest) if any(t.rules.saturates for t in self.terms) else slope


class Point:
    """Rows of predictions, the classes on the last axis.

    Targets are class indices inside the range where their dtype is an integer's, else distributions.
    """

    nll: Array
    """-log p of each class."""
    argument: Array
    """What the rules of a pair (y, p) take for p."""

    def __init__(self, rows: Rows, z: Array) -> None:
        self.rows = rows
        self.z = z
        self.weights = rows.weights(z.shape[-1])

    def value(self, y: Array) -> Array:
        """The loss of each row."""
        total = self.of_pairs(y)[0] + self.of_target(y)[0]
        for part in self.rows.parts("mean_nll"):
            total = total + part.value(self.mean(self.nll))
        return total

    def gradient(self, y: Array) -> Array:
        """Its derivative in the predictions."""
        raise NotImplementedError

    def change(self, y: Array, dz: Array, dy: Array | None) -> Array:
        """How the gradient changes as predictions move along ``dz`` and distributions along ``dy``."""
        raise NotImplementedError

    def diagonal(self, y: Array) -> Array:
        """The second derivative in each prediction."""
        raise NotImplementedError

    def diagonal_of(self, whole: Outer) -> Array:
        """The part of the second derivative in each prediction that a function of all classes has."""
        raise NotImplementedError

    def rise(self, dz: Array) -> Array:
        """How each nll changes as predictions move along ``dz``."""
        raise NotImplementedError

    def mean(self, nll: Array) -> Array:
        """The mean over the classes of weight * nll, where no weight is no term."""
        return total(times(self.weights, nll))[..., 0] / nll.shape[-1]

    def of_mean(self) -> tuple[Array, Array]:
        """Of the terms of that mean: the derivative with respect to each nll, and the second one in the mean."""
        mean = self.mean(self.nll)
        slope = bend = jnp.zeros_like(mean)
        for part in self.rows.parts("mean_nll"):
            slope, bend = slope + part.slope(mean), bend + part.curvature(mean)
        return slope[..., None] * self.weights / self.z.shape[-1], bend

    def of_target(self, y: Array) -> tuple[Array, Array, Array]:
        """The terms of the target's nll: their value, and first and second derivative with respect to each nll."""
        if are_indices(y):
            f, *slopes = self.of_index(y)
            here = jnp.arange(self.z.shape[-1]) == y[..., None]
            return f, *(jnp.where(here, x[..., None], 0.0) for x in slopes)  # type: ignore[return-value]
        value, u, v = jnp.zeros_like(self.z[..., 0]), jnp.zeros_like(self.z), jnp.zeros_like(self.z)
        for part in self.rows.parts("nll"):
            share = y * self.weights
            value = value + total(times(share, part.value(self.nll)))[..., 0]
            u, v = u + times(share, part.slope(self.nll)), v + times(share, part.curvature(self.nll))
        return value, u, v

    def of_index(self, y: Array) -> tuple[Array, Array, Array]:
        """The same of class indices: value, slope and curvature at the class of each row."""
        own = self.nll_of(y)
        value = slope = bend = jnp.zeros_like(own)
        for part in self.rows.parts("nll"):
            value, slope, bend = value + part.value(own), slope + part.slope(own), bend + part.curvature(own)
        if self.rows.class_weights is None:
            return value, slope, bend
        weight = jnp.take(self.weights, y, mode="clip")
        return times(weight, value), times(weight, slope), times(weight, bend)

    def nll_of(self, y: Array) -> Array:
        """The nll of one class of each row."""
        return selected(self.nll, y)

    def of_pairs(self, y: Array) -> tuple[Array, Array, Array]:
        """The terms of each class: their value, slope and curvature."""
        value, slope, bend = jnp.zeros_like(self.z[..., 0]), jnp.zeros_like(self.z), jnp.zeros_like(self.z)
        for part in self.rows.parts("pair"):
            pair = self.shares(y), self.argument
            value = value + total(part.value(*pair))[..., 0]
            slope, bend = slope + part.slope(*pair), bend + part.curvature(*pair)
        return value, slope, bend

    def of_shares(self, y: Array, dy: Array | None) -> tuple[Array, Array]:
        """How the first derivatives of both kinds change with the shares."""
        du = dslope = jnp.zeros_like(self.z)
        if dy is not None:
            for part in self.rows.parts("nll"):
                du = du + linear(dy, self.weights * part.slope(self.nll))
            for part in self.rows.parts("pair"):
                assert part.mixed is not None
                dslope = dslope + linear(dy, part.mixed(y, self.argument))
        return du, dslope

    def shares(self, y: Array) -> Array:
        """A target as a distribution."""
        return (jnp.arange(self.z.shape[-1]) == y[..., None]).astype(self.z.dtype) if are_indices(y) else y


def _sum_of_two(a: Array, b: Array) -> tuple[Array, Array]:
    """a + b, and what rounding took from it (Knuth)."""
    s = opaque(a + b)
    back = s - a
    return s, (a - (s - back)) + (b - back)


class Logits(Point):
    """Rows of logits.

    The gradient is g_k = p_k T - u_k with T = sum_j u_j + df/dlse. As logits move along v it changes by
    p_k (dT - n_k T) - du_k with n_j = p·v - v_j, the change of nll_j, and du_j what follows from it. In the
    column of the largest logit, where 1 - p is known, all are written without cancellation.
    """

    def __init__(self, rows: Rows, z: Array) -> None:
        super().__init__(rows, z)
        exact = np.asarray(rows.shift or (0.0,) * z.shape[-1])
        shift = jnp.asarray(exact, z.dtype)
        peak = (z + shift).argmax(-1)
        self.largest = largest = selected(z, peak)[..., None]
        self.gap, rounded = _sum_of_two(shift, -shift[peak][..., None])
        # The numbers themselves have more digits than float32.
        left = jnp.asarray(exact - exact.astype(z.dtype), z.dtype)
        self.gap_rest = rounded + (left - left[peak][..., None])
        tied, d, lost = self._below_top(z, self.gap, self.gap_rest)
        ties = total(tied.astype(z.dtype))
        self.unique = ties == 1.0  # of two at the top neither is almost 1
        self.top = tied & self.unique
        e = jnp.exp(d) * (1.0 + lost)
        others = total(jnp.where(tied, 0.0, e)) + (ties - 1.0)
        # Several +inf, or nothing but -inf, have no limit.
        others = jnp.where(jnp.isinf(largest) & ((largest < 0.0) | (others > 0.0)), jnp.nan, others)
        self.p = e / (1.0 + others)
        self.rest = jnp.where(self.top, others / (1.0 + others), 1.0 - self.p)
        self.log_sum = log1p(others)
        self.nll = self.log_sum - (d + lost)
        self.lse = (largest + self.log_sum)[..., 0] + shift[peak]
        self.argument = -self.nll

    def _below_top(self, z: Array, gap: Array, gap_rest: Array) -> tuple[Array, Array, Array]:
        """Where logits are the largest, how far they are below it, and what rounding took from that."""
        tied = z == self.largest
        d = jnp.where(tied, 0.0, z - self.largest)  # not inf - inf
        back = d - z
        lost = (z - (d - back)) - (self.largest + back)
        lost = jnp.where(jnp.isfinite(lost) & ~tied, lost, 0.0)
        if self.rows.shift is None:
            return tied, d, lost
        d, more = _sum_of_two(d, gap)
        more = more + gap_rest
        return tied & (gap == 0.0), d, lost + jnp.where(jnp.isfinite(more), more, 0.0)

    def nll_of(self, y: Array) -> Array:
        own = (selected(x, y)[..., None] for x in (self.z, self.gap, self.gap_rest))
        _, d, lost = self._below_top(*own)
        return (self.log_sum - (d + lost))[..., 0]

    def value(self, y: Array) -> Array:
        value = super().value(y)
        for part in self.rows.parts("log_sum_exp"):
            value = value + part.value(self.lse)
        return value

    def of_lse(self) -> tuple[Array, Array]:
        """The first and second derivative with respect to the log-sum-exp, one column each."""
        slope = bend = jnp.zeros_like(self.lse)
        for part in self.rows.parts("log_sum_exp"):
            slope, bend = slope + part.slope(self.lse), bend + part.curvature(self.lse)
        return slope[..., None], bend[..., None]

    def of_nll(self, y: Array) -> "Slopes":
        """The derivatives with respect to each nll."""
        _, u, v = self.of_target(y)
        if are_indices(y):
            _, own, _ = self.of_index(y)
            at_top = selected(self.top, y)
            whole, below = own[..., None], jnp.where(at_top, 0.0, own)[..., None]
        else:
            whole, below = self._sums(u)
        if self.rows.parts("pair"):
            _, slope, bend = self.of_pairs(y)
            sums = self._sums(slope)
            u, v, whole, below = u - slope, v + bend, whole - sums[0], below - sums[1]
        if self.rows.parts("mean_nll"):
            share, _ = self.of_mean()
            sums = self._sums(share)
            u, whole, below = u + share, whole + sums[0], below + sums[1]
        return Slopes(u, v, whole, below)

    def _sums(self, u: Array) -> tuple[Array, Array]:
        """The sum over all classes, and over all but the top one."""
        return total(u), total(jnp.where(self.top, 0.0, u))

    def gradient(self, y: Array) -> Array:
        u, _, whole, below = self.of_nll(y)
        of_lse, _ = self.of_lse()
        whole = whole + of_lse
        at_top = self.p * (below + of_lse) - u * self.rest
        gradient = jnp.where(self.top, at_top, self.p * whole - u)
        # Probability where the target rules it out: limits, not inf - inf.
        limit = jnp.where(jnp.isinf(u), -u, jnp.where(self.z == -jnp.inf, 0.0, whole))
        return self.rows.saturated(jnp.where(jnp.isinf(whole), limit, gradient))

    def rise(self, dz: Array) -> Array:
        return self._rise(dz)[0]

    def _rise(self, dz: Array) -> tuple[Array, Array]:
        """How each nll, and the log-sum-exp, change."""
        at_top = total(jnp.where(self.top, dz, 0.0))
        from_top = jnp.where(self.top, 0.0, dz - at_top)  # run backwards, 0 in the column whose p is almost 1
        mean = total(self.p * from_top)
        return mean - from_top, mean + at_top

    def change(self, y: Array, dz: Array, dy: Array | None) -> Array:
        at = self.of_nll(y)
        rise, of_lse = self._rise(dz)
        du, dslope = self.of_shares(y, dy)
        du = du - dslope + linear(rise, at.v)
        if self.rows.parts("mean_nll"):
            du = du + (self.of_mean()[1] * self.mean(rise))[..., None] * self.weights / du.shape[-1]
        slope, bend = self.of_lse()
        moved = of_lse * bend
        whole, below = (x + moved for x in self._sums(du))
        turned = linear(self.p * rise, at.whole + slope)
        return jnp.where(self.top, self.p * below - self.rest * du, self.p * whole - du) - turned

    def diagonal(self, y: Array) -> Array:
        u, v, whole, _ = self.of_nll(y)
        slope, bend = self.of_lse()
        whole = whole + slope
        sums = self._sums(v)
        others = jnp.where(self.top, sums[1], sums[0] - v)
        second = (
            self.p * self.rest * whole + times(self.p**2, others) + times(self.rest**2, v) + bend * self.p**2
        )
        away = total(self.weights) - self.weights
        of_mean = jnp.where(
            self.top, self.p * away - self.weights * self.rest, self.p * total(self.weights) - self.weights
        )
        second = second + self.of_mean()[1][..., None] * (of_mean / u.shape[-1]) ** 2
        side = self.rest - self.p
        limit = times(jnp.where(self.z == -jnp.inf, 0.0, jnp.where(jnp.isinf(u), side, -side)), jnp.inf)
        return jnp.where(jnp.isinf(whole), limit, second)

    def diagonal_of(self, whole: Outer) -> Array:
        slopes, _ = self._sums(whole.slope)
        owns = self._sums(whole.own)
        others = jnp.where(self.top, owns[1], owns[0] - whole.own)
        curved = -self.p * self.rest * slopes + self.p**2 * others + self.rest**2 * whole.own
        across, beside = self._sums(whole.across)
        at_top = whole.across * self.rest - self.p * beside
        along = jnp.where(self.top, at_top, whole.across - self.p * across)
        answer: Array = curved + whole.bend * along**2 + whole.spread
        return answer


class Slopes(NamedTuple):
    """Derivatives with respect to each nll, but for the bend of their mean."""

    u: Array
    """The first."""
    v: Array
    """The second."""
    whole: Array
    """The sum of u over the classes."""
    below: Array
    """Its sum over all but the top class, where there is one."""


class Probabilities(Point):
    """Rows of probabilities, floored inside the logarithm, or of their logarithms."""

    def __init__(self, rows: Rows, z: Array) -> None:
        super().__init__(rows, z)
        self.argument = z
        if rows.link == "log_probability":
            self.nll, self.divisor, self.bend = -z, jnp.ones_like(z), 0.0
        else:
            self.divisor, self.bend = jnp.maximum(z, rows.floor), 1.0
            self.nll = -jnp.log(self.divisor)

    def gradient(self, y: Array) -> Array:
        u = self.of_target(y)[1] + self.of_mean()[0]
        return self.rows.saturated(self.of_pairs(y)[1] - u / self.divisor)

    def rise(self, dz: Array) -> Array:
        return -dz / self.divisor

    def _own(self, y: Array) -> Array:
        """The second derivative in each prediction, but for the bend of the mean of nll.

        Divided twice, and by no square: that is 0 for a probability at the floor.
        """
        _, u, v = self.of_target(y)
        inner = v + self.bend * (u + self.of_mean()[0])
        return self.rows.saturated(self.of_pairs(y)[2] + opaque(inner / self.divisor) / self.divisor)

    def change(self, y: Array, dz: Array, dy: Array | None) -> Array:
        du, dslope = self.of_shares(y, dy)
        bend = self.of_mean()[1]
        step = self.weights / dz.shape[-1] / self.divisor
        along = total(linear(dz, step)) * bend[..., None]
        return linear(dz, self._own(y)) + along * finite(step) + dslope - du / self.divisor

    def diagonal_of(self, whole: Outer) -> Array:
        answer: Array = whole.own + whole.bend * whole.across**2 + whole.spread
        return answer

    def diagonal(self, y: Array) -> Array:
        step = self.weights / self.z.shape[-1] / self.divisor
        return self._own(y) + times(self.of_mean()[1][..., None], step * step)


def are_indices(y: Array) -> bool:
    """Whether targets are class indices."""
    return bool(jnp.issubdtype(y.dtype, jnp.integer))


def selected(x: Array, y: Array) -> Array:
    """One class of each row. An index out of range, were there one, would be moved into it."""
    return jnp.take_along_axis(x, y[..., None], -1, mode="clip")[..., 0]


def times(share: Array, x: Any) -> Array:
    """``share * x``, 0 where the share is."""
    return jnp.where(share == 0.0, 0.0, share * x)


def total(x: Array) -> Array:
    """The sum of each row, one column."""
    return x.sum(-1, keepdims=True)
