"""From arguments to answers for array losses, the same for the reference and the kernels."""

from collections.abc import Callable
from typing import Any

import numpy as np

from losskit.engines import memory
from losskit.engines.array_formula import Arrays, Formula, formula_of
from losskit.engines.array_inputs import ArrayInputs, array_inputs, check_faults, put_terms
from losskit.engines.inputs import Array, check_out, narrowed
from losskit.engines.numpy.array_words import xp
from losskit.engines.outcome import mean_of_terms, reduced
from losskit.reduction import Parts
from losskit.registry import Evaluation, Wanted
from losskit.structures import ArrayLoss

Compute = Callable[..., tuple[Array, Arrays | None]]
"""compute(loss, arrays, cotangent, needed, *inner) -> (terms, gradients): a kernel, or the formula."""

Legal = Callable[..., bool]
"""legal(loss, *arrays, *inner): whether a quick look finds that all values are."""


def evaluate(
    compute: Compute, loss: ArrayLoss, arguments: tuple[Any, ...], wanted: Wanted,
    sample_weight: Any, mask: Any, out: Any = None, upstream: Any = None, legal: Legal | None = None,
) -> Evaluation:  # fmt: skip
    """Value, derivative and second derivative of a loss, as far as wanted.

    ``upstream``, one number a term, multiplies what each term adds to the derivative. What ``legal`` finds
    to be legal is not looked at again.
    """
    formula = formula_of(loss)
    x = array_inputs(loss, formula, arguments, sample_weight, mask)
    _check_outs(x, out)
    with np.errstate(all="ignore"):
        if legal is None or not legal(loss, *x.arrays, *x.inner):
            check_faults(loss, x, formula.faults(xp, loss, *x.arrays, *x.inner))
        weights = _existing(formula, loss, x)
        scale = x.scale(loss.reduction)
        # Without weights one number stands for all, which costs no memory.
        cotangent = np.broadcast_to(np.float64(scale), x.terms()) if weights is None else weights * scale
        if upstream is not None:
            cotangent = cotangent * _of_terms(x, upstream)
        answer = Evaluation()
        if x.count == 0:
            terms, gradients = np.zeros(x.terms()), _nothing(x) if wanted.derivative else None
        else:
            needed = (True,) * len(x.answers)
            with memory.lent(_lendable(x, out)):
                terms, gradients = compute(
                    loss, x.arrays, cotangent if wanted.derivative else None, needed, *x.inner
                )
        if wanted.value or wanted.parts:
            _put_value(answer, loss, x, np.asarray(terms), weights)
        if wanted.parts and loss.merges_sums and formula.parts is not None:
            answer.parts = formula.parts(loss, *(_wide(a) for a in (*x.arrays, *x.inner)))
        if gradients is not None:
            answer.derivative = _answered(x, gradients, out)
        if wanted.second:
            answer.second = _answered(x, _second(compute, formula, loss, x, cotangent), None)
    return answer


def by_formula(
    loss: ArrayLoss, arrays: Arrays, cotangent: Array | None, needed: tuple[bool, ...], *inner: Array
) -> tuple[Array, Arrays | None]:
    """Terms and gradients by the array formula, in float64."""
    formula = formula_of(loss)
    wide = tuple(_wide(a) for a in (*arrays, *inner))
    terms = formula.terms(xp, loss, *wide)
    if cotangent is None:
        return terms, None
    return terms, formula.pullback(xp, loss, cotangent, *wide)


def _wide(array: Array | None) -> Array | None:
    return array.astype(np.float64) if array is not None and array.dtype.kind == "f" else array


def _of_terms(x: ArrayInputs, numbers: Any) -> Array:
    """One number for each term that counts, from one for each term."""
    array = np.asarray(numbers, np.float64)
    return array if x.active is None else array.reshape(-1)[x.active]


def _existing(formula: Formula, loss: ArrayLoss, x: ArrayInputs) -> Array | None:
    """The weight of each term, of those that do not exist 0 and not counted; None where all weigh 1."""
    present = formula.present(xp, loss, *x.arrays, *x.inner) if x.count else None
    if present is None or present.all():
        return None if x.w is None else x.weights()
    weights = np.where(present, x.weights(), 0.0)
    x.weight, x.count = float(weights.sum()), int(np.count_nonzero(weights))
    return weights


def _put_value(
    answer: Evaluation, loss: ArrayLoss, x: ArrayInputs, terms: Array, weights: Array | None
) -> None:
    weighed = terms.astype(np.float64, copy=False)
    if weights is not None:
        weighed = np.where(weights != 0.0, weights * weighed, 0.0)
    parts = answer.parts = Parts(float(weighed.sum()), x.weight, x.count)
    if loss.reduction == "none":
        whole = weighed.astype(x.dtype)
        if x.active is not None:
            whole = put_terms(whole, 0, x.shape, len(x.shape), x.active)
        answer.value = whole[()]
    elif loss.reduction == "mean" and np.isinf(parts.total) and x.count > 1:
        answer.value = x.dtype.type(mean_of_terms(weighed, x.weight))
    else:
        answer.value = reduced(loss, parts, x.dtype)


def _nothing(x: ArrayInputs) -> Arrays:
    return tuple(np.zeros(x.arrays[i].shape, x.dtype) for i, _, _ in x.answers)  # type: ignore[union-attr]


def _check_outs(x: ArrayInputs, out: Any) -> None:
    if out is None:
        return
    outs = out if isinstance(out, tuple) else (out,)
    if len(outs) != len(x.answers):
        raise ValueError(f"out must be a tuple of {len(x.answers)} arrays, one a derivative; got {len(outs)}")
    for one, (_, shape, dtype) in zip(outs, x.answers, strict=True):
        check_out(one, shape, dtype)


def _answered(x: ArrayInputs, gradients: Arrays, out: Any) -> Any:
    """Derivatives in the shapes and dtypes of their arguments; one alone, several as a tuple."""
    passed = [g for g in gradients if g is not None]
    answers = []
    for gradient, (i, shape, dtype) in zip(passed, x.answers, strict=True):
        axis = x.axes[i]
        whole = np.asarray(gradient)
        if x.active is not None and axis is not None:
            whole = put_terms(whole, axis, shape, len(x.shape), x.active)
        answers.append(narrowed(whole.reshape(shape), dtype, saturates=False))
    if out is not None:
        _write(answers, out if isinstance(out, tuple) else (out,))
        return out
    return answers[0] if len(answers) == 1 else tuple(answers)


def _lendable(x: ArrayInputs, out: Any) -> Arrays:
    """Those of the arrays given for derivatives that a kernel may write while it still reads its arguments."""
    outs = () if out is None else out if isinstance(out, tuple) else (out,)
    read = [a for a in (*x.arrays, *x.inner, x.w, x.keep) if a is not None]

    def alone(k: int) -> bool:
        others = (*read, *outs[:k], *outs[k + 1 :])
        return not any(np.may_share_memory(outs[k], other) for other in others)

    return tuple(one for k, one in enumerate(outs) if one.flags.c_contiguous and alone(k))


def _write(answers: list[Array], outs: tuple[Array, ...]) -> None:
    """Put derivatives where they were asked for, unless they lie there already."""
    for k, answer in enumerate(answers):  # memory is handed out in any order
        if any(np.may_share_memory(answer, other) for other in (*outs[:k], *outs[k + 1 :])):
            answers[k] = answer.copy()
    for one, answer in zip(outs, answers, strict=True):
        if not (answer.flags.c_contiguous and answer.ctypes.data == one.ctypes.data):
            one[...] = answer


def _second(compute: Compute, formula: Formula, loss: ArrayLoss, x: ArrayInputs, cotangent: Array) -> Arrays:
    if x.count == 0:
        return _nothing(x)
    if formula.diagonal is not None:
        wide = tuple(_wide(a) for a in (*x.arrays, *x.inner))
        found = formula.diagonal(xp, loss, cotangent, *wide)
        if found is not None:
            return found
    return tuple(_differences(loss, x, cotangent, k) for k in range(len(x.answers)))


def _differences(loss: ArrayLoss, x: ArrayInputs, cotangent: Array, k: int) -> Array:
    """The diagonal of the second derivative in argument k, by extrapolated differences: about 10 digits.

    Terms that do not touch each other are moved at once.
    """
    number = x.answers[k][0]
    arrays = tuple(_wide(a) for a in x.arrays)
    base = arrays[number]
    assert base is not None
    alone = loss.weighting == "points" or (loss.weighting == "terms" and loss.not_separable is None)
    apart = alone and x.axes[number] == 0
    rows = int(np.prod(x.terms())) if apart else 1
    flat = base.reshape(rows, -1)
    second = np.empty(flat.shape)
    for column in range(flat.shape[1]):
        step = 1e-3 * np.maximum(1.0, np.abs(flat[:, column]))

        def rise(h: Array, column: int = column) -> Array:
            ends = []
            for side in (-h, h):
                moved = flat.copy()
                moved[:, column] += side
                at = (*arrays[:number], moved.reshape(base.shape), *arrays[number + 1 :])
                gradients = by_formula(loss, at, cotangent, (), *x.inner)[1]
                assert gradients is not None
                passed = [g for g in gradients if g is not None]
                ends.append((moved[:, column], np.asarray(passed[k]).reshape(flat.shape)[:, column]))
            (low, below), (high, above) = ends
            return np.asarray((above - below) / (high - low))

        second[:, column] = (64.0 * rise(step / 4) - 20.0 * rise(step / 2) + rise(step)) / 45.0
    return second.reshape(base.shape)
