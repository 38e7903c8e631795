"""Losses of the similarities within a batch: contrastive learning without and with labels.

Rows that belong together should be more alike than rows that do not. Similarities are cosines unless
``normalize=False`` leaves the rows as they are; then s = u·v. A temperature that is to be learned goes
into the rows: normalise them, multiply one view by 1 / temperature, and pass ``normalize=False`` with
``temperature=1``.
"""

import math
from typing import ClassVar

from losskit.about import About
from losskit.parameters import parameter
from losskit.rules import rule
from losskit.scalar import sqrt, where
from losskit.structures.similarity import (
    ACROSS,
    AMONG_ALL,
    BOTH_WAYS,
    CANDIDATES,
    NEGATIVES,
    POSITIVES,
    CosinesLoss,
    LabelledLoss,
    Pool,
    ViewsLoss,
)

_FEW_NEGATIVES = "needs many negatives, and so large batches"
_ALL_NEGATIVE = "rows of the same kind in one batch are pushed apart as well"


def cross_entropy(temperature: float) -> tuple[Pool, ...]:
    """-log softmax(s / temperature) at the positives, over all candidates."""
    return (Pool(CANDIDATES, 1.0 / temperature, less_positives=True),)


class InfoNCELoss(ViewsLoss):
    r"""Cross-entropy of finding a row's other view among the rows of the batch: NT-Xent, InfoNCE.

    ``z1[i]`` and ``z2[i]`` are two views of one thing. With ``negatives="both_views"`` each of the 2n rows
    has all others for candidates, one of them right: SimCLR's NT-Xent (lightly's NTXentLoss,
    pytorch-metric-learning's NTXentLoss on both views). With ``negatives="other_view"`` z1[i] is looked for
    in z2 only: the InfoNCE of contrastive predictive coding (info_nce_pytorch's InfoNCE, and
    torch's cross_entropy(z1 @ z2.T / temperature, arange(n)) on unit rows). A term is a pair: the mean of
    its two rows, or the row of z1. A mean is over the n pairs.

    Parameters: ``temperature`` divides the cosines; ``negatives`` as above; ``normalize=False`` takes the
    rows as they are. z1 and z2 are of shape (n, features). A row of zeros has cosine 0 with all others
    and gradient 0. A masked row is not in the batch.

    Raises ValueError where z1 and z2 are not of one shape (n, features).

    >>> import numpy as np
    >>> z = np.eye(2)
    >>> round(float(InfoNCELoss(temperature=1.0).compute(z, z)), 6)  # log(1 + 2/e)
    0.551445
    >>> round(float(InfoNCELoss(temperature=1.0, negatives="other_view").compute(z, z)), 6)  # log(1 + 1/e)
    0.313262
    """

    temperature: float = parameter(default=0.1, above=0, doc="unit of the similarities")
    negatives: str = parameter(
        default="both_views",
        choices=("both_views", "other_view"),
        doc="the rows that a row is not to be like",
    )

    def make_pools(self) -> tuple[Pool, ...]:
        return cross_entropy(self.temperature)

    def compares(self) -> str:
        return AMONG_ALL if self.negatives == "both_views" else ACROSS

    about: ClassVar = About(
        formula=r"-\log \frac{e^{s_{ip} / T}}{\sum_{j \ne i} e^{s_{ij} / T}}",
        tasks={"similarity"},
        estimates="a bound on the mutual information of the two views",
        strengths=("needs no labels", "hard negatives get the most weight, by themselves"),
        weaknesses=(_FEW_NEGATIVES, _ALL_NEGATIVE),
        uses=("self-supervised pre-training", "retrieval with negatives from the batch"),
        references=(
            "van den Oord et al. (2018), Representation learning with contrastive predictive coding",
            "Chen et al. (2020), A simple framework for contrastive learning, ICML",
        ),
        aliases=("nt_xent", "ntxent", "simclr"),
        elsewhere=(
            "monai.losses.ContrastiveLoss: the same, temperature 0.5 by default",
            "pytorch_metric_learning.losses.NTXentLoss: the same with a label a pair; temperature 0.07 by default",
            "optax.losses.ntxent: takes labels; -log of each positive against it and the negatives",
        ),
    )


class CLIPLoss(ViewsLoss):
    r"""Cross-entropy of matching two views, from either side: the mean of InfoNCE of (z1, z2) and of (z2, z1).

    ``z1[i]`` and ``z2[i]`` belong together, as an image and its caption; candidates are the rows of the
    other view. open_clip's ClipLoss takes a ``logit_scale``, which is 1 / ``temperature``. A term is a
    pair; a mean is over the n pairs.

    Parameters: ``temperature`` divides the cosines; ``normalize=False`` takes the rows as they are. z1 and
    z2 are of shape (n, features). A row of zeros has cosine 0 with all others and gradient 0. A masked
    row is not in the batch.

    Raises ValueError where z1 and z2 are not of one shape (n, features).

    >>> import numpy as np
    >>> round(float(CLIPLoss(temperature=1.0).compute(np.eye(2), np.eye(2))), 6)  # log(1 + 1/e)
    0.313262
    """

    temperature: float = parameter(default=0.07, above=0, doc="unit of the similarities, 1 / logit_scale")

    def make_pools(self) -> tuple[Pool, ...]:
        return cross_entropy(self.temperature)

    def compares(self) -> str:
        return BOTH_WAYS

    about: ClassVar = About(
        formula=r"-\tfrac12 \log \frac{e^{s_{ii} / T}}{\sum_j e^{s_{ij} / T}}"
        r" - \tfrac12 \log \frac{e^{s_{ii} / T}}{\sum_j e^{s_{ji} / T}}",
        tasks={"similarity"},
        estimates="the mutual information of the two views, from below",
        strengths=("learns from pairs alone, such as images with captions", "both views search well"),
        weaknesses=(_FEW_NEGATIVES, _ALL_NEGATIVE),
        uses=("images and text", "any two encoders that are to share a space"),
        references=("Radford et al. (2021), Learning transferable visual models, ICML",),
        aliases=("contrastive_language_image",),
        elsewhere=("open_clip.loss.ClipLoss: the same, with logit_scale = 1 / temperature",),
    )


class SigLIPLoss(ViewsLoss):
    r"""Logistic loss of each pair of rows: does ``z1[i]`` belong to ``z2[j]``?

    The pairs i = j do and all others do not; the logit is s / ``temperature`` + ``bias``. A term is a row
    of z1 with all rows of z2, added up, and a mean is over the n rows, as in the paper. open_clip's
    SigLipLoss takes ``logit_scale`` = 1 / temperature and ``logit_bias``.

    Parameters: the defaults, 0.1 and -10, are where the paper's training starts; ``normalize=False`` takes
    the rows as they are. z1 and z2 are of shape (n, features). A row of zeros has cosine 0 with all others
    and gradient 0. A masked row is not in the batch.

    Raises ValueError where z1 and z2 are not of one shape (n, features).

    >>> import numpy as np
    >>> loss = SigLIPLoss(temperature=1.0, bias=0.0)
    >>> round(float(loss.compute(np.eye(2), np.eye(2))), 6)  # log(1 + 1/e) + log 2
    1.006409
    """

    temperature: float = parameter(default=0.1, above=0, doc="unit of the similarities, 1 / logit_scale")
    bias: float = parameter(default=-10.0, doc="added to the logits: most pairs do not belong together")

    def make_pools(self) -> tuple[Pool, ...]:
        scale, bias = 1.0 / self.temperature, self.bias
        return (
            Pool(POSITIVES, -scale, -bias, plus_one=True, each=True),
            Pool(NEGATIVES, scale, bias, plus_one=True, each=True),
        )

    def compares(self) -> str:
        return ACROSS

    about: ClassVar = About(
        formula=r"\log(1 + e^{-s_{ii}/T - b}) + \sum_{j \ne i} \log(1 + e^{s_{ij}/T + b})",
        tasks={"similarity"},
        estimates="the log-odds that two rows belong together",
        strengths=("no sum over the batch inside of the logarithm", "works with smaller batches"),
        weaknesses=("the bias has to suit the share of positives", _ALL_NEGATIVE),
        uses=("images and text", "batches spread over many machines"),
        references=("Zhai et al. (2023), Sigmoid loss for language image pre-training, ICCV",),
        aliases=("siglip", "sigmoid_contrastive"),
        elsewhere=("open_clip.loss.SigLipLoss: the same, with logit_scale = 1 / temperature and logit_bias",),
    )


class SupervisedContrastiveLoss(LabelledLoss):
    r"""Cross-entropy of finding the rows with a row's own label among all others (SupCon).

    An anchor's term is the mean over its positives of -log softmax: the paper's L_out, whose sum stands
    outside of the logarithm. Anchors without a positive do not count, nor in a mean's denominator.
    SupContrast multiplies by temperature / 0.07, here nothing does; pytorch-metric-learning's SupConLoss
    is the same as this. With each label twice it is InfoNCE.

    Parameters: ``temperature`` divides the cosines; ``normalize=False`` takes the rows as they are. labels
    are integers (n,), embeddings (n, features). A row of zeros has cosine 0 with all others and
    gradient 0. A masked row is not in the batch.

    Raises ValueError where the shapes do not fit, TypeError for labels that are no integers.

    >>> import numpy as np
    >>> loss = SupervisedContrastiveLoss(temperature=1.0)
    >>> round(float(loss.compute([0, 0, 1], [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])), 6)  # log(1 + 1/e)
    0.313262
    """

    temperature: float = parameter(default=0.1, above=0, doc="unit of the similarities")

    def make_pools(self) -> tuple[Pool, ...]:
        return cross_entropy(self.temperature)

    about: ClassVar = About(
        formula=r"-\frac{1}{|P_i|} \sum_{p \in P_i} \log \frac{e^{s_{ip} / T}}{\sum_{j \ne i} e^{s_{ij} / T}}",
        tasks={"similarity", "multiclass"},
        estimates="directions, one for each label and far from each other",
        strengths=("many positives at once", "less bound to the labels' order than cross-entropy"),
        weaknesses=("needs several rows of each label in a batch", "a classifier has to be trained after it"),
        uses=("embeddings of classes", "pre-training where labels exist"),
        references=("Khosla et al. (2020), Supervised contrastive learning, NeurIPS",),
        aliases=("supcon", "sup_con"),
        elsewhere=("pytorch_metric_learning.losses.SupConLoss: the same",),
    )


class MultiSimilarityLoss(LabelledLoss):
    r"""log(1 + Σ exp(-alpha (s - base))) / alpha over positives, and with beta and the other sign over negatives.

    A positive below ``base`` and a negative above it cost the more, the further they are and the more
    alike the others of their kind. All pairs count: the paper's mining of hard ones, a filter on pairs,
    is left to the caller. pytorch-metric-learning's loss of the same name has the same defaults. A mean
    is over all n anchors; an empty set costs 0.

    Parameters: ``alpha`` and ``beta`` weigh positives and negatives, ``base`` is the cosine that should part
    them; ``normalize=False`` takes the rows as they are. labels are integers (n,), embeddings (n, features).
    A row of zeros has cosine 0 with all others and gradient 0. A masked row is not in the batch.

    Raises ValueError where the shapes do not fit, TypeError for labels that are no integers.

    >>> import numpy as np
    >>> loss = MultiSimilarityLoss(alpha=1.0, beta=1.0, base=1.0)
    >>> round(float(loss.compute([0, 0], [[1.0, 0.0], [1.0, 0.0]])), 6)  # log 2
    0.693147
    """

    alpha: float = parameter(default=2.0, above=0, doc="how sharply hard positives are picked out")
    beta: float = parameter(default=50.0, above=0, doc="how sharply hard negatives are picked out")
    base: float = parameter(default=0.5, doc="the similarity that should part positives from negatives")

    def make_pools(self) -> tuple[Pool, ...]:
        a, b, base = self.alpha, self.beta, self.base
        return (
            Pool(POSITIVES, -a, a * base, 1.0 / a, plus_one=True),
            Pool(NEGATIVES, b, -b * base, 1.0 / b, plus_one=True),
        )

    about: ClassVar = About(
        formula=r"\frac1\alpha \log\Big(1 + \sum_{p \in P_i} e^{-\alpha (s_{ip} - \lambda)}\Big)"
        r" + \frac1\beta \log\Big(1 + \sum_{k \in N_i} e^{\beta (s_{ik} - \lambda)}\Big)",
        tasks={"similarity"},
        estimates="cosines above base where labels are equal, below where not",
        strengths=("weighs a pair by its own similarity and by that of its neighbours",),
        weaknesses=("three parameters to choose", "needs several rows of each label in a batch"),
        uses=("image retrieval", "metric learning with labels"),
        references=("Wang et al. (2019), Multi-similarity loss with general pair weighting, CVPR",),
        elsewhere=("pytorch_metric_learning.losses.MultiSimilarityLoss: the same, without its miner",),
    )


class ArcFaceLoss(CosinesLoss):
    r"""Cross-entropy over classes with an angle added to that of the right class: cos(θ + margin).

    ``cosines`` are those between an embedding and the weight of each class. Where θ + margin passes π, where
    the cosine would rise again, c - margin sin(margin) takes its place, as in the authors' code and in
    pytorch-metric-learning. The slope of cos(θ + margin) in the cosine is infinite at cosines of 1 and
    -1; there it is cos(margin), so that derivatives are finite. Cosines that rounding has put up to 1e-3
    beyond 1 are taken as 1. A mean is over rows.

    Parameters: ``margin`` in radians, ``scale`` as below. cosines is of shape (..., classes), labels (...).

    Raises ValueError for cosines outside [-1, 1], IndexError for a label out of range. In compiled code such
    rows are NaN instead.

    >>> loss = ArcFaceLoss(margin=0.5, scale=1.0)
    >>> round(float(loss.compute([0], [[1.0, 0.0]])), 6)  # log(1 + exp(-cos 0.5))
    0.347685
    """

    margin: float = parameter(default=0.5, at_least=0, below=math.pi, doc="angle added, in radians")

    def target_numbers(self) -> tuple[float, ...]:
        return math.cos(self.margin), math.sin(self.margin), self.margin * math.sin(self.margin)

    @rule
    def target(c, cosine, sine, drop):
        turned = (
            c * cosine - sqrt((1.0 - c) * (1.0 + c)) * sine
        )  # not 1 - c*c: that rounds the digits of 1 - c off
        return where(c > -cosine, turned, c - drop)

    @rule
    def target_slope(c, cosine, sine, drop):
        square = (1.0 - c) * (1.0 + c)
        edge = square == 0.0
        turned = cosine + where(edge, 0.0, c * sine / sqrt(where(edge, 1.0, square)))
        return where(c > -cosine, turned, 1.0)

    about: ClassVar = About(
        formula=r"-\log \frac{e^{s \cos(\theta_t + m)}}{e^{s \cos(\theta_t + m)} + \sum_{j \ne t} e^{s \cos \theta_j}}",
        tasks={"similarity", "multiclass"},
        estimates="the nearest class direction, not the class's probability",
        strengths=("a margin in the angle, the same everywhere on the sphere",),
        weaknesses=("hard to start from scratch with a large margin", "needs a weight for each class"),
        uses=("face recognition", "embeddings of classes that go on to meet unseen ones"),
        references=("Deng et al. (2019), ArcFace: additive angular margin loss, CVPR",),
        aliases=("arcface", "additive_angular_margin"),
        elsewhere=(
            "pytorch_metric_learning.losses.ArcFaceLoss: takes embeddings and holds the weights; the margin is in degrees",
        ),
    )


class CosFaceLoss(CosinesLoss):
    r"""Cross-entropy over classes with a margin taken off the cosine of the right class: c - margin.

    ``cosines`` are those between an embedding and the weight of each class; pytorch-metric-learning's
    CosFaceLoss makes them from embeddings and a weight of its own. Also known as AM-softmax. Cosines that
    rounding has put up to 1e-3 beyond 1 are taken as 1. A mean is over rows.

    Parameters: ``margin`` and ``scale`` as below. cosines is of shape (..., classes), labels (...).

    Raises ValueError for cosines outside [-1, 1], IndexError for a label out of range. In compiled code such
    rows are NaN instead.

    >>> loss = CosFaceLoss(margin=0.5, scale=1.0)
    >>> round(float(loss.compute([0], [[1.0, 0.0]])), 6)  # log(1 + exp(-0.5))
    0.474077
    """

    margin: float = parameter(default=0.35, at_least=0, doc="what is taken off the cosine of the right class")

    @rule
    def target(c, margin):
        return c - margin

    @rule
    def target_slope(c, margin):
        return 1.0

    about: ClassVar = About(
        formula=r"-\log \frac{e^{s (c_t - m)}}{e^{s (c_t - m)} + \sum_{j \ne t} e^{s c_j}}",
        tasks={"similarity", "multiclass"},
        estimates="the nearest class direction, not the class's probability",
        strengths=("smooth in the cosine, also at its ends",),
        weaknesses=("the same margin in the cosine is a large angle near 0 and near π",),
        uses=("face and speaker recognition",),
        references=(
            "Wang et al. (2018), CosFace: large margin cosine loss, CVPR",
            "Wang et al. (2018), Additive margin softmax, IEEE Signal Processing Letters 25",
        ),
        aliases=("cosface", "am_softmax"),
        elsewhere=("pytorch_metric_learning.losses.CosFaceLoss: takes embeddings and holds the weights",),
    )
