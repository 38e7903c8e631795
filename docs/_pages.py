"""The page of a loss, from its class."""

import ast
import doctest
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import losskit
from losskit import facts
from losskit.about import About, meaning
from losskit.loss import LossFunction
from losskit.rules import RuleSet, source_of
from losskit.structures import ArrayLoss
from losskit.torch.array_module import names_of
from losskit.views import subject_of

SOURCE = Path(losskit.__file__).parent

NUMPY = "import numpy as np\n"

SLOPES = ("slope", "slopes", "target_slope", "lost_slope")
"""The rules of derivatives, by the names that the structures have for them."""

ARGUMENTS = {
    "residual": "`r` is the residual, prediction minus target",
    "margin": "`m` is the margin, target times prediction",
    "pair": "`y` is the target and `p` the prediction",
    "root_pair": "`y` and `p` are the shares of a class in target and prediction",
    "tilted_pair": "`y` and `p` are the shares of a class in target and prediction",
    "nll": "`nll` is -log of a class's probability, whose own derivative in the logits is p - onehot",
    "mean_nll": "`nll` is -log of a class's probability, here of each class",
    "log_sum_exp": "`lse` is the log of the sum of the exponentials of the logits",
    "columns": "one partial derivative for each number",
    "pairs": "`s` is the distance of two vectors, whose slopes are explained in `PairRules`; `c` is their cosine",
    "overlap": "the derivatives in `tp` = Σ y p, `fp` = Σ (1 - y) p and `fn` = Σ y (1 - p)",
    "lists": "`d` is the difference of two scores; `k` a rank and `e` the excess over it",
    "transport": "`r` is the distance of two points",
    "similarity": "`c` is the cosine of the right class",
}
"""What the rules of an argument, or of a structure of whole arrays, are functions of."""


def page(cls: type[LossFunction], about: About) -> str:
    """The page of a loss in Markdown."""
    sections = {
        "Formula": f"$$\n{about.formula}\n$$",
        "Derivative": _derivative(cls),
        "Picture": _picture(cls),
        "Parameters": _parameters(cls),
        "What it promises": _items(f"**{trait}**: {meaning(trait)}" for trait in sorted(about.traits)),
        "What it estimates": prose(about.estimates),
        "Strengths": _items(map(prose, about.strengths)),
        "Weaknesses": _items(map(prose, about.weaknesses)),
        "Uses": _items(map(prose, about.uses)),
        "Conventions": _conventions(cls),
        "In other libraries": _items(map(_elsewhere, about.elsewhere)),
        "References": _items(map(prose, about.references)),
    }
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections.items() if text)
    return f"# {cls.__name__}\n\n{_names(cls, about)}\n\n{_description(cls)}\n\n{body}\n"


def _names(cls: type[LossFunction], about: About) -> str:
    names = ", ".join(f"`{name}`" for name in (cls.name, *about.aliases))
    return f"`losskit.{cls.__name__}`, by name {names}. For: {', '.join(sorted(about.tasks))}."


def _description(cls: type[LossFunction]) -> str:
    return "\n\n".join(map(prose, facts.paragraphs(cls)))


def _derivative(cls: type[LossFunction]) -> str:
    loss = facts.specimen(cls)
    found = {"": _slopes(loss)}
    if "from_logits" in loss.parameters():
        other = _slopes(loss.replace(from_logits=True))
        found = (
            {"": other} if other == found[""] else {"From probabilities:": found[""], "From logits:": other}
        )
    engines = _links(cls.structure)
    if not any(found.values()):
        return f"Written by hand for whole arrays, as the pullback of the formula: {engines}."
    explained = "; ".join(dict.fromkeys(said for rules in found.values() for said in rules.values()))
    blocks = [part for caption, rules in found.items() for part in (caption, *map(_block, rules)) if part]
    rest = [f"The gradient of whole arrays is made of it in {engines}."] if issubclass(cls, ArrayLoss) else []
    return "\n\n".join([f"As the library computes it; {explained}.", *blocks, *rest])


def _links(structure: str) -> str:
    files = (f"engines/formulas/{structure}.py", f"engines/numba/{structure}.py")
    return " and ".join(f"[{f}](../../src/losskit/{f})" for f in files if (SOURCE / f).exists())


def _slopes(loss: LossFunction) -> dict[str, str]:
    """The rules of the derivative: the text of each, and what it is a function of."""
    found = {}
    for holder in _holders(loss):
        argument = holder.argument if isinstance(holder, RuleSet) else loss.structure
        for function in (getattr(holder, name, None) for name in SLOPES):
            if function is not None:
                found[_text(function)] = ARGUMENTS[argument]
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
    """A rule without its decorator."""
    lines = source_of(rule).rstrip().splitlines()
    return "\n".join(line for line in lines if not line.startswith("@"))


def _block(code: str) -> str:
    return f"```python\n{code}\n```"


def _picture(cls: type[LossFunction]) -> str:
    loss = facts.specimen(cls)
    _, view = subject_of(loss)
    if isinstance(loss, ArrayLoss):
        over = f"the straight line between two examples of {_listed(_moving(loss))}, 0 and 1"
    else:
        over = f"the {' '.join(view.axis.split())}"
    return f"![value, slope and curvature]({cls.name}.svg)\n\n`losskit plot` draws it over {prose(over)}."


def _moving(loss: ArrayLoss | type[ArrayLoss]) -> list[str]:
    return [name for name in loss.differentiable if name not in loss.optional]


def _parameters(cls: type[LossFunction]) -> str:
    rows = [
        f"| `{name}` | {f'`{default}`' if default else 'required'} | {legal} | {cell(prose(doc))} |"
        for name, default, legal, doc in facts.parameters(cls)
    ]
    head = ["| name | default | legal values | meaning |", "| --- | --- | --- | --- |"]
    own = "\n".join(head + rows) + "\n\n" if rows else ""
    return f"{own}And those of every loss: `reduction`, `validate`, `empty`."


def _conventions(cls: type[LossFunction]) -> str:
    lines = [f"Called as `loss({', '.join(cls.arguments)})`{_in_torch(cls)}."]
    if issubclass(cls, ArrayLoss) and len(cls.differentiable) > 1:
        lines.append(f"`derivative` is a tuple: by {_listed(cls.differentiable)}.")
    if issubclass(cls, ArrayLoss) and cls.optional:
        lines.append(f"Without need: {_listed(cls.optional)}.")
    for why in (cls.not_separable, cls.not_mergeable):
        if isinstance(why, str):
            lines.append(f"Batches do not add up: {prose(why)}.")
            break
    return f"{' '.join(lines)}\n\n{_block(_example(cls))}"


def _in_torch(cls: type[LossFunction]) -> str:
    names = names_of(cls) if issubclass(cls, ArrayLoss) else ("input", "target")
    return f"; as a module of `losskit.torch`, `loss({', '.join(names)})`"


def _example(cls: type[LossFunction]) -> str:
    """The docstring's example as a program that runs."""
    examples = [example for example in facts.examples(cls) if example.source != NUMPY]
    tree = ast.walk(ast.parse("".join(example.source for example in examples)))
    names = {node.id for node in tree if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    ours = sorted(name for name in names if hasattr(losskit, name))
    head = f"{NUMPY if 'np' in names else ''}from losskit import {', '.join(ours)}\n\n"
    return head + "\n".join(map(_statement, examples))


def _statement(example: doctest.Example) -> str:
    """A line of an example, with what it prints as a comment."""
    source = example.source.rstrip("\n")
    if not example.want:
        return source
    code, _, comment = source.partition("  # ")
    wanted = " ".join(example.want.split())
    return f"{code}  # {wanted}: {comment}" if comment else f"{code}  # {wanted}"


def _elsewhere(line: str) -> str:
    """A name of another library as code, and what is to say of it."""
    name, colon, rest = line.partition(": ")
    return f"`{name}`{colon}{prose(rest)}"


def _listed(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _items(lines: Any) -> str:
    return "\n".join(f"- {line}" for line in lines)


def cell(text: str) -> str:
    """Text in a table."""
    return text.replace("|", r"\|")


def prose(text: str) -> str:
    """Text in which * and < mean themselves, outside of code."""
    parts = re.split(r"(``.*?``|`.*?`)", text, flags=re.DOTALL)
    escaped = (
        p.replace("``", "`") if p.startswith("`") else re.sub(r"\*|<(?=[\w/!])", r"\\\g<0>", p) for p in parts
    )
    return "".join(escaped)
