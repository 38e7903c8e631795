"""Elementwise losses on NumPy, the reference: each rule applied to whole float64 arrays."""

from typing import Any

import numpy as np

from losskit.engines.inputs import Array, PairedInputs, check_domains, check_out, elementwise_inputs
from losskit.engines.outcome import mean_of_terms, reduced
from losskit.reduction import Parts
from losskit.registry import Evaluation, Wanted
from losskit.structures import ElementwiseLoss, argument_of, chain_of


def evaluate(
    loss: ElementwiseLoss, arguments: tuple[Any, ...], wanted: Wanted,
    sample_weight: Any, mask: Any, out: Any = None,
) -> Evaluation:  # fmt: skip
    """Value, derivative and second derivative of a loss, as far as wanted."""
    x = elementwise_inputs(loss, arguments, sample_weight, mask)
    if loss.validate:
        check_domains(loss, x)
    answer = Evaluation()
    with np.errstate(all="ignore"):
        if wanted.value:
            terms = _weighted(x, _sum_of(loss, x, "value"), 1.0)
            answer.parts = Parts(float(terms.sum()), x.weight, x.count)
            if loss.reduction == "none":
                answer.value = terms.reshape(x.shape).astype(x.dtype)
            else:
                answer.value = reduced(loss, answer.parts, x.dtype)
                if loss.reduction == "mean" and np.isinf(answer.parts.total) and x.count > 1:
                    answer.value = x.dtype.type(mean_of_terms(terms, x.weight))
        scale = x.scale(loss.reduction)
        if wanted.derivative:
            slope = _weighted(x, _sum_of(loss, x, "slope"), scale)
            answer.derivative = _answer(loss, x, slope, out)
        if wanted.second:
            curvature = _weighted(x, _sum_of(loss, x, "curvature"), scale)
            answer.second = _answer(loss, x, curvature, None)
    return answer


def _sum_of(loss: ElementwiseLoss, x: PairedInputs, rule: str) -> Array:
    """One rule of every term at every element, with the argument's own derivative as the factor."""
    y, p = (a.astype(np.float64) for a in x.at_work())
    order = ("value", "slope", "curvature").index(rule)
    total: Array = np.zeros(p.shape)
    for k, term in enumerate(loss.terms):
        argument = argument_of(term.rules.argument, y, p)
        # Rounded to the dtype at work, as in a kernel: a kink lies where float32's delta is. And NumPy's
        # floats: 1/beta in a branch not taken is inf at beta = 0, where Python's raise.
        coefficient, *numbers = map(
            np.float64, map(x.dtype.type, (term.coefficient, *term.numbers(float(np.finfo(x.dtype).tiny))))
        )
        result = getattr(term.rules, rule)(*argument, *numbers)
        chain = chain_of(term.rules.argument, y) ** order if order else 1.0
        one = coefficient * (result * chain)
        total = np.broadcast_to(one, p.shape) if k == 0 else total + one
    return total


def _weighted(x: PairedInputs, terms: Array, scale: float) -> Array:
    """scale * w * terms, and 0 where there is no weight or the mask says no."""
    if x.w is not None:
        w = x.w.astype(np.float64)
        terms = np.where(w != 0.0, w * scale * terms, 0.0)
    elif scale != 1.0:
        terms = scale * terms
    return terms if x.keep is None else np.where(x.keep, terms, 0.0)


def _answer(loss: ElementwiseLoss, x: PairedInputs, values: Array, out: Any) -> Array:
    dtype = x.answer_dtype
    if out is not None:
        check_out(out, x.shape, dtype)
        dtype = out.dtype
    if any(term.rules.saturates for term in loss.terms):
        largest = float(np.finfo(dtype).max) if dtype.kind == "f" else float(np.finfo("f4").max)
        values = np.clip(values, -largest, largest)
    answer = values.reshape(x.shape).astype(dtype)
    if out is None:
        return answer
    out[...] = answer
    return out  # type: ignore[no-any-return]
