"""Sums of losses of different structures: each evaluated by its own kernel, the answers added."""

from typing import Any

import numpy as np

from losskit.loss import WeightedSum
from losskit.registry import Evaluation, Wanted, evaluator


def evaluate(
    loss: WeightedSum, arguments: tuple[Any, ...], wanted: Wanted,
    sample_weight: Any, mask: Any, out: Any = None,
) -> Evaluation:  # fmt: skip
    """The weighted sum of what the terms answer; parts of a sum do not merge, so there are none."""
    answers = [
        (k, evaluator(term.structure)(term, arguments, wanted, sample_weight, mask))
        for k, term in loss.summands
    ]
    total = Evaluation()
    if wanted.value:
        total.value = _add([(k, answer.value) for k, answer in answers])
    if wanted.derivative:
        total.derivative = _add([(k, answer.derivative) for k, answer in answers])
        if out is not None:
            total.derivative = written(total.derivative, out)
    if wanted.second:
        total.second = _add([(k, answer.second) for k, answer in answers])
    return total


def written(derivative: Any, out: Any) -> Any:
    """``out`` with the derivative in it; of several arguments, tuples of arrays."""
    several = isinstance(out, tuple)
    for one, result in zip(out, derivative, strict=True) if several else ((out, derivative),):
        one[...] = result
    return out


def _add(weighted: list[tuple[float, Any]]) -> Any:
    if isinstance(weighted[0][1], tuple):  # a derivative in each of several arguments
        return tuple(_add([(k, values[i]) for k, values in weighted]) for i in range(len(weighted[0][1])))
    if len({np.shape(value) for _, value in weighted}) > 1:
        shapes = " and ".join(str(np.shape(value)) for _, value in weighted)
        raise ValueError(f"the losses of a sum answer with different shapes, {shapes}; reduce them first")
    (k, first), *rest = weighted
    total = first * np.asarray(first).dtype.type(k)
    for k, value in rest:
        total = total + np.asarray(value).dtype.type(k) * value
    return total
