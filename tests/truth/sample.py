"""What losses of whole arrays are tried on, and how their definitions are kept by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Definition = Callable[..., Any]


class Sample(NamedTuple):
    """Arguments to try a loss on; not smooth where a difference quotient says nothing of the derivative."""

    name: str
    arguments: tuple[np.ndarray | None, ...]
    smooth: bool = True


def keeper(book: dict[str, Any]) -> Callable[[str], Callable[[Definition], Definition]]:
    """A decorator that puts a definition into the book, under the name of its loss."""

    def define(name: str) -> Callable[[Definition], Definition]:
        def register(terms: Definition) -> Definition:
            book[name] = terms
            return terms

        return register

    return define
