"""R001: every kind of target has a loss to start from."""

from losskit.advisor.recommendation.check import CLEAR, SLIGHT, STRONG, Check, Finding
from losskit.advisor.recommendation.profiles import COUNT, NONNEGATIVE, POSITIVE, PROPORTION, REAL, Profile

STARTS = {
    REAL: (
        "mean_squared_error",
        SLIGHT,
        "the target is any number: under Gaussian noise the squared error is the likelihood",
    ),
    POSITIVE: ("mean_squared_error", SLIGHT, "the target is positive: the squared error is where one starts"),
    NONNEGATIVE: (
        "mean_squared_error",
        SLIGHT,
        "the target is at least 0: the squared error is where one starts",
    ),
    COUNT: ("poisson", STRONG, "the target is counts: Poisson's likelihood never predicts below 0"),
    PROPORTION: (
        "binary_cross_entropy",
        STRONG,
        "the target is proportions in [0, 1]: cross-entropy takes them as they are and predicts none outside",
    ),
    "two classes": (
        "binary_cross_entropy",
        CLEAR,
        "two classes: the cross-entropy is the likelihood of the labels",
    ),
    "classes": (
        "sparse_categorical_cross_entropy",
        CLEAR,
        "several classes: the cross-entropy is the likelihood of the labels",
    ),
    "ordered classes": (
        "sparse_categorical_cross_entropy",
        CLEAR,
        "several classes: the cross-entropy is the likelihood of the labels",
    ),
    "distributions": (
        "kl_divergence",
        STRONG,
        "the targets are distributions: the divergence is 0 for a perfect prediction, as cross-entropy is not",
    ),
    "masks": ("binary_cross_entropy", CLEAR, "masks: the cross-entropy of each pixel is where one starts"),
    "embeddings": (
        "supervised_contrastive",
        CLEAR,
        "vectors with labels: every pair of a batch teaches, many positives at once",
    ),
}


def examine(profile: Profile) -> Finding:
    name, points, sentence = STARTS[profile.kind]
    if name == "binary_cross_entropy" and len(getattr(profile, "shares", ())) > 2:
        name = "sparse_categorical_cross_entropy"
    also = {PROPORTION: (("mean_squared_error", SLIGHT),), COUNT: (("mean_squared_error", SLIGHT),)}
    distributions = (("categorical_cross_entropy", CLEAR),) if profile.kind == "distributions" else ()
    return Finding(sentence, ((name, points), *also.get(profile.kind, ()), *distributions))


CHECK = Check(
    code="R001",
    title="What one starts from",
    severity="advice",
    of=Profile,
    examine=examine,
    reason="A loss is a likelihood in disguise, and each kind of target has a plain one. It stays first until"
    " the data speak against it.",
    references=(
        "Nelder and Wedderburn (1972), Generalized linear models, JRSS A",
        "Papke and Wooldridge (1996), Econometric methods for fractional response variables, J. Applied Econometrics",
    ),
)
