"""Losses that torch has and losskit spells differently, as losskit's rules."""

from dataclasses import replace
from typing import ClassVar

from losskit.losses.binary import LogLossOfProbability
from losskit.losses.divergence import ForwardOfLogarithm
from losskit.losses.softmax import Surprise
from losskit.parameters import parameter
from losskit.rules import FromDtype, Rules, Term, rule, term_of
from losskit.scalar import exp, scaled
from losskit.structures import ElementwiseLoss, RowForm, RowLoss


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
