"""Losses of whole arrays on the samples of their structure, against mpmath."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import islice
from typing import Any

import numpy as np
from mpmath import mp, mpf

from certificate.measuring.elements import take
from certificate.measuring.engines import Array, answers, can_hold, moving
from certificate.measuring.ledger import Judged, Ledger
from losskit.structures import ArrayLoss
from truth.differences import nested, slope, spread_of_slope
from truth.sample import Sample
from truth.ulp import allowed, ulp_error, ulp_of_terms

Place = tuple[int, tuple[int, ...]]
"""Which argument, and where in it."""


def on_samples(
    loss: ArrayLoss, parameters: dict[str, Any], dtype: str, at_most: int, ledgers: dict[str, Ledger]
) -> None:
    """Judge each engine's answers on the first so many samples of the loss's structure."""
    book = importlib.import_module(f"truth.{loss.structure}")
    name = type(loss).__name__
    for sample in islice(book.samples(name, parameters, dtype), at_most):
        problem = Problem(loss, parameters, dtype, sample, book.TEXTBOOK[name], hasattr(book, "SUMS"))
        numbers = [a for a in sample.arguments if a is not None and a.dtype.kind == "f"]
        for engine, ledger in ledgers.items():
            if all(can_hold(engine, dtype, a).all() for a in numbers):
                terms, gradients, _ = answers(engine, loss, sample.arguments)
                slopes = dict(zip(moving(loss, sample.arguments), gradients, strict=True))
                take(ledger, engine, dtype, 0, problem.terms_judged(np.ravel(terms)))
                take(ledger, engine, dtype, 1, problem.slopes_judged(slopes))


class Problem:
    """A loss at a sample of its arguments, with what its definition says there."""

    def __init__(
        self, loss: ArrayLoss, parameters: dict[str, Any], dtype: str, sample: Sample, definition: Callable[..., Any],
        of_sums: bool,
    ) -> None:  # fmt: skip
        self.loss, self.parameters, self.dtype, self.definition = loss, parameters, dtype, definition
        self.of_sums = of_sums
        self.name = f"{loss!r}: {sample.name}"
        self.exact = [nested(a) for a in sample.arguments]
        places = [
            (i, at)
            for i in moving(loss, sample.arguments)
            for at in np.ndindex(np.asarray(sample.arguments[i]).shape)
        ]
        self.places: list[Place] = places if sample.smooth else []
        with mp.workprec(1500):
            self.terms = definition(*self.exact, **parameters)
        # engines are often at their worst in the same place
        self.spread_of_slope, self.spread_of_term = cache(self._spread_of_slope), cache(self._spread_of_term)
        self.slopes = {place: slope(definition, self.exact, *place, **parameters) for place in self.places}

    def terms_judged(self, got: Array) -> Iterator[Judged]:
        """Each term of the value with its error."""
        assert got.size == len(self.terms), (
            f"{self.name}: {got.size} terms, by the definition {len(self.terms)}"
        )
        for i, (number, truth) in enumerate(zip(got, self.terms, strict=True)):
            conditioned = partial(self._divided, truth, partial(self.spread_of_term, i))
            yield Judged(
                ulp_error(number, truth, self.dtype),
                f"{self.name}, term {i}",
                float(number),
                truth,
                conditioned,
            )

    def slopes_judged(self, got: dict[int, Array]) -> Iterator[Judged]:
        """Each entry of the derivatives with its error; where there is none, an answer must be a number."""
        for place, truth in self.slopes.items():
            which, at = place
            number = got[which][at]
            where = f"{self.name}, {self.loss.arguments[which]}{list(at)}"
            if truth is None:
                error = float("inf") if np.isnan(number) else 0.0
                yield Judged(error, where, float(number), mpf("nan"), lambda ulp: ulp)
                continue
            error = ulp_error(number, truth, self.dtype)
            if self.of_sums:  # of numbers as large as its largest entries, which may cancel
                largest = max(abs(t) for (i, _), t in self.slopes.items() if t is not None and i == which)
                error = min(error, ulp_of_terms(number, truth, [largest], self.dtype))
            yield Judged(error, where, float(number), truth, partial(self._of_slope, place, number, truth))

    def _divided(self, truth: Any, spread: Callable[[], Any], ulp: float) -> float:
        """An error in units of what the problem allows."""
        return ulp / allowed(truth, spread() / abs(truth), 1.0) if truth and mp.isfinite(truth) else ulp

    def _of_slope(self, place: Place, got: Any, truth: Any, ulp: float) -> float:
        """The same for a derivative; one that is 0, or next to it, in units of what it moves by with its arguments."""
        spread = self.spread_of_slope(place)
        info = np.finfo(self.dtype)
        unit = spread * float(info.eps) + float(info.tiny)
        small = float(abs(mpf(float(got)) - truth) / unit) if np.isfinite(got) else float("inf")
        return min(self._divided(truth, lambda: spread, ulp), small)

    def _spread_of_slope(self, place: Place) -> Any:
        """How much an entry of a derivative moves with its arguments."""
        return spread_of_slope(self.definition, self.exact, self.places, *place, **self.parameters)

    def _spread_of_term(self, i: int) -> Any:
        """How much a term moves with its arguments: the sum of |x df/dx|."""

        def term(*arguments: Any, **parameters: Any) -> Any:
            return [self.definition(*arguments, **parameters)[i]]

        spread = mpf(0)
        for which, at in self.places:
            x = self.exact[which]
            for k in at:
                x = x[k]
            spread += abs(x * (slope(term, self.exact, which, at, **self.parameters) or mpf(0)))
        return spread
