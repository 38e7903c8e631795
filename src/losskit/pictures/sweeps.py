"""A loss at several values of its parameters, for a picture that shows what a parameter does."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

from losskit import catalogue, facts
from losskit.errors import InputError, nearest
from losskit.labels import label_of, own_parameters, short
from losskit.loss import LossFunction

Sweep = Mapping[str, Iterable[Any]]
"""The values to try of each parameter, by its name."""


def swept(losses: Sequence[LossFunction], sweep: Sweep) -> list[list[tuple[LossFunction, str]]]:
    """The variants of each loss with a label each; a loss that has none of the parameters stays one.

    >>> import losskit as lk
    >>> [[label for _, label in variants] for variants in swept([lk.HuberLoss(), lk.MeanAbsoluteError()], {"delta": [1, 2]})]
    [['huber(delta=1)', 'huber(delta=2)'], ['mean_absolute_error']]
    """
    values = {name: list(tried) for name, tried in sweep.items()}
    for name, tried in values.items():
        if not tried:
            raise InputError(f"the sweep of {name} has no values: give some, such as {name}=0.5,1,2.")
        if not any(name in own_parameters(loss) for loss in losses):
            raise _nobody(name, losses)
    return [_variants(loss, values) for loss in losses]


def _variants(loss: LossFunction, values: dict[str, list[Any]]) -> list[tuple[LossFunction, str]]:
    names = [name for name in values if name in own_parameters(loss)]
    found = []
    for chosen in product(*(values[name] for name in names)):
        changes = dict(zip(names, chosen, strict=True))
        try:
            variant = loss.replace(**changes)
        except (ValueError, TypeError) as error:
            raise InputError(f"{loss!r}: {error}.") from None
        found.append((variant, _label(variant, names)))
    return found


def _label(loss: LossFunction, names: list[str]) -> str:
    """The loss's label, with the swept parameters also where they have their default."""
    label = label_of(loss)
    name, _, inside = label.removesuffix(")").partition("(")
    unsaid = [f"{n}={short(loss.parameters()[n])}" for n in names if f"{n}=" not in inside]
    if not unsaid:
        return label
    return f"{name}({', '.join([*unsaid, inside] if inside else unsaid)})"


def _nobody(name: str, losses: Sequence[LossFunction]) -> InputError:
    """What to say where no loss has a parameter: what they have, and which losses have it."""
    have = {known for loss in losses for known in own_parameters(loss)}
    those = [
        cls.name for cls in catalogue.all_losses() if any(fact.name == name for fact in facts.parameters(cls))
    ]
    own = f" {'They have' if len(losses) > 1 else 'It has'} {', '.join(sorted(have))}." if have else ""
    others = f" Losses with {name}: {', '.join(those)}." if those else " No loss has it."
    given = ", ".join(loss.name for loss in losses)
    return InputError(f'{given}: no parameter "{name}" to sweep.{nearest(name, have)}{own}{others}')
