"""Losses of whole arrays under examination: their arguments packed into rows, so that the laws need not know them.

A batch is what it is for other losses, targets and predictions: here each target is the number of a
term of an example, each prediction a row with all the numbers of that term that are differentiable.
Where terms depend on each other there is one row, with the numbers of all.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from losskit.laws.inputs import Array, Batch, Path
from losskit.laws.subject import Subject
from losskit.loss import LossFunction
from losskit.structures import ArrayLoss

_NUMBERED = 1_000_000  # a term's number is this times the example's, plus its place there


class PackedArrays:
    """Examples of a loss's arguments as batches."""

    def __init__(self, loss: ArrayLoss) -> None:
        self.loss = loss
        self.words = f"examples of {', '.join(loss.arguments)}"
        self.apart = loss.not_separable is None
        self.examples: list[tuple[Any, ...]] = []

    def ordinary(self, random: np.random.Generator, n: int, dtype: Any = np.float64) -> Batch:
        """Inputs as data have them, exact in float32."""
        self.examples.append(tuple(_rounded(a) for a in self.loss.example(random, n)))
        first = (len(self.examples) - 1) * _NUMBERED
        y = first + np.arange(n) if self.apart else np.array(first)
        return y, self.packed(tuple(self.examples[-1][i] for i in self.moving), n).astype(dtype)

    def paths(self) -> Iterator[Path]:
        """Lines between terms of an example, which stay in a domain that is convex."""
        if self.apart:
            y, p = self.ordinary(np.random.default_rng(5), 6)
            for i in range(3):
                yield Path(y[i], p[i], p[i + 3] - p[i], np.linspace(0.0, 1.0, 101), ())

    def interior(self, t: Array) -> Array:
        """All of a path."""
        return t

    def batches(self, dtype: Any) -> Iterator[Batch]:
        """Points to compare with the truth: none, it is not known here."""
        return iter(())

    def swapped(self, random: np.random.Generator, n: int) -> Batch:
        """Inputs whose first two arguments may change places."""
        return self.ordinary(random, n)

    @cached_property
    def moving(self) -> tuple[int, ...]:
        """The differentiable arguments of the examples that vary with the terms."""
        example = self.examples[-1]
        numbers = (self.loss.arguments.index(name) for name in self.loss.differentiable)
        return tuple(
            i for i in numbers if example[i] is not None and (not self.apart or self.axis(i) is not None)
        )

    def axis(self, number: int) -> int | None:
        """Where an argument's axis of the terms is."""
        return self.loss.term_axis.get(self.loss.arguments[number], 0)

    def packed(self, arrays: tuple[Array, ...], n: int) -> Array:
        """The numbers of the moving arguments, or of their derivatives, one row a term."""
        if not self.apart:
            return np.concatenate([np.ravel(a) for a in arrays])
        rows = []
        for i, a in zip(self.moving, arrays, strict=True):
            row = np.moveaxis(a, self.axis(i) or 0, 0)
            rows.append(row.reshape(n, int(np.prod(row.shape[1:]))))  # -1 says nothing of no terms
        return np.concatenate(rows, axis=1)

    def unpacked(self, batch: Batch) -> list[Any]:
        """The arguments that a batch stands for, in the dtype of its predictions."""
        y, p = batch
        example = self.examples[int(np.ravel(y)[0]) // _NUMBERED if np.size(y) else -1]
        terms = y % _NUMBERED
        arguments: list[Any] = []
        for i, whole in enumerate(example):
            axis = self.axis(i)
            part = whole if whole is None or axis is None or not self.apart else np.take(whole, terms, axis)
            arguments.append(part.astype(p.dtype) if part is not None and part.dtype.kind == "f" else part)
        at = 0
        for i in self.moving:
            like = arguments[i]
            if self.apart:
                axis = self.axis(i) or 0
                shape = (len(p), *like.shape[:axis], *like.shape[axis + 1 :])
                width = int(np.prod(shape[1:]))
                arguments[i] = np.ascontiguousarray(
                    np.moveaxis(p[:, at : at + width].reshape(shape), 0, axis)
                )
            else:
                width = like.size
                arguments[i] = p[at : at + width].reshape(like.shape)
            at += width
        return arguments


class ArraySubject(Subject):
    """A loss of whole arrays, with examples of its arguments."""

    loss: ArrayLoss

    def __init__(self, loss: ArrayLoss, seed: int) -> None:
        self.loss, self.seed, self.why_inexact = loss, seed, ""
        self.declared = self.inputs = PackedArrays(loss)  # type: ignore[assignment]

    @property
    def exact(self) -> dict[str, Any]:
        """Empty: exact values are known of rules only."""
        return {}

    def arguments(self, batch: Batch) -> tuple[Any, ...]:
        return tuple(self.inputs.unpacked(batch))  # type: ignore[union-attr]

    def ask(self, verb: str, batch: Batch, loss: LossFunction | None = None, **options: Any) -> Any:
        out = options.pop("out", None)
        answer = super().ask(verb, batch, loss, **options)
        packed = self._packed(verb, answer, np.shape(batch[1]))
        if out is None:
            return packed
        out[...] = packed
        return out

    def _packed(self, verb: str, answer: Any, shape: tuple[int, ...]) -> Any:
        if verb == "value_and_derivative":
            return answer[0], self._packed("derivative", answer[1], shape)
        if "derivative" not in verb:
            return answer
        several = answer if isinstance(answer, tuple) else (answer,)
        example = self.inputs.examples[-1]  # type: ignore[union-attr]
        names = [n for n in self.loss.differentiable if example[self.loss.arguments.index(n)] is not None]
        moving = self.inputs.moving  # type: ignore[union-attr]
        kept = [g for n, g in zip(names, several, strict=True) if self.loss.arguments.index(n) in moving]
        return self.inputs.packed(tuple(kept), shape[0] if len(shape) > 1 else 1)  # type: ignore[union-attr]

    def exchanged(self, batch: Batch) -> tuple[Any, ...]:
        first, second, *rest = self.arguments(batch)
        return second, first, *rest


def _rounded(array: Any) -> Any:
    """Floats as they are in float32, in double precision."""
    if array is None or np.asarray(array).dtype.kind != "f":
        return array if array is None else np.asarray(array)
    return np.asarray(array, np.float32).astype(np.float64)
