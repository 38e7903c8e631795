"""Losses that torch has and losskit spells differently, as losskit's rules."""

from dataclasses import replace
from typing import ClassVar

from losskit.losses.binary import LogLossOfProbability
from losskit.losses.divergence import ForwardOfLogarithm
from losskit.losses.likelihood import PoissonOfLogMean, over_square, relative_error
from losskit.losses.softmax import Surprise
from losskit.parameters import parameter
from losskit.rules import FromDtype, Rules, Term, rule, term_of
from losskit.scalar import HALF_LOG_TAU, exp, log, maximum, scaled, where
from losskit.structures import ElementwiseLoss, ResidualLoss, RowForm, RowLoss


class LogLoss(ElementwiseLoss):
    """Binary cross-entropy of probabilities with any targets, as torch takes them."""

    def make_terms(self) -> tuple[Term, ...]:
        values = {"w0": 1.0, "w1": 1.0, "smoothing": 0.0, "floor": FromDtype.SMALLEST_NORMAL}
        return (term_of(replace(LogLossOfProbability.rules, targets=None), values),)


class LogProbability(RowLoss):
    """-log p of the target's class, where predictions are any numbers that stand for log p."""

    ignore_index: int | None = parameter(
        default=None, kw_only=True, optional=True, doc="target of rows that do not count"
    )

    def row_form(self) -> RowForm:
        return RowForm("log_probability", "index", self.axis, ignore_index=self.ignore_index)

    def make_terms(self) -> tuple[Term, ...]:
        return (Term(1.0, Surprise.rules),)


class ToLogarithm(Rules):
    """e^y (y - p), with y and p logarithms of probabilities."""

    argument: ClassVar[str] = "pair"

    @rule
    def value(y, p):
        return scaled(exp(y), y - p)

    @rule
    def slope(y, p):
        return -exp(y)

    @rule
    def curvature(y, p):
        return 0.0


class Divergence(ElementwiseLoss):
    """y log(y / p) of each element, where p is given by its logarithm and y, perhaps, too."""

    log_target: bool = parameter(default=False, doc="targets are logarithms, too")

    def make_terms(self) -> tuple[Term, ...]:
        return (Term(1.0, ToLogarithm.rules if self.log_target else ForwardOfLogarithm.rules),)


class PoissonWithFloor(Rules):
    """p - y log(p + eps), with any targets."""

    argument: ClassVar[str] = "pair"

    @rule
    def value(y, p, eps):
        return p - scaled(y, log(p + eps))

    @rule
    def slope(y, p, eps):
        return relative_error(y, p + eps)

    @rule
    def curvature(y, p, eps):
        return over_square(y, p + eps)


class Stirling(Rules):
    """torch's log y!: Stirling's formula without its series, and 0 for y <= 1."""

    argument: ClassVar[str] = "pair"

    @rule
    def value(y, p):
        count = maximum(y, 1.0)
        return where(y > 1.0, count * log(count) - count + (0.5 * log(count) + HALF_LOG_TAU), 0.0)

    @rule
    def slope(y, p):
        return 0.0

    @rule
    def curvature(y, p):
        return 0.0


class PoissonNLL(ElementwiseLoss):
    """The Poisson loss with any targets, and a floor added to means."""

    log_input: bool = parameter(default=True, doc="predictions are logarithms of means")
    full: bool = parameter(default=False, doc="add Stirling's formula for log y!")
    eps: float = parameter(default=1e-8, doc="added to a mean before its logarithm is taken")

    def make_terms(self) -> tuple[Term, ...]:
        of_mean = Term(1.0, PoissonWithFloor.rules, (self.eps,))
        of_log_mean = Term(1.0, replace(PoissonOfLogMean.rules, targets=None))
        constant = (Term(1.0, Stirling.rules),) if self.full else ()
        return (of_log_mean if self.log_input else of_mean, *constant)


class HingeEmbedding(ElementwiseLoss):
    """A distance p where y = 1, max(0, margin - p) where y = -1, both where it is neither."""

    margin: float = parameter(default=1.0, doc="how far apart is far enough")

    @rule
    def value(y, p, margin):
        return where(y == -1.0, 0.0, p) + where(y == 1.0, 0.0, maximum(margin - p, 0.0))

    @rule
    def slope(y, p, margin):
        return where(y == -1.0, 0.0, 1.0) - where((y == 1.0) | (p >= margin), 0.0, 1.0)

    @rule
    def curvature(y, p, margin):
        return 0.0


class Lead(ResidualLoss):
    """max(0, margin + r): by how much one score should lead another, r being the other less the one."""

    margin: float = parameter(default=1.0, doc="the lead that is enough")

    @rule
    def value(r, margin):
        return maximum(r + margin, 0.0)

    @rule
    def slope(r, margin):
        return where(r + margin > 0.0, 1.0, 0.0)

    @rule
    def curvature(r, margin):
        return 0.0


class SquaredLead(ResidualLoss):
    """max(0, margin + r)²."""

    margin: float = parameter(default=1.0, doc="the lead that is enough")

    @rule
    def value(r, margin):
        h = maximum(r + margin, 0.0)
        return h * h

    @rule
    def slope(r, margin):
        return 2.0 * maximum(r + margin, 0.0)

    @rule
    def curvature(r, margin):
        return where(r + margin > 0.0, 2.0, 0.0)
