"""What a loss is drawn over: the residual, a logit, ..., or a straight line between two examples of its arguments."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from losskit.domain import PROBABILITY
from losskit.errors import InputError
from losskit.loss import LossFunction
from losskit.registry import use_engine
from losskit.structures import ArrayLoss, RowLoss

WHAT = ("value", "slope", "curvature")
"""What can be drawn of a loss."""

TERMS = 6
"""Terms in the examples between which a loss of whole arrays is drawn: some of them meet, for a loss of a batch."""

Array = NDArray[np.float64]
Pair = tuple[Any, Any]
Sample = Callable[[LossFunction, str, Array], Array]
"""sample(loss, what, x): the loss's value, slope or curvature at all x; NaN where it has none."""


@dataclass(frozen=True)
class Curve:
    """One of the curves that a loss has in a picture."""

    sample: Sample
    label: str = ""
    style: Literal["-", "--"] = "-"


@dataclass(frozen=True)
class View:
    """What a kind of loss is drawn over, from where to where, and its curves."""

    axis: str
    low: float
    high: float
    curves: tuple[Curve, ...]
    points: int = 601
    bounded: bool = False
    """Whether the curves go off to infinity at the ends, as at the probabilities 0 and 1."""


def _pointwise(pair: Callable[[LossFunction, float], Pair]) -> Sample:
    """The curve through (y_true, y_pred) at each x: the mean over one term is that term, for any loss whatever."""

    @use_engine("numpy")  # a picture is worth no kernel
    def sample(loss: LossFunction, what: str, x: Array) -> Array:
        verb = {"value": loss.compute, "slope": loss.derivative, "curvature": loss.second_derivative}[what]
        y = np.full(x.shape, np.nan)
        for i, at in enumerate(x):
            try:
                y[i] = np.ravel(_asked(loss, verb, pair(loss, float(at)), at))[0]
            except NotImplementedError:
                break
        return y

    return sample


def _asked(loss: LossFunction, verb: Callable[..., Any], arguments: tuple[Any, ...], at: float) -> Any:
    """What a verb answers, or an error that says at which x the arguments are none of the loss's."""
    try:
        return verb(*arguments)
    except NotImplementedError:
        raise
    except (ValueError, TypeError) as error:
        why = " ".join(str(error).split())
        raise InputError(f"{loss!r} cannot be drawn at {at:.4g}: {why}") from error


def _at(y: float) -> Sample:
    return _pointwise(lambda _, x: (np.array([y]), np.array([x])))


def _row(rest: Callable[[float, int], float]) -> Sample:
    """Rows whose target is the first class, at x, and whose other classes are all at ``rest(x, how many)``."""

    def pair(loss: Any, x: float) -> Pair:
        classes = len(loss.form.class_weights or loss.form.shift or range(3))
        y_pred = np.array([[x] + [rest(x, classes - 1)] * (classes - 1)])
        return np.array([0]) if loss.form.target == "index" else np.eye(1, classes), y_pred

    return _pointwise(pair)


def _along_the_line(loss: LossFunction, what: str, x: Array) -> Array:
    """From one example of a loss's arguments to another; what has no derivative stays as in the first."""
    part: Any = loss.weighted_terms()[0][1]
    loss = loss.replace(validate=False)  # between two rows of log-probabilities lies none
    try:
        start, end = (part.example(np.random.default_rng(seed), TERMS) for seed in (0, 1))
    except NotImplementedError as error:
        raise InputError(f"{loss!r} cannot be drawn: {error}.") from None
    places = [part.arguments.index(name) for name in part.differentiable]
    ways = {i: end[i] - start[i] for i in places if start[i] is not None}

    def there(at: float) -> tuple[Any, ...]:
        return tuple(a + at * ways[i] if i in ways else a for i, a in enumerate(start))

    def slope(x: Array) -> Array:
        answers = (_asked(loss, loss.derivative, there(at), at) for at in x)
        return np.array([_along(answer, tuple(ways.values())) for answer in answers])

    if what == "value":
        return np.array([_asked(loss, loss.compute, there(at), at) for at in x], dtype=np.float64)
    return slope(x) if what == "slope" else _derivative_of(slope, x)


def _along(derivative: Any, ways: tuple[Array, ...]) -> float:
    """The derivative along the line, from those in the arguments."""
    several: tuple[Array, ...] = derivative if isinstance(derivative, tuple) else (derivative,)
    return float(sum(np.sum(g * way) for g, way in zip(several, ways, strict=True)))


def _derivative_of(slope: Callable[[Array], Array], x: Array) -> Array:
    """The difference quotient, over very little beside each point: kinks lie on points, and between them."""
    step = 1e-6 * (x[-1] - x[0]) * np.where(x < x[-1], 1.0, -1.0)
    return np.asarray((slope(x + 2 * step) - slope(x + step)) / step)


_BOTH = Curve(_at(1.0), "y = 1"), Curve(_at(0.0), "y = 0", "--")

VIEWS = {
    "residual": View("residual  y_pred - y_true", -4.0, 4.0, (Curve(_at(0.0)),)),
    "margin": View("margin  y_true · y_pred", -2.5, 3.0, (Curve(_at(1.0)),)),
    "logit": View("logit", -6.0, 6.0, _BOTH),
    "probability": View("predicted probability", 0.002, 0.998, _BOTH, bounded=True),
    "prediction": View("prediction, where y_true = 1", 0.05, 4.0, (Curve(_at(1.0)),)),
    "log prediction": View("logarithm of the prediction, where y_true = 1", -3.0, 2.0, (Curve(_at(1.0)),)),
    "row of logits": View(
        "logit of the true class, the others at 0", -6.0, 6.0, (Curve(_row(lambda x, others: 0.0)),)
    ),
    "row of probabilities": View(
        "probability of the true class, the others alike", 0.002, 0.998,
        (Curve(_row(lambda x, others: (1.0 - x) / others)),), bounded=True,
    ),
    "line": View("from one example to another", 0.0, 1.0, (Curve(_along_the_line),), points=101),
}  # fmt: skip
"""How each kind of loss is drawn."""


def view_of(loss: LossFunction) -> str:
    """Which kind of picture a loss has: what it is a function of.

    >>> from losskit import catalogue
    >>> view_of(catalogue.parse("mae + 0.5 * huber"))
    'residual'
    """
    kinds = {_kind(part) for _, part in loss.weighted_terms()}
    if len(kinds) > 1:
        raise InputError(
            f"{loss!r} cannot be drawn: its terms are functions of different things: {', '.join(sorted(kinds))}."
        )
    return kinds.pop()


def subject_of(loss: LossFunction) -> tuple[str, View]:
    """What a loss is a function of, and its view. Losses of the same subject can share a picture."""
    kind = view_of(loss)
    if kind != "line":
        return kind, VIEWS[kind]
    subjects = {_named(part) for _, part in loss.weighted_terms()}
    if len(subjects) > 1:
        raise InputError(
            f"{loss!r} cannot be drawn: its terms are functions of different things:"
            f" {', '.join(sorted(subjects))}."
        )
    moving = subjects.pop()
    return moving, replace(VIEWS[kind], axis=f"{moving}: from one example to another")


def _named(loss: Any) -> str:
    """The arguments that move along the line."""
    return ", ".join(name for name in loss.differentiable if name not in loss.optional)


def _kind(loss: LossFunction) -> str:
    if isinstance(loss, ArrayLoss):
        return "line"
    if isinstance(loss, RowLoss):
        if loss.form.link == "log_probability":
            raise InputError(f"{loss!r} cannot be drawn: write it with probabilities or logits.")
        return "row of logits" if loss.form.link == "softmax" else "row of probabilities"
    argument = getattr(loss, "argument", "")
    if argument in {"residual", "margin"}:
        return str(argument)
    parameters = loss.parameters()
    if "from_logits" in parameters:
        return "logit" if parameters["from_logits"] else "probability"
    if argument == "pair":
        if "log_input" in parameters:
            return "log prediction" if parameters["log_input"] else "prediction"
        return _of_pairs(loss)
    if loss.structure == "by_hand":
        return "residual"
    raise InputError(f"{loss!r} cannot be drawn: a {loss.structure} loss is no function of one number.")


def _of_pairs(loss: Any) -> str:
    """What predictions are by their domain, where no parameter says so."""
    targets = {term.rules.targets for term in loss.terms}
    predictions = {term.rules.predictions for term in loss.terms}
    if predictions == {PROBABILITY}:
        return "probability"
    return "logit" if targets == {PROBABILITY} and predictions == {None} else "prediction"
