"""A loss under examination: how laws ask it, and what is known of it exactly."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from losskit.laws import inputs
from losskit.laws.digits import mpf
from losskit.laws.exact import ExactLoss, Point, Sides, exact_of
from losskit.laws.inputs import Array, Batch, Inputs
from losskit.loss import LossFunction, weighted_sum
from losskit.structures import RowLoss, RuleLoss

VERBS = ("compute", "derivative", "second_derivative")
WORDS = ("value", "derivative", "second derivative")
DTYPES = ("float64", "float32")


@dataclass(frozen=True)
class Comparison:
    """One number a loss of rules answers, beside the exact one."""

    dtype: str
    order: int
    y: Any
    p: Any
    index: int
    got: float
    exact: Sides | None
    error: float
    """|got - exact| in units of what a relative error of eps in the coordinates causes; inf for NaN or inf."""
    plain: bool
    """Whether the inputs are numbers that data have."""

    @property
    def truth(self) -> float:
        """The exact number as a float; NaN where there is none."""
        return np.nan if self.exact is None else float(self.exact.nearest(self.got))


class Subject:
    """A loss, with inputs of its domain and its exact values."""

    def __init__(self, loss: LossFunction, seed: int, kind: Inputs | None = None) -> None:
        if isinstance(loss, RowLoss) and loss.form.axis != -1:
            loss = with_parameters(loss, axis=-1) or loss
        self.loss = loss
        self.seed = seed
        self.declared = inputs.of_loss(loss)
        self.inputs: Inputs = kind or self.declared or inputs.CANDIDATES[0]
        self.why_inexact = ""
        if isinstance(self.inputs, inputs.RowsOf) and not self._is_finite():
            self.inputs = replace(self.inputs, hard=False)  # as a divergence from what the target rules out

    def _is_finite(self) -> bool:
        try:
            return bool(np.isfinite(self.ask("compute", self.inputs.ordinary(self.random, 8))).all())
        except Exception:  # what the loss raises is a finding, later
            return True

    @property
    def random(self) -> np.random.Generator:
        """Random numbers, the same at each use."""
        return np.random.default_rng(self.seed)

    @cached_property
    def promises(self) -> frozenset[str]:
        """The traits the loss claims with its parameters."""
        return self.loss.traits()

    @property
    def is_of_rules(self) -> bool:
        """Whether the loss is made of rules, whose exact values are known."""
        return isinstance(self.loss, RuleLoss)

    def arguments(self, batch: Batch) -> tuple[Any, ...]:
        """What a batch is to the loss's verbs."""
        y, p = batch
        return y.copy(), p.copy()

    def exchanged(self, batch: Batch) -> tuple[Any, ...]:
        """The same with targets and predictions in each other's place."""
        return batch[1], batch[0]

    def ask(self, verb: str, batch: Batch, loss: LossFunction | None = None, **options: Any) -> Any:
        """What a verb answers, on copies of the arrays: a loss that writes to its inputs spoils no other law."""
        copies = {k: v.copy() if isinstance(v, np.ndarray) and k != "out" else v for k, v in options.items()}
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return getattr(loss or self.loss, verb)(*self.arguments(batch), **copies)

    def reduced(self, how: str) -> LossFunction | None:
        """The loss with another reduction; None where its constructor takes none."""
        if self.loss.reduction == how:
            return self.loss
        return with_parameters(self.loss, reduction=how)

    @cached_property
    def unchecked(self) -> LossFunction | None:
        """The loss term by term, without domain checks."""
        loss = self.reduced("none")
        return with_parameters(loss, validate=False) or loss if loss is not None else None

    def each(self, verb: str, batch: Batch) -> Array:
        """A verb's answer term by term: of each row on its own where the loss cannot leave them unreduced."""
        if self.unchecked is not None:
            if verb == "second_derivative" or not self.is_of_rules:
                return np.asarray(self.ask(verb, batch, self.unchecked))
            both = self.ask("value_and_derivative", batch, self.unchecked)  # one kernel instead of two
            return np.asarray(both[verb == "derivative"])
        y, p = batch
        answers = [np.asarray(self.ask(verb, (y[i : i + 1], p[i : i + 1]))) for i in range(len(p))]
        return np.array(answers).reshape(len(p) if verb == "compute" else p.shape)

    @cached_property
    def exact(self) -> dict[str, ExactLoss]:
        """The exact loss by dtype; empty where its rules cannot be run on mpmath's numbers."""
        found: dict[str, ExactLoss] = {}
        for dtype in DTYPES:
            try:
                form = exact_of(self.loss, dtype)
                if form is None:
                    return {}
                y, p = self.inputs.ordinary(self.random, 1)
                form.value(self.point(y, p, 0))
            except Exception as error:
                self.why_inexact = f"{type(error).__name__}: {error}"
                return {}
            # with parameters that are exact in both dtypes, what is known of one is known of the other
            found[dtype] = next((f for f in found.values() if f.same_as(form)), form)
        return found

    def point(self, y: Array, p: Array, i: int) -> Point:
        """Term i of a batch, as exact numbers; a class index as its one-hot row."""
        row = tuple(mpf(float(x)) for x in np.atleast_1d(p[i]))
        if len(row) > 1 and np.ndim(y[i]) == 0:
            return tuple(mpf(int(y[i] == j)) for j in range(len(row))), row
        return tuple(mpf(float(x)) for x in np.atleast_1d(y[i])), row

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """Every answer of a loss of rules on the points of its inputs beside the exact one, plainest first."""
        return [
            c
            for dtype in self.exact
            for batch in self.inputs.batches(dtype)
            for c in self._compared(dtype, batch)
        ]

    def _compared(self, dtype: str, batch: Batch) -> Iterator[Comparison]:
        y, p = batch
        answers = [self.each(verb, batch) for verb in VERBS]
        for i in range(len(p)):
            point = self.point(y, p, i)
            plain = all(x == 0 or 1e-5 <= abs(x) <= 1e4 for x in (*point[0], *point[1]))
            for order, answer in enumerate(answers):
                got = np.atleast_1d(answer[i])
                for index in range(got.size):
                    yield self._one(dtype, order, point, index, float(got.flat[index]), y[i], p[i], plain)

    def _one(
        self, dtype: str, order: int, point: Point, index: int, got: float, y: Any, p: Any, plain: bool
    ) -> Comparison:
        form = self.exact[dtype]
        exact = form.derivative(order, point, index)
        error = 0.0
        if exact is not None:
            error = _error(got, exact, np.finfo(dtype))
            if np.isinf(got) and form.overflows_in_a_term(order, point, index, float(np.finfo(dtype).max)):
                error = 0.0
            if error > ENOUGH and np.isfinite(error):
                # the coordinates' own rounding counts: ill-conditioned points are judged more gently
                eps = float(np.finfo(dtype).eps)
                scale = abs(exact.nearest(got)) + form.spread(order, point, index)
                error = float(abs(mpf(got) - exact.nearest(got)) / (eps * scale)) if scale else error
        return Comparison(dtype, order, y, p, index, got, exact, error, plain)


ENOUGH = 16.0
"""Units of rounding that a rule may lose; the built-in losses are held to 4 and 8 by their tests."""


def _error(got: float, exact: Sides, info: Any) -> float:
    truth = exact.nearest(got)
    largest = float(info.max)
    if np.isnan(got):
        return np.inf
    if abs(truth) > largest:  # must be infinite, or saturated at the largest number
        return 0.0 if abs(got) >= largest * (1 - 1e-3) and (got > 0) == (truth > 0) else np.inf
    if np.isinf(got):
        return 0.0 if abs(truth) > largest / 2 else np.inf
    distance = abs(mpf(got) - truth)
    if distance <= float(info.tiny):  # below the smallest normal number anything may be 0
        return 0.0
    return float(distance / (float(info.eps) * max(abs(truth), mpf(float(info.tiny)))))


def with_parameters(loss: LossFunction, **changes: Any) -> LossFunction | None:
    """The loss, and so its terms, with other common parameters; None where that cannot be made."""
    parts = loss.weighted_terms()
    try:
        if parts == ((1.0, loss),):
            changed: LossFunction = loss.replace(**changes)
            return changed if all(getattr(changed, k) == v for k, v in changes.items()) else None
        terms = [(k, with_parameters(part, **changes)) for k, part in parts]
    except Exception:  # a constructor of the user's own
        return None
    made = tuple((k, part) for k, part in terms if part is not None)
    return weighted_sum(made) if len(made) == len(parts) else None


Question = Callable[[Subject], str | None]


def of_rules(subject: Subject) -> str | None:
    """Why a law about exact values does not apply."""
    if subject.exact:
        return None
    if subject.why_inexact:
        return f"its rules cannot be run on exact numbers ({subject.why_inexact})"
    return "the loss is not made of rules, so its exact value is not known"


def show(x: Any) -> str:
    """A number or a row as a message shows it: enough digits to type it again."""
    if np.ndim(x):
        return (
            "["
            + ", ".join(show(v) for v in np.asarray(x).ravel()[:8])
            + (", ...]" if np.size(x) > 8 else "]")
        )
    if isinstance(x, np.generic):
        return (
            str(x.item())
            if x.dtype.kind in "iub"
            else (f"{x:.9g}" if x.dtype == np.float32 else f"{float(x):.12g}")
        )
    return f"{x:.9g}" if isinstance(x, float) else str(x)


def where(y: Any, p: Any) -> str:
    """Where something was found."""
    return f"y_true = {show(y)}, y_pred = {show(p)}"
