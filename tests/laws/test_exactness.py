"""Value, derivative and second derivative of every loss against its textbook definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mpmath import mp, mpf

import losskit as lk
from laws.cases import CASES, THOROUGH, distinct, name_of, own
from losskit.loss import LossFunction
from losskit.structures import ArrayLoss
from truth import grids
from truth.derivatives import Answer, answer, condition, residual_rounding, rounded
from truth.jets import SingularPoint
from truth.rows import ROWS, row_condition, row_curvatures, row_slopes, row_value
from truth.textbook import ELEMENTWISE, Textbook
from truth.ulp import allowed, format_of, ulp_of_terms

# In units in the last place, times the condition of the problem where that is worse than 1: those of the certificate.
BOUNDS = {"float32": 2.0, "float64": 4.0}
WORSE = {("FocalLoss", "float64"): 8.0}  # (1 - p)^gamma raises the error of a sigmoid to the power as well
ROW_BOUND = 6.0  # sums over the classes come on top
VERBS = ("compute", "derivative", "second_derivative")
ENGINES = ("numba", "numpy")
DTYPES = ("float32", "float64")


CHOSEN = CASES if THOROUGH else distinct(CASES)


def elementwise_cases() -> list[Any]:
    cases = [c for c in CHOSEN if c[0].structure == "elementwise"]
    return [pytest.param(*c, i > 0 and cases[i - 1][0] is c[0], id=name_of(*c)) for i, c in enumerate(cases)]


def row_cases() -> list[Any]:
    return [pytest.param(*c, id=name_of(*c)) for c in CHOSEN if c[0].structure == "rows"]


@pytest.mark.parametrize("cls", dict.fromkeys(c for c, _ in CASES), ids=lambda c: c.__name__)
def test_every_loss_has_a_textbook_definition(cls):
    books = {"elementwise": ELEMENTWISE, "rows": ROWS}
    if issubclass(cls, ArrayLoss):
        pytest.skip("a loss of whole arrays: test_array_exactness")
    assert cls.structure in books, (
        f"say in {__file__} where the textbook definitions of {cls.structure} losses are"
    )
    assert cls.__name__ in books[cls.structure], (
        f"{cls.__name__} has no definition in tests/truth: add the plainest formula of the literature, in mpmath, to "
        f"tests/truth/{'rows' if cls.structure == 'rows' else 'textbook'}.py under that name"
    )


def inputs_of(book: Textbook, loss: LossFunction, dtype: str, thin: bool) -> grids.Grid:
    """Extreme and ordinary inputs; of a loss with other parameters than before a part of them."""
    domain = grids.domain_of(book, **own(loss))
    thresholds = [v for v in own(loss).values() if isinstance(v, float) and 2.0**-30 < abs(v) < 2.0**30]
    extreme = grids.extreme(domain, dtype, thresholds if book.coordinates == "residual" else ())
    ordinary = grids.ordinary(domain, dtype, seed=1, size=12 if thin else 40)
    kept = np.random.default_rng(2).random(len(extreme.y)) < (50 if thin else 250) / len(extreme.y)
    extreme = grids.Grid(extreme.y[kept], extreme.p[kept])
    parts = [extreme, ordinary]
    if domain in ("residual", "logits", "margin"):
        parts.append(grids.with_infinities(domain, dtype))
    y, p = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    with np.errstate(over="ignore", invalid="ignore"):
        whole = np.isfinite(p - y) | ~np.isfinite(p)  # a residual beyond its dtype counts as infinite: below
    return grids.Grid(y[whole], p[whole]) if book.coordinates == "residual" else grids.Grid(y, p)


def answers_of(loss: LossFunction, y: Any, p: Any) -> dict[str, list[Any]]:
    answers = {}
    for engine in ENGINES:
        with lk.use_engine(engine):
            answers[engine] = [*loss.value_and_derivative(y, p), loss.second_derivative(y, p)]
    return answers


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("cls", "parameters", "thin"), elementwise_cases())
def test_elementwise(cls, parameters, thin, dtype, largest_errors):
    loss = cls(**rounded(parameters, dtype), reduction="none", validate=False)
    book = ELEMENTWISE[cls.__name__]
    bound = WORSE.get((cls.__name__, dtype), BOUNDS[dtype])
    saturates = any(term.rules.saturates for term in loss.terms)
    facts = dict(own(loss))
    if book.link == "both":
        facts["floor"] = float(np.finfo(dtype).tiny)
    y, p = inputs_of(book, loss, dtype, thin)
    answers = answers_of(loss, y, p)
    for i in range(len(y)):
        within = residual_rounding(y[i], p[i], format_of(dtype).bits) if book.coordinates == "residual" else 0
        for order in range(3):
            truth = answer(book, order, y[i], p[i], within=within, **facts)
            for engine in ENGINES:
                got = answers[engine][order][i]
                error = min(
                    ulp_of_terms(got, t, truth.terms, dtype, saturates=saturates and order > 0)
                    for t in truth.accepted
                )
                if error > bound and not accepted(got, truth, loss, dtype):
                    error /= allowed(truth.truth, condition(book, order, y[i], p[i], **facts), 1.0)
                    place = f"{VERBS[order]} of {loss} on {engine} at y = {y[i]!r}, p = {p[i]!r}"
                    assert error <= bound, f"{place}: {got!r}, true {truth.truth}"
                    largest_errors.add(cls.__name__, dtype, engine, order, error)
                elif error <= bound:
                    largest_errors.add(cls.__name__, dtype, engine, order, error)


def accepted(got: Any, truth: Answer, loss: LossFunction, dtype: str) -> bool:
    """Whether an answer beyond the bound is right for another reason.

    A result below the smallest normal number may come out as anything between 0 and it. And each term
    of a sum of losses is evaluated as the loss it is: where one overflows, the sum may.
    """
    tiny, largest = float(np.finfo(dtype).tiny), float(np.finfo(dtype).max)
    exact, number = truth.truth, float(got)
    if abs(exact) < tiny:
        return bool(abs(number) <= tiny and mpf(number) * exact >= 0)
    scales = [term.coefficient for term in loss.terms]
    if np.isinf(number) and len(scales) > 1 and len(scales) == len(truth.terms):
        return any(abs(t / c) > largest for t, c in zip(truth.terms, scales, strict=True))
    return False


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("cls", "parameters"), row_cases())
def test_rows(cls, parameters, dtype, largest_errors):
    loss = cls(**rounded(parameters, dtype), reduction="none", validate=False)
    facts = {k: v for k, v in own(loss).items() if k not in ("ignore_index", "axis")}
    link = loss.form.link
    if link != "softmax":
        facts["floor"] = float(np.finfo(dtype).tiny)
    rows = grids.logit_rows(dtype, wide=False) if link == "softmax" else grids.probability_rows(dtype)
    a_class_each = loss.form.class_weights or loss.form.shift
    classes = len(a_class_each) if a_class_each else None
    for case in rows:
        size = len(case.row)
        if (np.ndim(case.target) and loss.form.target == "index") or (classes or size) != size:
            continue
        if isinstance(facts.get("alpha"), tuple) and len(facts["alpha"]) != size:
            continue
        target, row = case.target, case.row
        if link == "log_probability":
            if not row.all():
                continue  # the logarithm of 0, and -inf has no textbook slope
            row = np.log(row.astype(np.float64)).astype(dtype)
        if not np.ndim(target) and loss.form.target == "distribution":
            target = np.eye(size, dtype=dtype)[target]
        book = ROWS[cls.__name__]
        if book.kink is not None and book.kink(target, row, **facts):
            continue
        answers = answers_of(loss, np.asarray(target)[None], row[None])
        try:
            truths = [[(None, row_value(cls.__name__, target, row, **facts))]]
            truths += [
                list(f(cls.__name__, target, row, **facts).items()) for f in (row_slopes, row_curvatures)
            ]
        except SingularPoint:  # a power below 1 of a complement that is 0 whatever the logit
            assert size == 1
            assert all(np.all(a == 0.0) for engine in ENGINES for a in answers[engine])
            continue
        if mp.isinf(truths[0][0][1].truth):
            # the prediction rules in what the target rules out: infinite, 0 once that has underflowed, and no derivative
            assert all(answers[engine][0][0] in (0.0, np.inf) for engine in ENGINES)
            continue
        for order, expected in enumerate(truths):
            for index, truth in expected:
                for engine in ENGINES:
                    got = np.atleast_1d(answers[engine][order][0])[index or 0]
                    error = ulp_of_terms(got, truth.truth, truth.terms, dtype, saturates=order > 0)
                    if error > ROW_BOUND and not accepted(got, truth, loss, dtype):
                        scale = row_condition(cls.__name__, order, index, target, row, **facts)
                        error /= allowed(truth.truth, scale, 1.0)
                        assert error <= ROW_BOUND, (
                            f"{VERBS[order]} of {loss} on {engine}, {case.name} (target {target}, row {row}), "
                            f"entry {index}: {got!r}, true {truth.truth}"
                        )
                    if error <= ROW_BOUND:
                        largest_errors.add(cls.__name__, dtype, engine, order, error)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("cls", "parameters", "thin"), [c for c in elementwise_cases() if not c.values[2]])
def test_residual_beyond_its_dtype(cls, parameters, thin, dtype):
    """p - y that overflows: the answer is that of the residual, or of an infinite one, but never NaN."""
    if cls.argument != "residual" or cls.rules is None:
        pytest.skip("the loss is no function of the residual alone")
    loss = cls(**parameters, reduction="none", validate=False)
    largest = np.finfo(dtype).max
    y, p = np.array([-largest, largest], dtype), np.array([largest, -largest], dtype)
    for engine in ENGINES:
        with lk.use_engine(engine):
            for answer in (*loss.value_and_derivative(y, p), loss.second_derivative(y, p)):
                assert not np.isnan(answer).any(), engine
