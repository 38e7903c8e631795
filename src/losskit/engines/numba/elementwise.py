"""Elementwise losses on the CPU: rules inlined in one fused, vectorised, threaded pass."""

import hashlib
import inspect
import math
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from losskit.engines import memory
from losskit.engines.inputs import Array, PairedInputs, check_domains, check_out, elementwise_inputs
from losskit.engines.numba import halves, pieces, pool
from losskit.engines.numba.compile import CannotCompile, Writer, load
from losskit.engines.numpy import elementwise as reference
from losskit.engines.outcome import mean_of_terms, reduced
from losskit.reduction import Parts
from losskit.registry import Evaluation, Wanted
from losskit.rules import RuleSet
from losskit.structures import ElementwiseLoss

BLOCK = 1024
"""Elements that share a partial sum. It fixes the order of additions, so no answer depends on threads."""

_EXPENSIVE = ("exp", "expm1", "log", "log1p", "tanh", "power", "sigmoid", "softplus")
_CHEAP_ALONE, _EXPENSIVE_ALONE = 200_000, 30_000  # below these, waking a thread costs more than it saves


@dataclass(slots=True)
class Kernel:
    """The compiled loop of a loss in one dtype, with the numbers it is called with."""

    loop: Any
    half_loop: Any
    """The loop over halves; None where float64 is at work."""
    numbers: tuple[Any, ...]
    checks: bool
    saturates: bool
    alone: int
    """Up to how many elements the calling thread works alone."""


def evaluate(
    loss: ElementwiseLoss, arguments: tuple[Any, ...], wanted: Wanted,
    sample_weight: Any, mask: Any, out: Any = None,
) -> Evaluation:  # fmt: skip
    """Value, derivative and second derivative of a loss, as far as wanted, in one pass."""
    x = elementwise_inputs(loss, arguments, sample_weight, mask)
    try:
        kernel = kernel_of(loss, x.dtype)
    except CannotCompile as error:
        warnings.warn(
            f"{error}; {type(loss).__name__} runs on the NumPy engine, which is slower", stacklevel=4
        )
        loss.__dict__["_kernels"] = {np.dtype(np.float32): None, np.dtype(np.float64): None}
        kernel = None
    if kernel is None:
        return reference.evaluate(loss, arguments, wanted, sample_weight, mask, out)
    if out is not None:
        check_out(out, x.shape, x.answer_dtype)

    size = x.p.size
    terms = memory.empty(size, x.dtype) if wanted.value and loss.reduction == "none" else None
    gradient = second = None
    if wanted.derivative:
        if out is not None and out.flags.c_contiguous:
            gradient = out.reshape(-1)
        else:
            gradient = memory.empty(size, x.answer_dtype if out is None else out.dtype)
    if wanted.second:
        second = memory.empty(size, x.answer_dtype)
    totals = _run(kernel, x, loss, wanted.value, terms, gradient, second)

    answer = Evaluation()
    if totals is not None:
        answer.parts = Parts(float(totals[0] if totals.size == 1 else totals.sum()), x.weight, x.count)
        if terms is not None:
            answer.value = terms.reshape(x.shape) if x.shape else terms[0]
        elif loss.reduction == "mean" and math.isinf(answer.parts.total) and x.count > 1:
            answer.value = x.dtype.type(_mean_despite_overflow(kernel, x, loss))
        else:
            answer.value = reduced(loss, answer.parts, x.dtype)
    if gradient is not None:
        answer.derivative = gradient.reshape(x.shape)
        if out is not None:
            if not out.flags.c_contiguous:
                out[...] = answer.derivative
            answer.derivative = out
    if second is not None:
        answer.second = second.reshape(x.shape)
    return answer


def _run(
    kernel: Kernel, x: PairedInputs, loss: ElementwiseLoss, value: bool,
    terms: Array | None, gradient: Array | None, second: Array | None,
) -> Array | None:  # fmt: skip
    """Run the loop over all blocks and raise for a value outside its domain."""
    size = x.p.size
    blocks = -(-size // BLOCK)
    checks = loss.validate and kernel.checks
    totals = np.empty(blocks) if value else None
    faults = np.empty(blocks, x.dtype) if checks else None
    scale = x.dtype.type(x.scale(loss.reduction))
    work = Work(x, scale, True if checks else None, terms, gradient, second, totals, faults)
    if x.ready:
        loop = partial(kernel.loop, *work.arguments(kernel))
    elif x.halves and (gradient is None or gradient.dtype == x.answer_dtype):
        loop = partial(kernel.half_loop, *work.in_bits(kernel))
    else:
        loop = partial(_in_pieces, kernel, work)
        blocks = -(-size // pieces.PIECE)
    if size <= kernel.alone:
        loop(0, blocks)
    else:
        pool.run(loop, blocks, pool.get_num_threads())
    if faults is not None and faults.any():
        check_domains(loss, x)
    return totals


@dataclass(slots=True)
class Work:
    """One call of a kernel: what it reads and what it writes."""

    x: PairedInputs
    scale: Any
    check: Any
    terms: Array | None
    gradient: Array | None
    second: Array | None
    totals: Array | None
    faults: Array | None

    def arguments(self, kernel: Kernel) -> tuple[Any, ...]:
        """What the loop takes, but for the range of blocks."""
        x = self.x
        return (
            x.y, x.p, x.w, x.keep, kernel.numbers, self.scale, self.check,
            self.terms, self.gradient, self.second, self.totals, self.faults,
        )  # fmt: skip

    def in_bits(self, kernel: Kernel) -> tuple[Any, ...]:
        """What the loop over halves takes, but for the range of blocks."""
        y, p, *inputs, gradient, second, totals, faults = self.arguments(kernel)
        bits = (None if a is None else a.view(np.uint16) for a in (y, p, gradient, second))
        y, p, gradient, second = bits
        return y, p, *inputs, gradient, second, totals, faults, halves.BRAIN[self.x.answer_dtype.name]


def _in_pieces(kernel: Kernel, work: Work, first: int, last: int) -> None:
    """Pieces first..last-1, each converted to the dtype at work and its answers to theirs."""
    x = work.x
    Y, P, G, H = np.empty((4, pieces.PIECE), x.dtype)
    for index in range(first, last):
        part = slice(index * pieces.PIECE, (index + 1) * pieces.PIECE)
        blocks = slice(part.start // BLOCK, part.stop // BLOCK)
        y, p = pieces.read(x.y[part], Y), pieces.read(x.p[part], P)
        w, keep, terms, totals, faults = (
            None if a is None else a[s]
            for a, s in ((x.w, part), (x.keep, part), (work.terms, part), (work.totals, blocks), (work.faults, blocks))
        )  # fmt: skip
        gradient = None if work.gradient is None else G[: p.size]
        second = None if work.second is None else H[: p.size]
        kernel.loop(
            y, p, w, keep, kernel.numbers, work.scale, work.check, terms, gradient, second, totals, faults,
            0, -(-p.size // BLOCK),
        )  # fmt: skip
        for whole, answer in ((work.gradient, gradient), (work.second, second)):
            if whole is not None and answer is not None:
                pieces.write(answer, whole[part], kernel.saturates)


def _mean_despite_overflow(kernel: Kernel, x: PairedInputs, loss: ElementwiseLoss) -> float:
    terms = np.empty(x.p.size, x.dtype)
    _run(kernel, x, loss, True, terms, None, None)
    return mean_of_terms(terms, x.weight)


def kernel_of(loss: ElementwiseLoss, dtype: np.dtype[Any]) -> Kernel | None:
    """The kernel of a loss in a dtype, made once a loss and shared by losses with the same rules."""
    kernels: dict[Any, Kernel | None] = loss.__dict__.setdefault("_kernels", {})
    try:
        return kernels[dtype]
    except KeyError:
        kernels[dtype] = _bind(loss, dtype)
        return kernels[dtype]


_modules: dict[Any, ModuleType] = {}


def _bind(loss: ElementwiseLoss, dtype: np.dtype[Any]) -> Kernel:
    sets = tuple((term.rules, term.coefficient != 1.0) for term in loss.terms)
    if (dtype, sets) not in _modules:
        name = "_".join(dict.fromkeys(rules.name for rules, _ in sets))[:60]
        _modules[dtype, sets] = load(module_text(sets, dtype.name), name)
    module = _modules[dtype, sets]
    alone = _EXPENSIVE_ALONE if module.EXPENSIVE else _CHEAP_ALONE
    numbers: list[float] = []
    for term in loss.terms:
        numbers += [term.coefficient] * (term.coefficient != 1.0)
        numbers += term.numbers(float(np.finfo(dtype).tiny))
    domains = any(term.rules.targets or term.rules.predictions for term in loss.terms)
    saturates = any(term.rules.saturates for term in loss.terms)
    half_loop = getattr(module, "half_loop", None)
    return Kernel(module.loop, half_loop, tuple(map(dtype.type, numbers or [0.0])), domains, saturates, alone)


STOPPED = """
from losskit.engines.numba.halves import LARGEST as LARGEST_HALVES
from losskit.engines.numba.halves import narrow, widen

LARGEST = FLOAT(np.finfo(FLOAT).max)
LARGEST_FLOAT16, LARGEST_BFLOAT16 = FLOAT(LARGEST_HALVES["float16"]), FLOAT(LARGEST_HALVES["bfloat16"])


@inline
def stopped(g, largest):
    '''A floored probability's slope times a weight may overflow: it stops at the largest finite number.'''
    return select(g > largest, largest, select(g < -largest, -largest, g))
"""

ARGUMENT = {"residual": "p - y", "margin": "y * p", "pair": "y, p"}
_CHAIN = {"residual": ("", ""), "margin": ("y * ", "y * y * "), "pair": ("", "")}


def module_text(sets: tuple[tuple[RuleSet, bool], ...], dtype: str) -> str:
    """The generated module of a sum of rule sets, each with or without a coefficient."""
    from losskit.engines.numba import elementwise_loop

    writer = Writer(dtype)
    bodies: dict[str, list[str]] = {"value": [], "slope": [], "curvature": []}
    position = 0
    for index, (rules, coefficient) in enumerate(sets):
        factor = ""
        if coefficient:
            factor, position = f"k[{position}] * ", position + 1
        count = len(rules.parameters)
        numbers = "".join(f", k[{position + j}]" for j in range(count))
        position += count
        chains = ("", *_CHAIN[rules.argument])
        for (kind, body), chain in zip(bodies.items(), chains, strict=True):
            name = writer.rule(getattr(rules, kind), f"{kind}_{index}")
            body.append(f"{factor}({chain}{name}({ARGUMENT[rules.argument]}{numbers}))")
    for kind, body in bodies.items():
        writer.add(f"@inline\ndef {kind}(y, p, k):\n    return {' + '.join(body)}")
    writer.add(outside_text((rules for rules, _ in sets), writer))
    expensive = any(f"{word}(" in text for word in _EXPENSIVE for text in writer.functions)
    apart, saturates = expensive and dtype == "float32", any(rules.saturates for rules, _ in sets)
    writer.add(f"BLOCK = {BLOCK}\nEXPENSIVE = {expensive}\nAPART = {apart}\nSATURATES = {saturates}")
    digest = hashlib.sha256(inspect.getsource(halves).encode()).hexdigest()[:16]
    writer.add(f"{STOPPED.strip()}\n# halves: {digest}")
    origin = " + ".join(dict.fromkeys(f"{rules.value.__module__}.{rules.name}" for rules, _ in sets))
    loops = [elementwise_loop.loop] + [elementwise_loop.half_loop] * (dtype == "float32")
    return writer.text(origin, loops)


def outside_text(sets: Iterable[RuleSet], writer: Writer) -> str:
    """1.0 where a target or a prediction lies outside its domain: a float, for a count that vectorises."""
    domains = {pair for rules in sets for pair in (("y", rules.targets), ("p", rules.predictions))}
    tests = sorted(d.expression(x, writer.literal) for x, d in domains if d is not None)
    zero, one = writer.literal(0.0), writer.literal(1.0)
    test = f"where({' | '.join(f'({t})' for t in tests)}, {one}, {zero})" if tests else zero
    return f"@inline\ndef outside(y, p):\n    return {test}"
