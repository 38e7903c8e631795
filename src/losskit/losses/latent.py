"""Divergences between the distributions of latent variables, given by their parameters."""

from typing import Any, ClassVar

from losskit.about import SMOOTH, About
from losskit.rules import rule
from losskit.scalar import exp, expm1, where
from losskit.structures.columns import ColumnLoss


def _excess(x):
    """e^x - 1 - x, by its series where the difference would cancel."""
    d = where(abs(x) < 1.0, x, 0.0)
    tail = 1.0 + d / 14.0 * (1.0 + d / 15.0 * (1.0 + d / 16.0 * (1.0 + d / 17.0 * (1.0 + d / 18.0))))
    tail = 1.0 + d / 10.0 * (1.0 + d / 11.0 * (1.0 + d / 12.0 * (1.0 + d / 13.0 * tail)))
    tail = 1.0 + d / 6.0 * (1.0 + d / 7.0 * (1.0 + d / 8.0 * (1.0 + d / 9.0 * tail)))
    near = 0.5 * d * d * (1.0 + d / 3.0 * (1.0 + d / 4.0 * (1.0 + d / 5.0 * tail)))
    return where(abs(x) < 1.0, near, expm1(x) - x)


class GaussianKLDivergence(ColumnLoss):
    r"""KL divergence of one diagonal Gaussian from another, by default the standard normal one.

    ``compute(mean, log_variance)`` is ½ Σ_j (mean² + e^log_variance - 1 - log_variance), the
    regulariser of a variational autoencoder; ``compute(mean, log_variance, other_mean,
    other_log_variance)`` the divergence from that other distribution, of which either may be left out.
    The sum is over the last axis, the latent variables, and a mean over the rows. There is a derivative
    in each argument that is given.

    Nothing cancels: beside the standard normal the result has all its digits, where the usual spelling
    has none left for a log-variance of 1e-4 in float32.

    >>> float(GaussianKLDivergence().compute([[1.0, 0.0]], [[0.0, 0.0]]))
    0.5
    >>> float(GaussianKLDivergence().compute([[1.0, 0.0]], [[0.0, 0.0]], [[1.0, 0.0]]))
    0.0
    """

    arguments: ClassVar = ("mean", "log_variance", "other_mean", "other_log_variance")
    optional: ClassVar = ("other_mean", "other_log_variance")
    differentiable: ClassVar = ("mean", "log_variance", "other_mean", "other_log_variance")
    torch_order: ClassVar = ("mean", "log_variance", "other_mean", "other_log_variance")
    summed: ClassVar = True

    @rule
    def value(mean, log_variance, other_mean, other_log_variance):
        z = (mean - other_mean) * exp(-0.5 * other_log_variance)
        return 0.5 * (z * z + _excess(log_variance - other_log_variance))

    @rule
    def slopes(mean, log_variance, other_mean, other_log_variance):
        s = exp(-0.5 * other_log_variance)
        z = (mean - other_mean) * s
        excess = expm1(log_variance - other_log_variance)
        return z * s, 0.5 * excess, -z * s, -0.5 * (z * z + excess)

    @rule
    def curvatures(mean, log_variance, other_mean, other_log_variance):
        s = exp(-0.5 * other_log_variance)
        z = (mean - other_mean) * s
        ratio = exp(log_variance - other_log_variance)
        precision = where(mean == mean, s * s, mean)
        return precision, 0.5 * ratio, precision, 0.5 * (z * z + ratio)

    def example(self, random: Any, n: int) -> tuple[Any, ...]:
        means, log_variances = random.normal(size=(2, n, 3)), random.normal(-0.5, 1.0, (2, n, 3))
        return means[0], log_variances[0], means[1], log_variances[1]

    about: ClassVar = About(
        formula=r"\tfrac12\sum_j \left(\mu_j^2 + e^{\lambda_j} - 1 - \lambda_j\right)",
        tasks={"generative", "distribution"},
        traits={SMOOTH},
        estimates="a standard normal latent distribution",
        strengths=("closed form: no sampling noise",),
        weaknesses=("a strong decoder drives it to 0: the latent variables then carry nothing",),
        uses=("variational autoencoders", "information bottlenecks", "distilling Gaussian predictions"),
        references=("Kingma & Welling (2014), Auto-Encoding Variational Bayes, ICLR",),
        aliases=("gaussian_kl", "vae_kl", "kl_normal"),
        elsewhere=(
            "torch.distributions.kl_divergence: of two Normal distributions, unreduced; takes standard deviations",
        ),
    )
