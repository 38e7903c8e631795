"""Cases of torchmetrics, pytorch-metric-learning and scikit-learn."""

from benchmarks.failures import textbook
from benchmarks.failures.case import Case, Reference
from benchmarks.failures.truth import derivative

CASES = [
    Case(
        peer="torchmetrics",
        theirs="torchmetrics.functional.log_cosh_error(p, y)",
        ours="lk.LogCoshLoss().compute(y, p)",
        inputs="p=[100.0, -100.0], y=[0.0, 0.0]",
        truth=textbook.log_cosh,
        why="e^100 overflows before its logarithm is taken; fixed after this release",
        reference=Reference(
            "LogCoshError returns inf for finite large residuals", "Lightning-AI/torchmetrics", 3488
        ),
    ),
    Case(
        peer="torchmetrics",
        theirs="1 - torchmetrics.functional.cosine_similarity(a, b, reduction='mean')",
        ours="lk.CosineSimilarityLoss().compute(b, a)",
        inputs="a=[[1e20, 0.0]], b=[[1e20, 1e20]]",
        truth=textbook.cosine_distance,
        why="norms overflow, and infinity over infinity is NaN",
    ),
    Case(
        peer="torchmetrics",
        theirs="torchmetrics.functional.kl_divergence(y, q, log_prob=True)",
        ours="lk.KLDivergence(log_input=True).compute(np.exp(y), q)",
        inputs="q=[[log(x) for x in (0.25, 0.25, 0.5)]], y=[[log(0.5), log(0.5), -inf]]",
        truth=textbook.kl_divergence_of_two_logs,
        why="a class of probability 0 is 0 times infinity; without log_prob this was fixed",
        reference=Reference("KL-Divergence gives NaN on 0-probabilities", "Lightning-AI/torchmetrics", 1029),
    ),
    Case(
        peer="pytorch-metric-learning",
        theirs="pytorch_metric_learning.losses.NTXentLoss(temperature=1 / 16)(e, y)",
        ours="lk.SupervisedContrastiveLoss(temperature=1 / 16).compute(y, e)",
        inputs="e=[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], y=[0, 0, 1, 1]",
        truth=textbook.contrastive(1 / 16),
        why="the logarithm is taken of a quotient that has rounded to nearly 1",
    ),
    Case(
        peer="pytorch-metric-learning",
        theirs="pytorch_metric_learning.losses.SupConLoss(temperature=1 / 8)(e, y)",
        ours="lk.SupervisedContrastiveLoss(temperature=1 / 8).compute(y, e)",
        inputs="e=[[1e20, 0.0], [8e19, 6e19], [0.0, 1e20], [6e19, 8e19]], y=[0, 0, 1, 1]",
        truth=textbook.contrastive(1 / 8),
        why="norms overflow, so that all normalised vectors are 0",
    ),
    Case(
        peer="scikit-learn",
        theirs="sklearn._loss.HalfMultinomialLoss(n_classes=2).loss(y.astype(float), z)",
        ours="lk.SparseCategoricalCrossEntropy(from_logits=True).compute(y, z)",
        inputs="z=[[40.0, 0.0]], y=[0]",
        truth=textbook.cross_entropy_of_logits,
        why="the logarithm is taken of a sum that has rounded to 1",
        dtype="float64",
    ),
    Case(
        peer="scikit-learn",
        theirs="sklearn._loss.HalfMultinomialLoss(n_classes=2).gradient(y.astype(float), z)",
        ours="lk.SparseCategoricalCrossEntropy(from_logits=True).derivative(y, z)",
        inputs="z=[[40.0, 0.0]], y=[0]",
        truth=derivative(textbook.cross_entropy_of_logits, "z"),
        why="p - 1 is 0 where p has rounded to 1",
        dtype="float64",
    ),
    Case(
        peer="scikit-learn",
        theirs="sklearn.metrics.log_loss(y, p, labels=[0, 1])",
        ours="lk.BinaryCrossEntropy().compute(y, p)",
        inputs="p=[1e-20], y=[1]",
        truth=textbook.binary_cross_entropy,
        why="probabilities are clipped to the precision of their dtype, 2e-16",
        dtype="float64",
        reference=Reference(
            "FIX adapt epsilon value depending of the dtype of the input", "scikit-learn/scikit-learn", 24354
        ),
    ),
]
