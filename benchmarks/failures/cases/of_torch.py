"""Cases of torch.nn."""

from benchmarks.failures import textbook
from benchmarks.failures.case import Case, Reference


def _issue(number: int, title: str) -> Reference:
    return Reference(title, "pytorch/pytorch", number)


CROSS_ENTROPY = "torch.nn.CrossEntropyLoss()(z, y)"
SPARSE = "lk.SparseCategoricalCrossEntropy(from_logits=True)"
BINARY = "lk.BinaryCrossEntropy(from_logits=True)"
LOG_SOFTMAX = _issue(
    113708, "`log_softmax` could be `2**103` to `2**1022` times more accurate on small outputs"
)

CASES = [
    Case(
        peer="torch",
        theirs=CROSS_ENTROPY,
        ours=f"{SPARSE}.compute(y, z)",
        inputs="z=[[20.0, 0.0]], y=[0]",
        truth=textbook.cross_entropy_of_logits,
        why="log(1 + 2e-9) is taken of a sum that has rounded to 1",
        reference=LOG_SOFTMAX,
    ),
    Case(
        peer="torch",
        theirs=CROSS_ENTROPY,
        ours=f"{SPARSE}.derivative(y, z)",
        inputs="z=[[20.0, 0.0]], y=[0]",
        truth=textbook.cross_entropy_of_logits,
        why="p - 1 is 0 where p has rounded to 1, and the row of the gradient does not sum to 0",
        gradient="z",
        reference=LOG_SOFTMAX,
    ),
    Case(
        peer="torch",
        theirs=CROSS_ENTROPY,
        ours="lk.CategoricalCrossEntropy(from_logits=True).compute(y, z)",
        inputs="z=[[0.0, 0.0, -inf]], y=[[0.5, 0.5, 0.0]]",
        truth=textbook.cross_entropy_of_logits,
        why="the masked class has the target 0 and the log-probability -inf, and 0 times infinity is NaN",
    ),
    Case(
        peer="torch",
        theirs=CROSS_ENTROPY,
        ours="lk.SparseCategoricalCrossEntropy(from_logits=True, ignore_index=-100).derivative(y, z)",
        inputs="z=[[-inf, -inf], [0.0, 0.0]], y=[-100, 1]",
        truth=textbook.cross_entropy_of_logits,
        why="the softmax of the ignored row is NaN, and its gradient is multiplied by 0 instead of left out",
        gradient="z",
        reference=_issue(
            11551, "CrossEntropyLoss, ignore_index does not prevent back-prop if the logits are -inf"
        ),
    ),
    Case(
        peer="torch",
        theirs="torch.nn.BCEWithLogitsLoss()(z, y)",
        ours=f"{BINARY}.derivative(y, z)",
        inputs="z=[18.0], y=[1.0]",
        truth=textbook.binary_cross_entropy_of_logits,
        why="sigmoid(z) - y is 0 where sigmoid(z) has rounded to 1",
        gradient="z",
        reference=_issue(
            195677,
            "torch.nn.functional.binary_cross_entropy_with_logits loses a representable float64 gradient component",
        ),
    ),
    Case(
        peer="torch",
        theirs="torch.nn.BCEWithLogitsLoss()(z, y)",
        ours=f"{BINARY}.compute(y, z)",
        inputs="z=[inf], y=[1.0]",
        truth=textbook.binary_cross_entropy_of_logits,
        why="(1 - y) z is 0 times infinity",
        reference=_issue(
            102894, 'BCELoss and BCEWithLogitsLoss differ when one of the input logits is float("inf")'
        ),
    ),
    Case(
        peer="torch",
        theirs="torch.nn.BCEWithLogitsLoss()(z, y)",
        ours=f"{BINARY}.compute(y, z)",
        inputs="z=[3.0], y=[2.0]",
        truth=None,
        why="labels are not checked, and beyond 1 the loss has no lower bound",
        reference=_issue(110865, "BCEWithLogitsLoss: Check if labels within zero and one"),
    ),
    Case(
        peer="torch",
        theirs="torch.nn.BCELoss()(p, y)",
        ours="lk.BinaryCrossEntropy().compute(y, p)",
        inputs="p=[1e-50], y=[1.0]",
        truth=textbook.binary_cross_entropy,
        why="the logarithm is clamped at -100",
        dtype="float64",
        reference=Reference("documentation of BCELoss, on the clamping of its log function outputs"),
    ),
    Case(
        peer="torch",
        theirs="torch.nn.BCELoss()(p, y)",
        ours="lk.BinaryCrossEntropy().derivative(y, p)",
        inputs="p=[1e-30], y=[1.0]",
        truth=textbook.binary_cross_entropy,
        why="the denominator p (1 - p) of the gradient is kept above 1e-12",
        gradient="p",
        reference=_issue(
            103316, "binary_cross_entropy (loss) seems to be giving incorrect values for very negative logits"
        ),
    ),
    Case(
        peer="torch",
        theirs='torch.nn.KLDivLoss(reduction="batchmean")(q, y)',
        ours="lk.KLDivergence(log_input=True).compute(y, q)",
        inputs="q=[[log(0.75), log(0.25), -inf]], y=[[0.5, 0.5, 0.0]]",
        truth=textbook.kl_divergence_of_logs,
        why="a class with the target 0 and the log-probability -inf is 0 times infinity",
    ),
    Case(
        peer="torch",
        theirs="torch.nn.SoftMarginLoss()(p, y)",
        ours="lk.LogisticLoss().compute(y, p)",
        inputs="p=[-100.0], y=[1.0]",
        truth=textbook.logistic,
        why="e^100 is computed before its logarithm, and overflows",
    ),
    Case(
        peer="torch",
        theirs="torch.nn.SoftMarginLoss()(p, y)",
        ours="lk.LogisticLoss().derivative(y, p)",
        inputs="p=[-100.0], y=[1.0]",
        truth=textbook.logistic,
        why="e^100 / (1 + e^100) is infinity over infinity",
        gradient="p",
    ),
    Case(
        peer="torch",
        theirs="torch.nn.CosineEmbeddingLoss()(a, b, y)",
        ours="lk.CosineEmbeddingLoss().compute(y, a, b)",
        inputs="a=[[1e-8, 0.0]], b=[[1e-8, 1e-8]], y=[1]",
        truth=lambda a, b, y: textbook.cosine_distance(a, b),
        why="1e-12 is added to each squared norm, which here is 1e-16",
        reference=_issue(5447, "implement CosineEmbeddingLoss as a native function and add reduce arg"),
    ),
    Case(
        peer="torch",
        theirs="torch.nn.CosineEmbeddingLoss()(a, b, y)",
        ours="lk.CosineEmbeddingLoss().compute(y, a, b)",
        inputs="a=[[1e20, 0.0]], b=[[1e20, 1e20]], y=[1]",
        truth=lambda a, b, y: textbook.cosine_distance(a, b),
        why="squared norms overflow, and infinity over infinity is NaN",
    ),
    Case(
        peer="torch",
        theirs="torch.nn.CosineEmbeddingLoss()(a, b, y)",
        ours="lk.CosineEmbeddingLoss().compute(y, a, b)",
        inputs="a=[[1.0, 0.0]], b=[[0.0, 1.0]], y=[0.5]",
        truth=None,
        why="a label that is neither 1 nor -1 belongs to neither branch, and costs nothing",
        reference=_issue(49917, "Two questions about CosineEmbeddingLoss"),
    ),
    Case(
        peer="torch",
        theirs="torch.nn.CTCLoss()(q, y, (2,), (1,))",
        ours="lk.CTCLoss().derivative(y, q, [1], [2])",
        inputs="q=[[[log(x) for x in (0.5, 0.3, 0.2)]], [[log(x) for x in (0.2, 0.5, 0.3)]]], y=[[1]]",
        truth=textbook.ctc_of_logs,
        why="what is returned is the derivative in logits before a log-softmax, not in the documented input",
        gradient="q",
        dtype="float64",
        reference=_issue(
            181534,
            "CTCLoss backward is inconsistent with its forward derivative with respect to the documented log_probs input.",
        ),
    ),
    Case(
        peer="torch",
        theirs="torch.nn.MSELoss()(p, y)",
        ours="lk.MeanSquaredError().compute(y, p)",
        inputs="p=[300.0, 0.0, 0.0, 0.0], y=[0.0, 0.0, 0.0, 0.0]",
        truth=textbook.squared_error,
        why="300² is beyond float16 although the mean is not",
        dtype="float16",
    ),
    Case(
        peer="torch",
        theirs="torch.nn.MSELoss()(p, y)",
        ours="lk.MeanSquaredError().compute(y, p)",
        inputs="p=[[1.0], [2.0]], y=[1.0, 2.0]",
        truth=None,
        why="(2, 1) against (2,) is broadcast to (2, 2), with a warning",
        reference=_issue(
            16045, "Bug: fail to throw error when computing loss between tensors with shapes [n, 1] and [n]"
        ),
    ),
    Case(
        peer="torch",
        theirs="torch.nn.PoissonNLLLoss(full=True)(z, y)",
        ours="lk.PoissonLoss(log_input=True, full=True).compute(y, z)",
        inputs="z=[0.0], y=[2.0]",
        truth=textbook.poisson_of_logs,
        why="log y! is replaced by Stirling's approximation",
        reference=Reference("documentation of PoissonNLLLoss, full"),
    ),
]
