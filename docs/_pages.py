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
        "Best constant prediction": prose(about.estimates),
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
    rules = list(_slopes(cls))
    engines = _links(cls.structure)
    if not rules:
        return f"Written by hand for whole arrays, as the pullback of the formula: {engines}."
    explained = "; ".join(dict.fromkeys(said for said, _ in rules if said))
    blocks = "\n\n".join(f"```python\n{text}\n```" for text in dict.fromkeys(text for _, text in rules))
    rest = (
        f"\n\nThe gradient of whole arrays is made of it in {engines}." if issubclass(cls, ArrayLoss) else ""
    )
    return f"As the library computes it; {explained}.\n\n{blocks}{rest}"


def _links(structure: str) -> str:
    files = (f"engines/formulas/{structure}.py", f"engines/numba/{structure}.py")
    return " and ".join(f"[{f}](../../src/losskit/{f})" for f in files if (SOURCE / f).exists())


def _slopes(cls: type[LossFunction]) -> Iterator[tuple[str, str]]:
    """The rules of the derivative: what they are functions of, and their text."""
    for holder in _holders(cls):
        argument = holder.argument if isinstance(holder, RuleSet) else cls.structure
        for function in (getattr(holder, name, None) for name in SLOPES):
            if function is not None and not isinstance(function, property):
                yield ARGUMENTS.get(argument, ""), _text(function)


def _holders(cls: type[LossFunction]) -> Iterator[Any]:
    """Whatever may hold rules of a loss: its terms or pieces, of probabilities and of logits, or the class itself."""
    loss = facts.specimen(cls)
    both = [loss, loss.replace(from_logits=True)] if "from_logits" in loss.parameters() else [loss]
    for one in both:
        yield from (term.rules for term in getattr(one, "terms", ()))
        yield from (piece.rules for piece in getattr(one, "pieces", ()))
    if issubclass(cls, ArrayLoss) and not hasattr(cls, "pieces"):
        yield from (getattr(loss, "rules", None), getattr(loss, "ground", None), cls)


def _text(rule: Any) -> str:
    """A rule without its decorator."""
    lines = source_of(rule).rstrip().splitlines()
    return "\n".join(line for line in lines if not line.startswith("@"))


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
    return f"{' '.join(lines)}\n\n```python\n{_example(cls)}\n```"


def _in_torch(cls: type[LossFunction]) -> str:
    names = names_of(cls) if issubclass(cls, ArrayLoss) else ("input", "target")
    return f"; as a module of `losskit.torch`, `loss({', '.join(names)})`"


def _example(cls: type[LossFunction]) -> str:
    """The docstring's example as a program that runs."""
    examples = facts.examples(cls)
    body = "\n".join(_statement(example) for example in examples)
    tree = ast.walk(ast.parse("".join(example.source for example in examples)))
    names = {node.id for node in tree if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    imported = sorted(name for name in names if hasattr(losskit, name))
    lines = ["import numpy as np"] if "np" in names and "import numpy" not in body else []
    return "\n".join([*lines, f"from losskit import {', '.join(imported)}", "", body])


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
