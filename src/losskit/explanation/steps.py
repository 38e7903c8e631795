"""The steps of a function: each of its statements, then the same with the numbers put in, then what it comes to.

A rule is one expression after another, so its own text, evaluated statement by statement, explains it.
"""

import ast
import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import numpy as np

import losskit.scalar
from losskit.rules import RuleFunction, source_of

_VOCABULARY = {id(getattr(losskit.scalar, word)) for word in losskit.scalar.WORDS}
_WHERE = {id(losskit.scalar.where)}
SHOWN = 6
"""Numbers of a row, and rows of an array, that are written out."""

WIDTH = 100
"""Columns; a longer step has a line for each equals sign."""


@dataclass(frozen=True)
class Step:
    """One statement: ``name = formula = numbers = result``."""

    name: str
    formula: str
    numbers: str
    """The formula with numbers in the place of names; of a ``where`` only the side that is taken."""
    result: Any
    because: str = ""
    """Why one side of a ``where`` is taken; of an argument, what it stands for."""
    depth: int = 0
    """How many calls deep: what a helper of the rule does is indented."""

    def __str__(self) -> str:
        parts = dict.fromkeys((self.formula, self.numbers, shown(self.result)))
        first, *others = (part for part in parts if part)
        indent, because = "  " * self.depth, f"   {self.because}" if self.because else ""
        line = " = ".join((f"{indent}{self.name}", first, *others)) + because
        if len(line) <= WIDTH or not others:
            return line
        margin = indent + " " * len(self.name)
        return (
            "\n".join((f"{indent}{self.name} = {first}", *(f"{margin} = {part}" for part in others)))
            + because
        )


def shown(x: Any) -> str:
    """A number, an array or a tuple of them, for people.

    >>> shown(0.125), shown(np.array([1.0, 2.5])), shown(True)
    ('0.125', '[1, 2.5]', 'True')
    """
    if isinstance(x, tuple):
        return f"({', '.join(map(shown, x))})"
    array = np.asarray(x)
    if array.ndim:
        more = ", ..." if len(array) > SHOWN else ""
        return f"[{', '.join(map(shown, array[:SHOWN]))}{more}]"
    value = array.item()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value + 0.0:.6g}"  # of -0.0, too, "0"


def steps_of(function: RuleFunction, given: Mapping[str, Any], name: str, depth: int = 0) -> list[Step]:
    """The steps of a function at the arguments ``given``; ``name`` is what it answers.

    >>> from losskit.losses.residual import HuberLoss
    >>> for step in steps_of(HuberLoss.value, {"r": -0.5, "delta": 1.0}, "value"):
    ...     print(step)
    a = abs(r) = abs(-0.5) = 0.5
    value = where(a <= delta, 0.5 * r * r, delta * (a - 0.5 * delta)) = 0.5 * (-0.5) * (-0.5) = 0.125   since 0.5 <= 1
    """
    inner = inspect.unwrap(function)
    try:
        (tree,) = ast.parse(source_of(inner)).body
    except (OSError, SyntaxError, ValueError):  # typed at a bare prompt, or a lambda amid an expression
        tree = None
    if isinstance(tree, ast.FunctionDef) and _is_straight(tree):
        try:
            return list(_Walk(inner, given, name, depth).steps(tree))
        except (NameError, RuntimeError):  # super(), say, means nothing outside of its class
            pass
    return [Step(name, "", "", inner(*given.values()), "its text cannot be followed", depth)]


def _is_straight(tree: ast.FunctionDef) -> bool:
    """Whether a function is assignments to names, and one ``return`` at its end."""
    *body, last = tree.body
    targets = [t for s in body if isinstance(s, ast.Assign) for t in s.targets]
    names = all(isinstance(n, ast.Name | ast.Tuple | ast.expr_context) for t in targets for n in ast.walk(t))
    single = all(len(s.targets) == 1 for s in body if isinstance(s, ast.Assign))
    plain = all(isinstance(s, ast.Assign | ast.AnnAssign | ast.Expr) for s in body)
    return isinstance(last, ast.Return) and plain and names and single


class _Walk:
    """A function as it is evaluated, one statement after another."""

    def __init__(self, function: Any, given: Mapping[str, Any], name: str, depth: int) -> None:
        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        # one dictionary: what is nested in an expression, as a comprehension is, sees global names alone
        self.names = {**function.__globals__, **{free: cell.cell_contents for free, cell in cells}, **given}
        self.name, self.depth = name, depth

    def steps(self, tree: ast.FunctionDef) -> Iterator[Step]:
        """The steps of all statements, in order."""
        for statement in tree.body:
            match statement:
                case ast.Return(value=ast.expr() as value):
                    yield from self._step(self.name, value)
                case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)):
                    found = [list(self._step(_text(t), v)) for t, v in zip(targets, values, strict=True)]
                    for target, steps in zip(
                        targets, found, strict=True
                    ):  # all are evaluated before any is named
                        yield from steps
                        self._bind(target, steps[-1].result)
                case ast.Assign(targets=[target], value=value):
                    yield from self._named(target, value)
                case ast.AnnAssign(target=target, value=ast.expr() as value):
                    yield from self._named(target, value)

    def _named(self, target: ast.expr, value: ast.expr) -> Iterator[Step]:
        steps = list(self._step(_text(target).strip("()"), value))
        yield from steps
        self._bind(target, steps[-1].result)

    def _bind(self, target: ast.expr, result: Any) -> None:
        """Give a result its name, or its parts theirs."""
        match target:
            case ast.Name(id=name):
                self.names[name] = result
            case ast.Tuple(elts=targets):
                for one, part in zip(targets, result, strict=True):
                    self._bind(one, part)

    def _step(self, name: str, node: ast.expr) -> Iterator[Step]:
        filled = _Filled(self)
        numbers = ast.unparse(filled.visit(ast.parse(ast.unparse(node), mode="eval").body))
        yield from filled.before
        because = f"since {', '.join(dict.fromkeys(filled.because))}" if filled.because else ""
        yield Step(name, _text(node), numbers, self.value(node), because, self.depth)

    def value(self, node: ast.expr) -> Any:
        """What an expression of the function comes to: its own text, among its own names."""
        code = compile(ast.fix_missing_locations(ast.Expression(node)), "<rule>", "eval")
        with np.errstate(all="ignore"):
            return eval(code, self.names)


class _Filled(ast.NodeTransformer):
    """Numbers in the place of names, and the side that is taken in the place of a ``where``."""

    def __init__(self, walk: _Walk) -> None:
        self.walk = walk
        self.before: list[Step] = []
        self.because: list[str] = []

    def visit(self, node: ast.AST) -> Any:
        """As ever, but for what has names of its own."""
        inner = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
        return node if isinstance(node, inner) else super().visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return self._number(node)

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._number(node) if node.id in self.walk.names else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        filled = self._number(node)
        return self.generic_visit(node) if filled is node else filled  # type: ignore[return-value]

    def _number(self, node: ast.expr) -> ast.expr:
        value = self.walk.value(node)
        if isinstance(value, bool | int | float | np.generic | np.ndarray):
            return ast.Name(shown(value))
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        node.left, node.right = (_in_parentheses(self.visit(side)) for side in (node.left, node.right))
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        node.operand = _in_parentheses(self.visit(node.operand))
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        function = self.walk.value(node.func)
        if id(function) in _WHERE and len(node.args) == 3:
            return self._where(node)
        if self._is_helper(function) and not node.keywords:
            return self._helper(node, function)
        node.args = [self.visit(argument) for argument in node.args]
        for keyword in node.keywords:
            keyword.value = self.visit(keyword.value)
        return node

    def _where(self, node: ast.Call) -> ast.expr:
        test = self.walk.value(node.args[0])
        condition = self.visit(node.args[0])
        if np.ndim(test):
            node.args = [condition, *(self.visit(side) for side in node.args[1:])]
            return node
        text = ast.unparse(node.args[0] if isinstance(node.args[0], ast.Name) else condition)
        if not _is_of_itself(condition):
            self.because.append(text if test else f"{text} is false")
        return self.visit(node.args[1 if test else 2])  # type: ignore[no-any-return]

    def _is_helper(self, function: Any) -> bool:
        return (
            isinstance(function, FunctionType)
            and id(function) not in _VOCABULARY
            and not function.__module__.startswith("numpy")
        )

    def _helper(self, node: ast.Call, function: FunctionType) -> ast.expr:
        """What a function that the rule calls does, as steps of its own before."""
        values = [self.walk.value(argument) for argument in node.args]
        bound = inspect.signature(function).bind(*values)
        bound.apply_defaults()
        name = f"{function.__name__.lstrip('_')}({', '.join(map(shown, values))})"
        if name not in {step.name for step in self.before}:
            self.before += steps_of(function, bound.arguments, name, self.walk.depth + 1)
        return ast.Name(shown(self.walk.value(node)))


def _is_of_itself(node: ast.expr) -> bool:
    """Whether something is compared with itself, which only NaN fails."""
    match node:
        case ast.Compare(left=left, comparators=[right]):
            return ast.unparse(left) == ast.unparse(right)
    return False


def _text(node: ast.expr) -> str:
    """An expression, without the underscores that keep helpers to their module."""
    return re.sub(r"(?<!\w)_(?=\w)", "", ast.unparse(node))


def _in_parentheses(node: ast.expr) -> ast.expr:
    """A negative number beside an operator."""
    if isinstance(node, ast.Name) and node.id.startswith("-"):
        return ast.Name(f"({node.id})")
    return node
