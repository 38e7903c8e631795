"""Cases of Keras, on its torch backend."""

from benchmarks.failures import textbook
from benchmarks.failures.case import Case, Reference

CLIPPED = "probabilities are clipped to 1e-7 and 1 - 1e-7"
GRADIENT_OF_CLIP = Reference("binary_crossentropy provides wrong gradient", "keras-team/keras", 9664)

CASES = [
    Case(
        peer="keras",
        theirs="keras.losses.BinaryCrossentropy()(y, p)",
        ours="lk.BinaryCrossEntropy().compute(y, p)",
        inputs="p=[[1e-20]], y=[[1.0]]",
        truth=textbook.binary_cross_entropy,
        why=CLIPPED,
    ),
    Case(
        peer="keras",
        theirs="keras.losses.BinaryCrossentropy()(y, p)",
        ours="lk.BinaryCrossEntropy().derivative(y, p)",
        inputs="p=[[1e-20]], y=[[1.0]]",
        truth=textbook.binary_cross_entropy,
        why="the derivative of clipping is 0, so that the most confident mistake is not learnt from",
        gradient="p",
        reference=GRADIENT_OF_CLIP,
    ),
    Case(
        peer="keras",
        theirs="keras.losses.SparseCategoricalCrossentropy()(y, p)",
        ours="lk.SparseCategoricalCrossEntropy().derivative(y, p)",
        inputs="p=[[1e-20, 1.0]], y=[0]",
        truth=textbook.cross_entropy,
        why="probabilities are clipped to 1e-7 and 1 - 1e-7, and the derivative of clipping is 0",
        gradient="p",
    ),
    Case(
        peer="keras",
        theirs="keras.losses.KLDivergence()(y, p)",
        ours="lk.KLDivergence().compute(y, p)",
        inputs="p=[[1e-20, 1.0]], y=[[1.0, 0.0]]",
        truth=textbook.kl_divergence,
        why=CLIPPED,
    ),
    Case(
        peer="keras",
        theirs="keras.losses.BinaryFocalCrossentropy(from_logits=True)(y, z)",
        ours="lk.FocalLoss(gamma=2.0, from_logits=True).derivative(y, z)",
        inputs="z=[[-40.0]], y=[[1.0]]",
        truth=textbook.focal_of_logits(2.0),
        why="logits are turned into probabilities, and these are clipped",
        gradient="z",
    ),
    Case(
        peer="keras",
        theirs="keras.losses.BinaryFocalCrossentropy(gamma=0.5, from_logits=True)(y, z)",
        ours="lk.FocalLoss(gamma=0.5, from_logits=True).derivative(y, z)",
        inputs="z=[[40.0]], y=[[1.0]]",
        truth=textbook.focal_of_logits(0.5),
        why="(1 - p)^0.5 has an infinite slope where p has rounded to 1",
        gradient="z",
    ),
    Case(
        peer="keras",
        theirs="keras.losses.Poisson()(y, p)",
        ours="lk.PoissonLoss().compute(y, p)",
        inputs="p=[[1e-12]], y=[[1.0]]",
        truth=textbook.poisson,
        why="1e-7 is added inside of the logarithm",
    ),
    Case(
        peer="keras",
        theirs="keras.losses.LogCosh()(y, p)",
        ours="lk.LogCoshLoss().compute(y, p)",
        inputs="p=[[1e-4]], y=[[0.0]]",
        truth=textbook.log_cosh,
        why="r + softplus(-2r) - log 2 is a difference of numbers near 0.7",
    ),
    Case(
        peer="keras",
        theirs="1 + keras.losses.CosineSimilarity()(b, a)",
        ours="lk.CosineSimilarityLoss().compute(b, a)",
        inputs="a=[[1e-8, 0.0]], b=[[1e-8, 1e-8]]",
        truth=textbook.cosine_distance,
        why="squared norms are kept above 1e-12",
    ),
    Case(
        peer="keras",
        theirs="1 + keras.losses.CosineSimilarity()(b, a)",
        ours="lk.CosineSimilarityLoss().compute(b, a)",
        inputs="a=[[1e20, 0.0]], b=[[1e20, 1e20]]",
        truth=textbook.cosine_distance,
        why="squared norms overflow, and the vectors are divided by infinity",
    ),
    Case(
        peer="keras",
        theirs="keras.losses.Huber.from_config(keras.losses.Huber(delta=2.0).get_config())(y, p)",
        ours="lk.from_config(lk.HuberLoss(delta=2.0).to_config()).compute(y, p)",
        inputs="p=[[5.0]], y=[[0.0]]",
        truth=textbook.huber(2.0),
        why="the configuration leaves delta out, so that a saved model is loaded with delta = 1; fixed after this release",
        reference=Reference(
            "Fix Huber, CosineSimilarity and SparseCategoricalCrossentropy losing delta/axis on serialization",
            "keras-team/keras",
            23286,
        ),
    ),
    Case(
        peer="keras",
        theirs="keras.losses.MeanSquaredLogarithmicError()(y, p)",
        ours="lk.MeanSquaredLogarithmicError().compute(y, p)",
        inputs="p=[[-5.0]], y=[[1.0]]",
        truth=None,
        why="predictions below 0 count as 1e-7, and have no gradient",
    ),
    Case(
        peer="keras",
        theirs="keras.losses.SparseCategoricalCrossentropy()(y, p)",
        ours="lk.SparseCategoricalCrossEntropy().compute(y, p)",
        inputs="p=[[2.0, 5.0]], y=[0]",
        truth=None,
        why="logits without from_logits=True are divided by their sum, as if they were probabilities",
    ),
]
