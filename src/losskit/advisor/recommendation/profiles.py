"""What is measured of the data: one frozen record for each kind of target. Checks read it, nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass

from losskit.advisor.recommendation.goals import Goal
from losskit.advisor.recommendation.statistics import Spread

REAL, POSITIVE, NONNEGATIVE, COUNT, PROPORTION = "real", "positive", "non-negative", "count", "proportion"


@dataclass(frozen=True)
class Profile:
    """What every target has."""

    task: str
    kind: str
    source: str
    target: str
    rows: int
    """Rows with a target, and with a prediction and a weight where those are given."""
    dropped: int
    """Rows without."""
    goal: Goal | None


@dataclass(frozen=True)
class Trend:
    """A rank correlation and the chance of one so large where there is none."""

    rho: float
    p_value: float


@dataclass(frozen=True)
class Power:
    """The p of variance proportional to mean^p, with its standard error."""

    estimate: float
    error: float


@dataclass(frozen=True)
class Dispersion:
    """Counts beside Poisson's: the variance over the mean, and alpha in mean + alpha mean²."""

    ratio: float
    alpha: float
    z: float
    """Dean and Lawless (1989): standard normal where the counts are Poisson's."""
    zeros: float
    """The share of zeros that Poisson's distribution expects."""


@dataclass(frozen=True)
class Quantity(Profile):
    """A target of numbers."""

    low: float
    high: float
    zeros: float
    """The share of rows that are exactly 0."""
    target_spread: Spread
    gamma_gain: float | None
    """How much better a gamma law fits positive targets than a Gaussian, in standard errors."""
    variation: float
    """Standard deviation over mean, of the positive targets."""
    basis: str
    """What the noise is judged by: "residuals", or "targets" where there are no predictions."""
    noise: Spread
    local: Spread
    """The noise in units of its scale among like predictions; the same as ``noise`` without predictions."""
    efficiency: Mapping[str, float]
    """By loss: the rows that the best loss needs for the precision this one has with 1."""
    fan: Trend | None
    """How the size of the residuals follows the prediction."""
    power: Power | None
    dispersion: Dispersion | None

    @property
    def has_residuals(self) -> bool:
        """Whether there are predictions, and so residuals."""
        return self.basis == "residuals"

    @property
    def fans_out(self) -> bool:
        """Whether the residuals grow or shrink with the prediction, beyond doubt."""
        return self.fan is not None and abs(self.fan.rho) > 0.15 and self.fan.p_value < 1e-4

    @property
    def multiplies(self) -> bool:
        """Whether the noise of a positive target looks like a factor rather than a term."""
        if self.kind != POSITIVE:
            return False
        if self.has_residuals:
            return self.power is not None and self.power.estimate - 2 * self.power.error > 0.7
        return self.gamma_gain is not None and self.gamma_gain > 2 and self.variation > 0.3

    @property
    def adds(self) -> bool:
        """Whether the noise is a term with a scale, so that a loss of the residual fits."""
        return self.kind in (REAL, POSITIVE) and not self.multiplies


@dataclass(frozen=True)
class Doubt:
    """How probabilities and labels agree."""

    accuracy: float
    confidence: float
    """The mean probability of the likeliest class."""
    calibration_error: float
    """Expected calibration error over 15 bins of equal count."""
    wrong: float
    """The share of wrong labels that explains the labels best, were the probabilities right otherwise."""
    wrong_z: float
    """How much better it explains them than a temperature does, in standard errors."""
    log_loss: float
    base_log_loss: float
    """That of predicting the shares of the classes."""


@dataclass(frozen=True)
class Classes(Profile):
    """A target of labels, or of a distribution over them."""

    labels: tuple[str, ...]
    shares: tuple[float, ...]
    smallest: int
    """Rows of the rarest class."""
    doubt: Doubt | None = None

    @property
    def rarest(self) -> int:
        """The place of the class with the smallest share."""
        return min(range(len(self.shares)), key=self.shares.__getitem__)

    @property
    def imbalance(self) -> float:
        """The largest share over the smallest that is not 0."""
        return max(self.shares) / min(share for share in self.shares if share > 0)


@dataclass(frozen=True)
class Mask(Profile):
    """Segmentation masks: a class for each pixel, 0 the background."""

    shape: tuple[int, ...]
    shares: tuple[float, ...]
    """Of all pixels, by class."""
    empty: float
    """The share of images without foreground."""
    edge: float
    """The share of foreground pixels with background beside them."""
    missed: float | None = None
    """With predictions: foreground taken for background, as a share of the foreground."""
    invented: float | None = None
    """And background taken for foreground, by the same measure."""

    @property
    def foreground(self) -> float:
        """The share of pixels that are not background."""
        return 1.0 - self.shares[0]


@dataclass(frozen=True)
class Embedding(Profile):
    """Vectors with labels."""

    width: int
    labels: int
    largest: int
    """Rows of the most frequent label."""
    median_rows: float
    """Rows of the median label."""
    single: float
    """The share of rows whose label no other row has."""
    nearest: float
    """The share of rows whose nearest neighbour, by cosine, has their label."""
    chance: float
    """That share for vectors that know nothing of the labels."""
    gap: float
    """The median cosine within labels less that between them."""
