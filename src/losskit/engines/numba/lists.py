"""Lists on the CPU: the items of a query by falling relevance, each against those behind it."""

import inspect
import math
from functools import cache, partial
from types import ModuleType
from typing import Any

import numpy as np

from losskit.engines import memory
from losskit.engines.array_evaluate import by_formula
from losskit.engines.array_formula import Arrays
from losskit.engines.inputs import Array
from losskit.engines.numba import lists_loop as loops
from losskit.engines.numba import pool
from losskit.engines.numba.compile import Writer, load
from losskit.rules import RuleFunction
from losskit.structures.lists import ListLoss

BLOCK = 1 << 13
"""Numbers, or pairs of them, that one turn of a thread takes."""
_ALONE = 10_000  # numbers or pairs; below, waking a thread costs more than it saves

_CONSTANTS = """
MOST_APART = 600.0  # e**600 and e**-600 are normal numbers, and so are sums of them
WEIGHTED = {weighted}

step = njit(forceinline=True, error_model="numpy", no_cfunc_wrapper=True, no_cpython_wrapper=True)
part = njit(error_model="numpy", no_cfunc_wrapper=True, no_cpython_wrapper=True)
"""


def kernel(
    loss: ListLoss, arrays: Arrays, cotangent: Array | None, needed: tuple[bool, ...], weight: Any = None
) -> tuple[Array, Arrays | None]:
    """Terms, and with a cotangent the gradient in the scores."""
    shape = arrays[1].shape
    queries, items = math.prod(shape[:-1]), shape[-1]
    y, s = (a.reshape(queries, items) for a in arrays)
    w = None if weight is None else weight.reshape(queries, items)
    terms, wild = np.empty(queries), np.zeros(queries, np.bool_)
    gradient = each = None
    if cotangent is not None:
        each = np.ascontiguousarray(np.broadcast_to(cotangent, shape[:-1]), np.float64).reshape(-1)
        gradient = memory.empty(s.size, s.dtype).reshape(s.shape)
    work = max(items if loss.kind == "choices" else items * items, 1)
    step = max(1, BLOCK // work)
    loop = partial(_loop(loss), y, s, w, *_numbers(loss), each, step, terms, gradient, wild)
    threads = pool.get_num_threads() if queries * work > _ALONE else 1
    pool.run(loop, -(-queries // step), threads)
    if wild.any():
        _by_formula(loss, (y, s, w), each, terms, gradient, wild)
    return terms.reshape(shape[:-1]), None if gradient is None else (gradient.reshape(shape),)


def _by_formula(
    loss: ListLoss, arrays: Arrays, each: Array | None, terms: Array, gradient: Array | None, wild: Array
) -> None:
    """Put in what the formula says of the queries that the loop left out."""
    rows = tuple(a[wild] for a in arrays if a is not None)
    terms[wild], gradients = by_formula(loss, rows[:2], None if each is None else each[wild], (), *rows[2:])
    if gradient is not None and gradients is not None:
        gradient[wild] = gradients[0]


def _numbers(loss: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The parameters of the loop; Numba knows no empty tuple."""
    if loss.kind == "pairs":
        value, weight = loss.numbers
        return value or (0.0,), weight or (0.0,)
    if loss.kind == "ranks":
        return (loss.temperature,), (0.0,)
    return (float(loss.among == "all"), float(loss.shares == "softmax")), (0.0,)


def _loop(loss: Any) -> Any:
    rules = {
        "pairs": {"gain": 0, "discount": 0, "value": 1, "slope": 1, "weight": 4},
        "ranks": {"gain": 0, "discount": 0, "lost": 0, "lost_slope": 0},
        "choices": {},
    }[loss.kind]
    functions = tuple((name, getattr(loss, name), argument) for name, argument in rules.items())
    return getattr(_made(loss.kind, functions), loss.kind)


_HELPERS: dict[str, tuple[Any, ...]] = {
    "pairs": (loops.find_ends, loops.find_worth, loops.find_ranks),
    "choices": (loops.find_ends, loops.find_others, loops.powers),
    "ranks": (loops.find_worth,),
}


@cache
def _made(kind: str, functions: tuple[tuple[str, RuleFunction | None, int], ...]) -> ModuleType:
    """The generated module: the rules, then the loop, for float32 and float64 alike."""
    writer = Writer("float64")
    weighted = any(name == "weight" and function is not None for name, function, _ in functions)
    writer.add(_CONSTANTS.format(weighted=weighted))
    first = "lists"
    for name, function, argument in functions:
        if function is not None:
            _add(writer, name, function, argument)
            first = f"{function.__module__}.{function.__qualname__}" if first == "lists" else first
    for helper in (loops.existing, loops.sort, loops.gather, loops.write, *_HELPERS[kind]):
        writer.add("@part\n" + inspect.getsource(helper))
    return load(writer.text(first, [getattr(loops, kind)]), f"lists_{kind}")


def _add(writer: Writer, name: str, function: RuleFunction, argument: int) -> None:
    """A rule under its own name, or, where it takes parameters, as ``name_of(argument, k)``."""
    rule = writer.rule(function, name)
    if argument == 0:
        return
    names = list(inspect.signature(function).parameters)
    given = names[:argument]
    numbers = [f"k[{i}]" for i in range(len(names) - argument)]
    writer.add(
        f"@step\ndef {name}_of({', '.join(given)}, k):\n    return {rule}({', '.join(given + numbers)})"
    )
