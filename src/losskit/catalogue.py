"""Find a loss: by name, alias, task or trait; read one from text or from plain data."""

import ast
import dataclasses
import difflib
import importlib
import math
import pkgutil
from typing import Any

import losskit.losses
from losskit import loss as base
from losskit.loss import LossFunction
from losskit.parameters import Legal, signature_of, taken
from losskit.rules import RuleSet
from losskit.structures import ArrayLoss


class UnknownLoss(ValueError):
    """No loss has that name; the message suggests the nearest."""


def find(name: str) -> type[LossFunction]:
    """The class that a name or an alias stands for, in any case: "huber", "HuberLoss", "mse".

    >>> find("Huber").__name__
    'HuberLoss'
    """
    if not isinstance(name, str):
        raise TypeError(f"name must be a string, got {name!r}")
    names = _names()
    cls = names.get(_normal(name))
    if cls is None:
        near = difflib.get_close_matches(_normal(name), names, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else "losskit.list_losses() names them all"
        raise UnknownLoss(f"unknown loss {name!r}; {hint}")
    return cls


def get(name: str, **parameters: Any) -> LossFunction:
    """The loss of a name or alias, with parameters.

    >>> get("huber", delta=2)
    HuberLoss(delta=2.0)
    """
    cls = find(name)
    try:
        return cls(**parameters)
    except TypeError as error:
        if "argument" not in str(error):  # a parameter's own complaint, not Python's about the call
            raise
        known = ", ".join(signature_of(cls).parameters)
        raise TypeError(
            f"cannot make {cls.name}: {str(error).split('() ')[-1]}; its parameters are {known}"
        ) from None


def list_losses(task: str | None = None, trait: str | None = None) -> list[str]:
    """The names of all losses, or of those for a task ("regression") or with a trait ("convex").

    >>> "huber" in list_losses(task="regression")
    True
    """
    abouts = [cls.about for cls in all_losses() if cls.about is not None]
    for what, wanted in (("task", task), ("trait", trait)):
        known = {name for about in abouts for name in (about.tasks if what == "task" else about.traits)}
        if wanted is not None and wanted not in known and not wanted.startswith("lipschitz"):
            raise ValueError(f"no loss has the {what} {wanted!r}; known are {', '.join(sorted(known))}")
    return [
        cls.name
        for cls in all_losses()
        if cls.about is not None
        and (task is None or task in cls.about.tasks)
        and (trait is None or trait in cls.about.traits)
    ]


def all_losses() -> list[type[LossFunction]]:
    """Every loss class that can be made: the built-in ones by file and order, then the user's.

    What the doors define for themselves, another library's spelling of a loss, is none.
    """
    _import_losses()
    final = [cls for cls in dict.fromkeys(base.classes) if _is_final(cls) and not _is_of_a_door(cls)]
    return sorted(final, key=_file)  # stable; which file was imported first must not show


def parse(text: str) -> LossFunction:
    """A loss from text: names, parameters as literals, sums and multiples; nothing is evaluated.

    >>> parse("0.7*huber(delta=2) + 0.3*mae")
    0.7 * HuberLoss(delta=2.0) + 0.3 * MeanAbsoluteError()
    """
    if not isinstance(text, str):
        raise TypeError(f"text must be a string, got {text!r}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(
            f"cannot read {text!r} as a loss; write for example '0.7*huber(delta=2) + 0.3*mae'"
        ) from None
    loss = _Reader(text).expression(tree)
    if not isinstance(loss, LossFunction):
        raise ValueError(f"{text!r} is a number, not a loss")
    return loss


def from_config(config: dict[str, Any]) -> LossFunction:
    """The loss that ``to_config`` wrote.

    >>> from_config(get("huber", delta=2).to_config())
    HuberLoss(delta=2.0)
    """
    if not isinstance(config, dict) or not ({"loss", "sum"} & config.keys()):
        raise ValueError(f"a configuration is a dict with the key 'loss' or 'sum', got {config!r}")
    if "sum" in config:
        return base.weighted_sum(tuple((float(k), from_config(c)) for k, c in config["sum"]))
    cls = find(config["loss"])
    fields = {f.name: f for f in dataclasses.fields(cls)}
    words = {name for name, f in fields.items() if f.metadata.get("legal", Legal()).choices is not None}
    values = {k: v if k in words else _from_plain(v) for k, v in config.items() if k != "loss"}
    return get(config["loss"], **taken(cls, values))


class _Reader:
    """A closed grammar over Python's own parse tree: what is not listed here is an error."""

    def __init__(self, text: str) -> None:
        self.text = text

    def expression(self, node: ast.expr) -> Any:
        match node:
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self._loss(left) + self._loss(right)
            case ast.BinOp(left=left, op=ast.Sub(), right=right):
                return self._loss(left) + -1.0 * self._loss(right)
            case ast.BinOp(left=left, op=ast.Mult(), right=right):
                a, b = self.expression(left), self.expression(right)
                if isinstance(a, LossFunction) and isinstance(b, LossFunction):
                    raise self._error(
                        node, "losses can be added and multiplied by numbers, not by each other"
                    )
                return a * b
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                return self._loss(left) * (1.0 / self._number(right))
            case ast.Name(id=name):
                return get(name)
            case ast.Call(func=ast.Name(id=name), args=[], keywords=keywords) if all(k.arg for k in keywords):
                return get(name, **{str(k.arg): self._literal(k.value) for k in keywords})
            case ast.Call():
                raise self._error(node, "name the parameters: huber(delta=2)")
            case _:
                return self._number(node)

    def _loss(self, node: ast.expr) -> LossFunction:
        loss = self.expression(node)
        if not isinstance(loss, LossFunction):
            raise self._error(node, "only losses can be added")
        return loss

    def _number(self, node: ast.expr) -> float:
        value = self._literal(node)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self._error(node, "expected a loss or a number")
        return float(value)

    def _literal(self, node: ast.expr) -> Any:
        match node:
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self._number(operand)
            case ast.Constant(value=bool() | int() | float() | str() | None as value):
                return value
            case ast.Tuple(elts=items) | ast.List(elts=items):
                return tuple(self._literal(item) for item in items)
            case ast.Name(id="inf"):
                return math.inf
        raise self._error(node, "expected a number, True, False, None, a string or a list of them")

    def _error(self, node: ast.expr, why: str) -> ValueError:
        return ValueError(f"cannot read {ast.unparse(node)!r} in {self.text!r}: {why}")


def _names() -> dict[str, type[LossFunction]]:
    """Names and aliases; a user's loss never takes over the name of a built-in one."""
    names: dict[str, type[LossFunction]] = {}
    for cls in all_losses():
        own = [cls.name, _normal(cls.__name__), *(cls.about.aliases if cls.about else ())]
        built_in = cls.__module__.startswith("losskit.")
        for name in own:
            if built_in or not names.get(name, cls).__module__.startswith("losskit."):
                names[name] = cls
    return names


def _normal(name: str) -> str:
    words = base.words_of(name.strip()) if not name.islower() else name.strip()
    return words.replace("-", "_").replace(" ", "_").lower()


def _file(cls: type[LossFunction]) -> tuple[bool, str]:
    built_in = cls.__module__.startswith("losskit.losses.")
    return not built_in, cls.__module__ if built_in else ""


def _is_final(cls: type[LossFunction]) -> bool:
    if cls.compute_by_hand is not None:
        return True
    if issubclass(cls, ArrayLoss):
        return bool(cls.__dict__.keys() & {"about", "value"})
    own_rules = isinstance(getattr(cls, "rules", None), RuleSet)
    return own_rules or (cls.about is not None and "make_terms" in cls.__dict__)


def _is_of_a_door(cls: type[LossFunction]) -> bool:
    return cls.__module__.startswith(("losskit.torch.", "losskit.jax."))


def _import_losses() -> None:
    for module in pkgutil.iter_modules(losskit.losses.__path__):
        importlib.import_module(f"losskit.losses.{module.name}")


def _from_plain(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_from_plain(v) for v in value)
    return float(value) if value in ("inf", "-inf", "nan") else value
