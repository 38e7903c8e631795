"""The kernels of losses of rows: their rules put together with the loops, in one module a loss and dtype."""

import hashlib
import inspect
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from losskit.engines.numba import math_rows
from losskit.engines.numba import row_outer_loop as o
from losskit.engines.numba import row_shares_loop as s
from losskit.engines.numba import rows_loop as r
from losskit.engines.numba.compile import CannotCompile, Writer, load
from losskit.rules import OUTER, PAIRS, RuleSet, Term
from losskit.structures import RowLoss

TILE = 128
"""Short rows that are transposed together."""


@dataclass(slots=True)
class Kernel:
    """The compiled loops of a loss in one dtype, with the numbers they are called with."""

    module: ModuleType
    numbers: tuple[float, ...]
    saturates: bool
    pairs: bool
    """Whether rules compare the shares of all classes: the loops then take no class indices."""


def kernel_of(loss: RowLoss, by_index: bool, dtype: np.dtype[Any]) -> Kernel | None:
    """The kernel of a loss for one kind of targets in a dtype, shared by losses with the same rules.

    None where a rule cannot be compiled, after a warning.
    """
    kernels: dict[Any, Kernel | None] = loss.__dict__.setdefault("_kernels", {})
    key = by_index, dtype
    try:
        return kernels[key]
    except KeyError:
        pass
    try:
        kernels[key] = bind_rows(loss.form.link, loss.terms_for(by_index), dtype)
    except CannotCompile as error:
        message = f"{error}; {type(loss).__name__} runs on the NumPy engine, which is slower"
        warnings.warn(message, stacklevel=5)
        kernels |= dict.fromkeys((by_index, np.dtype(d)) for d in (np.float32, np.float64))
    return kernels[key]


Sets = tuple[tuple[RuleSet, bool], ...]
_modules: dict[Any, ModuleType] = {}


def bind_rows(link: str, terms: tuple[Term, ...], dtype: np.dtype[Any]) -> Kernel:
    sets = tuple((term.rules, term.coefficient != 1.0) for term in terms)
    key = (dtype, sets, link)
    if key not in _modules:
        text = module_text(sets, link, dtype.name)
        _modules[key] = load(text, "_".join(dict.fromkeys(rules.name for rules, _ in sets))[:60])
    saturates = any(term.rules.saturates for term in terms)
    pairs = any(term.rules.argument in PAIRS for term in terms)
    return Kernel(_modules[key], numbers_of(terms, dtype), saturates, pairs)


def numbers_of(terms: tuple[Term, ...], dtype: np.dtype[Any]) -> tuple[float, ...]:
    """What the rules of ``add_rules`` take as ``k``: each term's coefficient, if not 1, and its parameters."""
    numbers: list[float] = []
    for term in terms:
        numbers += [term.coefficient] * (term.coefficient != 1.0)
        numbers += term.numbers(float(np.finfo(dtype).tiny))
    return tuple(map(float, numbers or [0.0]))


_PREFIX = {
    "nll": "nll", "mean_nll": "mean", "log_sum_exp": "lse",
    "pair": "pair", "root_pair": "outer", "tilted_pair": "outer",
}  # fmt: skip

CONSTANTS = {
    "float32": {
        "ROW": "np.float32", "INT": "np.int32", "SIGN_BIT": "INT(31)", "ALL_BUT_SIGN": "INT(0x7FFFFFFF)",
        "LIFT": f"ROW({math_rows.LIFT32!r})", "UNLIFT": repr(1.0 / math_rows.LIFT32), "LEAST": "1e-18",
    },
    "float64": {
        "ROW": "np.float64", "INT": "np.int64", "SIGN_BIT": "INT(63)", "ALL_BUT_SIGN": "INT(0x7FFFFFFFFFFFFFFF)",
        "LIFT": f"ROW({math_rows.LIFT64!r})", "UNLIFT": repr(1.0 / math_rows.LIFT64), "LEAST": "1e-220",
    },
}  # fmt: skip

DECORATORS = """
# Without the wrappers to call it from Python or C, a function compiles in two thirds of the time; what
# has loops is inlined before it is compiled, or it would be optimised twice.
step = njit(forceinline=True, error_model="numpy", no_cfunc_wrapper=True, no_cpython_wrapper=True)
part = njit(inline="always", error_model="numpy")
"""

_LINKS = {
    "softmax": """
        @step
        def share_of(x, m, log_sum):
            return select(x == m, 0.0, x - m) - log_sum

        @step
        def class_value(y, c, n, k):
            share = y * c
            nothing = (y == 0.0) | ((c == 0.0) & (n == n))
            return where(nothing, 0.0, share * nll_value(n, k)) + pair_value(y, -n, k)

        @step
        def class_slope(y, c, n, k):
            share = y * c
            return where(share == 0.0, 0.0, share * nll_slope(n, k)) - pair_slope(y, -n, k)
        """,
    "direct": """
        @step
        def share_of(x, m, log_sum):
            return x

        @step
        def direct_value(y, c, p, floor, k):
            share = y * c
            n = surprise(p, floor)
            nothing = (y == 0.0) | ((c == 0.0) & (n == n))
            return where(nothing, 0.0, share * nll_value(n, k)) + pair_value(y, p, k)

        @step
        def direct_slope(y, c, p, floor, k):
            share = y * c
            own = where(share == 0.0, 0.0, share * nll_slope(surprise(p, floor), k))
            return pair_slope(y, p, k) - own / divisor(p, floor)
        """,
    "probability": """
        EXCESS = 0.0

        @step
        def portion(p):
            return p

        @step
        def surprise(p, floor):
            return -log(maximum(p, floor))

        @step
        def divisor(p, floor):
            return maximum(p, floor)
        """,
    "log_probability": """
        EXCESS = 1.0  # a rounded logarithm of almost 1 may lie a little above 0

        @step
        def portion(p):
            return exp(p)

        @step
        def surprise(p, floor):
            return -p

        @step
        def divisor(p, floor):
            return 1.0
        """,
}


def module_text(sets: Sets, link: str, dtype: str) -> str:
    """The generated module of a sum of rule sets, each with or without a coefficient.

    Rules are compiled for float64 in either case: they run once a row, and float32 rows then lose
    nothing in them.
    """
    writer = Writer("float64")
    writer.add(DECORATORS)
    add_rules(writer, sets)
    source = inspect.getsource(math_rows)  # part of the text, so that a change makes another module
    constants = {
        **CONSTANTS[dtype], "TILE": TILE,
        "MEAN": any(rules.argument == "mean_nll" for rules, _ in sets),
        "PAIRS": any(rules.argument in PAIRS for rules, _ in sets),
        "ROOT": any(rules.argument == "root_pair" for rules, _ in sets),
        "TILTED": any(rules.argument == "tilted_pair" for rules, _ in sets),
        "LARGEST": f"float(np.finfo(np.{dtype}).max)",
    }  # fmt: skip
    writer.add("\n".join(f"{name} = {value}" for name, value in constants.items()))
    digest = hashlib.sha256(source.encode()).hexdigest()[:16]
    writer.add(f"from losskit.engines.numba.math_rows import exp_gap{dtype[-2:]} as exp_gap  # {digest}")
    helpers: tuple[Callable[..., Any], ...]
    loops: list[Callable[..., Any]]
    if link == "softmax":
        writer.add(_LINKS["softmax"])
        helpers = (
            r.ordered, r.largest, r.powers, r.mean_of, r.scale_row, r.value_of, r.slopes_of, r.at_target,
            s.fault_of_target, o.outer_of_row, o.outer_weight, s.sums_of_row, s.gradient_of_row,
        )  # fmt: skip
        loops = [r.wide, r.narrow, s.shares]
    else:
        writer.add(_LINKS[link])
        writer.add(_LINKS["direct"])
        helpers = (s.fault_of_target, s.fault_of_prediction, s.clipped, o.outer_of_row, o.outer_weight)
        loops = [s.direct, s.direct_shares]
    for helper in helpers:
        writer.add("@part\n" + inspect.getsource(helper))
    origin = " + ".join(dict.fromkeys(f"{rules.value.__module__}.{rules.name}" for rules, _ in sets))
    return writer.text(f"{origin} ({link}, {dtype})", loops)


def add_rules(writer: Writer, sets: Sets) -> None:
    """nll_value, nll_slope, mean_value and so on: the sums of the rules of each argument."""
    bodies: dict[str, list[str]] = {
        f"{prefix}_{kind}": [] for prefix in dict.fromkeys(_PREFIX.values()) for kind in ("value", "slope")
    }
    outside = {"outer_factor": "0.0", "outer_tilt": "0.0"}
    position = 0
    for index, (rules, coefficient) in enumerate(sets):
        factor = ""
        if coefficient:
            factor, position = f"k[{position}] * ", position + 1
        if rules.argument in OUTER:  # its coefficient stays outside, too
            outside = {"outer_factor": factor.rstrip(" *") or "1.0", "outer_tilt": f"k[{position}]"}
            factor = ""
        count = len(rules.parameters)
        numbers = "".join(f", k[{position + j}]" for j in range(count))
        position += count
        for kind in ("value", "slope"):
            name = writer.rule(getattr(rules, kind), f"{kind}_{index}")
            body = bodies[f"{_PREFIX[rules.argument]}_{kind}"]
            argument = "y, p" if rules.argument in PAIRS else "n"
            body.append(f"{factor}{name}({argument}{numbers})")
    for name, text in outside.items():
        writer.add(f"@step\ndef {name}(k):\n    return {text}")
    for name, body in bodies.items():
        arguments = "y, p, k" if name.startswith(("pair", "outer")) else "n, k"
        writer.add(f"@step\ndef {name}({arguments}):\n    return {' + '.join(body) or '0.0'}")
