"""Losses of the residual whose influence returns to 0: M-estimators with a scale, and Barron's family.

All behave as r²/2 near 0 but Barron's, which keeps its author's normalisation, (r/scale)²/2. No square of
a ratio r/scale may overflow before the true value does: beyond FAR scales another spelling takes over, and
where a ratio is at most 1 (scale/r beyond the scale) there is nothing to take over from.
"""

import math
from typing import Any, ClassVar

from losskit.about import BOUNDED, REDESCENDING, ROBUST, SMOOTH, SYMMETRIC, About
from losskit.parameters import as_number, parameter
from losskit.rules import Rules, Term, rule, term_of
from losskit.scalar import exp, expm1, log, log1p, minimum, power, scaled, sign, sqrt, where
from losskit.structures import ResidualLoss

_REDESCENDING = {SYMMETRIC, SMOOTH, ROBUST, REDESCENDING}
FAR = 1e9
"""Beyond so many scales 1 + (r/scale)² is (r/scale)² to the last digit; it may overflow."""
NEGLIGIBLE = 1e-8
"""Residuals that are this small beside the scale have r²/2 to the last digit; their (r/scale)² may be subnormal."""
_SCALE = "residual beyond which a point counts as an outlier, in units of y"


def _small_square(u, v, b):
    """The smaller of u²/b and b v², where v is 1/u."""
    return minimum(u * u / b, b * (v * v))


def _share(w):
    """w / (1 + w)."""
    return w / (1.0 + w)


def _log_of_ratio(a, k):
    """log(a / k), also where the ratio overflows."""
    s = a / k
    return where(s <= 1.7e38, log(s), log(a) - log(k))


def _power_of_ratio(a, k, exponent):
    """(a / k)^exponent, also where the ratio overflows."""
    s = a / k
    overflows = (0.5 * a < a) & (0.5 * s >= s) & (k < 1.0)
    return where(overflows, power(a, exponent) / power(k, exponent), power(s, exponent))


def _power_of_sum(w, exponent):
    """(1 + w)^exponent for w in [0, 1]: what rounding takes from 1 + w would count exponent times."""
    t = 1.0 + w
    return power(t, exponent) * exp(exponent * ((w - (t - 1.0)) / t))


class CauchyLoss(ResidualLoss):
    r"""scale²/2 log(1 + (r/scale)²): grows like a logarithm, so outliers fade slowly.

    >>> round(float(CauchyLoss(scale=1.0).compute([0.0], [1.0])), 6)
    0.346574
    """

    scale: float = parameter(default=1.0, above=0, doc=_SCALE)

    @rule(wide=True)
    def value(r, scale):
        a = abs(r)
        u = a / scale
        far, finite = u > FAR, u - u == 0.0
        # far away log(1 + u²) is 2 log(1 + u), and where u overflows 2 (log(1 + a) - log(scale))
        logarithm = log1p(where(far, where(finite, u, a), u * u)) - where(finite, 0.0, log(scale))
        value = scale * (scale * (where(far, 1.0, 0.5) * logarithm))
        return where(u < NEGLIGIBLE, 0.5 * r * r, value)

    @rule(wide=True)
    def slope(r, scale):
        u = r / scale
        far = abs(u) > FAR
        return where(far, scale, r) / where(far, u, 1.0 + u * u)

    @rule(wide=True)
    def curvature(r, scale):
        a = abs(r)
        u, v = a / scale, scale / a
        t = _share(where(a <= scale, u * u, v * v))  # of u² or 1/u² in its sum with 1: fewest roundings
        return where(a <= scale, (1.0 - t) * (1.0 - 2.0 * t), t * (2.0 * t - 1.0))

    about: ClassVar = About(
        formula=r"\frac{c^2}{2}\log\left(1 + (r/c)^2\right)",
        tasks={"regression"},
        traits=_REDESCENDING,
        estimates="the mode, roughly",
        strengths=("the influence of an outlier decays as 1/r",),
        weaknesses=("not convex: start near the answer", "the scale has to be known"),
        uses=("robust fitting with many outliers", "bundle adjustment"),
        references=("Zhang (1997), Image and Vision Computing 15", "Barron (2019), CVPR"),
        aliases=("lorentzian",),
        elsewhere=("kornia.losses.CauchyLoss: the same at scale = sqrt(2)",),
    )


class GemanMcClureLoss(ResidualLoss):
    r"""r²/2 / (1 + (r/scale)²): bounded by scale²/2, influence decays as 1/r³.

    >>> float(GemanMcClureLoss(scale=1.0).compute([0.0], [1.0]))
    0.25
    """

    name: ClassVar[str] = "geman_mcclure"
    scale: float = parameter(default=1.0, above=0, doc=_SCALE)

    @rule(wide=True)
    def value(r, scale):
        u = r / scale
        d = 1.0 + u * u
        return 0.5 * where(d < 2.0, r * (r / d), scale * (scale * (1.0 - 1.0 / d)))  # d may be infinite

    @rule(wide=True)
    def slope(r, scale):
        u = r / scale
        d = 1.0 + u * u
        return scaled(1.0 / d, r / d)

    @rule(wide=True)
    def curvature(r, scale):
        a = abs(r)
        u, v = a / scale, scale / a
        t = _share(where(a <= scale, u * u, v * v))
        return where(a <= scale, (1.0 - t) * (1.0 - t) * (1.0 - 4.0 * t), t * t * (4.0 * t - 3.0))

    about: ClassVar = About(
        formula=r"\frac{r^2/2}{1 + (r/c)^2}",
        tasks={"regression"},
        traits=_REDESCENDING | {BOUNDED},
        estimates="the mode, roughly",
        strengths=("bounded: a gross outlier costs no more than scale²/2",),
        weaknesses=("not convex: start near the answer", "far points no longer pull the fit"),
        uses=("registration and optical flow with gross outliers",),
        references=("Geman & McClure (1985), Proceedings of the ASA", "Barron (2019), CVPR"),
        elsewhere=("kornia.losses.GemanMcclureLoss: the same at scale = 2",),
    )


class WelschLoss(ResidualLoss):
    r"""scale²/2 (1 - exp(-(r/scale)²)): bounded, influence decays like a Gaussian (also Leclerc's loss).

    >>> round(float(WelschLoss(scale=1.0).compute([0.0], [1.0])), 6)
    0.31606
    """

    scale: float = parameter(default=1.0, above=0, doc=_SCALE)

    @rule(wide=True)
    def value(r, scale):
        u = r / scale
        return where(abs(r) < NEGLIGIBLE * scale, 0.5 * r * r, scale * (scale * (-0.5 * expm1(-u * u))))

    @rule(wide=True)
    def slope(r, scale):
        u = r / scale
        half = exp(-0.5 * (u * u))  # its square may be subnormal where the product with r is not
        return scaled(half, half * r)

    @rule(wide=True)
    def curvature(r, scale):
        u = r / scale
        half = exp(-0.5 * (u * u))
        return scaled(half, half * (1.0 - 2.0 * (u * u)))

    about: ClassVar = About(
        formula=r"\frac{c^2}{2}\left(1 - e^{-(r/c)^2}\right)",
        tasks={"regression"},
        traits=_REDESCENDING | {BOUNDED},
        estimates="the mode, roughly",
        strengths=("bounded and infinitely smooth",),
        weaknesses=("not convex: start near the answer", "far points get practically no gradient"),
        uses=("robust registration", "correntropy-based learning"),
        references=("Dennis & Welsch (1978), Communications in Statistics 7", "Barron (2019), CVPR"),
        aliases=("leclerc", "correntropy"),
        elsewhere=("kornia.losses.WelschLoss: the same at scale = sqrt(2)",),
    )


class TukeyBiweightLoss(ResidualLoss):
    r"""scale²/6 (1 - (1 - (r/scale)²)³) inside the scale, constant beyond: outliers are rejected.

    A scale of 4.685 standard deviations is 95 % efficient under Gaussian noise.

    >>> round(float(TukeyBiweightLoss(scale=1.0).compute([0.0], [5.0])), 6)
    0.166667
    """

    scale: float = parameter(default=4.685, above=0, doc=_SCALE)

    @rule(wide=True)
    def value(r, scale):
        a = minimum(abs(r), scale)
        u = a / scale
        w, q = u * u, (1.0 - u) * (1.0 + u)
        # 1 - (1-w)³ without cancellation near 0, and without the roundings of the polynomial near 1
        return where(
            w < 0.5, a * a * ((3.0 + w * (w - 3.0)) / 6.0), scale * (scale * ((1.0 - q * q * q) / 6.0))
        )

    @rule(wide=True)
    def slope(r, scale):
        u = r / scale
        q = (1.0 - u) * (1.0 + u)
        return where(abs(r) < scale, r * (q * q), 0.0 * sign(r))

    @rule(wide=True)
    def curvature(r, scale):
        u = r / scale
        q = (1.0 - u) * (1.0 + u)
        return where(abs(r) < scale, q * (1.0 - 5.0 * (u * u)), 0.0 * sign(r))

    about: ClassVar = About(
        formula=r"\begin{cases}\frac{c^2}{6}\left(1 - \left(1 - (r/c)^2\right)^3\right) & |r| \le c \\ "
        r"\frac{c^2}{6} & |r| > c\end{cases}",
        tasks={"regression"},
        traits=_REDESCENDING | {BOUNDED},
        estimates="the centre of the bulk",
        strengths=("points beyond the scale have no influence at all",),
        weaknesses=("not convex: start from a robust fit", "no gradient at all beyond the scale"),
        uses=("final step of robust regression (MM-estimation)",),
        references=("Beaton & Tukey (1974), Technometrics 16",),
        aliases=("tukey", "biweight", "bisquare"),
    )


class BarronLoss(ResidualLoss):
    r"""Barron's general loss: one shape parameter runs from the squared error to Welsch's loss.

    |alpha-2|/alpha (((r/scale)²/|alpha-2| + 1)^(alpha/2) - 1), with its limits at alpha = 2 (half the
    squared error), 0 (Cauchy) and -inf (Welsch); 1 is Charbonnier, -2 Geman-McClure.

    >>> float(BarronLoss(alpha=2.0).compute([0.0], [3.0]))
    4.5
    """

    alpha: float = parameter(
        doc="shape: 2 squared error, 1 Charbonnier, 0 Cauchy, -2 Geman-McClure, -inf Welsch",
        convert=lambda value: value if value == -math.inf else as_number("alpha", value),
    )
    scale: float = parameter(default=1.0, above=0, doc=_SCALE)

    class General(Rules):
        """Any other alpha. With s = r / (scale sqrt|alpha - 2|) the power (1 + s²)^(alpha/2) is taken as
        (1 + w)^(alpha/2) s^alpha where s > 1, w being the smaller of s² and 1/s²: neither overflows early.
        """

        argument: ClassVar = "residual"

        @rule(wide=True)
        def value(r, alpha, scale):
            a, b = abs(r), abs(alpha - 2.0)
            k = scale * sqrt(b)
            s, w = a / k, _small_square(a / scale, scale / a, b)
            factor = b / alpha
            x = alpha * (0.5 * log1p(w) + where(s <= 1.0, 0.0, _log_of_ratio(a, k)))  # the power is e^x
            t, h = _power_of_sum(w, 0.5 * alpha), where(s <= 1.0, 1.0, _power_of_ratio(a, k, 0.5 * alpha))
            grown = t * h * h
            # each form where it is exact: expm1 loses nothing near 0, power nothing away from it
            far = where(grown < 1e30, (grown - 1.0) * factor, (factor * h) * (h * t))
            flat = 0.5 * (r / scale) * (r / scale)  # where s² would underflow before the value does
            return where(s < 1e-10, flat, where(abs(x) < 0.75, expm1(x) * factor, far))

        @rule(wide=True)
        def slope(r, alpha, scale):
            a, b = abs(r), abs(alpha - 2.0)
            k = scale * sqrt(b)
            s = a / k
            h = _power_of_ratio(a, k, 0.5 * alpha)
            far = b * sign(r) * where(0.5 * a < a, h * (h / a), power(a, alpha - 1.0) / k)
            w = _small_square(a / scale, scale / a, b)
            return where(s <= 1.0, r / scale / scale, far) * _power_of_sum(w, 0.5 * alpha - 1.0)

        @rule(wide=True)
        def curvature(r, alpha, scale):
            a, b = abs(r), abs(alpha - 2.0)
            k = scale * sqrt(b)
            s, w = a / k, _small_square(a / scale, scale / a, b)
            h = _power_of_ratio(a, k, 0.5 * alpha) / a
            far = b * (w + (alpha - 1.0)) * where(0.5 * a < a, h * h, power(a, alpha - 2.0))
            near = (1.0 + (alpha - 1.0) * w) / scale / scale
            return where(s <= 1.0, near, far) * _power_of_sum(w, 0.5 * alpha - 2.0)

    class Quadratic(Rules):
        """alpha = 2."""

        argument: ClassVar = "residual"

        @rule(wide=True)
        def value(r, scale):
            u = r / scale
            return 0.5 * u * u

        @rule(wide=True)
        def slope(r, scale):
            return r / scale / scale

        @rule(wide=True)
        def curvature(r, scale):
            return where(r == r, 1.0 / scale / scale, r)

    class Logarithmic(Rules):
        """alpha = 0."""

        argument: ClassVar = "residual"

        @rule(wide=True)
        def value(r, scale):
            a, k = abs(r), scale * sqrt(2.0)
            return where(a <= k, 0.0, 2.0 * _log_of_ratio(a, k)) + log1p(
                _small_square(a / scale, scale / a, 2.0)
            )

        @rule(wide=True)
        def slope(r, scale):
            u, v = r / scale, scale / r
            return where(abs(u) <= 1.0, 2.0 * u / (u * u + 2.0), 2.0 * v / (1.0 + 2.0 * (v * v))) / scale

        @rule(wide=True)
        def curvature(r, scale):
            u, v = abs(r) / scale, scale / abs(r)
            t = _share(where(u <= 1.0, 0.5 * (u * u), 2.0 * (v * v)))
            return where(u <= 1.0, (1.0 - t) * (1.0 - 2.0 * t), t * (2.0 * t - 1.0)) / scale / scale

    class Exponential(Rules):
        """alpha = -inf."""

        argument: ClassVar = "residual"

        @rule(wide=True)
        def value(r, scale):
            u = r / scale
            return -expm1(-0.5 * (u * u))

        @rule(wide=True)
        def slope(r, scale):
            u = r / scale
            half = exp(-0.25 * (u * u))  # its square may be subnormal where the slope is not
            return scaled(half, half * (u / scale))

        @rule(wide=True)
        def curvature(r, scale):
            u = r / scale
            half = exp(-0.25 * (u * u))
            return scaled(half, half * ((1.0 - u) * (1.0 + u) / scale / scale))

    def make_terms(self) -> tuple[Term, ...]:
        limits: dict[float, Any] = {2.0: self.Quadratic, 0.0: self.Logarithmic, -math.inf: self.Exponential}
        return (term_of(limits.get(self.alpha, self.General).rules, self.parameters()),)

    about: ClassVar = About(
        formula=r"\frac{|\alpha-2|}{\alpha}\left(\left(\frac{(r/c)^2}{|\alpha-2|} + 1\right)^{\alpha/2} - 1\right)",
        tasks={"regression"},
        traits={SYMMETRIC, SMOOTH},
        estimates="the mean (alpha = 2) to the mode",
        strengths=("one parameter spans the usual robust losses",),
        weaknesses=("not convex for alpha < 1",),
        uses=("robust regression with the shape tuned or learned",),
        references=("Barron (2019), A General and Adaptive Robust Loss Function, CVPR",),
        aliases=("general_robust",),
        elsewhere=("robust_loss_pytorch.lossfun: the same; alpha and scale may be learned there",),
    )
