"""How the raw scores of a model become what a loss takes: as they are, as logarithms, logits or margins.

Everything here asks what a loss is, never what it is called.
"""

import functools
import operator

from losskit.about import CONVEX
from losskit.domain import PROBABILITY
from losskit.loss import LossFunction
from losskit.structures import ElementwiseLoss, MarginLoss, RowLoss

LINKS = ("identity", "log", "logit", "margin", "sigmoid", "softmax")
"""A score is the prediction itself, its logarithm, its logit, half of a margin; "sigmoid" is for losses that take
a probability and have no form for its logit; "softmax" for rows of logits."""


def terms(loss: LossFunction) -> tuple[LossFunction, ...]:
    """The losses that a weighted sum is made of; a loss that is none is its own."""
    return tuple(part for _, part in loss.weighted_terms())


def has_trait(loss: LossFunction, trait: str) -> bool:
    """Whether every term of a loss promises a trait."""
    return all(part.about is not None and trait in part.about.traits for part in terms(loss))


def is_convex(loss: LossFunction) -> bool:
    """Whether a loss promises to be convex."""
    return has_trait(loss, CONVEX) and all(k >= 0 for k, _ in loss.weighted_terms())


def is_of_log(loss: LossFunction) -> bool:
    """Whether a loss takes the logarithm of the prediction, as Poisson regression with a log link does."""
    return any(part.parameters().get("log_input") is True for part in terms(loss))


def on_logits(loss: LossFunction) -> LossFunction:
    """The same loss with logits for probabilities in every term that has that form.

    >>> import losskit as lk
    >>> on_logits(lk.FocalLoss(gamma=1)).from_logits
    True
    """
    return _switched_on(loss, "from_logits", LossFunction)


def on_scores(loss: LossFunction) -> LossFunction:
    """The same loss of scores that may be any number: logits for probabilities, logarithms for positive means.

    >>> import losskit as lk
    >>> on_scores(lk.PoissonLoss()).log_input
    True
    """
    return _switched_on(on_logits(loss), "log_input", ElementwiseLoss)


def link_of(loss: LossFunction) -> str | None:
    """Which of ``LINKS`` a loss's scores have; None where its terms want different ones.

    >>> import losskit as lk
    >>> link_of(lk.HuberLoss()), link_of(lk.HingeLoss()), link_of(lk.PoissonLoss(log_input=True))
    ('identity', 'margin', 'log')
    """
    found = {_link_of_term(part) for part in terms(loss)}
    return found.pop() if len(found) == 1 else None


def _link_of_term(loss: LossFunction) -> str:
    options = loss.parameters()
    if isinstance(loss, RowLoss):
        return loss.form.link
    if isinstance(loss, MarginLoss):
        return "margin"
    if options.get("from_logits") is True:
        return "logit"
    if options.get("log_input") is True:
        return "log"
    return "sigmoid" if getattr(loss, "predictions", None) == PROBABILITY else "identity"


def _switched_on(loss: LossFunction, option: str, kind: type[LossFunction]) -> LossFunction:
    """The loss with an option True in every term of a kind where it was False."""
    off = [isinstance(part, kind) and part.parameters().get(option) is False for part in terms(loss)]
    if not any(off):
        return loss
    parts = [
        k * (part.replace(**{option: True}) if switch else part)
        for (k, part), switch in zip(loss.weighted_terms(), off, strict=True)
    ]
    return functools.reduce(operator.add, parts)
