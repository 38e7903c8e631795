"""Elementwise losses on the CPU: rules inlined in one fused, vectorised, threaded pass."""

import math
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from losskit.engines import memory
from losskit.engines.inputs import Array, Inputs, check_domains, check_out, elementwise_inputs, narrowed
from losskit.engines.numba import pool
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

    dtype, size = x.dtype, x.p.size
    in_place = out is not None and out.dtype == dtype and out.flags.c_contiguous
    terms = memory.empty(size, dtype) if wanted.value and loss.reduction == "none" else None
    gradient = (out.reshape(-1) if in_place else memory.empty(size, dtype)) if wanted.derivative else None
    second = memory.empty(size, dtype) if wanted.second else None
    totals = _run(kernel, x, loss, wanted.value, terms, gradient, second)

    answer = Evaluation()
    if totals is not None:
        answer.parts = Parts(float(totals[0] if totals.size == 1 else totals.sum()), x.weight, x.count)
        if terms is not None:
            answer.value = terms.reshape(x.shape)
        elif loss.reduction == "mean" and math.isinf(answer.parts.total) and x.count > 1:
            answer.value = dtype.type(_mean_despite_overflow(kernel, x, loss))
        else:
            answer.value = reduced(loss, answer.parts, dtype)
        if terms is not None and not x.shape:
            answer.value = terms[0]
    if gradient is not None:
        if kernel.saturates:
            _stop_at_largest(gradient)
        answer.derivative = (
            out if in_place else narrowed(gradient, x.answer_dtype, kernel.saturates).reshape(x.shape)
        )
        if out is not None and not in_place:
            out[...] = answer.derivative
            answer.derivative = out
    if second is not None:
        if kernel.saturates:
            _stop_at_largest(second)
        answer.second = narrowed(second, x.answer_dtype, kernel.saturates).reshape(x.shape)
    return answer


def _run(
    kernel: Kernel, x: Inputs, loss: ElementwiseLoss, value: bool,
    terms: Array | None, gradient: Array | None, second: Array | None,
) -> Array | None:  # fmt: skip
    """Run the loop over all blocks and raise for a value outside its domain."""
    blocks = -(-x.p.size // BLOCK)
    check = True if loss.validate and kernel.checks else None
    totals = np.empty(blocks) if value else None
    faults = np.empty(blocks, x.dtype) if check else None
    bound = (
        x.y, x.p, x.w, x.keep, kernel.numbers, x.dtype.type(x.scale(loss.reduction)),
        check, terms, gradient, second, totals, faults,
    )  # fmt: skip
    if x.p.size <= kernel.alone:
        kernel.loop(*bound, 0, blocks)
    else:
        pool.run(partial(kernel.loop, *bound), blocks, pool.get_num_threads())
    if faults is not None and faults.any():
        check_domains(loss, x)
    return totals


def _mean_despite_overflow(kernel: Kernel, x: Inputs, loss: ElementwiseLoss) -> float:
    terms = np.empty(x.p.size, x.dtype)
    _run(kernel, x, loss, True, terms, None, None)
    return mean_of_terms(terms, x.weight)


def _stop_at_largest(slopes: Array) -> None:
    """A floored probability's slope times a weight may overflow: it stops at the largest finite number."""
    largest = np.finfo(slopes.dtype).max
    np.clip(slopes, -largest, largest, out=slopes)


def kernel_of(loss: ElementwiseLoss, dtype: np.dtype[Any]) -> Kernel | None:
    """The kernel of a loss in a dtype, made once a loss and shared by losses with the same rules."""
    kernels: dict[Any, Kernel | None] = loss.__dict__.setdefault("_kernels", {})
    try:
        return kernels[dtype]
    except KeyError:
        kernels[dtype] = _bind(loss, dtype)
        return kernels[dtype]


_loops: dict[Any, tuple[Any, int]] = {}


def _bind(loss: ElementwiseLoss, dtype: np.dtype[Any]) -> Kernel:
    sets = tuple((term.rules, term.coefficient != 1.0) for term in loss.terms)
    if (dtype, sets) not in _loops:
        module = load(
            module_text(sets, dtype.name), "_".join(dict.fromkeys(rules.name for rules, _ in sets))[:60]
        )
        _loops[dtype, sets] = module.loop, _EXPENSIVE_ALONE if module.EXPENSIVE else _CHEAP_ALONE
    loop, alone = _loops[dtype, sets]
    numbers: list[float] = []
    for term in loss.terms:
        numbers += [term.coefficient] * (term.coefficient != 1.0)
        numbers += term.numbers(float(np.finfo(dtype).tiny))
    domains = any(term.rules.targets or term.rules.predictions for term in loss.terms)
    saturates = any(term.rules.saturates for term in loss.terms)
    return Kernel(loop, tuple(map(dtype.type, numbers or [0.0])), domains, saturates, alone)


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
    writer.add(f"BLOCK = {BLOCK}\nEXPENSIVE = {expensive}\nAPART = {expensive and dtype == 'float32'}")
    origin = " + ".join(dict.fromkeys(f"{rules.value.__module__}.{rules.name}" for rules, _ in sets))
    return writer.text(origin, [elementwise_loop.loop])


def outside_text(sets: Iterable[RuleSet], writer: Writer) -> str:
    """1.0 where a target or a prediction lies outside its domain: a float, for a count that vectorises."""
    domains = {pair for rules in sets for pair in (("y", rules.targets), ("p", rules.predictions))}
    tests = sorted(d.expression(x, writer.literal) for x, d in domains if d is not None)
    zero, one = writer.literal(0.0), writer.literal(1.0)
    test = f"where({' | '.join(f'({t})' for t in tests)}, {one}, {zero})" if tests else zero
    return f"@inline\ndef outside(y, p):\n    return {test}"
