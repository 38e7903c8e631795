"""What there is to say of a loss, read from its class: for the command line and for its page of the documentation."""

import ast
import dataclasses
import doctest
import inspect
from typing import Any, NamedTuple

from losskit.about import meaning
from losskit.labels import COMMON, short
from losskit.loss import LossFunction
from losskit.parameters import Legal


class ParameterFact(NamedTuple):
    """A parameter of a loss in words."""

    name: str
    default: str
    """Empty where it is required."""
    legal: str
    meaning: str


def parameters(cls: type[LossFunction]) -> list[ParameterFact]:
    """The parameters that are a loss's own, those that every loss has left out.

    >>> import losskit as lk
    >>> parameters(lk.HuberLoss)[0][:3]
    ('delta', '1', '> 0')
    """
    fields = [f for f in dataclasses.fields(cls) if f.init and f.name not in COMMON]
    fields.sort(key=lambda f: bool(f.kw_only))  # stable: in the order of the constructor
    return [ParameterFact(f.name, _default(f), _legal(f), _rules_of(f).doc) for f in fields]


def _rules_of(field: "dataclasses.Field[Any]") -> Legal:
    legal: Legal = field.metadata.get("legal", Legal())
    return legal


def _default(field: "dataclasses.Field[Any]") -> str:
    if field.default is dataclasses.MISSING:
        return ""
    return repr(field.default) if isinstance(field.default, str) else short(field.default)


def _legal(field: "dataclasses.Field[Any]") -> str:
    legal, kind = _rules_of(field), str(getattr(field.type, "__name__", field.type))
    if kind == "bool":
        return "True or False"
    if field.metadata.get("convert") is not None:
        kinds = {"float": "a number", "tuple": "numbers"}
        words = " or ".join(
            word for name, word in kinds.items() if name in kind.replace("tuple[float", "tuple[")
        )
    elif kind.startswith("int") and str(legal) == "a finite number":
        words = "a whole number"
    else:
        words = str(legal)
    return " or ".join(word for word in (words, "None" if legal.optional else "") if word)


def paragraphs(cls: type[LossFunction]) -> list[str]:
    """What a loss is, from its docstring: without its example, and without parameters listed again.

    >>> import losskit as lk
    >>> paragraphs(lk.MeanAbsoluteError)[0]
    'The absolute residual, |r|. Its best constant prediction is the median.'
    """
    parts = doctest.DocTestParser().parse(inspect.getdoc(cls) or "")
    text = "".join(part for part in parts if isinstance(part, str))
    found = [paragraph.strip("\n") for paragraph in text.split("\n\n")]
    return [paragraph for paragraph in found if paragraph.strip() and "\n---" not in paragraph]


def examples(cls: type[LossFunction]) -> list[doctest.Example]:
    """The examples of a loss's docstring: source, and what it prints."""
    return doctest.DocTestParser().get_examples(inspect.getdoc(cls) or "")


def sections(cls: type[LossFunction]) -> dict[str, str | list[str]]:
    """What is known of a loss, by title; what there is nothing to say of is left out."""
    about = cls.about
    if about is None:
        return {}
    said: dict[str, str | list[str]] = {
        "formula": about.formula,
        "tasks": ", ".join(sorted(about.tasks)),
        "traits": [f"{trait}: {meaning(trait)}" for trait in sorted(about.traits)],
        "estimates": about.estimates,
        "strengths": list(about.strengths),
        "weaknesses": list(about.weaknesses),
        "uses": list(about.uses),
        "in other libraries": list(about.elsewhere),
        "references": list(about.references),
        "also called": ", ".join(about.aliases),
    }
    return {title: body for title, body in said.items() if body}


def page(cls: type[LossFunction]) -> dict[str, Any]:
    """All there is to say of a loss, as plain data for JSON.

    >>> import losskit as lk
    >>> page(lk.HuberLoss)["estimates"]
    'between the mean and the median'
    """
    about = cls.about
    lists = {"tasks": sorted(about.tasks), "also_called": list(about.aliases)} if about else {}
    return {
        "loss": cls.name,
        "class": f"{cls.__module__}.{cls.__name__}",
        "about": " ".join(" ".join(paragraphs(cls)[:1]).split()),
        "parameters": [fact._asdict() for fact in parameters(cls)],
        **{title.replace(" ", "_"): body for title, body in sections(cls).items()},
        **lists,
    }


def specimen(cls: type[LossFunction]) -> LossFunction:
    """The loss with its default parameters, those that have none as in its own example.

    >>> import losskit as lk
    >>> specimen(lk.WeightedCrossEntropy)
    WeightedCrossEntropy(class_weights=(1.0, 5.0), from_logits=False, eps=None)
    """
    if all(parameter.default for parameter in parameters(cls)):
        return cls()
    source = "".join(example.source for example in examples(cls))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == cls.__name__:
            return cls(
                *(ast.literal_eval(value) for value in node.args),
                **{str(keyword.arg): ast.literal_eval(keyword.value) for keyword in node.keywords},
            )
    raise ValueError(f"the docstring of {cls.__name__} has no example that makes one")
