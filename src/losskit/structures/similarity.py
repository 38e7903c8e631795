"""Losses of similarities, within a batch or with classes: what one is made of.

Every one of them is a sum of *pools*: exponentials of a row's similarities, added and put under a
logarithm. The softmax of InfoNCE is one pool over all candidates, the multi-similarity loss one over
the positives and one over the negatives, the sigmoid loss a logarithm for each pair.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from losskit.parameters import parameter
from losskit.structures.arrays import ArrayLoss

CANDIDATES, POSITIVES, NEGATIVES = "candidates", "positives", "negatives"
"""The rows that an anchor is compared with: all, those it belongs to, the others."""

ACROSS, BOTH_WAYS, AMONG_ALL = "across", "both_ways", "among_all"
"""Which rows are anchors and which candidates: the first view against the second; also the second against
the first, and the mean of both; every row against every other one."""


@dataclass(frozen=True)
class Pool:
    """coefficient * log(sum over a set of exp(scale * s + shift)), with s an anchor's similarities.

    Pools of one loss are over sets that have no pair in common.
    """

    over: str
    scale: float
    shift: float = 0.0
    coefficient: float = 1.0
    plus_one: bool = False
    """A 1 is added to the sum: an empty set then gives 0."""
    each: bool = False
    """A logarithm for each pair, and their sum, instead of the logarithm of the sum."""
    less_positives: bool = False
    """The mean of scale * s + shift over the anchor's positives is taken off: cross-entropy."""


class SimilarityLoss(ArrayLoss):
    """A loss of an anchor's similarities; subclass ``ViewsLoss``, ``LabelledLoss`` or ``CosinesLoss``."""

    structure: ClassVar[str] = "similarity"

    def make_pools(self) -> tuple[Pool, ...]:
        """The pools that a term is the sum of."""
        raise NotImplementedError(f"{type(self).__name__} does not say what pools it is made of")

    @cached_property
    def pools(self) -> tuple[Pool, ...]:
        """What ``make_pools`` answers."""
        return self.make_pools()


class EmbeddingLoss(SimilarityLoss):
    """A loss of the similarities u·v of the rows of a batch with each other."""

    normalize: bool = parameter(
        default=True, kw_only=True,
        doc="divide each row by its length, so that similarities are cosines; a row of zeros stays one",
    )  # fmt: skip

    not_separable: ClassVar[str | None] = "each row is compared with the other rows of the batch"
    not_mergeable: ClassVar[str | None] = (
        "a row of one part was not compared with those of another; gather the embeddings first"
    )

    def compares(self) -> str:
        """Which rows are anchors and which candidates."""
        return AMONG_ALL


class ViewsLoss(EmbeddingLoss):
    """Rows of two views of the same things: ``z1[i]`` and ``z2[i]`` belong together, all others do not.

    Both are of shape (n, features). A term is a pair of rows.
    """

    arguments: ClassVar[tuple[str, ...]] = ("z1", "z2")
    differentiable: ClassVar[tuple[str, ...]] = ("z1", "z2")

    def example(self, random: Any, n: int) -> tuple[Any, ...]:
        z1 = random.normal(size=(n, 4))
        return z1, z1 + 0.5 * random.normal(size=(n, 4))


class LabelledLoss(EmbeddingLoss):
    """Rows that belong together where their integer labels are equal.

    ``embeddings`` is of shape (n, features), ``labels`` (n,). A term is a row.
    """

    arguments: ClassVar[tuple[str, ...]] = ("labels", "embeddings")
    differentiable: ClassVar[tuple[str, ...]] = ("embeddings",)
    indices: ClassVar[tuple[str, ...]] = ("labels",)

    def example(self, random: Any, n: int) -> tuple[Any, ...]:
        labels = random.integers(0, max(1, n // 3), n)
        return labels, random.normal(size=(n, 4)) + labels[:, None]


class CosinesLoss(SimilarityLoss):
    """Cross-entropy of scale * cosine over the classes, with a margin on the cosine of the right one.

    ``cosines`` is of shape (..., classes), ``labels`` (...). A subclass says by the rules ``target`` and
    ``target_slope``, of that cosine and of ``target_numbers``, what takes its place.
    """

    margin: float = parameter(default=0.0, at_least=0, doc="how much better than the others is good enough")
    scale: float = parameter(default=64.0, above=0, doc="what cosines are multiplied by")

    arguments: ClassVar[tuple[str, ...]] = ("labels", "cosines")
    differentiable: ClassVar[tuple[str, ...]] = ("cosines",)
    indices: ClassVar[tuple[str, ...]] = ("labels",)
    target: ClassVar[Callable[..., Any]]
    target_slope: ClassVar[Callable[..., Any]]

    def make_pools(self) -> tuple[Pool, ...]:
        return (Pool(CANDIDATES, self.scale, less_positives=True),)

    def target_numbers(self) -> tuple[float, ...]:
        """What the rules take after the cosine."""
        return (self.margin,)

    def example(self, random: Any, n: int) -> tuple[Any, ...]:
        return random.integers(0, 5, n), random.uniform(-0.9, 0.9, (n, 5))
