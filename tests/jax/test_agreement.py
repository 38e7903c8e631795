"""JAX against the NumPy reference on ordinary and extreme input, for every set of rules of the catalogue.

The reference works in float64. The bounds are in units in the last place of its answer plus what a
change of the input by its last bit makes of it; what is beyond them must be right by the definition,
where an answer is judged by its largest term and by the condition of the problem. XLA on a CPU takes
subnormal numbers for 0, so inputs and answers near them are left out.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import losskit as lk
from laws.cases import RULE_CASES, THOROUGH, name_of, own
from losskit.registry import Wanted
from truth import grids
from truth.derivatives import answer, condition
from truth.rows import ROWS, row_condition, row_curvatures, row_slopes, row_value
from truth.textbook import ELEMENTWISE
from truth.ulp import allowed, ulp_of_terms

ALL = Wanted(value=True, derivative=True, second=True)
BOUNDS = {"float32": (4.0, 4.0, 6.0), "float64": (8.0, 8.0, 8.0)}
"""Of value, derivative and second derivative."""
NEAR_SUBNORMAL = 1024.0


def one_for_each_rule_set():
    """Of every class one loss for each of its sets of rules."""
    kinds = {}
    for cls, parameters in RULE_CASES:
        loss = cls(**parameters)
        link = loss.form.link if loss.structure == "rows" else None
        kinds.setdefault((cls, link, tuple(t.rules.name for t in loss.terms)), (cls, parameters))
    return [pytest.param(*case, id=name_of(*case)) for case in kinds.values()]


LOSSES = one_for_each_rule_set()
IN_FLOAT64 = [
    p for i, p in enumerate({p.values[0]: p for p in reversed(LOSSES)}.values()) if THOROUGH or i % 4 == 0
]
"""One of each class, or of some: the rules are the same, and other losses have the same words in them."""


def answers(loss, y, p, of_jax=False):
    """Value, derivative and second derivative in one evaluation."""
    if of_jax:
        found = loss._evaluate((jnp.asarray(y), jnp.asarray(p)), ALL, None, None)
    else:
        with lk.use_engine("numpy"), np.errstate(all="ignore"):
            found = loss._evaluate((y, p), ALL, None, None)
    return [np.asarray(x) for x in (found.value, found.derivative, found.second)]


def batches(loss, dtype):
    """Inputs as arrays of one shape."""
    limit = float(np.finfo(dtype).tiny) * NEAR_SUBNORMAL

    def ordinary(*arrays):
        return all(np.all((x == 0) | (np.abs(x) >= limit)) for x in arrays)

    if loss.structure == "elementwise":
        y, p = elements(loss, dtype)
        with np.errstate(all="ignore"):
            kept = [
                ordinary(a, b, b - a, a * b) and (np.isfinite(b - a) or not np.isfinite(b))
                for a, b in zip(y, p, strict=True)
            ]
        yield y[kept], p[kept]
        return
    groups = {}
    for target, row in rows(loss, dtype):
        if ordinary(row) and ordinary(np.exp(row) if loss.form.link == "log_probability" else row):
            groups.setdefault((np.ndim(target), len(row)), []).append((target, row))
    for group in groups.values():
        yield tuple(np.array(column) for column in zip(*group, strict=True))


def elements(loss, dtype):
    book = ELEMENTWISE[type(loss).__name__]
    domain = grids.domain_of(book, **own(loss))
    thresholds = [v for v in own(loss).values() if isinstance(v, float) and 2.0**-30 < abs(v) < 2.0**30]
    parts = [
        grids.extreme(domain, dtype, thresholds if book.coordinates == "residual" else ()),
        grids.ordinary(domain, dtype, seed=1, size=100),
    ]
    if domain in ("residual", "logits", "margin"):
        parts.append(grids.with_infinities(domain, dtype))
    return (np.concatenate(columns) for columns in zip(*parts, strict=True))


def rows(loss, dtype):
    form = loss.form
    for case in (
        grids.logit_rows(dtype, wide=False) if form.link == "softmax" else grids.probability_rows(dtype)
    ):
        size = len(case.row)
        target, row = case.target, case.row
        if size == 1 or (form.class_weights and len(form.class_weights) != size):
            continue
        if (np.ndim(target) and form.target == "index") or (form.link == "log_probability" and not row.all()):
            continue
        if not np.ndim(target) and form.target == "distribution":
            target = np.eye(size, dtype=dtype)[target]
        if form.link == "log_probability":
            row = np.log(row.astype(np.float64)).astype(dtype)
        if size == 2 and not form.class_weights:  # all of one width: a shape costs a compilation
            row = np.append(
                row, {"softmax": row.min() - 10, "probability": 0, "log_probability": -60}[form.link]
            )
            target = np.append(target, 0) if np.ndim(target) else target
        yield np.asarray(target, dtype if np.ndim(target) else np.int64), row.astype(dtype)


def sensitivity(loss, y, p, reference):
    """What the last bit of the input makes of each answer."""
    spread = [np.zeros(np.shape(x)) for x in reference]
    for up_y, up_p in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        moved = answers(loss, _next(y, up_y), _next(p, up_p))
        for s, a, b in zip(spread, moved, reference, strict=True):
            with np.errstate(all="ignore"):
                change = np.abs(a.astype(np.float64) - b)
            s[...] = np.maximum(s, np.where(np.isfinite(change), change, 0.0))
    return spread


def _next(x, up):
    if up == 0 or x.dtype.kind != "f":
        return x
    ends = (
        np.where(np.arange(x.shape[-1]) % 2, up, -up) * np.inf
    )  # neighbours apart: logits may move together freely
    with np.errstate(all="ignore"):
        moved = np.nextafter(x, ends.astype(x.dtype))
    return np.where(np.isfinite(moved), moved, x)


def errors(got, true, spread, dtype):
    """Errors in units in the last place of the truth plus the spread; infinite where the kind is wrong."""
    got, true = got.astype(np.float64), true.astype(np.float64)
    tiny = float(np.finfo(dtype).tiny)
    with np.errstate(all="ignore"):
        unit = 2.0 ** np.floor(np.log2(np.maximum(np.abs(true), tiny))) * float(np.finfo(dtype).eps)
        error = np.abs(got - true) / (unit + spread)
    small = (np.abs(got) <= NEAR_SUBNORMAL * tiny) & (np.abs(true) <= NEAR_SUBNORMAL * tiny)
    error = np.where((got == true) | (np.isnan(got) & np.isnan(true)) | small, 0.0, error)
    return np.where(np.isnan(error), np.inf, error)


def error_by_definition(loss, order, y, p, got, place, dtype):
    """The error of one answer in units in the last place of the largest term, over the condition."""
    facts = own(loss)
    if loss.structure == "elementwise":
        book, y, p = ELEMENTWISE[type(loss).__name__], y[place], p[place]
        if book.link == "both":
            facts["floor"] = float(np.finfo(dtype).tiny)
        truth, scale = answer(book, order, y, p, **facts), condition(book, order, y, p, **facts)
    else:
        book, (row, *rest) = ROWS[type(loss).__name__], place
        y, p, entry = y[row], p[row], rest[0] if rest else None
        if loss.form.link != "softmax":
            facts["floor"] = float(np.finfo(dtype).tiny)
        if book.kink is not None and book.kink(y, p, **facts):
            return 0.0
        if entry is None:
            truth = row_value(book, y, p, **facts)
        else:
            truth = (row_slopes, row_curvatures)[order - 1](book, y, p, [entry], **facts)[entry]
        scale = row_condition(book, order, entry, y, p, **facts)
    error = min(ulp_of_terms(got, t, truth.terms, dtype, saturates=order > 0) for t in truth.accepted)
    return error / allowed(truth.truth, scale, 1.0)


@pytest.mark.parametrize(("cls", "parameters"), LOSSES)
def test_agrees_with_the_reference(cls, parameters):
    agrees(cls, parameters, "float32")


@pytest.mark.parametrize(("cls", "parameters"), IN_FLOAT64)
def test_agrees_with_the_reference_in_float64(cls, parameters):
    agrees(cls, parameters, "float64")


def agrees(cls, parameters, dtype):
    loss = cls(**parameters, reduction="none", validate=False)
    for y, p in batches(loss, dtype):
        reference = answers(loss, y, p)
        spread = sensitivity(loss, y, p, reference)
        with jax.enable_x64(dtype == "float64"):
            got = answers(loss, y, p, of_jax=True)
        for order, (g, true, s, bound) in enumerate(zip(got, reference, spread, BOUNDS[dtype], strict=True)):
            assert g.dtype == dtype
            assert g.shape == true.shape
            error = errors(g, true, s, dtype)
            if len(loss.terms) > 1:  # XLA multiplies 0.5 * (2 * r) out, where NumPy overflows
                error = np.where(np.isinf(true), 0.0, error)
            for place in map(tuple, np.argwhere(error > bound)):
                units = error_by_definition(loss, order, y, p, g[place], place, dtype)
                where = place if loss.structure == "elementwise" else place[0]
                assert units <= bound, (
                    f"{('value', 'derivative', 'second derivative')[order]} of {loss} at y = {y[where]}, p = {p[where]}: "
                    f"{g[place]!r}, true {true[place]!r}: {units:.1f} units"
                )


def test_the_whole_catalogue_is_here():
    assert {p.values[0] for p in LOSSES} == {cls for cls, _ in RULE_CASES}


VERBS = ("compute", "__call__", "derivative", "second_derivative")


@pytest.mark.parametrize(
    ("name", "reduction"),
    [
        ("huber", "mean"),
        ("huber", "sum"),
        ("huber", "none"),
        ("sparse_categorical_cross_entropy", "mean"),
        ("kl_divergence", "none"),
    ],
)
def test_verbs_weights_masks_and_reductions(name, reduction):
    random = np.random.default_rng(3)
    p = random.dirichlet(np.ones(4), 6).astype(np.float32)
    y = (
        random.integers(0, 4, 6)
        if name.startswith("sparse")
        else random.dirichlet(np.ones(4), 6).astype(np.float32)
    )
    loss = lk.get(name, reduction=reduction)
    both = {"sample_weight": random.uniform(0, 2, 6), "mask": np.arange(6) != 2}
    for options in ({}, both):
        on_jax = {k: jnp.asarray(v) for k, v in options.items()}
        with lk.use_engine("numpy"):
            expected = [getattr(loss, verb)(y, p, **options) for verb in VERBS]
            whole = loss.parts(y, p, **options)
        got = [
            getattr(loss, verb)(jnp.asarray(y), jnp.asarray(p), **on_jax)
            for verb in VERBS
            if verb == "__call__" or not options
        ]
        both_at_once = loss.value_and_derivative(jnp.asarray(y), jnp.asarray(p), **on_jax)
        pairs = zip(got, expected if not options else expected[1:2], strict=True)
        for a, b in [*pairs, *zip(both_at_once, expected[1:3], strict=True)]:
            assert isinstance(a, jax.Array)
            assert a.dtype == jnp.float32
            np.testing.assert_allclose(a, b, rtol=2e-6, atol=1e-7)
        parts = loss.parts(jnp.asarray(y), jnp.asarray(p), **on_jax)
        np.testing.assert_allclose(parts.total, whole.total, rtol=1e-5)
        assert parts.count == whole.count
        assert parts.weight == pytest.approx(whole.weight, rel=1e-6)
