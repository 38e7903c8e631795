"""Losses of lists, for learning to rank: scores of the items of a query, and how relevant each is.

Pairwise losses compare items two by two, listwise ones look at the whole order. A query in which all
items are equally relevant has nothing to compare and does not count.
"""

from typing import ClassVar

from losskit.about import About
from losskit.domain import Domain
from losskit.parameters import parameter
from losskit.rules import RuleFunction, rule
from losskit.scalar import Scalar, sigmoid, softplus
from losskit.structures.lists import (
    GRADES,
    LOG_2,
    ChoiceListLoss,
    PairwiseListLoss,
    SmoothRankLoss,
    discount,
)


class RankNetLoss(PairwiseListLoss):
    r"""Σ log(1 + e^-(s_i - s_j)) over the pairs of which i is more relevant than j.

    Relevances and scores have the shape (queries, items); only the order of the relevances matters, and
    items of equal relevance are not compared. A query's loss is a sum over its pairs, the mean is over
    queries that have a pair. ``mask`` says which items there are, ``sample_weight`` is one a query.

    >>> loss = RankNetLoss()
    >>> print(f"{loss.compute([[2, 0, 1]], [[0.0, 0.0, 0.0]]):.6f}")  # 3 log 2
    2.079442
    >>> float(loss.compute([[1, 1, 1]], [[3.0, 1.0, 2.0]]))
    0.0
    """

    @rule
    def value(d):
        return softplus(-d)

    @rule
    def slope(d):
        return -sigmoid(-d)

    about: ClassVar = About(
        formula=r"\sum_{y_i > y_j} \log\left(1 + e^{-(s_i - s_j)}\right)",
        tasks={"ranking"},
        estimates="scores whose differences are the log-odds that one item belongs before another",
        strengths=("a probability for every pair", "no assumption on the scale of the relevances"),
        weaknesses=("a swap at the end of the list costs as much as one at its top", "long lists outweigh short ones"),
        uses=("web search", "preferences between pairs"),
        references=("Burges et al. (2005), Learning to rank using gradient descent, ICML",),
        elsewhere=("tfr.keras.losses.PairwiseLogisticLoss: the same terms, with another mean",),
    )  # fmt: skip


class LambdaLoss(PairwiseListLoss):
    r"""Σ w_ij log2(1 + e^(-sigma (s_i - s_j))) over pairs, weighed by what they mean for NDCG.

    With G the gains 2^y - 1 over the best sum of discounted gains, r the ranks by score and D(r) =
    1 / log2(1 + r), ``scheme`` sets the weight of a pair:

    - "ndcg2" (default): (D(|r_i - r_j|) - D(|r_i - r_j| + 1)) |G_i - G_j|, NDCG-Loss2 of the paper;
    - "lambdarank": |D(r_i) - D(r_j)| |G_i - G_j|, what swapping the two changes;
    - "ndcg2++": the second plus ``mu`` times the first;
    - "ndcg1": G_i D(r_i), NDCG-Loss1.

    The derivative takes the weights as constants, which they are until the order changes. Equal scores
    rank the less relevant item first, so that the order in which items are given does not matter. The
    mean is over queries with a pair; relevances are 0 to 100.

    >>> loss = LambdaLoss(scheme="lambdarank")
    >>> print(f"{loss.compute([[1, 0]], [[0.0, 0.0]]):.6f}")  # 1 - 1 / log2(3)
    0.369070
    """

    scheme: str = parameter(
        default="ndcg2", choices=("ndcg1", "ndcg2", "ndcg2++", "lambdarank"), doc="the weight of a pair"
    )
    sigma: float = parameter(default=1.0, above=0, doc="how steep the logistic curve is")
    mu: float = parameter(default=10.0, at_least=0, doc="of ndcg2++: how much of ndcg2 joins lambdarank")

    targets: ClassVar[Domain | None] = GRADES

    @rule
    def value(d, sigma):
        return softplus(-sigma * d) / LOG_2

    @rule
    def slope(d, sigma):
        return -sigma * sigmoid(-sigma * d) / LOG_2

    def pair_weight(self) -> RuleFunction | None:
        return _SCHEMES[self.scheme]

    about: ClassVar = About(
        formula=r"\sum_{y_i > y_j} w_{ij} \log_2\left(1 + e^{-\sigma(s_i - s_j)}\right)",
        tasks={"ranking"},
        estimates="an order of high NDCG",
        strengths=("optimises a bound of NDCG", "what matters is at the top of the list"),
        weaknesses=("the loss jumps where the order changes", "quadratic in the length of the list"),
        uses=("web search and recommendation with graded relevance",),
        references=(
            "Wang et al. (2018), The LambdaLoss framework for ranking metric optimization, CIKM",
            "Burges (2010), From RankNet to LambdaRank to LambdaMART",
        ),
        aliases=("lambda_rank", "lambdarank"),
    )


def _swap(rank_i: Scalar, rank_j: Scalar) -> Scalar:
    return abs(discount(rank_i) - discount(rank_j))


def _step(rank_i: Scalar, rank_j: Scalar) -> Scalar:
    apart = abs(rank_i - rank_j)
    return discount(apart) - discount(apart + 1.0)


def _ndcg1(gain_i: Scalar, gain_j: Scalar, rank_i: Scalar, rank_j: Scalar) -> Scalar:
    return gain_i * discount(rank_i)


def _ndcg2(gain_i: Scalar, gain_j: Scalar, rank_i: Scalar, rank_j: Scalar) -> Scalar:
    return _step(rank_i, rank_j) * abs(gain_i - gain_j)


def _lambdarank(gain_i: Scalar, gain_j: Scalar, rank_i: Scalar, rank_j: Scalar) -> Scalar:
    return _swap(rank_i, rank_j) * abs(gain_i - gain_j)


def _ndcg2_plus(gain_i: Scalar, gain_j: Scalar, rank_i: Scalar, rank_j: Scalar, mu: Scalar) -> Scalar:
    return (_swap(rank_i, rank_j) + mu * _step(rank_i, rank_j)) * abs(gain_i - gain_j)


_SCHEMES: dict[str, RuleFunction] = {
    "ndcg1": _ndcg1,
    "ndcg2": _ndcg2,
    "ndcg2++": _ndcg2_plus,
    "lambdarank": _lambdarank,
}


class ListNetLoss(ChoiceListLoss):
    r"""-Σ softmax(y)_i log softmax(s)_i: cross-entropy between the odds of being first.

    Relevances and scores have the shape (queries, items). The mean is over queries whose relevances
    differ; ``mask`` says which items there are. optax's ranking_softmax_loss and others take the
    relevances themselves as shares, here their softmax is, as in the paper.

    >>> print(f"{ListNetLoss().compute([[1, 0]], [[0.0, 0.0]]):.6f}")  # log 2
    0.693147
    """

    among: ClassVar[str] = "all"
    shares: ClassVar[str] = "softmax"

    about: ClassVar = About(
        formula=r"-\sum_i \mathrm{softmax}(y)_i \log \mathrm{softmax}(s)_i",
        tasks={"ranking"},
        estimates="the relevances, up to a constant",
        strengths=("convex in the scores", "linear in the length of the list"),
        weaknesses=("only the chance to be first counts", "the scale of the relevances matters"),
        uses=("documents with graded relevance",),
        references=("Cao et al. (2007), Learning to rank: from pairwise approach to listwise approach, ICML",),
        elsewhere=(
            "optax.losses.ranking_softmax_loss: takes relevances as shares as they are, not as their softmax",
        ),
    )  # fmt: skip


class ListMLELoss(ChoiceListLoss):
    r"""-log of the Plackett-Luce likelihood of the right order: best item first, then the best of the rest...

    Relevances and scores have the shape (queries, items). Items of equal relevance have no order among
    them: each is chosen out of all that are not more relevant (Breslow's form of ties, as in Cox
    regression), so that the order in which items are given does not matter; others shuffle them. The
    mean is over queries whose relevances differ; ``mask`` says which items there are.

    >>> print(f"{ListMLELoss().compute([[2, 0, 1]], [[0.0, 0.0, 0.0]]):.6f}")  # log 3! of equal scores
    1.791759
    """

    among: ClassVar[str] = "rest"
    shares: ClassVar[str] = "equal"

    about: ClassVar = About(
        formula=r"\sum_i \Big(\log \sum_{y_j \le y_i} e^{s_j} - s_i\Big)",
        tasks={"ranking"},
        estimates="the logarithms of the items' strengths in the Plackett-Luce model",
        strengths=("convex in the scores", "the likelihood of the whole order, from best to worst"),
        weaknesses=(
            "the end of the list counts as much as its top",
            "many ties: every one of them pays for the others",
        ),
        uses=("full rankings", "preferences over several answers"),
        references=(
            "Xia et al. (2008), Listwise approach to learning to rank, ICML",
            "Plackett (1975), The analysis of permutations, Applied Statistics 24",
            "Breslow (1974), Covariance analysis of censored survival data, Biometrics 30",
        ),
        aliases=("plackett_luce",),
        elsewhere=("tfr.keras.losses.ListMLELoss: breaks ties at random",),
    )


class ApproxNDCGLoss(SmoothRankLoss):
    r"""1 - NDCG with smooth ranks: 1 + Σ_j sigmoid((s_j - s_i) / temperature).

    The gain is 2^y - 1, the discount 1 / log2(1 + rank); relevances are 0 to 100. Of a list in perfect
    order the loss goes to 0 as scores move apart, and keeps its digits on the way. The mean is over
    queries whose relevances differ; ``mask`` says which items there are. Others answer with -NDCG.

    >>> print(f"{ApproxNDCGLoss().compute([[1, 0]], [[1.0, 0.0]]):.3e}")
    3.275e-05
    >>> print(f"{ApproxNDCGLoss().compute([[1, 0]], [[0.0, 9.0]]):.6f}")  # 1 - 1 / log2(3)
    0.369070
    """

    about: ClassVar = About(
        formula=r"1 - \frac{\sum_i (2^{y_i} - 1) / \log_2(1 + \hat r_i)}{\mathrm{DCG}_{\max}}",
        tasks={"ranking"},
        estimates="an order of high NDCG",
        strengths=("the metric itself, made smooth", "what matters is at the top of the list", "bounded"),
        weaknesses=(
            "not convex",
            "flat where scores lie many temperatures apart, right or wrong",
        ),
        uses=("fine-tuning a ranker for NDCG",),
        references=(
            "Qin, Liu & Li (2010), A general approximation framework for direct optimization of IR measures",
            "Bruch et al. (2019), Revisiting approximate metric optimization in the age of deep neural networks, SIGIR",
        ),
        elsewhere=("tfr.keras.losses.ApproxNDCGLoss: -NDCG, this less 1",),
    )
