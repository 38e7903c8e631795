"""Losses of pairs of vectors: what metric learning and siamese networks are trained with.

Vectors lie on the last axis, of any scale: lengths and angles are computed without overflow or
underflow, and a small angle keeps its digits. Rules are functions of the distance s of a pair, or of
its cosine c and the gap 1 - c.
"""

from typing import Any, ClassVar

from losskit.about import About
from losskit.domain import PLUS_MINUS_ONE, PROBABILITY
from losskit.parameters import parameter
from losskit.rules import rule
from losskit.scalar import Scalar, maximum, scaled, sigmoid, softplus, where
from losskit.structures.pairs import PairLoss, PairRules


class ContrastiveLoss(PairLoss):
    r"""Half the squared distance of similar pairs; of dissimilar ones, half of what the margin lacks, squared.

    Labels are 1 for similar and 0 for dissimilar pairs (some papers have them the other way round), or
    the probability of being similar. Takes vectors of shape (..., d) as ``x1`` and ``x2``, or distances
    of the labels' shape in the place of ``x1``. The derivative is a tuple, one for each vector. At
    equal points it is 0. The mean is over pairs.

    >>> loss = ContrastiveLoss(margin=2.0)
    >>> float(loss.compute([1, 0], [[0.0, 0.0], [0.0, 0.0]], [[3.0, 4.0], [0.0, 1.0]]))  # (25/2 + 1/2) / 2
    6.5
    >>> float(loss.compute([1.0, 0.0], [5.0, 1.0]))
    6.5
    """

    margin: float = parameter(
        default=1.0, at_least=0, doc="distance from which on a dissimilar pair costs nothing"
    )

    arguments: ClassVar[tuple[str, ...]] = ("y_true", "x1", "x2")
    optional: ClassVar[tuple[str, ...]] = ("x2",)
    torch_order: ClassVar[tuple[str, ...] | None] = ("x1", "x2", "y_true")
    targets: ClassVar = PROBABILITY
    distances: ClassVar[str | None] = "x1"

    @rule
    def value(y, s, margin):
        short = maximum(margin - s, 0.0)
        return 0.5 * (scaled(y, s * s) + scaled(1.0 - y, short * short))

    @rule
    def slopes(y, s, margin):
        return y, -scaled(1.0 - y, maximum(margin - s, 0.0))

    def example(self, random: Any, n: int) -> tuple[Any, ...]:
        return (1.0 * (random.random(n) < 0.5), *(0.3 * random.standard_normal((2, n, 5))))

    about: ClassVar = About(
        formula=r"\tfrac12 y\,d^2 + \tfrac12 (1 - y) \max(0, m - d)^2",
        tasks={"similarity"},
        estimates="vectors that are close exactly where the pair is similar",
        strengths=("smooth where a similar pair coincides", "needs only pairs, not triplets"),
        weaknesses=(
            "similar pairs are pulled together until they coincide",
            "one margin for all classes, however spread",
            "most dissimilar pairs are soon beyond the margin and teach nothing",
        ),
        uses=("siamese networks", "face and signature verification"),
        references=("Hadsell, Chopra & LeCun (2006), Dimensionality reduction by learning an invariant mapping",),
        elsewhere=("tfa.losses.ContrastiveLoss: of distances, twice this",),
    )  # fmt: skip


def _hinge_slope(u: Scalar) -> Scalar:
    return where(u > 0.0, 1.0, where(u <= 0.0, 0.0, u))


def _penalty(u: Scalar, soft: Scalar) -> Scalar:
    return where(soft > 0.0, softplus(u), maximum(u, 0.0))


def _penalty_slope(u: Scalar, soft: Scalar) -> Scalar:
    return where(soft > 0.0, sigmoid(u), _hinge_slope(u))


def _longer(p: Scalar, n: Scalar) -> Scalar:
    return where(p == n, 0.0, p - n)  # of two infinite distances neither is the longer


def _longer_squared(p: Scalar, n: Scalar) -> Scalar:
    return where(p == n, 0.0, (p - n) * (p + n))  # not p*p - n*n: both may overflow


def _euclidean(p: Scalar, n: Scalar, margin: Scalar, soft: Scalar) -> Scalar:
    return _penalty(_longer(p, n) + margin, soft)


def _euclidean_slopes(p: Scalar, n: Scalar, margin: Scalar, soft: Scalar) -> Any:
    slope = _penalty_slope(_longer(p, n) + margin, soft)
    return 0.0, slope, 0.0, -slope


def _squared(p: Scalar, n: Scalar, margin: Scalar, soft: Scalar) -> Scalar:
    return _penalty(_longer_squared(p, n) + margin, soft)


def _squared_slopes(p: Scalar, n: Scalar, margin: Scalar, soft: Scalar) -> Any:
    slope = 2.0 * _penalty_slope(_longer_squared(p, n) + margin, soft)
    return slope, 0.0, -slope, 0.0


def _cosine(cp: Scalar, p: Scalar, cn: Scalar, n: Scalar, margin: Scalar, soft: Scalar) -> Scalar:
    return _penalty((p - n) + margin, soft)  # p and n are the gaps, 1 less the cosines


def _cosine_slopes(cp: Scalar, p: Scalar, cn: Scalar, n: Scalar, margin: Scalar, soft: Scalar) -> Any:
    slope = _penalty_slope((p - n) + margin, soft)
    return -slope, slope


_TRIPLETS = {
    "euclidean": PairRules("distance", _euclidean, _euclidean_slopes),
    "squared": PairRules("distance", _squared, _squared_slopes),
    "cosine": PairRules("cosine", _cosine, _cosine_slopes),
}


class TripletLoss(PairLoss):
    r"""max(0, d(a, p) - d(a, n) + margin): the positive must be nearer than the negative, by a margin.

    ``distance`` is Euclidean, its square, or one minus the cosine. ``soft`` puts log(1 + e^u) in the
    place of max(0, u). Vectors have the shape (..., d); the derivative is a tuple for anchor, positive
    and negative. A triplet that has its margin exactly has the derivative 0, and so has the distance
    of equal points. The mean is over all triplets, those that cost nothing too.

    >>> a, p, n = [[0.0, 0.0]], [[3.0, 4.0]], [[0.0, 5.5]]
    >>> float(TripletLoss().compute(a, p, n))  # 5 - 5.5 + 1
    0.5
    >>> float(TripletLoss(margin=10.0, distance="squared").compute(a, p, n))  # 25 - 30.25 + 10
    4.75
    """

    margin: float = parameter(default=1.0, at_least=0, doc="how much nearer the positive must be")
    distance: str = parameter(
        default="euclidean", choices=("euclidean", "squared", "cosine"), doc="what near means"
    )
    soft: bool = parameter(default=False, doc="log(1 + e^u) in the place of max(0, u)")

    arguments: ClassVar[tuple[str, ...]] = ("anchor", "positive", "negative")
    differentiable: ClassVar[tuple[str, ...]] = ("anchor", "positive", "negative")

    def pair_rules(self) -> PairRules:
        return _TRIPLETS[self.distance]

    def example(self, random: Any, n: int) -> tuple[Any, ...]:
        return tuple(random.standard_normal((3, n, 5)))

    about: ClassVar = About(
        formula=r"\max(0, d(a, p) - d(a, n) + m)",
        tasks={"similarity", "ranking"},
        estimates="vectors that are nearer to their own kind than to others",
        strengths=(
            "relative: classes may be as wide as they are",
            "soft: a slope everywhere, and no margin to reach and then stop at",
        ),
        weaknesses=(
            "most triplets soon cost nothing: the choice of triplets decides",
            "with Euclidean distances the pull on the anchor does not weaken as the positive comes near",
        ),
        uses=("face recognition", "retrieval and re-identification"),
        references=(
            "Schroff, Kalenichenko & Philbin (2015), FaceNet, CVPR: squared distances",
            "Hermans, Beyer & Leibe (2017), In defense of the triplet loss: Euclidean distances, soft margin",
        ),
        aliases=("triplet_margin",),
        elsewhere=(
            "torch.nn.TripletMarginLoss: adds 1e-6 to the differences of coordinates",
            'torch.nn.TripletMarginWithDistanceLoss: any distance; for 1 - cosine this with distance="cosine"',
            "optax.losses.triplet_margin_loss: adds 1e-6 to the squared distance",
        ),
    )


class CosineSimilarityLoss(PairLoss):
    r"""1 - cos(x1, x2): the angle between two vectors, whatever their lengths.

    Vectors have the shape (..., d); the derivative is a tuple, one for each. A vector of zeros has the
    cosine 0 with every other, and then both derivatives are 0. Of almost parallel vectors the loss keeps
    its digits: it is half the squared distance of the unit vectors. The mean is over pairs.
    Keras's CosineSimilarity is this less 1.

    >>> print(CosineSimilarityLoss().compute([[3.0, 4.0], [1.0, 0.0]], [[30.0, 40.0], [0.0, 2.0]]))
    0.5
    >>> print(f"{CosineSimilarityLoss().compute([[1.0, 0.0]], [[1.0, 1e-9]]):.1e}")
    5.0e-19
    """

    measure: ClassVar[str] = "cosine"

    @rule
    def value(c, gap):
        return gap

    @rule
    def slopes(c, gap):
        return (-1.0,)

    def example(self, random: Any, n: int) -> tuple[Any, ...]:
        return tuple(random.standard_normal((2, n, 5)))

    about: ClassVar = About(
        formula=r"1 - \frac{x_1 \cdot x_2}{\lVert x_1\rVert \lVert x_2\rVert}",
        tasks={"similarity", "regression"},
        estimates="the direction of the mean of the unit targets",
        strengths=("blind to lengths", "bounded: between 0 and 2"),
        weaknesses=(
            "the gradient grows as 1 / length when a vector shrinks",
            "opposite vectors, like equal ones, have the gradient 0",
        ),
        uses=("text and image embeddings", "self-supervised learning without negatives"),
        references=("Chen & He (2021), Exploring simple siamese representation learning, CVPR",),
        aliases=("cosine", "cosine_distance"),
        elsewhere=(
            "keras.losses.CosineSimilarity: -cos, without the 1",
            "torch.nn.CosineSimilarity: cos; lengths below 1e-8 count as that",
            "optax.cosine_distance: the same, unreduced; NaN beside a vector of zeros",
        ),
    )  # fmt: skip


class CosineEmbeddingLoss(PairLoss):
    r"""1 - cos(x1, x2) for the label +1; max(0, cos(x1, x2) - margin) for the label -1.

    Vectors have the shape (..., d), labels one axis less. The derivative is a tuple, one for each
    vector, and 0 where the cosine is the margin. Vectors of zeros have the cosine 0 and no derivative.
    The mean is over pairs. torch adds 1e-8 or so to the squared lengths; here vectors of any scale are exact.

    >>> loss = CosineEmbeddingLoss(margin=0.25)
    >>> print(f"{loss.compute([1, -1], [[3.0, 4.0], [1.0, 0.0]], [[3.0, -4.0], [5.0, 0.0]]):.3f}")  # (1.28 + 0.75) / 2
    1.015
    """

    margin: float = parameter(
        default=0.0, at_least=-1, at_most=1, doc="cosine up to which a dissimilar pair costs nothing"
    )

    arguments: ClassVar[tuple[str, ...]] = ("y_true", "x1", "x2")
    torch_order: ClassVar[tuple[str, ...] | None] = ("x1", "x2", "y_true")
    measure: ClassVar[str] = "cosine"
    targets: ClassVar = PLUS_MINUS_ONE

    @rule
    def value(y, c, gap, margin):
        return where(y > 0.0, gap, maximum(c - margin, 0.0))

    @rule
    def slopes(y, c, gap, margin):
        return (where(y > 0.0, where(c == c, -1.0, c), _hinge_slope(c - margin)),)

    def example(self, random: Any, n: int) -> tuple[Any, ...]:
        x1, x2 = random.standard_normal((2, n, 5))
        return 2.0 * (random.random(n) < 0.5) - 1.0, x1, x2

    about: ClassVar = About(
        formula=r"1 - \cos \text{ if } y = 1, \quad \max(0, \cos - m) \text{ if } y = -1",
        tasks={"similarity"},
        estimates="similar vectors parallel, dissimilar ones at an angle of at least arccos m",
        strengths=("blind to lengths", "bounded"),
        weaknesses=("dissimilar pairs beyond the margin teach nothing", "the gradient grows as vectors shrink"),
        uses=("sentence pairs", "recommendation"),
        references=("the notes of PyTorch's CosineEmbeddingLoss",),
        elsewhere=("torch.nn.CosineEmbeddingLoss: the same, but for vectors shorter than about 1e-6",),
    )  # fmt: skip
