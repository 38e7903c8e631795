"""Losses of rows at rows that have broken someone's softmax and at ordinary ones, against mpmath."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from mpmath import mp

from certificate.measuring.elements import take
from certificate.measuring.engines import Array, answers, can_hold
from certificate.measuring.ledger import Judged, Ledger, by_condition
from losskit.structures import RowLoss
from truth import grids
from truth.derivatives import Answer
from truth.jets import SingularPoint
from truth.rows import ROWS, row_condition, row_curvatures, row_slopes, row_value
from truth.ulp import format_of, ulp_of_terms

Truths = list[dict[int | None, Answer]]
"""Of a row: its value, the slopes and the curvatures in each entry."""


def on_rows(
    loss: RowLoss, parameters: dict[str, Any], dtype: str, size: int, ledgers: dict[str, Ledger]
) -> None:
    """Judge each engine's answers at all the extreme rows and at so many ordinary ones."""
    facts = {k: v for k, v in parameters.items() if k not in ("ignore_index", "axis")}
    if loss.form.link != "softmax":
        facts["floor"] = float(np.finfo(dtype).tiny)
    for case in _cases(loss, facts, dtype, size):
        truths = _truths(loss, facts, case)
        if truths is None:
            continue
        for engine, ledger in ledgers.items():
            if not can_hold(engine, dtype, case.row).all():
                continue
            value, (slopes,), curvatures = answers(
                engine, loss, (np.asarray(case.target)[None], case.row[None])
            )
            assert curvatures is not None
            for order, got in enumerate((value, slopes[0], curvatures[0])):
                take(ledger, engine, dtype, order, _judged(loss, facts, case, order, truths[order], got))


def _cases(loss: RowLoss, facts: dict[str, Any], dtype: str, size: int) -> Iterator[grids.RowCase]:
    """The rows that a loss with these parameters takes, with targets of its kind."""
    form, book = loss.form, ROWS[type(loss).__name__]
    of_logits = form.link == "softmax"
    extreme = grids.logit_rows(dtype, wide=False) if of_logits else grids.probability_rows(dtype)
    a_number_each = next(
        (n for n in (form.class_weights, form.shift, facts.get("alpha")) if isinstance(n, tuple)), None
    )
    for name, target, row in [*extreme, *grids.ordinary_rows(dtype, of_logits=of_logits, size=size)]:
        if (np.ndim(target) and form.target == "index") or len(a_number_each or row) != len(row):
            continue
        if form.link == "log_probability":
            if not row.all():
                continue  # the logarithm of 0, and -inf has no textbook slope
            row = np.log(row.astype(np.float64)).astype(dtype)
        if not np.ndim(target) and form.target == "distribution":
            target = np.eye(len(row), dtype=dtype)[target]
        if book.kink is None or not book.kink(target, row, **facts):
            yield grids.RowCase(name, target, row)


def _truths(loss: RowLoss, facts: dict[str, Any], case: grids.RowCase) -> Truths | None:
    """Value, slopes and curvatures; None where the loss is infinite or has no derivative."""
    at = type(loss).__name__, case.target, list(case.row)
    value = row_value(*at, **facts)
    if mp.isinf(value.truth):
        return None
    try:
        slopes, curvatures = row_slopes(*at, **facts), row_curvatures(*at, **facts)
    except SingularPoint:  # a power below 1 of a complement that is 0 whatever the logit
        return None
    return [{None: value}, dict(slopes.items()), dict(curvatures.items())]


def _judged(
    loss: RowLoss,
    facts: dict[str, Any],
    case: grids.RowCase,
    order: int,
    truths: dict[int | None, Answer],
    got: Array,
) -> Iterator[Judged]:
    """Each entry of an answer with its error."""
    name, target, row = case
    form = format_of(got.dtype)
    for index, truth in truths.items():
        number = got[index or 0]
        error = ulp_of_terms(number, truth.truth, truth.terms, got.dtype, saturates=order > 0)
        if abs(truth.truth) < form.tiny and abs(number) <= form.tiny and float(number) * truth.truth >= 0:
            error = 0.0  # may be flushed to zero
        of = partial(row_condition, type(loss).__name__, order, index, target, list(row), **facts)
        where = "" if index is None else f", entry {index}"
        place = f"{loss!r}: {name}, target {_plain(target)}, row {_plain(row)}{where}"
        yield Judged(error, place, float(number), truth.truth, by_condition(truth.truth, of))


def _plain(x: Any) -> str:
    return str(x) if np.ndim(x) == 0 else "[" + ", ".join(f"{v:.9g}" for v in x) + "]"
