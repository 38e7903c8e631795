"""How far apart two sets of points are, or two histograms: optimal transport and kernels of distances."""

from typing import Any, ClassVar

from losskit.about import BOUNDED, SYMMETRIC, About
from losskit.parameters import Legal, as_number, as_numbers, parameter
from losskit.rules import rule
from losskit.scalar import exp, expm1, power, scaled
from losskit.structures.transport import BINS, SAMPLES, Ground, KernelLoss, LineLoss, PlanLoss, SlicesLoss


class Line:
    """The distance itself."""

    @rule
    def value(r):
        return r

    @rule
    def slope(r):
        return 1.0 + 0.0 * r  # NaN in, NaN out


class HalfSquare:
    """r²/2."""

    @rule
    def value(r):
        return 0.5 * r * r

    @rule
    def slope(r):
        return r

    @rule
    def of_square(q):
        return 0.5 * q


class Power:
    """r^p / p."""

    @rule
    def value(r, p):
        return power(r, p) / p

    @rule
    def slope(r, p):
        return power(r, p - 1.0)


class Gaussian:
    """1 - exp(-r²/2)."""

    @rule
    def value(r):
        return -expm1(-0.5 * r * r)  # not 1 - exp(..): that is 0 where r² is below the last place of 1

    @rule
    def slope(r):
        return scaled(exp(-0.5 * r * r), r)

    @rule
    def of_square(q):
        return -expm1(-0.5 * q)


class Laplace:
    """1 - exp(-r)."""

    @rule
    def value(r):
        return -expm1(-r)

    @rule
    def slope(r):
        return exp(-r)


def _ground(rules: type, *numbers: float) -> Ground:
    return Ground(rules.value, rules.slope, numbers, getattr(rules, "of_square", None))  # type: ignore[attr-defined]


class WassersteinLoss(LineLoss):
    r"""The cost of moving one distribution on the line onto another: the earth mover's distance for p = 1.

    Quantiles go to quantiles: ∫ |F⁻¹(t) - G⁻¹(t)|^p dt, exact, by sorting. With ``root`` it is the distance
    W_p, otherwise its p-th power, which is what the plan costs.

    ``of="samples"``: both arguments are sets of numbers, (n,) and (m,), or a batch of sets, (..., n) and
    (..., m). ``sample_weight`` and ``mask`` are one a number of ``y_pred``, ``target_weight`` one a number of
    ``y_true``. ``of="bins"``: both are histograms over the same ordered bins, a unit apart, on the last axis;
    each sums to 1, and a term is a row.

    The derivative is a pair, for ``y_true`` and ``y_pred``. Where the cost has a kink, it is the subgradient
    of least size: equal samples share theirs in proportion to their weights, and a sample that meets its
    partner at p = 1 has none. The derivative for a bin is that of cumulative sums, in which the mass of the
    last bin does not count; between histograms of sum 1 a constant added to it means nothing.

    scipy.stats.wasserstein_distance takes the same weights and has no derivative; POT's wasserstein_1d is the
    same cost.

    Raises ValueError for shapes that do not fit, for negative weights, and for rows of bins that do not sum to 1.

    >>> float(WassersteinLoss().compute([0.0, 1.0, 3.0], [5.0, 6.0, 8.0]))
    5.0
    >>> WassersteinLoss(p=2, root=True).compute([0.0, 0.0], [3.0, 3.0, 3.0]).item()
    3.0
    >>> WassersteinLoss(of="bins").compute([[1.0, 0.0, 0.0]], [[0.0, 0.5, 0.5]]).item()
    1.5
    """

    of: str = parameter(default=SAMPLES, choices=(SAMPLES, BINS), doc="what the arguments are")

    @property
    def form(self) -> str:  # type: ignore[override]
        return self.of

    @property
    def weighting(self) -> str:  # type: ignore[override]
        """Weights belong to the samples of a set, or to the rows of bins."""
        return "terms" if self.of == BINS else "points"

    about: ClassVar = About(
        formula=r"\int_0^1 \left|F^{-1}(t) - G^{-1}(t)\right|^p dt",
        tasks={"distribution", "generative", "regression"},
        traits={SYMMETRIC},
        estimates="the whole distribution, quantile by quantile",
        strengths=(
            "says how far mass has to move, also where the distributions do not overlap",
            "in the units of the data (p = 1, or root)",
        ),
        weaknesses=(
            "only on the line",
            "the plug-in estimate from small samples is too large",
            "not convex in the samples",
        ),
        uses=(
            "ordinal labels",
            "calibration and fairness across groups",
            "distributional reinforcement learning",
        ),
        references=(
            "Villani (2003), Topics in Optimal Transportation, theorem 2.18",
            "Peyré & Cuturi (2019), Computational Optimal Transport, section 2.6",
        ),
        aliases=("earth_mover", "emd", "wasserstein_1d"),
        elsewhere=(
            "ot.wasserstein_1d: the same, samples on the first axis",
            "scipy.stats.wasserstein_distance: the value alone, for p = 1",
        ),
    )


class SlicedWassersteinLoss(SlicesLoss):
    r"""The mean cost of transport between projections of two sets of points on random lines.

    The directions are drawn once, from ``seed``: the loss is the same function at every call and in every
    framework. Arguments are sets of points, (n, features) and (m, features), or batches of them;
    ``sample_weight`` and ``mask`` are one a point of ``y_pred``, ``target_weight`` one a point of ``y_true``.
    With ``root`` it is the p-th root of the mean. The derivative is a pair, for ``y_true`` and ``y_pred``.

    Raises ValueError for shapes that do not fit and for negative weights.

    >>> loss = SlicedWassersteinLoss(projections=10)
    >>> round(float(loss.compute([[0.0], [1.0]], [[4.0], [3.0]])), 6)  # the only line there is, both ways
    9.0
    """

    about: ClassVar = About(
        formula=r"\frac{1}{L}\sum_{l=1}^{L} W_p^p\left(\langle\theta_l, x\rangle, \langle\theta_l, y\rangle\right)",
        tasks={"distribution", "generative"},
        traits={SYMMETRIC},
        estimates="the whole distribution",
        strengths=("n log n in the number of points", "needs no iterations and no regularisation"),
        weaknesses=("many directions are needed where there are many features", "not convex in the points"),
        uses=("generative models", "texture and colour transfer", "domain adaptation"),
        references=(
            "Rabin, Peyré, Delon & Bernot (2011), Wasserstein Barycenter and its Application to Texture Mixing",
            "Bonneel, Rabin, Peyré & Pfister (2015), Sliced and Radon Wasserstein Barycenters of Measures",
        ),
        aliases=("sliced_wasserstein_distance", "swd"),
        elsewhere=("ot.sliced_wasserstein_distance: the p-th root, as root=True",),
    )


class SinkhornLoss(PlanLoss):
    r"""The debiased entropic cost of optimal transport: the Sinkhorn divergence of two sets of points.

    OT(a, b) - OT(a, a)/2 - OT(b, b)/2 with the cost |x - y|^p / p and the entropy's weight blur^p. Small
    ``blur`` approaches optimal transport, large blur a kernel distance; the two last terms make it 0 for equal
    sets. Arguments are sets of points, (n, features) and (m, features), or batches of them; ``sample_weight``
    and ``mask`` are one a point of ``y_pred``, ``target_weight`` one a point of ``y_true``.

    Potentials are improved ``iterations`` times: symmetric, averaged updates, during which the blur falls by
    halves from the extent of the points to ``blur``. The n by m costs are made anew in each and never stored.
    The derivative, a pair for ``y_true`` and ``y_pred``, is that of the divergence at its optimum (the
    potentials are held, by the envelope theorem). It differs from the derivative of the number computed by as
    much as further iterations would still change it: where that matters, take more of them or a larger blur.

    geomloss's SamplesLoss has the same cost, divergence and updates, and stops when its own schedule ends.

    Raises ValueError for shapes that do not fit and for negative weights.

    >>> points = [[0.0, 0.0], [1.0, 0.0]]
    >>> round(float(SinkhornLoss().compute(points, [[3.0, 4.0], [4.0, 4.0]])), 4)  # half of 5²: a translation
    12.5
    >>> float(SinkhornLoss().compute(points, points))
    0.0
    """

    @property
    def ground(self) -> Ground:  # type: ignore[override]
        """r^p / p, spelled without a power where there is no need for one."""
        if self.p == 2.0:
            return _ground(HalfSquare)
        return _ground(Line) if self.p == 1.0 else _ground(Power, self.p)

    about: ClassVar = About(
        formula=r"\mathrm{OT}_\varepsilon(a,b) - \tfrac12(\mathrm{OT}_\varepsilon(a,a) + \mathrm{OT}_\varepsilon(b,b))",
        tasks={"distribution", "generative"},
        traits={SYMMETRIC},
        estimates="the whole distribution",
        strengths=(
            "transport in any number of dimensions",
            "never negative, and 0 only for equal distributions",
        ),
        weaknesses=(
            "n² work in each iteration",
            "a small blur needs many iterations",
            "blur has to suit the data",
        ),
        uses=("generative models", "point clouds and shapes", "domain adaptation"),
        references=(
            "Cuturi (2013), Sinkhorn Distances, NeurIPS",
            "Feydy et al. (2019), Interpolating between Optimal Transport and MMD using Sinkhorn Divergences, AISTATS",
        ),
        aliases=("sinkhorn_divergence", "entropic_transport"),
        elsewhere=(
            'geomloss.SamplesLoss("sinkhorn"): the same; stops when its schedule of blurs ends',
            "ot.bregman.empirical_sinkhorn_divergence: twice our cost at p = 2; without the entropy in its value",
        ),
    )


class EnergyDistance(KernelLoss):
    r"""2 E|X - Y| - E|X - X'| - E|Y - Y'|, the energy distance of Székely and Rizzo.

    Means are over all pairs, a point with itself included (a V-statistic): never negative, 0 for equal sets.
    On the line it is twice the integral of (F - G)², so scipy.stats.energy_distance is its square root.
    Arguments are sets of points, (n, features) and (m, features), or batches of them; ``sample_weight`` and
    ``mask`` are one a point of ``y_pred``, ``target_weight`` one a point of ``y_true``. The derivative is a
    pair, for ``y_true`` and ``y_pred``; two points in one place do not push each other.

    Raises ValueError for shapes that do not fit and for negative weights.

    >>> float(EnergyDistance().compute([[0.0], [1.0]], [[3.0], [4.0]]))
    5.0
    """

    ground: ClassVar[Ground] = _ground(Line)

    about: ClassVar = About(
        formula=r"2\,\mathbb E|X-Y| - \mathbb E|X-X'| - \mathbb E|Y-Y'|",
        tasks={"distribution", "generative"},
        traits={SYMMETRIC},
        estimates="the whole distribution",
        strengths=("no parameter to choose", "0 only for equal distributions"),
        weaknesses=("n² work", "weak where there are many features", "not convex in the points"),
        uses=(
            "two-sample tests",
            "generative models",
            "probabilistic forecasts (the CRPS of an ensemble is its half)",
        ),
        references=("Székely & Rizzo (2013), Energy statistics: a class of statistics based on distances",),
        aliases=("energy", "cramer_distance"),
        elsewhere=(
            'geomloss.SamplesLoss("energy"): half of this',
            "scipy.stats.energy_distance: its square root, on the line, the value alone",
        ),
    )


def _bandwidths(value: Any) -> tuple[float, ...]:
    legal = Legal(above=0)
    if isinstance(value, (list, tuple)) or getattr(value, "ndim", 0):  # type: ignore[arg-type]
        numbers = as_numbers("bandwidth", value, legal)
        if not numbers:
            raise ValueError(
                "bandwidth must be a number > 0, a sequence of them or None, got an empty sequence"
            )
        return numbers
    return (as_number("bandwidth", value, legal),)


class MMDLoss(KernelLoss):
    r"""The squared maximum mean discrepancy: E k(X, X') + E k(Y, Y') - 2 E k(X, Y).

    Means are over all pairs, a point with itself included (the biased estimate, a V-statistic): never negative
    and 0 for equal sets. The kernel of two points at the distance r is exp(-r²/(2h²)) ("gaussian") or
    exp(-r/h) ("laplace"); of several bandwidths h it is the mean. With ``bandwidth=None`` h is the median distance
    between two points of either set (of at most 512, evenly chosen; both sets count alike), a constant to the
    derivative.
    Arguments are sets of points, (n, features) and (m, features), or batches of them; ``sample_weight`` and
    ``mask`` are one a point of ``y_pred``, ``target_weight`` one a point of ``y_true``. The derivative is a
    pair, for ``y_true`` and ``y_pred``.

    Raises ValueError for shapes that do not fit and for negative weights.

    >>> round(float(MMDLoss(bandwidth=1.0).compute([[0.0]], [[1.0]])), 6)  # 2 - 2 exp(-1/2)
    0.786939
    """

    kernel: str = parameter(
        default="gaussian", choices=("gaussian", "laplace"), doc="how similarity falls with distance"
    )
    bandwidth: tuple[float, ...] | None = parameter(
        default=(1.0,), optional=True, convert=_bandwidths,
        doc="the distance at which similarity has fallen, in units of y; several, for their mean; None for the median",
    )  # fmt: skip

    @property
    def ground(self) -> Ground:  # type: ignore[override]
        """1 less the kernel: the means of the ones cancel, and near points keep their digits."""
        return _ground(Gaussian if self.kernel == "gaussian" else Laplace)

    @property
    def units(self) -> tuple[float, ...] | None:
        return self.bandwidth

    about: ClassVar = About(
        formula=r"\mathbb E\,k(X,X') + \mathbb E\,k(Y,Y') - 2\,\mathbb E\,k(X,Y)",
        tasks={"distribution", "generative"},
        traits={SYMMETRIC, BOUNDED},
        estimates="the whole distribution",
        strengths=("smooth in the points", "no optimisation inside"),
        weaknesses=(
            "n² work",
            "no gradient between sets that are many bandwidths apart",
            "not convex in the points",
        ),
        uses=("domain adaptation", "generative models", "two-sample tests"),
        references=("Gretton et al. (2012), A Kernel Two-Sample Test, JMLR 13",),
        aliases=("maximum_mean_discrepancy",),
        elsewhere=('geomloss.SamplesLoss("gaussian", blur=h): half of this',),
    )
