"""The page of a loss, from its class."""

import ast
import doctest
import re

from _derivatives import derivative
from _markdown import block, cell, items, listed, prose

import losskit
from losskit import facts
from losskit.about import About, meaning
from losskit.loss import LossFunction
from losskit.pictures.views import subject_of
from losskit.structures import ArrayLoss
from losskit.torch.array_module import names_of

NUMPY = "import numpy as np\n"


def page(cls: type[LossFunction], about: About) -> str:
    """The page of a loss in Markdown."""
    sections = {
        "Formula": f"$$\n{about.formula}\n$$",
        "Derivative": derivative(cls),
        "Picture": _picture(cls),
        "Parameters": _parameters(cls),
        "What it promises": items(f"**{trait}**: {meaning(trait)}" for trait in sorted(about.traits)),
        "What it estimates": prose(about.estimates),
        "Strengths": items(map(prose, about.strengths)),
        "Weaknesses": items(map(prose, about.weaknesses)),
        "Uses": items(map(prose, about.uses)),
        "Conventions": _conventions(cls),
        "In other libraries": items(map(_elsewhere, about.elsewhere)),
        "References": items(map(prose, about.references)),
    }
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections.items() if text)
    return f"# {cls.__name__}\n\n{_names(cls, about)}\n\n{_description(cls)}\n\n{body}\n"


def _names(cls: type[LossFunction], about: About) -> str:
    names = ", ".join(f"`{name}`" for name in (cls.name, *about.aliases))
    return f"`losskit.{cls.__name__}`, by name {names}. For: {', '.join(sorted(about.tasks))}."


def _description(cls: type[LossFunction]) -> str:
    return "\n\n".join(map(prose, facts.paragraphs(cls)))


def _picture(cls: type[LossFunction]) -> str:
    subject, view = subject_of(facts.specimen(cls))
    line = f"straight line between two examples of {listed(subject.split(', '))}, 0 and 1"
    over = line if issubclass(cls, ArrayLoss) else " ".join(view.axis.split())
    return f"![value, slope and curvature]({cls.name}.svg)\n\n`losskit plot` draws it over the {over}."


def _parameters(cls: type[LossFunction]) -> str:
    rows = [
        f"| `{name}` | {f'`{default}`' if default else 'required'} | {legal} | {cell(prose(doc))} |"
        for name, default, legal, doc in facts.parameters(cls)
    ]
    head = ["| name | default | legal values | meaning |", "| --- | --- | --- | --- |"]
    own = "\n".join(head + rows) + "\n\n" if rows else ""
    return f"{own}And those of every loss: `reduction`, `validate`, `empty`."


def _conventions(cls: type[LossFunction]) -> str:
    loss = facts.specimen(cls)
    lines = [f"Called as `loss({', '.join(cls.arguments)})`{_in_torch(cls)}."]
    if isinstance(loss, ArrayLoss) and loss.optional:
        lines.append(f"Optional: {listed(loss.optional)}.")
    if isinstance(loss, ArrayLoss) and len(loss.differentiable) > 1:
        lines.append(f"`derivative` is a tuple, one for each of {listed(loss.differentiable)}.")
    if loss.not_separable:
        lines.append(f"Terms depend on each other: {prose(loss.not_separable)}.")
    if loss.not_mergeable:
        lines.append(f"`parts` do not merge: {prose(loss.not_mergeable)}.")
    return f"{' '.join(lines)}\n\n{block(_example(cls))}"


def _in_torch(cls: type[LossFunction]) -> str:
    names = names_of(cls) if issubclass(cls, ArrayLoss) else ("input", "target")
    return f"; as a module of `losskit.torch`, `loss({', '.join(names)})`"


def _example(cls: type[LossFunction]) -> str:
    """The docstring's example as a program that runs."""
    examples = [example for example in facts.examples(cls) if example.source != NUMPY]
    tree = ast.parse("".join(example.source for example in examples))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    names = {node.id for node in found} - {node.id for node in found if isinstance(node.ctx, ast.Store)}
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
    """Names of other libraries as code, and what is to say of them."""
    names, colon, rest = line.partition(": ")
    return listed(re.split(r", (?![^(]*\))", names)) + colon + prose(rest)
