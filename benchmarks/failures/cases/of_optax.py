"""Cases of optax."""

from benchmarks.failures import textbook
from benchmarks.failures.case import Case, Reference


def _issue(number: int, title: str) -> Reference:
    return Reference(title, "google-deepmind/optax", number)


SPARSE = "optax.losses.softmax_cross_entropy_with_integer_labels(z, y)"

CASES = [
    Case(
        peer="optax",
        theirs=f"{SPARSE}.mean()",
        ours="lk.SparseCategoricalCrossEntropy(from_logits=True).compute(y, z)",
        inputs="z=[[20.0, 0.0]], y=[0]",
        truth=textbook.cross_entropy_of_logits,
        why="the logarithm is taken of a sum that has rounded to 1",
    ),
    Case(
        peer="optax",
        theirs=f"{SPARSE}.mean()",
        ours="lk.SparseCategoricalCrossEntropy(from_logits=True).compute(y, z)",
        inputs="z=[[1.0, 2.0, 4.0]], y=[-1]",
        truth=None,
        why="indices count from the end, as in NumPy: -1 is the last class",
        reference=_issue(
            1185, "Throw error for softmax_cross_entropy_with_integer_labels when sizes aren't correct"
        ),
    ),
    Case(
        peer="optax",
        theirs="optax.losses.softmax_cross_entropy(z, y).mean()",
        ours="lk.CategoricalCrossEntropy(from_logits=True).compute(y, z)",
        inputs="z=[[0.0, 0.0, -inf]], y=[[0.5, 0.5, 0.0]]",
        truth=textbook.cross_entropy_of_logits,
        why="0 times infinity; `safe_softmax_cross_entropy`, which was added for this, is right",
        reference=_issue(896, "softmax_cross_entropy handles -inf logits incorrectly"),
    ),
    Case(
        peer="optax",
        theirs="optax.losses.sigmoid_binary_cross_entropy(z, y).mean()",
        ours="lk.BinaryCrossEntropy(from_logits=True).compute(y, z)",
        inputs="z=[inf], y=[1.0]",
        truth=textbook.binary_cross_entropy_of_logits,
        why="1 - y is 0, and multiplied by an infinite logarithm",
        reference=_issue(431, "Make sigmoid_binary_cross_entropy work for infinite logits."),
    ),
    Case(
        peer="optax",
        theirs="optax.losses.kl_divergence(q, y).mean()",
        ours="lk.KLDivergence(log_input=True).compute(y, q)",
        inputs="q=[[log(0.75), log(0.25), -inf]], y=[[0.5, 0.5, 0.0]]",
        truth=textbook.kl_divergence_of_logs,
        why="0 times infinity",
        reference=_issue(1786, "Keep kl_divergence finite when target probabilities are zero"),
    ),
    Case(
        peer="optax",
        theirs="optax.losses.log_cosh(p, y).mean()",
        ours="lk.LogCoshLoss().compute(y, p)",
        inputs="p=[1e-4], y=[0.0]",
        truth=textbook.log_cosh,
        why="log(e^r + e^-r) - log 2 is a difference of numbers near 0.7",
    ),
    Case(
        peer="optax",
        theirs="optax.losses.cosine_distance(a, b).mean()",
        ours="lk.CosineSimilarityLoss().compute(a, b)",
        inputs="a=[[1e-25, 0.0]], b=[[1e-25, 1e-25]]",
        truth=textbook.cosine_distance,
        why="squared norms underflow to 0, and 0 over 0 is NaN",
    ),
    Case(
        peer="optax",
        theirs="optax.losses.ctc_loss(z, np.zeros((1, 2)), y, np.zeros((1, 1))).mean()",
        ours="lk.CTCLoss(from_logits=True).compute(y, z.transpose(1, 0, 2), [1], [2])",
        inputs="z=[[[0.0, 17.0], [0.0, 17.0]]], y=[[1]]",
        truth=textbook.ctc_of_logits,
        why="forward probabilities that sum to almost 1 round to more than 1, and the loss is negative",
        reference=_issue(1771, "float32 CTC loss can round below zero for confident valid alignments"),
    ),
    Case(
        peer="optax",
        theirs="optax.losses.ctc_loss(z, np.zeros((1, 2)), y, np.zeros((1, 2))).mean()",
        ours="lk.CTCLoss(from_logits=True).compute(y, z.transpose(1, 0, 2), [2], [2])",
        inputs="z=[[[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]], y=[[1, 1]]",
        truth=textbook.ctc_of_logits,
        why="two frames cannot spell a repeated label; log 0 is taken for -1e5",
        reference=Reference("documentation of ctc_loss, log_epsilon"),
    ),
    Case(
        peer="optax",
        theirs="optax.losses.ctc_loss(z, np.zeros((1, 2)), y, np.zeros((1, 1))).mean()",
        ours="lk.CTCLoss(from_logits=True).compute(y, z.transpose(1, 0, 2), [1], [2])",
        inputs="z=[[[0.0, 0.0, -inf], [0.0, 0.0, 0.0]]], y=[[1]]",
        truth=textbook.ctc_of_logits,
        why="log-probabilities are picked by a product with one-hot labels, and 0 times infinity is NaN",
    ),
    Case(
        peer="optax",
        theirs="optax.losses.ntxent(e, y, temperature=1 / 128)",
        ours="lk.SupervisedContrastiveLoss(temperature=1 / 128).derivative(y, e)",
        inputs="e=[[1.0, 0.0], [0.5, 0.5], [1.0, 0.5], [0.0, 1.0], [-1.0, 0.0], [-1.0, 0.0]], y=[0, 0, 1, 1, 2, 2]",
        truth=textbook.contrastive(1 / 128),
        why="where all negatives underflow, a `where` differentiates log 0 in the branch that is not taken",
        gradient="e",
    ),
    Case(
        peer="optax",
        theirs="optax.losses.huber_loss(p, y).mean()",
        ours="lk.HuberLoss().compute(y, p)",
        inputs="p=[[1.0], [2.0]], y=[1.0, 2.0]",
        truth=None,
        why="(2, 1) against (2,) is broadcast to (2, 2); `squared_error` refuses it",
    ),
]
