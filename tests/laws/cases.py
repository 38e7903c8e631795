"""Which losses the laws are run on: every loss of the catalogue, with several sets of parameters.

The sets come from the parameters' legal intervals: each in turn at its default, near its ends and at
an ordinary place, every choice and both booleans. All are powers of two or sums of a few, so that
they are the same numbers in float32. `MORE` adds sets where an interval does not say enough.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

from losskit import catalogue
from losskit.loss import LossFunction
from losskit.parameters import Legal
from losskit.structures import RuleLoss
from thoroughness import THOROUGH as THOROUGH

COMMON = {f.name for f in dataclasses.fields(LossFunction)}

MORE: dict[str, list[dict[str, Any]]] = {
    "BarronLoss": [
        {"alpha": 1.0, "scale": 1.0}, {"alpha": -math.inf, "scale": 1.0}, {"alpha": -2.0, "scale": 2.0},
        {"alpha": -0.25, "scale": 1.0}, {"alpha": 0.0, "scale": 0.5}, {"alpha": 2.0**-20, "scale": 1.0},
        {"alpha": 1.5, "scale": 4.0}, {"alpha": 2.0, "scale": 2.0}, {"alpha": 1.9375, "scale": 1.0},
        {"alpha": 4.0, "scale": 1.0}, {"alpha": -8.0, "scale": 1.0}, {"alpha": 0.1, "scale": 0.3},
    ],
    "WeightedCrossEntropy": [
        {"class_weights": (1.0, 5.0)}, {"class_weights": (0.0, 1.0), "from_logits": True},
        {"class_weights": (0.125, 1024.0), "from_logits": True},
    ],
    "FocalLoss": [
        {"gamma": 0.5}, {"gamma": 1.0, "alpha": (0.75, 0.25)}, {"gamma": 3.5, "alpha": (0.0, 1.0)},
        {"gamma": 0.0, "from_logits": True}, {"gamma": 0.5, "from_logits": True},
        {"gamma": 1.0, "alpha": (0.75, 0.25), "from_logits": True}, {"gamma": 3.5, "from_logits": True},
    ],
    "BinaryCrossEntropy": [
        {"from_logits": True, "label_smoothing": 0.125}, {"from_logits": True, "pos_weight": 4.0},
        {"label_smoothing": 0.125, "pos_weight": 4.0},
    ],
    "PoissonLoss": [{"log_input": True, "full": True}],
    "TweedieLoss": [
        {"power": q, "log_input": link} for q in (1.0, 1.125, 1.9375, 2.0, 3.0) for link in (False, True)
    ],
    "NegativeBinomialLoss": [{"dispersion": a, "log_input": True} for a in (2.0**-10, 0.75, 2.0**10)],
    "TukeyBiweightLoss": [{"scale": 1.0}],
    "CategoricalFocalLoss": [
        {"gamma": 0.5}, {"gamma": 0.0, "from_logits": True}, {"gamma": 0.5, "from_logits": True},
        {"alpha": (1.0, 0.5, 2.0), "from_logits": True},
    ],
    "SparseCategoricalCrossEntropy": [
        {"from_logits": True, "label_smoothing": 0.25, "z_loss": 0.125, "class_weights": (0.5, 1.0, 2.0)},
        {"class_weights": (0.5, 0.0, 2.0), "ignore_index": -1},
    ],
    "CategoricalCrossEntropy": [{"from_logits": True, "label_smoothing": 0.25, "class_weights": (0.5, 1.0, 2.0)}],
    "LabelSmoothingCrossEntropy": [{"smoothing": s, "from_logits": True} for s in (0.0, 0.25)],
    "PolyLoss": [{"epsilon": -1.0, "from_logits": True}, {"epsilon": 2.0, "from_logits": True, "class_weights": (0.5, 0.0, 2.0)}],
    "GeneralizedCrossEntropy": [{"q": q, "from_logits": True} for q in (0.0009765625, 0.75)],
    "SymmetricCrossEntropy": [{"alpha": 1.0, "beta": 0.5, "log_zero": -8.0, "from_logits": True}],
    "DiceLoss": [
        {"from_logits": True, "per": "class"}, {"from_logits": True, "activation": "softmax"},
        {"from_logits": True, "activation": "softmax", "squared": True, "per": "sample_class"},
        {"class_weights": (0.5, 2.0), "per": "class"}, {"class_weights": (0.5, 2.0)},
        {"ignore_index": 3, "per": "sample"}, {"ignore_index": -1, "from_logits": True, "activation": "softmax"},
    ],
    "LovaszLoss": [
        {"per": "class", "from_logits": True, "activation": "softmax"}, {"ignore_index": 3},
        {"class_weights": (0.5, 2.0), "per": "sample"},
    ],
    "BoundaryLoss": [{"from_logits": True, "activation": "softmax", "class_weights": (0.5, 2.0)}, {"ignore_index": 3}],
    "MedicalImagingLoss": [{"spatial_dims": 1, "per": "class", "from_logits": True}, {"spatial_dims": 2, "ignore_index": 3}],
    "GeneralizedDiceLoss": [{"from_logits": True, "activation": "softmax", "class_weights": (0.5, 2.0), "per": "sample"}],
    "RenyiDivergence": [{"alpha": a, "from_logits": True} for a in (0.25, 2.0, 1024.0)],
    "CategoricalHingeLoss": [{"kind": "weston_watkins", "squared": True, "margin": 0.5}],
    "LogitAdjustedLoss": [
        {"class_priors": (0.5, 0.25, 0.25)}, {"class_priors": (100.0, 1.0, 0.0625), "tau": 1.5, "class_weights": (0.5, 1.0, 2.0)},
    ],
    "KLDivergence": [{"reverse": True, "from_logits": True}, {"reverse": True, "log_input": True}],
    "LinearCrossEntropy": [{"label_smoothing": 0.25, "z_loss": 0.125}],
    "MMDLoss": [{"bandwidth": (0.5, 2.0)}, {"kernel": "laplace", "bandwidth": (1.0,)}],
    "SSIMLoss": [{"window": 3}, {"window": 3, "scales": 2}],
}  # fmt: skip
"""Sets by class name: parameters without a default or whose interesting values lie inside."""


def single_losses() -> list[type[LossFunction]]:
    """The built-in losses, and not those that other tests define."""
    return [c for c in catalogue.all_losses() if c.__module__.startswith("losskit.losses.")]


def parameter_sets(cls: type[LossFunction]) -> list[dict[str, Any]]:
    """Sets of parameters of a class, the default first where there is one."""
    fields = [f for f in dataclasses.fields(cls) if f.name not in COMMON]
    required = [f.name for f in fields if f.default is dataclasses.MISSING]
    more = MORE.get(cls.__name__, [])
    if required and not more:
        raise LookupError(
            f"{cls.__name__} needs {', '.join(required)}: add sets of parameters to MORE in {__file__}"
        )
    base = {name: more[0][name] for name in required} if more else {}
    sets = [base] if not required else []
    for field in fields:
        legal = field.metadata["legal"]
        sets += [base | {field.name: value} for value in values_of(field.type, legal, field.default)]
    return list({repr(loss): s for s in [*sets, *more] if (loss := made(cls, s)) is not None}.values())


def made(cls: type[LossFunction], parameters: dict[str, Any]) -> LossFunction | None:
    """The loss; None where parameters that are legal one by one exclude each other."""
    try:
        return cls(**parameters)
    except ValueError:
        return None


def values_of(kind: Any, legal: Legal, default: Any) -> Iterator[Any]:
    """Ordinary values of a parameter and values near the ends of its legal interval."""
    if legal.choices is not None:
        yield from legal.choices
    elif kind in (bool, "bool"):
        yield from (False, True)
    elif kind in (float, "float", float | None, "float | None"):
        yield from (v for v in _near_the_ends(legal) if v != default)


def _near_the_ends(legal: Legal) -> list[float]:
    ends = [end for end in (legal.at_least, legal.at_most) if end is not None]
    if legal.optional:  # what replaces None: one value will do
        return [0.125]
    if legal.above is not None and legal.below is not None:
        width = legal.below - legal.above
        return [legal.above + width * 2.0**-10, legal.below - width * 2.0**-10]
    return [*ends, *(v for v in (2.0**-10, 0.75, 2.0**10) if legal.admits(v))][: 3 if len(ends) < 2 else 4]


def own(loss: LossFunction) -> dict[str, Any]:
    """A loss's parameters but those of every loss."""
    return {k: v for k, v in loss.parameters().items() if k not in COMMON}


CASES = [(cls, parameters) for cls in single_losses() for parameters in parameter_sets(cls)]
"""Every built-in loss with every set of parameters."""

RULE_CASES = [case for case in CASES if issubclass(case[0], RuleLoss)]
"""Those of losses made of rules; tests/array_cases.py has the others for the frameworks."""


def is_about_numbers(parameters: dict[str, Any], default: dict[str, Any]) -> bool:
    """Whether a set differs from the default in nothing but numbers: that changes no code."""
    return all(_is_number(v) and _is_number(default.get(k)) for k, v in parameters.items())


def _is_number(x: Any) -> bool:
    return isinstance(x, int | float) and not isinstance(x, bool)


def distinct(
    cases: Sequence[tuple[type[LossFunction], dict[str, Any]]],
) -> list[tuple[type[LossFunction], dict[str, Any]]]:
    """The cases without those that differ from the first of their class in numbers only."""
    first: dict[type, dict[str, Any]] = {}
    kept = []
    for cls, parameters in cases:
        default = first.setdefault(cls, parameters)
        if parameters is default or not is_about_numbers(parameters, cls(**default).parameters()):
            kept.append((cls, parameters))
    return kept


def name_of(cls: type[LossFunction], parameters: dict[str, Any]) -> str:
    """How a test names a case."""
    inside = ",".join(f"{k}={v}" for k, v in parameters.items())
    return f"{cls.__name__}({inside})"
