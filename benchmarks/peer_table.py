"""What users of other libraries write for a loss: an entry a loss, under its own text.

A formula is that of the mean, of ``y`` and ``p``, and may use the names that its library is imported by. Keras and
scikit-learn have objects that are made once. Losses of the catalogue without an entry are timed all the same, beside
the floor alone.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Peer:
    """A library and what its user writes."""

    library: str
    code: str
    factor: float = 1.0
    """By which its answer is multiplied to be ours."""


def torch(code: str) -> Peer:
    """A formula for torch, run eagerly and compiled."""
    return Peer("torch", code)


def optax(code: str) -> Peer:
    """A formula for JAX, jitted, with optax where it has the loss."""
    return Peer("optax", code)


def keras(code: str, factor: float = 1.0) -> Peer:
    """An object of Keras, on torch."""
    return Peer("keras", f"keras.losses.{code}", factor)


def sklearn(code: str, factor: float = 1.0) -> Peer:
    """An object of scikit-learn's private module, in favourable terms: memory of ours, no division by n."""
    return Peer("scikit-learn", f"sklearn._loss.loss.{code}", factor)


def kornia(code: str) -> Peer:
    """A formula for kornia."""
    return Peer("kornia", f"kornia.losses.{code}")


def torchvision(code: str) -> Peer:
    """A formula for torchvision."""
    return Peer("torchvision", f"torchvision.ops.{code}")


ELEMENTWISE: dict[str, tuple[Peer, ...]] = {
    "mean_squared_error": (
        torch("F.mse_loss(p, y)"), optax("optax.squared_error(p, y).mean()"), keras("MeanSquaredError()"),
        sklearn("HalfSquaredError()", 2.0),
    ),
    "mean_absolute_error": (
        torch("F.l1_loss(p, y)"), optax("jnp.abs(p - y).mean()"), keras("MeanAbsoluteError()"),
        sklearn("AbsoluteError()"),
    ),
    "huber": (
        torch("F.huber_loss(p, y)"), optax("optax.huber_loss(p, y).mean()"), keras("Huber()"),
        sklearn("HuberLoss(delta=1.0)"),
    ),
    "smooth_l1": (torch("F.smooth_l1_loss(p, y)"),),
    "log_cosh": (
        # as torchmetrics and Keras write it: log(cosh(r)) itself overflows
        torch("(p - y + F.softplus(-2.0 * (p - y)) - 0.6931471805599453).mean()"),
        optax("optax.log_cosh(p, y).mean()"), keras("LogCosh()"),
    ),
    "quantile(quantile=0.9)": (
        torch("torch.maximum(0.9 * (y - p), -0.1 * (y - p)).mean()"),
        optax("jnp.maximum(0.9 * (y - p), -0.1 * (y - p)).mean()"), sklearn("PinballLoss(quantile=0.9)"),
    ),
    "epsilon_insensitive": (torch("((p - y).abs() - 0.1).relu().mean()"),),
    "charbonnier": (
        torch("(((p - y) ** 2 + 1.0).sqrt() - 1.0).mean()"), optax("(jnp.sqrt((p - y) ** 2 + 1.0) - 1.0).mean()"),
        kornia("charbonnier_loss(p, y, reduction='mean')"),
    ),
    "cauchy(scale=1.4142135623730951)": (kornia("cauchy_loss(p, y, reduction='mean')"),),
    "geman_mcclure(scale=2.0)": (kornia("geman_mcclure_loss(p, y, reduction='mean')"),),
    "welsch(scale=1.4142135623730951)": (kornia("welsch_loss(p, y, reduction='mean')"),),
    "barron(alpha=1.0)": (),
    "mean_absolute_percentage_error": (keras("MeanAbsolutePercentageError()"),),
    "mean_squared_logarithmic_error": (
        torch("(p.log1p() - y.log1p()).square().mean()"), optax("((jnp.log1p(p) - jnp.log1p(y)) ** 2).mean()"),
        keras("MeanSquaredLogarithmicError()"),
    ),
    "poisson": (torch("F.poisson_nll_loss(p, y, log_input=False, eps=0.0)"), keras("Poisson()")),
    "poisson(log_input=True)": (
        torch("F.poisson_nll_loss(p, y)"), optax("(jnp.exp(p) - y * p).mean()"), sklearn("HalfPoissonLoss()"),
    ),
    "gamma": (),
    "gamma(log_input=True)": (optax("(p + y * jnp.exp(-p)).mean()"), sklearn("HalfGammaLoss()")),
    "tweedie": (),
    "tweedie(log_input=True)": (sklearn("HalfTweedieLoss(power=1.5)"),),
    "hinge": (
        torch("(1.0 - y * p).relu().mean()"), optax("optax.hinge_loss(p, y).mean()"), keras("Hinge()"),
    ),
    "squared_hinge": (torch("(1.0 - y * p).relu().square().mean()"), keras("SquaredHinge()")),
    "logistic": (torch("F.soft_margin_loss(p, y)"), optax("jax.nn.softplus(-y * p).mean()")),
    "exponential": (torch("(-y * p).exp().mean()"), optax("jnp.exp(-y * p).mean()")),
    "perceptron": (torch("(-y * p).relu().mean()"), optax("optax.losses.perceptron_loss(p, y).mean()")),
    "binary_cross_entropy": (torch("F.binary_cross_entropy(p, y)"), keras("BinaryCrossentropy()")),
    "binary_cross_entropy(from_logits=True)": (
        torch("F.binary_cross_entropy_with_logits(p, y)"), optax("optax.sigmoid_binary_cross_entropy(p, y).mean()"),
        keras("BinaryCrossentropy(from_logits=True)"), sklearn("HalfBinomialLoss()"),
    ),
    "weighted_cross_entropy(class_weights=(1.0, 3.0), from_logits=True)": (
        torch("F.binary_cross_entropy_with_logits(p, y, pos_weight=torch.full((), 3.0, dtype=p.dtype))"),
    ),
    "focal(from_logits=True)": (
        # as torchvision's, without alpha
        torch("(F.binary_cross_entropy_with_logits(p, y, reduction='none') *"
              " (1.0 - (p.sigmoid() * y + (1.0 - p.sigmoid()) * (1.0 - y))) ** 2).mean()"),
        torchvision("sigmoid_focal_loss(p, y, alpha=-1.0, gamma=2.0, reduction='mean')"),
        optax("optax.sigmoid_focal_loss(p, y, gamma=2.0).mean()"), keras("BinaryFocalCrossentropy(from_logits=True)"),
    ),
}  # fmt: skip
"""Losses of single numbers."""

ROWS: dict[str, tuple[Peer, ...]] = {
    "sparse_categorical_cross_entropy(from_logits=True)": (
        torch("F.cross_entropy(p, y)"), optax("optax.softmax_cross_entropy_with_integer_labels(p, y).mean()"),
        keras("SparseCategoricalCrossentropy(from_logits=True)"), sklearn("HalfMultinomialLoss(n_classes=p.shape[1])"),
    ),
    "categorical_cross_entropy(from_logits=True)": (
        torch("F.cross_entropy(p, y)"), optax("optax.softmax_cross_entropy(p, y).mean()"),
        keras("CategoricalCrossentropy(from_logits=True)"),
    ),
    "label_smoothing_cross_entropy(from_logits=True)": (torch("F.cross_entropy(p, y, label_smoothing=0.1)"),),
    "categorical_focal(from_logits=True)": (
        torch("((1.0 - torch.exp(-F.cross_entropy(p, y, reduction='none'))) ** 2"
              " * F.cross_entropy(p, y, reduction='none')).mean()"),
    ),
    "poly(from_logits=True)": (
        optax("optax.losses.poly_loss_cross_entropy(p, jax.nn.one_hot(y, p.shape[1], dtype=p.dtype), epsilon=2.0).mean()"),
    ),
    "kl_divergence(from_logits=True)": (
        torch("F.kl_div(p.log_softmax(-1), y, reduction='batchmean')"),
        optax("optax.kl_divergence(jax.nn.log_softmax(p), y).mean()"),
    ),
    "logit_adjusted(class_priors=uniform)": (),
}  # fmt: skip
"""Losses of rows of classes; ``uniform`` is one number a class, all the same."""
