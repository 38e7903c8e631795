"""The derivative of a loss, as the library computes it."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from _markdown import block, prose

import losskit
from losskit import facts
from losskit.loss import LossFunction
from losskit.rules import RuleSet, source_of
from losskit.structures import ArrayLoss, RowLoss

SOURCE = Path(losskit.__file__).parent

SLOPES = ("slope", "slopes", "target_slope", "lost_slope")
"""The rules of derivatives, by the names that the structures have for them."""

_SHARES = {"y": "the target's share of a class", "p": "the predicted one"}
_NLL = {
    "nll": "-log of a class's probability, whose own slope in the logits is that probability, less 1 at the class"
}
ARGUMENTS = {
    "residual": {"r": "the residual, prediction minus target"},
    "margin": {"m": "the margin, target times prediction"},
    "pair": {"y": "the target", "p": "the prediction"},
    "root_pair": _SHARES,
    "tilted_pair": _SHARES,
    "nll": _NLL,
    "mean_nll": _NLL,
    "log_sum_exp": {"lse": "the log of the sum of the exponentials of the logits"},
    "pairs": {
        "y": "the label",
        "s": "the distance of two vectors: of its slopes a and b the gradient is a (x1 - x2) + b (x1 - x2) / s",
        "c": "the cosine of two vectors",
        "gap": "1 - c with all its digits",
    },
    "overlap": {"tp": "Σ y p", "fp": "Σ (1 - y) p", "fn": "Σ y (1 - p)"},
    "lists": {
        "d": "the difference of two scores",
        "k": "the rank an item should have",
        "e": "by how much its smooth rank exceeds that",
    },
    "transport": {"r": "the distance of two points"},
    "similarity": {"c": "the cosine of the right class"},
}
"""What the rules of an argument, or of a structure of whole arrays, are functions of."""


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
    for holder in _holders(loss):
        meanings = ARGUMENTS.get(holder.argument if isinstance(holder, RuleSet) else loss.structure, {})
        for function in (getattr(holder, name, None) for name in SLOPES):
            if function is not None:
                taken = inspect.signature(function).parameters
                found[_text(function)] = {name: text for name, text in meanings.items() if name in taken}
    return found


def _holders(loss: Any) -> Iterator[Any]:
    """Whatever may hold rules of a loss: its terms, pieces or pair rules, a ground cost, or the class itself."""
    if not isinstance(loss, ArrayLoss):
        yield from (term.rules for term in loss.terms)
    elif hasattr(loss, "pieces"):
        yield from (piece.rules for piece in loss.pieces)
    else:
        yield from (getattr(loss, name) for name in ("rules", "ground") if hasattr(loss, name))
        yield type(loss)


def _text(rule: Any) -> str:
    """A rule without its decorator and annotations."""
    lines = source_of(rule).rstrip().splitlines()
    text = "\n".join(line for line in lines if not line.startswith("@"))
    return re.sub(r": Scalar\b|(?<=\)) -> .*(?=:\n)", "", text)
