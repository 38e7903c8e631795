"""``losskit.explain``: how a loss comes to its number, step by step."""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from losskit import catalogue
from losskit.explanation.arguments import domains_of, in_shape, terms_of
from losskit.explanation.steps import Step, shown
from losskit.explanation.terms import TermExplanation, explain_term
from losskit.labels import plain
from losskit.loss import LossFunction
from losskit.registry import use_engine
from losskit.structures import ArrayLoss

MOST = 20
"""Terms that are explained one by one; all count in the value."""

LARGE = 100
"""Numbers in the arguments of a loss of whole arrays."""


@dataclass(frozen=True)
class Explanation:
    """What a loss makes of its arguments: its terms step by step, then their reduction."""

    loss: str
    formula: str
    """In LaTeX; empty where the loss says none."""
    arguments: dict[str, Any]
    domains: dict[str, str]
    """What arguments must be, in words."""
    terms: tuple[TermExplanation, ...]
    reduction: str
    """How the terms come to the value, in numbers."""
    value: Any
    derivative: Any
    """None where the loss has none; a tuple where it is in several arguments."""
    second_derivative: Any
    """None also for large arrays, where it may have to be found by differences."""

    def to_dict(self) -> dict[str, Any]:
        """The explanation as plain data for JSON, which has no infinite numbers: they are None."""
        return {
            "loss": self.loss,
            "formula": self.formula,
            "arguments": {name: _plain(value) for name, value in self.arguments.items()},
            "domains": self.domains,
            "terms": [
                {
                    "at": term.place,
                    "inputs": [_of_step(step) for step in term.inputs],
                    **{part.kind: [_of_step(step) for step in part.steps] for part in term.parts},
                }
                for term in self.terms
            ],
            "reduction": self.reduction,
            "value": _plain(self.value),
            "derivative": _plain(self.derivative),
            "second_derivative": _plain(self.second_derivative),
        }

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield self.loss
        yield ""
        width = max(map(len, self.arguments))
        for name, value in self.arguments.items():
            domain = f"   {self.domains[name]}" if name in self.domains else ""
            yield f"{name:<{width}} = {shown(value)}{domain}"
        for term in self.terms:
            yield ""
            if len(self.terms) > 1:
                yield f"{term.place}:"
            yield from map(str, term.inputs)
            if not any(part.steps for part in term.parts):
                yield "Its terms are functions of whole arrays, and have no rule of single numbers."
            for part in term.parts:
                if part.steps:
                    yield part.kind
                    yield from (textwrap.indent(str(step), "  ") for step in part.steps)
        yield ""
        if self.reduction:
            yield self.reduction
        yield f"value              {shown(self.value)}"
        for name in ("derivative", "second_derivative"):
            answer = getattr(self, name)
            yield f"{name.replace('_', ' '):<17}  {'none' if answer is None else shown(answer)}"


def explain(loss: LossFunction | str, *arguments: Any, **named: Any) -> Explanation:
    """How a loss comes to its number at given arguments, step by step: from its own rules, yours too.

    Parameters
    ----------
    loss
        a loss, or text for ``losskit.parse``
    arguments, named
        what its verbs take, by place or by name: for most losses targets, then predictions. A row of class
        scores goes with a class index or a distribution over the classes

    Raises ValueError for arguments that are none of the loss's; the message says what is wrong and where.

    Examples
    --------
    >>> print(explain("huber(delta=1)", 3.0, 2.5))
    HuberLoss(delta=1.0)
    <BLANKLINE>
    y_true = [3]
    y_pred = [2.5]
    <BLANKLINE>
    r = y_pred - y_true = 2.5 - 3 = -0.5   the residual
    delta = 1
    value
      a = abs(r) = abs(-0.5) = 0.5
      value = where(a <= delta, 0.5 * r * r, delta * (a - 0.5 * delta))
            = 0.5 * (-0.5) * (-0.5)
            = 0.125   since 0.5 <= 1
    slope
      slope = clip(r, -delta, delta) = clip(-0.5, -1, 1) = -0.5
    curvature
      curvature = where(abs(r) <= delta, 1.0, 0.0 * sign(r)) = 1   since abs(-0.5) <= 1
    <BLANKLINE>
    mean of 1 term = 0.125 / 1 = 0.125
    value              0.125
    derivative         [-0.5]
    second derivative  [1]
    """
    made = catalogue.parse(loss) if isinstance(loss, str) else loss
    if not isinstance(made, LossFunction):
        raise TypeError(f"explain takes a loss or its text, got {loss!r} ({type(loss).__name__})")
    by_name = in_shape(made, arguments, named)
    given = tuple(by_name.values())
    with use_engine("numpy"), np.errstate(all="ignore"):
        value = made.compute(*given)  # complains of what is no argument of the loss
        terms = tuple(explain_term(made, *one) for one in islice(terms_of(made, given), MOST))
        return Explanation(
            loss=repr(made),
            formula=made.about.formula if made.about is not None else "",
            arguments=by_name,
            domains=domains_of(made),
            terms=terms,
            reduction=_reduction(made, given),
            value=value,
            derivative=_asked(made.derivative, given),
            second_derivative=None if _is_large(made, given) else _asked(made.second_derivative, given),
        )


def _asked(verb: Any, given: tuple[Any, ...]) -> Any:
    """What a verb answers; None where the loss has no such derivative."""
    try:
        return verb(*given)
    except NotImplementedError:
        return None


def _is_large(loss: LossFunction, given: tuple[Any, ...]) -> bool:
    return isinstance(loss, ArrayLoss) and sum(np.size(a) for a in given) > LARGE


def _reduction(loss: LossFunction, given: tuple[Any, ...]) -> str:
    """How terms, or the losses of a sum, come to the value."""
    if loss.structure == "sum":
        found = " + ".join(f"{shown(k)} * {shown(part.compute(*given))}" for k, part in loss.weighted_terms())
        return f"together = {found}"
    if loss.reduction == "none" or loss.not_mergeable:
        return ""
    try:
        parts = loss.parts(*given)
    except NotImplementedError:
        return ""
    terms = f"{parts.count} term{'s' if parts.count != 1 else ''}"
    if loss.reduction == "sum":
        return f"sum of {terms} = {shown(parts.total)}"
    return f"mean of {terms} = {shown(parts.total)} / {shown(parts.weight)} = {shown(parts.mean(loss.empty))}"


def _of_step(step: Step) -> dict[str, Any]:
    return {**vars(step), "result": _plain(step.result)}


def _plain(value: Any) -> Any:
    """A number, an array or a tuple of them as JSON has it."""
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return plain(np.asarray(value).tolist()) if value is not None else None
