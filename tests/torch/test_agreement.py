"""The NumPy reference and torch on both paths: the same answers, on ordinary and extreme input.

The fused path is the kernel itself, bit for bit. The rules as torch operations agree with the
reference within 4 ulp, or, where the problem is ill-conditioned, with the truth as the laws ask it.
"""

import numpy as np
import pytest
import torch

import losskit as lk
from laws.cases import CASES, THOROUGH, distinct, name_of, own
from losskit.engines.torch import composite
from truth import grids
from truth.derivatives import answer, condition, residual_rounding, rounded
from truth.rows import ROWS, row_condition, row_curvatures, row_slopes, row_value
from truth.textbook import ELEMENTWISE
from truth.ulp import allowed, format_of, ulp_of_terms

ULP = 4.0
WORSE = {"FocalLoss": 8.0, "RenyiDivergence": 8.0}
"""Products of several of torch's functions, which err by more than the kernel's do; and a slope that is the
difference of two shares, which torch has in float32 and the kernel in float64."""
VERBS = ("compute", "derivative", "second_derivative")


def as_operations(loss, y, p):
    """Value, derivative and second derivative of a loss as torch operations."""
    y, p = torch.from_numpy(y), torch.from_numpy(p).requires_grad_()
    bounds = composite.bounds_of(loss)
    value = composite.total(bounds, (y, p), None, None)
    (slope,) = torch.autograd.grad(value.sum(), p, create_graph=True)
    second = composite.curvatures(composite.prepared(bounds, (y, p), None, None, None))
    return [x.detach().numpy() for x in (value, slope, second)]


def kernel(loss, y, p):
    """The same through the kernel, asked with tensors."""
    y, p = torch.from_numpy(y), torch.from_numpy(p).requires_grad_()
    value = loss(y, p)
    (slope,) = torch.autograd.grad(value.sum(), p)
    return [x.detach().numpy() for x in (value, slope, loss.second_derivative(y, p))]


def reference(loss, y, p):
    return [*loss.value_and_derivative(y, p), loss.second_derivative(y, p)]


def apart(got, expected, dtype, saturates):
    """Where answers differ by more than ULP units in the last place, or in kind."""
    limits = np.finfo(dtype)
    if saturates:
        got, expected = (np.clip(x, -limits.max, limits.max) for x in (got, expected))
    got, expected = got.astype(np.longdouble), expected.astype(np.longdouble)
    same = (got == expected) | (np.isnan(got) & np.isnan(expected))
    with np.errstate(invalid="ignore", over="ignore"):
        unit = np.maximum(np.abs(expected), limits.tiny) * limits.eps
        near = np.abs(got - expected) <= ULP * unit
    return ~(same | near)


DTYPES = ["float32", "float64"] if THOROUGH else ["float32"]
CHOSEN = CASES if THOROUGH else distinct(CASES)
ELEMENTWISE_CASES = [pytest.param(*c, id=name_of(*c)) for c in CHOSEN if c[0].structure == "elementwise"]
ROW_CASES = [pytest.param(*c, id=name_of(*c)) for c in CHOSEN if c[0].structure == "rows"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("cls", "parameters"), ELEMENTWISE_CASES)
def test_elementwise(cls, parameters, dtype):
    loss = cls(**rounded(parameters, dtype), reduction="none")
    book, facts = ELEMENTWISE[cls.__name__], dict(own(loss))
    if book.link == "both":
        facts["floor"] = float(np.finfo(dtype).tiny)
    domain = grids.domain_of(book, **own(loss))
    parts = [grids.extreme(domain, dtype, ()), grids.ordinary(domain, dtype, seed=1, size=200)]
    if domain in ("residual", "logits", "margin"):
        parts.append(grids.with_infinities(domain, dtype))
    y, p = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    with np.errstate(over="ignore", invalid="ignore"):
        if book.coordinates == "residual":  # one beyond its dtype counts as infinite
            y, p = (x[np.isfinite(p - y) | ~np.isfinite(p)] for x in (y, p))
    for got, expected in zip(kernel(loss, y, p), reference(loss, y, p), strict=True):
        np.testing.assert_array_equal(got, expected)

    with lk.use_engine("numpy"):
        expected = reference(loss, y, p)
    saturates = any(term.rules.saturates for term in loss.terms)
    for order, got in enumerate(as_operations(loss, y, p)):
        for i in np.flatnonzero(apart(got, expected[order], dtype, saturates and order > 0)):
            if order == 2 and not np.isfinite(expected[2][i]) and np.isfinite(p[i]):
                continue  # a curvature that overflows may stop at the largest number
            within = (
                residual_rounding(y[i], p[i], format_of(dtype).bits) if book.coordinates == "residual" else 0
            )
            truth = answer(book, order, y[i], p[i], within=within, **facts)
            error = min(
                ulp_of_terms(got[i], t, truth.terms, dtype, saturates=saturates and order > 0)
                for t in truth.accepted
            )
            if abs(truth.truth) < np.finfo(dtype).tiny and abs(got[i]) <= np.finfo(dtype).tiny:
                continue
            if np.isinf(got[i]) and 0 < abs(y[i]) < np.finfo(dtype).tiny:
                continue  # e^x overflows before a subnormal target would bring it back
            scales = [abs(term.coefficient) for term in loss.terms]
            if (
                np.isinf(got[i])
                and len(scales) > 1
                and abs(truth.truth) > min(scales) * np.finfo(dtype).max / 2
            ):
                continue  # each term of a sum is evaluated as the loss it is
            if error > ULP:
                error /= allowed(truth.truth, condition(book, order, y[i], p[i], **facts), 1.0)
            place = f"{VERBS[order]} of {loss} at y = {y[i]!r}, p = {p[i]!r}"
            bound = WORSE.get(cls.__name__, ULP)
            assert error <= bound, (
                f"{place}: {got[i]!r}, reference {expected[order][i]!r}, true {truth.truth}"
            )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("cls", "parameters"), ROW_CASES)
def test_rows(cls, parameters, dtype):
    loss = cls(**rounded(parameters, dtype), reduction="none", validate=False)
    facts = {k: v for k, v in own(loss).items() if k not in ("ignore_index", "axis")}
    link, of_classes = loss.form.link, loss.form.class_weights or loss.form.shift
    if link != "softmax":
        facts["floor"] = float(np.finfo(dtype).tiny)
    for case in grids.logit_rows(dtype) if link == "softmax" else grids.probability_rows(dtype):
        target, row = case.target, case.row
        if (np.ndim(target) and loss.form.target == "index") or len(of_classes or row) != len(row):
            continue
        if link == "log_probability":
            with np.errstate(divide="ignore"):
                row = np.log(row.astype(np.float64)).astype(dtype)
        if not np.ndim(target) and loss.form.target == "distribution":
            target = np.eye(len(row), dtype=dtype)[target]
        if ROWS[cls.__name__].kink is not None and ROWS[cls.__name__].kink(target, row, **facts):
            continue  # the last bit of the input decides the slope
        target, row = np.asarray(target)[None], row[None]
        for got, expected in zip(kernel(loss, target, row), reference(loss, target, row), strict=True):
            np.testing.assert_array_equal(got, expected)

        with lk.use_engine("numpy"):
            expected = reference(loss, target, row)
        if not np.isfinite(expected[0]).all():
            for got, want in zip(as_operations(loss, target, row)[:2], expected[:2], strict=True):
                np.testing.assert_allclose(got, want, rtol=1e-6)
            continue
        for order, got in enumerate(as_operations(loss, target, row)):
            for i in np.flatnonzero(apart(got, expected[order], dtype, saturates=order > 0))[:4]:
                index = None if order == 0 else int(i)
                truths = (row_value, row_slopes, row_curvatures)[order]
                columns = () if order == 0 else ([index],)
                truth = truths(cls.__name__, target[0], row[0], *columns, **facts)
                truth = truth if order == 0 else truth[index]
                error = ulp_of_terms(got.reshape(-1)[i], truth.truth, truth.terms, dtype, saturates=order > 0)
                if (
                    abs(truth.truth) < np.finfo(dtype).tiny
                    and abs(got.reshape(-1)[i]) <= np.finfo(dtype).tiny
                ):
                    continue
                if error > ULP:
                    scale = row_condition(cls.__name__, order, index, target[0], row[0], **facts)
                    error /= allowed(truth.truth, scale, 1.0)
                place = f"{VERBS[order]} of {loss}, {case.name} (target {target}, row {row[0][:8]}), entry {index}"
                bound = WORSE.get(cls.__name__, ULP)
                assert error <= bound, f"{place}: {got.reshape(-1)[i]!r}, true {truth.truth}"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_prediction_the_target_rules_out(dtype):
    """An infinite loss has the same derivative on both paths, not none."""
    loss = lk.SparseCategoricalCrossEntropy(from_logits=True, reduction="none")
    y, z = np.array([0, 1]), np.array([[-np.inf, 0.0, 1.0], [-np.inf, 0.0, 1.0]], dtype)
    value, slope, _ = as_operations(loss, y, z)
    expected = loss.value_and_derivative(y, z)
    np.testing.assert_array_equal(value[0], expected[0][0])
    np.testing.assert_allclose(slope, expected[1], rtol=1e-6)
    for robust, at in (
        (lk.HuberLoss(), np.inf),
        (lk.MeanSquaredError(), -np.inf),
        (lk.MeanAbsoluteError(), np.inf),
    ):
        robust = robust.replace(reduction="none")
        y, p = np.zeros(1, dtype), np.array([at], dtype)
        for got, want in zip(as_operations(robust, y, p)[:2], robust.value_and_derivative(y, p), strict=True):
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("n", [1, 7, 1000, 100_000])
def test_means_of_many(n):
    random = np.random.default_rng(0)
    y, p = random.normal(size=(2, n)).astype(np.float32)
    w, keep = random.random(n).astype(np.float32), random.random(n) < 0.5
    bounds = composite.bounds_of(lk.HuberLoss())
    for weight, mask in ((None, None), (w, None), (None, keep), (w, keep)):
        truth = lk.HuberLoss().compute(y, p, sample_weight=weight, mask=mask)
        tensors = [None if x is None else torch.from_numpy(x) for x in (weight, mask)]
        got = composite.total(bounds, (torch.from_numpy(y), torch.from_numpy(p)), *tensors)
        assert not apart(got.numpy()[None], truth[None], np.float32, saturates=False)
