"""Sums of losses of different structures on JAX arrays: each evaluated on its own, the answers added."""

from typing import Any

from losskit.engines.jax.evaluate import refuse_out
from losskit.loss import WeightedSum
from losskit.registry import Evaluation, Wanted, evaluator


def evaluate(
    loss: WeightedSum,
    arguments: tuple[Any, ...],
    wanted: Wanted,
    sample_weight: Any,
    mask: Any,
    out: Any = None,
) -> Evaluation:
    """The weighted sum of what the terms answer; parts of a sum do not merge, so there are none."""
    refuse_out(out)
    wanted = wanted._replace(parts=False)
    answers = [
        (k, evaluator(term.structure, "jax")(term, arguments, wanted, sample_weight, mask))
        for k, term in loss.summands
    ]
    return Evaluation(
        value=_added([(k, a.value) for k, a in answers]) if wanted.value else None,
        derivative=_added([(k, a.derivative) for k, a in answers]) if wanted.derivative else None,
        second=_added([(k, a.second) for k, a in answers]) if wanted.second else None,
    )


def _added(weighted: list[tuple[float, Any]]) -> Any:
    if isinstance(weighted[0][1], tuple):  # a derivative in each of several arguments
        return tuple(_added([(k, xs[i]) for k, xs in weighted]) for i in range(len(weighted[0][1])))
    if len({x.shape for _, x in weighted}) > 1:
        shapes = " and ".join(str(x.shape) for _, x in weighted)
        raise ValueError(f"the losses of a sum answer with different shapes, {shapes}; reduce them first")
    (k, first), *rest = weighted
    total = k * first
    for k, x in rest:
        total = total + k * x
    return total
