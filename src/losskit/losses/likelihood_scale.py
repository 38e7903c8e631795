"""Negative log-likelihoods of a location and a spread, both predicted."""

import math
from typing import Any, ClassVar

from losskit.about import SMOOTH, About
from losskit.domain import POSITIVE
from losskit.parameters import parameter
from losskit.rules import rule
from losskit.scalar import log, log1p, maximum, minimum, sign, sqrt, where
from losskit.structures.columns import ColumnLoss, Piece

_FULL = "add the constant of the density, which no prediction changes"
_HALF_LOG_2_PI = 0.9189385332046727
_LOG_2 = 0.6931471805599453


class GaussianNLLLoss(ColumnLoss):
    r"""½ (log v + (y - m)²/v): a mean and a variance predicted for each target.

    ``compute(y_true, mean, variance)``, all of one shape; derivatives are those in the mean and in the
    variance. ``full=True`` adds ½ log 2π. A variance must be above 0: torch moves smaller ones to its
    ``eps`` without a word, and their derivative is then that of another variance.

    >>> float(GaussianNLLLoss().compute([1.0], [3.0], [4.0]))  # ½ (log 4 + 1)
    1.1931471805599454
    >>> GaussianNLLLoss().derivative([1.0], [3.0], [4.0])
    (array([0.5]), array([0.]))
    """

    full: bool = parameter(default=False, doc=_FULL)

    arguments: ClassVar = ("y_true", "mean", "variance")
    differentiable: ClassVar = ("mean", "variance")
    domains: ClassVar = {"variance": POSITIVE}
    torch_order: ClassVar = ("mean", "y_true", "variance")

    @rule
    def value(y, mean, variance, full):
        z = (mean - y) / sqrt(variance)  # not r²/v: r² may overflow where the loss does not
        return 0.5 * (log(variance) + z * z) + full * _HALF_LOG_2_PI

    @rule
    def slopes(y, mean, variance, full):
        s = sqrt(variance)
        z = (mean - y) / s
        return (mean - y) / variance, 0.5 * ((1.0 - z) / s) * ((1.0 + z) / s)

    @rule
    def curvatures(y, mean, variance, full):
        z = (mean - y) / sqrt(variance)
        return 1.0 / variance, (z / variance) * (z / variance) - 0.5 / variance / variance

    def example(self, random: Any, n: int) -> tuple[Any, ...]:
        mean, variance = random.normal(size=n), random.lognormal(size=n)
        return mean + math.sqrt(2.0) * random.normal(size=n), mean, variance

    about: ClassVar = About(
        formula=r"\tfrac12\left(\log v + \frac{(y - m)^2}{v}\right)",
        tasks={"regression"},
        traits={SMOOTH},
        estimates="the conditional mean and variance",
        strengths=("noise that varies with the input is learned with the mean",),
        weaknesses=(
            "not convex in mean and variance together",
            "a mean that starts badly is excused by a large variance and then learns slowly",
        ),
        uses=("regression with error bars", "ensembles that tell noise from ignorance"),
        references=(
            "Nix & Weigend (1994), Estimating the mean and variance of the target distribution, ICNN",
        ),
        aliases=("heteroscedastic",),
        elsewhere=("torch.nn.GaussianNLLLoss: the same; variances below its eps of 1e-6 count as that",),
    )


class LaplaceNLLLoss(ColumnLoss):
    r"""log b + |y - m|/b: a median and a scale predicted for each target.

    ``compute(y_true, mean, scale)``, all of one shape; derivatives are those in the location and in the
    scale. ``full=True`` adds log 2. At y = m the derivative in m is 0.

    >>> float(LaplaceNLLLoss().compute([1.0], [3.0], [1.0]))
    2.0
    """

    full: bool = parameter(default=False, doc=_FULL)

    arguments: ClassVar = ("y_true", "mean", "scale")
    differentiable: ClassVar = ("mean", "scale")
    domains: ClassVar = {"scale": POSITIVE}
    torch_order: ClassVar = ("mean", "y_true", "scale")

    @rule
    def value(y, mean, scale, full):
        return log(scale) + abs(mean - y) / scale + full * _LOG_2

    @rule
    def slopes(y, mean, scale, full):
        return sign(mean - y) / scale, (1.0 - abs(mean - y) / scale) / scale

    @rule
    def curvatures(y, mean, scale, full):
        ratio = abs(mean - y) / scale
        return 0.0 * sign(ratio), (2.0 * ratio - 1.0) / scale / scale

    def example(self, random: Any, n: int) -> tuple[Any, ...]:
        mean, scale = random.normal(size=n), random.lognormal(size=n)
        return mean + random.laplace(size=n), mean, scale

    about: ClassVar = About(
        formula=r"\log b + \frac{|y - m|}{b}",
        tasks={"regression"},
        estimates="the conditional median and the mean absolute deviation from it",
        strengths=("less drawn to outliers than the Gaussian likelihood",),
        weaknesses=("a kink where the target is met", "not convex in location and scale together"),
        uses=("regression with error bars and heavy tails", "trajectory forecasts"),
        references=("Kendall & Gal (2017), What uncertainties do we need, NeurIPS",),
    )


class StudentTLoss(ColumnLoss):
    r"""log s + (df+1)/2 log(1 + (y - m)²/(df s²)): a location and a scale, robust to outliers.

    ``compute(y_true, mean, scale)``, all of one shape, with ``df`` degrees of freedom; derivatives are
    those in the location and in the scale. ``full=True`` adds the constants, which depend on ``df``
    alone. df = 1 is the Cauchy distribution; for large df the loss approaches the Gaussian one.

    >>> round(float(StudentTLoss(df=1.0).compute([0.0], [1.0], [1.0])), 6)  # log 2
    0.693147
    """

    df: float = parameter(default=4.0, above=0, doc="degrees of freedom: the fewer, the heavier the tails")
    full: bool = parameter(default=False, doc=_FULL)

    arguments: ClassVar = ("y_true", "mean", "scale")
    differentiable: ClassVar = ("mean", "scale")
    domains: ClassVar = {"scale": POSITIVE}
    torch_order: ClassVar = ("mean", "y_true", "scale")

    def make_pieces(self) -> tuple[Piece, ...]:
        root = math.sqrt(self.df)  # of u = r / (scale root): on the side where it makes nothing larger
        numbers = {"constant": _log_normaliser(self.df) if self.full else 0.0}
        numbers |= {"near": min(1.0, 1.0 / root), "far": min(1.0, root)}
        return (self.piece(type(self), self.arguments, **numbers),)

    @rule
    def value(y, mean, scale, df, near, far, constant):
        a, b = near * abs(mean - y), far * scale
        t = minimum(a, b) / maximum(a, b)  # its square cannot overflow
        excess = where(a > b, 4.0 * log(sqrt(a) / sqrt(b)), 0.0)  # log u², also where u overflows
        return log(scale) + 0.5 * (df + 1.0) * (log1p(t * t) + excess) + constant

    @rule
    def slopes(y, mean, scale, df, near, far, constant):
        t, q, p = _shares(near * (mean - y), far * scale)
        return (df + 1.0) / sqrt(df) * (t / (1.0 + t * t)) / scale, (q - df * p) / scale

    @rule
    def curvatures(y, mean, scale, df, near, far, constant):
        _, q, p = _shares(near * (mean - y), far * scale)
        in_mean = (df + 1.0) / df * (q - p) * q / scale / scale
        return in_mean, ((df + 1.0) * p * (3.0 * q + p) - 1.0) / scale / scale

    def example(self, random: Any, n: int) -> tuple[Any, ...]:
        mean, scale = random.normal(size=n), random.lognormal(size=n)
        return mean + random.standard_t(3.0, size=n), mean, scale

    about: ClassVar = About(
        formula=r"\log s + \frac{\nu+1}{2}\log\left(1 + \frac{(y - m)^2}{\nu s^2}\right)",
        tasks={"regression"},
        traits={SMOOTH},
        estimates="location and scale of the bulk of the data",
        strengths=("outliers lose their influence on the location, and hardly widen the scale",),
        weaknesses=("not convex", "df has to be chosen"),
        uses=("robust regression with error bars", "returns and other heavy-tailed data"),
        references=("Lange, Little & Taylor (1989), JASA 84",),
        aliases=("student_t_nll",),
    )


def _shares(a, b):
    """Of u = a/b: u or 1/u, the one of size at most 1, and 1/(1 + u²) and u²/(1 + u²)."""
    is_small = abs(a) <= b
    t = where(is_small, a, b) / where(is_small, b, a)
    large = 1.0 / (1.0 + t * t)
    small = t * t * large
    return t, where(is_small, large, small), where(is_small, small, large)


def _log_normaliser(df: float) -> float:
    """-log of Student's density at 0 with scale 1: ½ log(π df) + log Γ(df/2) - log Γ((df+1)/2).

    The difference of two log Γ loses all digits for large df. Γ(x + ½)/Γ(x) has a series in 1/x for
    x >= 16, and steps of Γ(x + 1) = x Γ(x) lead there.
    """
    x, steps = df / 2.0, 0.0
    while x < 16.0:
        steps += math.log1p(0.5 / x)
        x += 1.0
    z = 1.0 / (x * x)
    series = (0.125 - z * (1 / 192 - z * (1 / 640 - z * (17 / 14336 - z * (31 / 18432))))) / x
    return 0.5 * math.log(math.pi * df / x) + steps + series
