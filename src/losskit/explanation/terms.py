"""One term of a loss, an element or a row, from what comes in to its value and derivatives."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from losskit.explanation.observing import VERBS, Call, observe
from losskit.explanation.steps import Step, shown, steps_of
from losskit.loss import LossFunction
from losskit.numerics import stable_softmax
from losskit.rules import OUTER
from losskit.structures import ElementwiseLoss, RowLoss, RuleLoss

TINY = float(np.finfo(np.float64).tiny)
_ARGUMENTS = {"residual": ("r", "{p} - {y}"), "margin": ("m", "{y} * {p}")}
"""How an elementwise rule's one argument comes from target and prediction."""

_OUTER = {
    "root_pair": "the square root of the sum over the classes",
    "tilted_pair": "log(the sum of y * exp(tilt * value)) / tilt",
}
"""What the value of a row is of a rule's values at its classes, where it is not their sum."""


@dataclass(frozen=True)
class Part:
    """What one kind of rule, of value, slope or curvature, adds to a term."""

    kind: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class TermExplanation:
    """One term of a loss, or all of it where its terms belong together."""

    place: str
    inputs: tuple[Step, ...]
    """What the rules are functions of, and how it comes from the arguments."""
    parts: tuple[Part, ...]


def explain_term(loss: LossFunction, arguments: tuple[Any, ...], place: str) -> TermExplanation:
    """The term whose arguments these are, all alone."""
    inputs: dict[str, Step] = {}
    parts = []
    for kind in VERBS:
        try:
            calls = observe(loss, arguments, kind)
        except NotImplementedError:
            continue
        inputs = inputs or {step.name: step for step in _leading(loss, arguments, calls)}
        steps: list[Step] = []
        for call in calls:
            steps += _taken(call, inputs)
            steps += steps_of(call.function, _given(call), _name(call, calls, kind))
        kinds = {call.argument for call in calls}
        if kind == "value" or (isinstance(loss, ElementwiseLoss) and len(kinds) == 1):
            steps += _total(loss, arguments, calls)
        if kind == "slope" and kinds == {"margin"}:
            steps += _chained(arguments, steps)
        parts.append(Part(kind, tuple(steps)))
    return TermExplanation(place, tuple(inputs.values()), tuple(parts))


def _name(call: Call, calls: list[Call], kind: str) -> str:
    """What a rule's answer is called: by its loss where there are several."""
    return kind if len({id(other.part) for other in calls}) == 1 else f"{kind} of {call.part.name}"


def _given(call: Call) -> dict[str, Any]:
    return call.arguments if call.part.structure == "by_hand" else _plain(call.arguments)


def _plain(arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments without axes of length 1: a single number is a number."""
    return {name: np.squeeze(np.asarray(value))[()] for name, value in arguments.items()}


def _leading(loss: LossFunction, arguments: tuple[Any, ...], calls: list[Call]) -> Iterator[Step]:
    """How the argument of the rules comes from targets and predictions."""
    if isinstance(loss, ElementwiseLoss):
        y, p = (np.squeeze(a)[()] for a in arguments)
        for call in calls:
            if call.argument in _ARGUMENTS:
                name, formula = _ARGUMENTS[call.argument]
                numbers = formula.format(y=_beside(y), p=_beside(p))
                result = p - y if name == "r" else y * p
                yield Step(name, formula.format(y="y_true", p="y_pred"), numbers, result, call.meanings[name])
    elif isinstance(loss, RowLoss) and loss.form.link == "softmax":
        shift = loss.form.shift
        scores = arguments[1] if shift is None else arguments[1] + np.array(shift)
        text = "softmax(y_pred)" if shift is None else f"softmax(y_pred + {shown(shift)})"
        yield Step("probabilities", text, "", stable_softmax(scores)[0])


def _beside(x: float) -> str:
    return f"({shown(x)})" if x < 0 else shown(x)


def _taken(call: Call, inputs: dict[str, Step]) -> Iterator[Step]:
    """What a rule takes, its argument and the loss's parameters: among the inputs, or where another of that name
    is there, as a step."""
    if call.part.structure == "by_hand":
        return
    for name, value in _plain(call.arguments).items():
        known = inputs.setdefault(name, Step(name, "", "", value, call.meanings.get(name, "")))
        if not np.array_equal(known.result, value, equal_nan=True):
            yield Step(name, "", "", value, call.argument.replace("_", " ") if name in call.meanings else "")


def _total(loss: LossFunction, arguments: tuple[Any, ...], calls: list[Call]) -> Iterator[Step]:
    """How the term's value comes from what its rules answer, where that is a sum."""
    if not isinstance(loss, RuleLoss):
        return
    if any(call.argument in OUTER for call in calls):
        words = " + ".join(_OUTER.get(call.argument, "the others") for call in calls)
        yield Step("together", words, "", float(np.squeeze(loss.compute(*arguments))))
        return
    addends: list[tuple[str, float]] = []
    for call in calls:
        coefficient = _coefficient(loss, arguments, call)
        addends += [(text, coefficient * x) for text, x in _shares(loss, arguments, call, coefficient)]
    if len(addends) > 1 or any("*" in text for text, _ in addends):
        text = " + ".join(text for text, _ in addends)
        yield Step("together", "", text, sum(x for _, x in addends))


def _coefficient(loss: RuleLoss, arguments: tuple[Any, ...], call: Call) -> float:
    """What the loss multiplies a call's answer by: the coefficient of its terms."""
    total = 0.0
    for term in loss.terms_for(arguments[0].ndim == 1) if isinstance(loss, RowLoss) else loss.terms:
        numbers = zip(term.rules.parameters, term.numbers(TINY), strict=True)
        mine = term.rules in call.holders and term.rules.argument == call.argument
        if mine and all(np.all(call.arguments[name] == x) for name, x in numbers):
            total += term.coefficient
    return total


def _shares(
    loss: RuleLoss, arguments: tuple[Any, ...], call: Call, coefficient: float
) -> Iterator[tuple[str, float]]:
    """What a call adds to the term: its answer, or that of each class times the class's share of the target."""
    before = "" if coefficient == 1.0 else f"{_beside(coefficient)} * "
    if not (isinstance(loss, RowLoss) and np.ndim(call.result) == 2):
        yield before + _beside(float(np.squeeze(call.result))), float(np.squeeze(call.result))
        return
    answers = np.broadcast_to(call.result, arguments[1].shape)[0]
    if call.argument == "pair":
        yield from ((before + _beside(answer), answer) for answer in answers)
        return
    shares = _target(arguments[0], len(answers)) * (loss.form.class_weights or 1.0)
    for share, answer in zip(shares, answers, strict=True):
        if share != 0.0:
            yield f"{before}{_beside(share)} * {_beside(answer)}", share * answer


def _target(y: Any, classes: int) -> Any:
    """The target of one row as a distribution."""
    return y[0] if y.ndim == 2 else np.eye(classes)[int(y[0])]


def _chained(arguments: tuple[Any, ...], steps: list[Step]) -> Iterator[Step]:
    """The slope in the prediction, of rules of the margin."""
    y, slope = np.squeeze(arguments[0])[()], steps[-1].result
    yield Step("in y_pred", "slope * y_true", f"{_beside(slope)} * {_beside(y)}", slope * y)
