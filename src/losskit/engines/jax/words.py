"""The vocabulary of rules on JAX arrays.

XLA's exp, log, sqrt and power are good to about one unit in the last place on a CPU. Its expm1, log1p
and tanh are not (128 units for log1p in float64), so these are spelled out here. XLA on a CPU takes
subnormal numbers for 0, and so do all these.

XLA also rewrites arithmetic: a / b / b into a / (b b), where b b is 0 for a floored probability,
(1 + w) - 1 into w, and k (k x) into (k k) x. Rules are written with care for such things, so they run
on operands that keep their arithmetic as it is written.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Array = jax.Array


def largest(dtype: Any) -> float:
    """The largest finite number of a floating dtype."""
    return float(jnp.finfo(dtype).max)  # type: ignore[no-untyped-call]


def smallest_normal(dtype: Any) -> float:
    """The smallest number of a floating dtype with all its digits."""
    return float(jnp.finfo(dtype).tiny)  # type: ignore[no-untyped-call]


def opaque(x: Array) -> Array:
    """``x``, in a form that XLA does not see through but still fuses with what is around it."""
    return jnp.where(x != x, jnp.nan, x)


class Operand:
    """An array in a rule, and whether it is a sum with a number, a product with one, or a quotient."""

    __slots__ = ("array", "kind")
    __array_ufunc__ = None  # NumPy's numbers leave arithmetic to these operators

    def __init__(self, array: Array, kind: str = "") -> None:
        self.array = array
        self.kind = kind

    def apart(self, *kinds: str) -> Array:
        """The array, opaque where it is of one of these kinds."""
        return opaque(self.array) if self.kind in kinds else self.array

    def __add__(self, other: Any) -> "Operand":
        if isinstance(other, Operand):
            return Operand(self.array + other.array)
        return Operand(self.apart("sum") + bare(other), "sum")  # (1 + w) - 1 is what rounding left of w

    def __sub__(self, other: Any) -> "Operand":
        if isinstance(other, Operand):
            return Operand(self.array - other.array)
        return Operand(self.apart("sum") - bare(other), "sum")

    def __rsub__(self, other: Any) -> "Operand":
        return Operand(bare(other) - self.apart("sum"), "sum")

    def __mul__(self, other: Any) -> "Operand":
        if isinstance(other, Operand):
            return Operand(self.array * other.array)
        return Operand(self.apart("product") * bare(other), "product")

    def __truediv__(self, other: Any) -> "Operand":
        if isinstance(other, Operand):
            return Operand(self.apart("quotient") / other.apart("quotient"), "quotient")
        return Operand(
            self.apart("product", "quotient") / bare(other), "product"
        )  # XLA multiplies by 1/other

    def __rtruediv__(self, other: Any) -> "Operand":
        return Operand(bare(other) / self.apart("product", "quotient"), "quotient")

    def __neg__(self) -> "Operand":
        return Operand(-self.array, self.kind)

    __radd__, __rmul__ = __add__, __mul__


def bare(x: Any) -> Any:
    """An operand's array; a number as a Python number, which takes the dtype of what it meets."""
    return x.array if isinstance(x, Operand) else float(x) if isinstance(x, np.floating) else x


def _operator(name: str) -> Callable[..., Operand]:
    return lambda self, *other: Operand(getattr(self.array, name)(*map(bare, other)))


for _name in (
    "pow",
    "rpow",
    "pos",
    "abs",
    "lt",
    "le",
    "gt",
    "ge",
    "eq",
    "ne",
    "and",
    "rand",
    "or",
    "ror",
    "invert",
):
    setattr(Operand, f"__{_name}__", _operator(f"__{_name}__"))


def _word(on_arrays: Callable[..., Any], on_numbers: Callable[..., Any]) -> Callable[..., Any]:
    """A function of operands; or of numbers such as parameters, worked out once, in double precision."""

    def word(*x: Any) -> Any:
        if any(isinstance(a, Operand) for a in x):
            return Operand(on_arrays(*map(bare, x)))
        with np.errstate(all="ignore"):
            return float(on_numbers(*x))  # a Python number takes the dtype of what it meets

    return word


def _series(terms: int) -> tuple[float, ...]:
    return tuple(1.0 / math.factorial(k) for k in range(2, terms + 2))


_EXP_REST = {np.dtype(np.float32): _series(10), np.dtype(np.float64): _series(17)}
"""(e^x - 1 - x) / x^2 for |x| <= 3/4."""


@jax.custom_jvp
def expm1(x: Array) -> Array:
    """e^x - 1."""
    near = jnp.clip(x, -0.75, 0.75)
    rest: Any = 0.0
    for coefficient in reversed(_EXP_REST[x.dtype]):
        rest = rest * near + coefficient
    return jnp.where(jnp.abs(x) < 0.75, near + near * near * rest, jnp.exp(x) - 1.0)


expm1.defjvps(lambda t, _, x: t * jnp.exp(x))


@jax.custom_jvp
def log1p(x: Array) -> Array:
    """log(1 + x)."""
    u = jnp.maximum(1.0 + x, -1.0)  # or XLA makes log(1 + x) its own log1p again
    lost = jnp.where(x > 1.0, 1.0 - (u - x), x - (u - 1.0))  # what rounding took from 1 + x
    return jnp.where((u > 0.0) & (u < jnp.inf), jnp.log(u) + lost / u, jnp.log(u))


log1p.defjvps(lambda t, _, x: t / (1.0 + x))


@jax.custom_jvp
def tanh(x: Array) -> Array:
    """The hyperbolic tangent."""
    t = expm1(-2.0 * jnp.abs(x))
    return -jnp.sign(x) * t / (2.0 + t)


def _slope_of_tanh(t: Array, _: Array, x: Array) -> Array:
    e = jnp.exp(-2.0 * jnp.abs(x))
    return t * (4.0 * e / ((1.0 + e) * (1.0 + e)))


tanh.defjvps(_slope_of_tanh)


def where(condition: Any, a: Any, b: Any) -> Any:
    """``a`` where the condition holds, else ``b``."""
    if isinstance(condition, Operand):
        return Operand(jnp.where(condition.array, bare(a), bare(b)))
    return a if condition else b


@jax.custom_jvp
def _scaled(factor: Array, x: Array) -> Array:
    return jnp.where(factor == 0.0, 0.0, factor * x)


@_scaled.defjvp
def _slopes_of_scaled(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    factor, x = primals
    d_factor, dx = tangents
    most, none = largest(x.dtype), factor == 0.0
    # Where the factor is 0 the derivative in it is x all the same; an infinite one would be NaN next to a 0.
    in_factor = jnp.where(none, jnp.nan_to_num(x, nan=0.0, posinf=most, neginf=-most), x)
    return _scaled(factor, x), d_factor * in_factor + jnp.where(none, 0.0, factor * dx)


def scaled(factor: Any, x: Any) -> Any:
    """``factor * x``, and 0 where the factor is 0 even if ``x`` is infinite."""
    if not isinstance(factor, Operand):
        return 0.0 if factor == 0.0 else factor * x
    times = jnp.asarray(bare(x), factor.array.dtype)
    shape = jnp.broadcast_shapes(factor.array.shape, times.shape)
    return Operand(_scaled(jnp.broadcast_to(factor.array, shape), jnp.broadcast_to(times, shape)))


_NUMPY = ("absolute", "arctan", "cos", "cosh", "log2", "log10", "sin", "sinh", "square", "tan")
"""What a loss of the user's own may call as np.sin: no words, but JAX has them."""

WORDS: Mapping[str, Any] = {
    **{name: _word(getattr(jnp, name), getattr(np, name)) for name in _NUMPY},
    "exp": _word(jnp.exp, np.exp),
    "expm1": _word(expm1, np.expm1),
    "log": _word(jnp.log, np.log),
    "log1p": _word(log1p, np.log1p),
    "sqrt": _word(jnp.sqrt, np.sqrt),
    "tanh": _word(tanh, np.tanh),
    "sign": _word(jnp.sign, np.sign),
    "maximum": _word(jnp.maximum, np.maximum),
    "minimum": _word(jnp.minimum, np.minimum),
    "power": _word(jnp.power, np.power),
    "where": where,
    "scaled": scaled,
}
"""The words in jax.numpy; the other composites follow from them."""
