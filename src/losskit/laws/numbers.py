"""Laws about single numbers: value, derivative and second derivative are what the rule says."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from losskit.about import BOUNDED, REDESCENDING
from losskit.laws.law import Finding, Severity, law
from losskit.laws.subject import ENOUGH, WORDS, Comparison, Subject, of_rules, show, where


def _wrong(subject: Subject, order: int) -> list[Comparison]:
    found = [c for c in subject.comparisons if c.order == order and c.error > ENOUGH and np.isfinite(c.got)]
    return [c for c in found if not (order == 1 and _is_dead(c))]


def _is_dead(c: Comparison) -> bool:
    return c.order == 1 and c.got == 0.0 and c.exact is not None and not np.isnan(c.truth)


def _relative(c: Comparison) -> float:
    return abs(c.got - c.truth) / abs(c.truth) if c.truth else np.inf


def _severity(c: Comparison) -> Severity:
    """An error where data would meet it and most digits are gone; a warning for a loss of digits."""
    limit = 1e-6 if c.dtype == "float64" else 1e-3
    return "error" if c.plain and _relative(c) > limit else "warning"


def _report(subject: Subject, order: int) -> Iterator[Finding]:
    wrong = _wrong(subject, order)
    if not wrong:
        return
    first = next((c for c in wrong if _severity(c) == "error"), wrong[0])
    checked = sum(c.order == order for c in subject.comparisons)
    pattern = _pattern([c for c in wrong if c.plain and c.dtype == first.dtype])
    by = (
        "opposite in sign"
        if np.isclose(first.got, -first.truth, rtol=1e-4, atol=0.0)
        else f"off by {_relative(first):.2g} of it"
    )
    yield Finding(
        _severity(first),
        f"the {WORDS[order]} at {where(first.y, first.p)} ({first.dtype}) is {show(first.got)}, the true one "
        f"{show(first.truth)}: {by}{pattern}. Wrong at {len(wrong)} of {checked} points.{_advice(order, first)}",
        first.y, first.p, first.got, first.truth, by,
    )  # fmt: skip


def _pattern(wrong: Sequence[Comparison]) -> str:
    """A factor by which all wrong answers differ from the truth."""
    ratios = {round(c.got / c.truth, 5) for c in wrong if c.truth and np.isfinite(c.got / c.truth)}
    if len(wrong) < 4 or len(ratios) != 1:
        return ""
    ratio = ratios.pop()
    return (
        "; the sign is flipped everywhere"
        if ratio == -1.0
        else f"; it is {ratio:g} times the true one everywhere"
    )


def _advice(order: int, c: Comparison) -> str:
    if _severity(c) == "error" and (order > 0 or c.truth != 0.0) and _relative(c) >= 1e-2:
        return "" if order else " The formula is unstable there: terms cancel, or an intermediate overflows."
    return " Digits cancel there: write the formula without the difference of near equals."


@law("value", "the value is the exact value of its rule", of_rules)
def value(subject: Subject) -> Iterator[Finding]:
    """Unstable formulas: log(cosh(r)) near 0, 1 - p near 1."""
    yield from _report(subject, 0)


@law("derivative", "the derivative is that of the value", of_rules)
def derivative(subject: Subject) -> Iterator[Finding]:
    """A wrong slope rule, against the derivative of the value rule."""
    yield from _report(subject, 1)


@law("second-derivative", "the second derivative is that of the value", of_rules)
def second_derivative(subject: Subject) -> Iterator[Finding]:
    """A wrong curvature rule."""
    yield from _report(subject, 2)


@law("finite", "finite inputs of the domain give finite answers, unless the true one overflows", of_rules)
def finite(subject: Subject) -> Iterator[Finding]:
    """NaN, and infinities that come from an intermediate result."""
    for order in range(3):
        wild = [c for c in subject.comparisons if c.order == order and not np.isfinite(c.got)]
        nan = [c for c in wild if np.isnan(c.got)]
        inf = [c for c in wild if np.isinf(c.got) and c.exact is not None and c.error > 0.0]
        for found in (nan, inf):
            if not found:
                continue
            c = next((c for c in found if c.plain), found[0])
            truth = "is not defined" if c.exact is None else f"is {show(c.truth)}"
            advice = "" if c.exact is not None else (
                " If such inputs cannot occur, declare the domain with targets = ... or predictions = ..."
            )  # fmt: skip
            yield Finding(
                "error" if c.plain else "warning",
                f"the {WORDS[order]} at {where(c.y, c.p)} ({c.dtype}) is {show(c.got)}; the true one {truth}.{advice}",
                c.y, c.p, c.got, c.truth, show(c.got),
            )  # fmt: skip


@law("dead-gradient", "a prediction that costs much is told where to go")
def dead_gradient(subject: Subject) -> Iterator[Finding]:
    """A derivative of exactly 0 where the loss is large: clipped probabilities, saturated sigmoids."""
    dead = [c for c in subject.comparisons if _is_dead(c) and c.error > ENOUGH]
    at_floor = [c for c in subject.comparisons if c.order == 1 and c.exact is None and c.got == 0.0]
    if not dead and at_floor:  # the formula's slope must remain where a probability is floored
        costs = {(c.dtype, *map(str, (c.y, c.p))): c.got for c in subject.comparisons if c.order == 0}
        most = max((v for v in costs.values() if np.isfinite(v)), default=0.0)
        dead = [c for c in at_floor if not np.ndim(c.p) and costs[c.dtype, str(c.y), str(c.p)] > 0.25 * most]
    if dead:
        c = next((c for c in dead if c.plain), dead[0])
        true = "" if c.exact is None else f", the true one {show(c.truth)}"
        yield Finding(
            "error" if c.plain else "warning",
            f"the derivative at {where(c.y, c.p)} ({c.dtype}) is exactly 0{true}: "
            "training does not move such a prediction",
            c.y, c.p, 0.0, c.truth, "all of it",
        )  # fmt: skip
        return
    if subject.promises & {BOUNDED, REDESCENDING}:
        return  # a plateau is what was promised
    for path in subject.inputs.paths():
        batch = path.batch(path.near)
        values = subject.each("compute", batch)
        slopes = np.abs(subject.each("derivative", batch)).reshape(len(path.near), -1).sum(axis=1)
        finite = np.isfinite(values)
        if not finite.any():
            continue
        low, high = values[finite].min(), values[finite].max()
        flat = (slopes == 0.0) & (values > low + 0.25 * (high - low))
        run = flat[1:] & flat[:-1]
        if run.any():
            i = int(np.argmax(run))
            y, p = batch[0][i], batch[1][i]
            yield Finding(
                "warning",
                f"the derivative is exactly 0 from {where(y, p)} to y_pred = {show(batch[1][i + 1])}, where the loss is "
                f"{show(values[i])} and can be {show(low)}: training does not move such a prediction (a clipped "
                "argument does this). If it is meant to be so, promise the trait bounded or redescending",
                y, p, 0.0, None, "all of it",
            )  # fmt: skip
            return


@law("non-negative", "a loss that is nowhere negative does not become so by rounding", of_rules)
def non_negative(subject: Subject) -> Iterator[Finding]:
    """Values below 0 where the exact value is at least 0."""
    values = [c for c in subject.comparisons if c.order == 0 and c.exact is not None]
    if any(c.exact.left < 0 for c in values if c.exact is not None):
        return
    negative = [c for c in values if c.got < 0.0]
    if negative:
        c = negative[0]
        yield Finding(
            "warning",
            f"the value at {where(c.y, c.p)} ({c.dtype}) is {show(c.got)}, below 0, by rounding; the true one is "
            f"{show(c.truth)}",
            c.y, c.p, c.got, c.truth, show(abs(c.got)),
        )  # fmt: skip


@law("nan", "NaN in a prediction or target is NaN in the answer")
def nan(subject: Subject) -> Iterator[Finding]:
    """A NaN that is lost hides a broken model."""
    y, p = subject.inputs.ordinary(subject.random, 2)
    for which in ("y_pred", "y_true"):
        arrays = [y.copy(), p.copy()]
        spoiled = arrays[1] if which == "y_pred" else arrays[0]
        if spoiled.dtype.kind != "f":
            continue
        spoiled[0] = np.nan
        lost: Counter[str] = Counter()
        for verb in ("compute", "derivative"):
            answer = subject.each(verb, (arrays[0], arrays[1]))
            if not np.isnan(np.atleast_1d(answer)[0]).any():
                lost[verb] += 1
                yield Finding(
                    "warning",
                    f"with {which} NaN, {verb} answers {show(answer[0])}: a NaN must not be lost. In a rule, let the branch "
                    "that is taken otherwise depend on the argument (0.0 * r instead of 0.0)",
                    np.ravel(arrays[0])[0], arrays[1][0], answer[0], np.nan, "NaN",
                )  # fmt: skip
                return


@law("infinity", "at an infinite prediction the answer is the limit, not NaN")
def infinity(subject: Subject) -> Iterator[Finding]:
    """inf - inf and 0 times inf in a formula that has a limit."""
    for path in subject.inputs.paths():
        if path.base.ndim:
            continue
        ends = np.array([far[-1] for far in path.far if abs(far[-1]) > 1e100])
        batch, beside = path.batch(np.sign(ends) * np.inf), path.batch(ends)
        for verb in ("compute", "derivative"):
            answer, near = subject.each(verb, batch), subject.each(verb, beside)
            for i in range(len(ends)):
                if np.isnan(answer[i]) and not np.isnan(near[i]):
                    yield Finding(
                        "warning",
                        f"{verb} at {where(batch[0][i], batch[1][i])} is NaN, at y_pred = {show(ends[i])} it is "
                        f"{show(near[i])}: infinities are limits",
                        batch[0][i], batch[1][i], answer[i], near[i], "NaN",
                    )  # fmt: skip
                    return
