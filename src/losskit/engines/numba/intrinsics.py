"""LLVM instructions that Numba does not offer, for kernels that must vectorise and keep exact arithmetic.

All of them are a single instruction (``polynomial``: a chain of them), so they cost nothing to inline and LLVM's
loop vectoriser knows each. Operands must have the same type: Numba would widen a mixture of int32 and a literal to int64,
which halves the width of the vectors.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.errors import TypingError
from numba.extending import intrinsic

_INTEGER_OF = {types.float32: types.int32, types.float64: types.int64}
_FLOAT_OF = {i: f for f, i in _INTEGER_OF.items()}


def _require_float(name: str, *operands: Any) -> None:
    if operands[0] not in _INTEGER_OF or any(x != operands[0] for x in operands):
        raise TypingError(f"{name} needs float32 or float64 operands of one type, got {operands}")


def _require_integer(name: str, *operands: Any) -> None:
    if operands[0] not in _FLOAT_OF or any(x != operands[0] for x in operands):
        raise TypingError(f"{name} needs int32 or int64 operands of one type, got {operands}")


# ---- choosing -------------------------------------------------------------------------------------------------------


@intrinsic
def select(typing_context, condition, a, b):
    """``a if condition else b`` without a branch: a branch in the loop body ends vectorisation."""
    if a != b:
        raise TypingError(f"select needs two values of one type, got {a} and {b}")
    if not isinstance(condition, types.Boolean | types.Integer):
        raise TypingError(f"select needs a boolean or integer condition, got {condition}")

    def generate(context, builder, signature, arguments):
        test, yes, no = arguments
        if test.type != ir.IntType(1):
            test = builder.icmp_unsigned("!=", test, ir.Constant(test.type, 0))
        return builder.select(test, yes, no)

    return a(condition, a, b), generate


# ---- floating point -------------------------------------------------------------------------------------------------


@intrinsic
def add_reassoc(typing_context, accumulator, x):
    """``accumulator + x`` that LLVM may reorder, so that a sum vectorises while all other arithmetic stays strict."""
    _require_float("add_reassoc", accumulator, x)

    def generate(context, builder, signature, arguments):
        return builder.fadd(*arguments, flags=("reassoc", "nsz"))

    return accumulator(accumulator, x), generate


@intrinsic
def fma(typing_context, a, b, c):
    """``a * b + c`` rounded once: residues rely on it, so it is never left to the ``contract`` flag."""
    _require_float("fma", a, b, c)

    def generate(context, builder, signature, arguments):
        return builder.fma(*arguments)

    return a(a, b, c), generate


def _unary(name: str) -> Any:
    """An LLVM intrinsic of one floating-point operand."""

    def typer(typing_context, x):
        _require_float(name, x)

        def generate(context, builder, signature, arguments):
            function = builder.module.declare_intrinsic(f"llvm.{name}", [arguments[0].type])
            return builder.call(function, arguments)

        return x(x), generate

    return typer


fabs = intrinsic(_unary("fabs"))  # clears the sign bit: |-0.0| is 0.0 and no comparison is needed
sqrt = intrinsic(_unary("sqrt"))  # the instruction; math.sqrt adds a check for negative input that branches


@intrinsic
def copysign(typing_context, magnitude, sign):
    """``|magnitude|`` with the sign bit of ``sign``: makes an odd function out of its positive half."""
    _require_float("copysign", magnitude, sign)

    def generate(context, builder, signature, arguments):
        kind = arguments[0].type
        function = builder.module.declare_intrinsic(
            "llvm.copysign", [kind], ir.FunctionType(kind, [kind, kind])
        )
        return builder.call(function, arguments)

    return magnitude(magnitude, sign), generate


@intrinsic
def polynomial(typing_context, x, coefficients):
    """``c[0] + c[1] x + c[2] x**2 + ...`` by Horner's rule: fewest operations, smallest rounding error."""
    if not isinstance(coefficients, types.UniTuple) or coefficients.dtype != x:
        raise TypingError(f"polynomial needs a tuple of {x}, got {coefficients}")

    def generate(context, builder, signature, arguments):
        value, table = arguments
        c = [builder.extract_value(table, k) for k in range(coefficients.count)]
        result = c.pop()
        while c:
            result = builder.fma(result, value, c.pop())
        return result

    return x(x, coefficients), generate


# ---- bits -----------------------------------------------------------------------------------------------------------


@intrinsic
def bits(typing_context, x):
    """The bits of a float as a signed integer of the same width."""
    _require_float("bits", x)
    to = _INTEGER_OF[x]

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], context.get_value_type(to))

    return to(x), generate


@intrinsic
def from_bits(typing_context, i):
    """The float that has the bits of a signed integer of the same width."""
    _require_integer("from_bits", i)
    to = _FLOAT_OF[i]

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], context.get_value_type(to))

    return to(i), generate


def _integer(name: str, operation: str) -> Any:
    """An integer instruction that keeps the width of its operands; Numba's own operators widen int32 to int64."""

    def typer(typing_context, a, b):
        _require_integer(name, a, b)

        def generate(context, builder, signature, arguments):
            return getattr(builder, operation)(*arguments)

        return a(a, b), generate

    return typer


iadd = intrinsic(_integer("iadd", "add"))  # wraps around
isub = intrinsic(_integer("isub", "sub"))  # wraps around
iand = intrinsic(_integer("iand", "and_"))
ior = intrinsic(_integer("ior", "or_"))
ixor = intrinsic(_integer("ixor", "xor"))
shift_left = intrinsic(_integer("shift_left", "shl"))
shift_right = intrinsic(_integer("shift_right", "ashr"))  # copies the sign bit: floor division by 2**n


@intrinsic
def to_float(typing_context, i):
    """A signed integer as the float of the same width; Numba would turn int32 into float64."""
    _require_integer("to_float", i)
    to = _FLOAT_OF[i]

    def generate(context, builder, signature, arguments):
        return builder.sitofp(arguments[0], context.get_value_type(to))

    return to(i), generate
