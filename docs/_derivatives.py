"""The derivative of a loss, as the library computes it."""

import inspect
import re
from pathlib import Path
from typing import Any

from _markdown import block, prose

import losskit
from losskit import facts
from losskit.explanation.anatomy import SLOPES, holders, meanings_of
from losskit.loss import LossFunction
from losskit.rules import source_of
from losskit.structures import ArrayLoss, RowLoss

SOURCE = Path(losskit.__file__).parent


def derivative(cls: type[LossFunction]) -> str:
    """What a page says of the derivative: its rules, or where the gradient of whole arrays is written."""
    engines = _links(f"engines/formulas/{cls.structure}.py", f"engines/numba/{cls.structure}.py")
    loss = facts.specimen(cls)
    rules = _rules_by_link(loss)
    if not any(rules.values()):
        return f"Written by hand for whole arrays, as the pullback of the formula: {engines}."
    parts = [f"{_whose(loss)}{_explained(rules)}."]
    for caption, slopes in rules.items():
        parts += [caption, *map(block, slopes)] if caption else map(block, slopes)
    if isinstance(loss, ArrayLoss):
        parts.append(f"The gradient of whole arrays is put together from it in {engines}.")
    return "\n\n".join(parts)


Slopes = dict[str, dict[str, str]]
"""The text of each rule, with what the names it takes stand for."""


def _rules_by_link(loss: LossFunction) -> dict[str, Slopes]:
    """The rules of a loss, those of probabilities and of logits apart where they differ."""
    slopes = _slopes(loss)
    if "from_logits" not in loss.parameters():
        return {"": slopes}
    of_logits = _slopes(loss.replace(from_logits=True))
    if slopes == of_logits:
        return {"": slopes}
    logs = ", where `p` is a log-probability" if isinstance(loss, RowLoss) else ""
    return {"From probabilities:": slopes, f"From logits{logs}:": of_logits}


def _whose(loss: LossFunction) -> str:
    cls = type(loss)
    source = _links(f"{cls.__module__.removeprefix('losskit.').replace('.', '/')}.py")
    required = any(not parameter.default for parameter in facts.parameters(cls))
    return f"The slope{f' of `{loss!r}`' if required else ''} as {source} has it"


def _explained(rules: dict[str, Slopes]) -> str:
    said: dict[str, str] = {}
    for slopes in rules.values():
        for meanings in slopes.values():
            said |= meanings
    return "".join(f"; `{name}` is {prose(text)}" for name, text in said.items())


def _links(*files: str) -> str:
    return " and ".join(f"[{f}](../../src/losskit/{f})" for f in files if (SOURCE / f).exists())


def _slopes(loss: LossFunction) -> Slopes:
    found = {}
    for holder in holders(loss):
        meanings = meanings_of(loss, holder)
        for function in (getattr(holder, name, None) for name in SLOPES):
            if function is not None:
                taken = inspect.signature(function).parameters
                found[_text(function)] = {name: text for name, text in meanings.items() if name in taken}
    return found


def _text(rule: Any) -> str:
    """A rule without its decorator and annotations."""
    lines = source_of(rule).rstrip().splitlines()
    text = "\n".join(line for line in lines if not line.startswith("@"))
    return re.sub(r": Scalar\b|(?<=\)) -> .*(?=:\n)", "", text)
