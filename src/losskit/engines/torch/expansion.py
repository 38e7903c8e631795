"""Second-order expansions: how a rule's own slope and curvature become torch's derivatives.

Around the detached argument q, with d = x - q, which is 0 and carries the derivative,

    value(q) + d * (slope(q) + d * curvature(q) / 2)

has the rule's value, slope and curvature as its value and first two derivatives, exactly, and is plain
tensor arithmetic, which every transform of torch understands. (Third derivatives are 0.) Autodiff of
the value rule would be neither exact nor finite in the tails.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from losskit.engines.torch.words import words
from losskit.rules import RuleFunction, Term, bind, is_wide
from losskit.structures import argument_of

NARROW_DEVICES = ("mps",)
"""Those without float64."""


class BoundTerm(NamedTuple):
    """A term of a loss with its rules bound to torch operations in one dtype.

    Bound once, ahead of time: a compiler can trace the result, but not the binding.
    """

    coefficient: float
    argument: str
    rules: tuple[RuleFunction, RuleFunction, RuleFunction]
    numbers: tuple[Any, ...]
    saturates: bool

    def at(self, *argument: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Value, slope and curvature."""
        like = argument[-1]
        value, slope, curvature = (
            r if isinstance(r, Tensor) else torch.full_like(like, r)
            for r in (rule(*argument, *self.numbers) for rule in self.rules)
        )
        k = self.coefficient
        return (value, slope, curvature) if k == 1.0 else (k * value, k * slope, k * curvature)


def bound(term: Term, dtype: torch.dtype) -> BoundTerm:
    """A term's rules with the words of torch."""
    rules = tuple(_bound(r, dtype) for r in (term.rules.value, term.rules.slope, term.rules.curvature))
    # A zero as a tensor: 1/beta in a branch not taken is inf then, where Python's raises.
    given = torch.tensor(term.numbers(torch.finfo(dtype).tiny), dtype=dtype).tolist()  # as a kernel has them
    numbers = tuple(n if n != 0.0 else torch.zeros((), dtype=dtype) for n in given)
    return BoundTerm(term.coefficient, term.rules.argument, rules, numbers, term.rules.saturates)  # type: ignore[arg-type]


def _bound(rule: RuleFunction, dtype: torch.dtype) -> RuleFunction:
    """A rule with the words of torch; a wide one works in float64 where the device can."""
    narrow, wide = bind(rule, words(dtype)), bind(rule, words(torch.float64))
    if dtype is torch.float64 or not is_wide(rule):
        return narrow

    def widened(*arguments: Any) -> Any:
        if any(isinstance(x, Tensor) and x.device.type in NARROW_DEVICES for x in arguments):
            return narrow(*arguments)
        answer = wide(*(x.to(torch.float64) if isinstance(x, Tensor) else x for x in arguments))
        return answer.to(dtype) if isinstance(answer, Tensor) else answer

    return widened


def expanded(terms: tuple[BoundTerm, ...], y: Tensor, p: Tensor) -> Tensor:
    """An elementwise loss at each element, twice differentiable in ``p`` and in ``y``."""
    total: Any = None
    for term in terms:
        *front, x = argument_of(term.argument, y, p)
        q = x.detach()
        value, slope, curvature = term.at(*front, q)
        one = carried(x, q, value, slope, curvature, term.saturates)
        total = one if total is None else total + one
    return total  # type: ignore[no-any-return]


def carried(x: Tensor, q: Tensor, value: Tensor, slope: Tensor, curvature: Tensor, saturates: bool) -> Tensor:
    """``value``, with the derivatives ``slope`` and ``curvature`` in ``x``, whose detached self is ``q``."""
    infinite = torch.isinf(q)
    d = torch.where(infinite, 0.0, x - q)  # not inf - inf; NaN stays
    bend = torch.where(torch.isnan(q), 0.0, d)  # which must not reach the slope, where that is a number
    one = value + (linear(d, slope, saturates) + 0.5 * bend * bend * finite(curvature))
    # At infinity no zero can carry a derivative, but x itself can, where the loss is as infinite as it.
    far = infinite & (slope != 0.0) & (q * slope == value)
    return torch.where(far, x * torch.where(far, slope, 0.0), one)


def linear(d: Tensor, slope: Tensor, saturates: bool) -> Tensor:
    """``d * slope`` for a ``d`` of 0, where an infinite slope must not make NaN."""
    if saturates:
        return d * finite(slope)
    # Two finite factors, whose product is infinite again in the derivative.
    lift = torch.where(torch.isinf(slope), torch.full_like(slope, torch.finfo(slope.dtype).max), 1.0)
    return d * lift * finite(slope)


def finite(slope: Tensor) -> Tensor:
    """A slope that may be multiplied by 0: at most the largest finite number, NaN where it is NaN."""
    largest = torch.finfo(slope.dtype).max
    return torch.clamp(slope, -largest, largest)


def times(share: Tensor, x: Tensor, nan: float = 0.0) -> Tensor:
    """``share * x``, 0 where the share is (or ``nan``, where x is NaN); differentiable in the share there, too."""
    largest = torch.finfo(x.dtype).max
    return share * torch.where(share == 0.0, torch.nan_to_num(x, nan, largest, -largest), x)


def diagonal(terms: tuple[BoundTerm, ...], y: Tensor, p: Tensor) -> Tensor:
    """The second derivative of each element in ``p``."""
    total: Any = 0.0
    for term in terms:
        *front, x = argument_of(term.argument, y, p)
        chain = y * y if term.argument == "margin" else 1.0
        total = total + chain * term.at(*front, x)[2]
    return total  # type: ignore[no-any-return]
