"""Where the rules of a loss are, and what they are functions of: for explanations and for the documentation."""

from collections.abc import Iterator
from typing import Any

from losskit.rules import RuleSet
from losskit.structures import ArrayLoss, RuleLoss

VALUES = ("value", "target", "lost", "compute_by_hand")
SLOPES = ("slope", "slopes", "target_slope", "lost_slope", "derivative_by_hand")
CURVATURES = ("curvature", "curvatures")
"""The rules of values, first and second derivatives, by the names that the structures have for them."""

_SHARES = {"y": "the target's share of a class", "p": "the predicted one"}
_NLL = {
    "nll": "-log of a class's probability, whose own slope in the logits is that probability, less 1 at the class"
}
MEANINGS = {
    "residual": {"r": "the residual, prediction minus target"},
    "margin": {"m": "the margin, target times prediction"},
    "pair": {"y": "the target", "p": "the prediction"},
    "root_pair": _SHARES,
    "tilted_pair": _SHARES,
    "nll": _NLL,
    "mean_nll": _NLL,
    "log_sum_exp": {"lse": "the log of the sum of the exponentials of the logits"},
    "pairs": {
        "y": "the label",
        "s": "the distance of two vectors: of its slopes a and b the gradient is a (x1 - x2) + b (x1 - x2) / s",
        "c": "the cosine of two vectors",
        "gap": "1 - c with all its digits",
    },
    "overlap": {"tp": "Σ y p", "fp": "Σ (1 - y) p", "fn": "Σ y (1 - p)"},
    "lists": {
        "d": "the difference of two scores",
        "k": "the rank an item should have",
        "e": "by how much its smooth rank exceeds that",
    },
    "transport": {"r": "the distance of two points"},
    "similarity": {"c": "the cosine of the right class"},
}
"""What the rules of an argument, or of a structure of whole arrays, are functions of."""


def holders(loss: Any) -> Iterator[Any]:
    """Whatever may hold rules of a loss: its terms, pieces or pair rules, a ground cost, or the class itself."""
    if isinstance(loss, RuleLoss):
        yield from (term.rules for term in loss.terms)
    elif hasattr(loss, "pieces"):
        yield from (piece.rules for piece in loss.pieces)
    else:
        if isinstance(loss, ArrayLoss):
            yield from (getattr(loss, name) for name in ("rules", "ground") if hasattr(loss, name))
        yield type(loss)


def meanings_of(loss: Any, holder: Any) -> dict[str, str]:
    """What the arguments of a holder's rules stand for."""
    return MEANINGS.get(holder.argument if isinstance(holder, RuleSet) else loss.structure, {})
