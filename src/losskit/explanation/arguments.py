"""What comes in: arguments in their shapes, what each must be, and the terms they are split into."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from losskit.errors import InputError
from losskit.loss import LossFunction
from losskit.structures import ArrayLoss, ElementwiseLoss, RowLoss
from losskit.structures.columns import ColumnLoss

_TARGETS = {
    "index": "a class index",
    "distribution": "a distribution over the classes",
    "either": "a class index, or a distribution over the classes",
}
_LINKS = {
    "softmax": "logits",
    "probability": "probabilities that sum to 1",
    "log_probability": "log-probabilities",
}


def in_shape(loss: LossFunction, arguments: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """The arguments by name, as arrays that have terms: a number is one element, a row of scores one row.

    >>> import losskit as lk
    >>> in_shape(lk.MeanSquaredError(), (3, 2.5), {})
    {'y_true': array([3]), 'y_pred': array([2.5])}
    """
    names = loss.arguments
    given = dict(zip(names, arguments, strict=False)) | named
    optional = getattr(loss, "optional", ())
    missing = [name for name in names if name not in given and name not in optional]
    strange = [name for name in named if name not in names]
    if missing or strange or len(arguments) > len(names):
        wrong = f"it has no {strange[0]}" if strange else f"{', '.join(missing)} missing"
        count = f"it got {len(arguments)}" if len(arguments) > len(names) else wrong
        raise InputError(f"{loss!r} takes {', '.join(names)}: {count}.")
    arrays = {name: _array(name, given[name]) for name in names if name in given}
    if isinstance(loss, ArrayLoss):
        return arrays
    if isinstance(loss, RowLoss):
        y, p = (arrays[name] for name in names)
        single = p.ndim == 1
        y = y[None] if single and (y.ndim == 0 or y.shape == p.shape) else y
        return dict(zip(names, (y, p[None] if single else p), strict=True))
    return {name: np.atleast_1d(array) for name, array in arrays.items()}


def _array(name: str, numbers: Any) -> Any:
    if numbers is None:
        return None
    try:
        array = np.asarray(numbers)
    except ValueError:
        raise InputError(f"{name} must be numbers in rows of one length, got {numbers!r}.") from None
    if array.dtype.kind not in "fiub":
        raise InputError(f"{name} must be numbers, got {numbers!r}.")
    return array


def domains_of(loss: LossFunction) -> dict[str, str]:
    """What each argument must be, in words, where the loss says so.

    >>> import losskit as lk
    >>> domains_of(lk.BinaryCrossEntropy())
    {'y_true': 'in [0, 1]', 'y_pred': 'in [0, 1]'}
    """
    if isinstance(loss, ColumnLoss):
        return {name: str(domain) for name, domain in loss.domains.items()}
    if isinstance(loss, RowLoss):
        ignored = "" if loss.form.ignore_index is None else f"; {loss.form.ignore_index} is left out"
        words = (_TARGETS[loss.form.target] + ignored, _LINKS[loss.form.link])
        return dict(zip(loss.arguments, words, strict=True))
    if not isinstance(loss, ElementwiseLoss):
        return {}
    found: dict[str, dict[str, None]] = {name: {} for name in loss.arguments}
    for term in loss.terms:
        for name, domain in zip(loss.arguments, (term.rules.targets, term.rules.predictions), strict=True):
            if domain is not None:
                found[name][str(domain)] = None
    return {name: " and ".join(domains) for name, domains in found.items() if domains}


def terms_of(loss: LossFunction, given: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], str]]:
    """The arguments of each term that counts, with its place; all at once where terms belong together."""
    shape = given[-1].shape if given[-1] is not None else ()
    if isinstance(loss, ElementwiseLoss):
        for place in np.ndindex(shape):
            yield tuple(a[place].reshape(1) for a in given), f"element {_text(place)}"
    elif isinstance(loss, RowLoss) and loss.form.axis in (-1, len(shape) - 1):
        for place in np.ndindex(shape[:-1]):
            if np.ndim(given[0][place]) or given[0][place] != loss.form.ignore_index:
                yield tuple(a[place][None] for a in given), f"row {_text(place)}"
    else:
        yield given, ""


def _text(place: tuple[int, ...]) -> str:
    return ", ".join(map(str, place))
