"""The numbers that a rule of an array loss takes beyond its argument: parameters of the loss, by name."""

import inspect

from losskit.loss import LossFunction
from losskit.rules import RuleFunction


def numbers_of(loss: LossFunction, rule: RuleFunction, argument: int) -> tuple[float, ...]:
    """The values of the parameters that ``rule`` takes after the first ``argument`` names, in their order."""
    values = loss.parameters()
    names = tuple(inspect.signature(rule).parameters)[argument:]
    missing = [name for name in names if name not in values]
    if missing:
        raise TypeError(
            f"the rules of {type(loss).__name__} take {missing[0]!r}, which is neither their argument nor a "
            f"parameter of the loss ({', '.join(values)}); declare it with parameter(...)"
        )
    return tuple(float(values[name]) for name in names)
