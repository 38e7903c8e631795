"""Losses and numbers as people write them, for tables and pictures."""

import dataclasses
import math
from typing import Any

from losskit.loss import LossFunction

COMMON = ("reduction", "validate", "empty")
"""The parameters of every loss."""


def own_parameters(loss: LossFunction) -> dict[str, Any]:
    """The parameters that are a loss's own: not those of every loss, and none for a sum of losses.

    >>> import losskit as lk
    >>> own_parameters(lk.get("huber", delta=2))
    {'delta': 2.0}
    """
    if len(loss.weighted_terms()) != 1 or loss.weighted_terms()[0] != (1.0, loss):
        return {}
    return {
        name: value for name, value in loss.parameters().items() if name not in COMMON and _is_plain(value)
    }


def _is_plain(value: Any) -> bool:
    """Whether a value is data, and no array, function or cache that a loss of the user's own may hold."""
    if isinstance(value, tuple | list):
        return all(_is_plain(v) for v in value)
    return value is None or isinstance(value, bool | int | float | str)


def label_of(loss: LossFunction) -> str:
    """A loss as ``losskit.parse`` reads it, with rounded parameters and without what goes without saying.

    >>> import losskit as lk
    >>> label_of(lk.parse("0.7 * huber(delta=2) + 0.3 * mae"))
    '0.7*huber(delta=2) + 0.3*mean_absolute_error'
    """
    terms = loss.weighted_terms()
    return " + ".join(_term(part) if k == 1.0 else f"{short(k)}*{_term(part)}" for k, part in terms)


SHOWN = frozenset({"delta", "scale", "gamma", "smoothing", "quantile"})
"""Parameters that are shown even at their default: what a loss does hangs on them."""


def _term(loss: LossFunction) -> str:
    defaults = {field.name: field.default for field in dataclasses.fields(loss)}
    inside = ", ".join(
        f"{name}={short(value)}"
        for name, value in loss.parameters().items()
        if name not in (*COMMON, "from_logits")
        and _is_plain(value)
        and (name in SHOWN or value != defaults.get(name, dataclasses.MISSING))
    )
    return f"{loss.name}({inside})" if inside else loss.name


def short(value: Any) -> str:
    """A parameter with four digits.

    >>> short((0.5, 12.34567))
    '(0.5, 12.35)'
    """
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, tuple | list):
        return "(" + ", ".join(short(v) for v in value) + ")"
    return str(value)


def number(x: float, digits: int = 4) -> str:
    """A number for people: significant digits, no exponent where none is needed.

    >>> number(1234.5678), number(0.98765), number(1.5e-9)
    ('1235', '0.9877', '1.5e-09')
    """
    if not math.isfinite(x) or x == 0 or not 1e-4 <= abs(x) < 1e6:
        return f"{x:.{digits}g}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(x))))
    return f"{x:.{decimals}f}"


def plain(value: Any) -> Any:
    """A parameter as JSON has it.

    >>> plain((1.0, float("inf")))
    [1.0, None]
    """
    if isinstance(value, tuple | list):
        return [plain(v) for v in value]
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        return finite(value)
    return str(value)


def finite(x: float) -> float | None:
    """JSON has no NaN and no infinity: None for those."""
    return float(x) if math.isfinite(x) else None
