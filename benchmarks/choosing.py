"""Which cases are run: all structures, or those that the command names."""

from collections.abc import Iterable
from functools import cache
from types import ModuleType

from benchmarks import (
    columns,
    elementwise,
    lattice,
    linear,
    lists,
    others,
    overlap,
    pairs,
    rows,
    similarity,
    transport,
)
from benchmarks.harness import Case
from losskit.catalogue import UnknownLoss, find

STRUCTURES: dict[str, ModuleType] = {
    module.__name__.rpartition(".")[2]: module
    for module in (
        elementwise, rows, columns, pairs, lists, overlap, similarity, linear, lattice, transport, others,
    )
}  # fmt: skip


def chosen(only: Iterable[str] | None, sizes: Iterable[str] | None, quick: bool, dtype: str) -> list[Case]:
    """The cases of these structures and losses (None: all), at these sizes (None: the structure's own)."""
    found: list[Case] = []
    for module in STRUCTURES.values():
        mine = module.QUICK if quick else module.SIZES
        if sizes is not None:
            axes = {size.count("x") for size in module.SIZES}
            mine = tuple(size for size in sizes if size.count("x") in axes)
        found += module.cases(mine, dtype)
    wanted = None if only is None else {name if "(" in name else _plain(name) for name in only}
    return [c for c in found if wanted is None or wanted & {c.structure, c.loss, _plain(c.loss)}]


@cache
def known_names() -> frozenset[str]:
    """What may be asked for: structures, losses as the tables or the catalogue call them, startup."""
    names = {"startup", *STRUCTURES}
    for module in STRUCTURES.values():
        for case in module.cases((*module.SIZES, *module.QUICK), "float32"):
            names |= {case.loss, _plain(case.loss)}
            try:
                about = find(_plain(case.loss)).about
            except UnknownLoss:
                continue
            names |= set(about.aliases if about is not None else ())
    return frozenset(names)


def _plain(name: str) -> str:
    """A loss's name in the catalogue, without its parameters; other names as they are."""
    try:
        return find(name.partition("(")[0]).name
    except UnknownLoss:
        return name
