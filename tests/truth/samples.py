"""What the tests of the truth share: every textbook loss with telling parameters."""

from __future__ import annotations

import math
from typing import Any

from mpmath import mp, mpf

INF = math.inf
TINY = 2.0**-126

# Every loss with parameters that reach each of its branches.
CASES: list[tuple[str, dict[str, Any]]] = [
    ("MeanSquaredError", {}),
    ("MeanAbsoluteError", {}),
    ("HuberLoss", {"delta": 1.5}),
    ("LogCoshLoss", {}),
    ("SmoothL1Loss", {"beta": 0.5}),
    ("SmoothL1Loss", {"beta": 0.0}),
    ("QuantileLoss", {"quantile": 0.9}),
    ("ExpectileLoss", {"expectile": 0.75}),
    ("EpsilonInsensitiveLoss", {"epsilon": 0.25}),
    ("CharbonnierLoss", {"delta": 3.0}),
    ("CauchyLoss", {"scale": 2.0}),
    ("GemanMcClureLoss", {"scale": 2.0}),
    ("WelschLoss", {"scale": 2.0}),
    ("TukeyBiweightLoss", {"scale": 2.0}),
    *(("BarronLoss", {"alpha": a, "scale": 1.5}) for a in (2.0, 1.0, 0.0, -2.0, -INF, 3.0, 0.1)),
    ("CustomRegressionLoss", {"alpha": 0.25}),
    ("MeanAbsolutePercentageError", {}),
    ("MeanSquaredLogarithmicError", {}),
    ("BinaryCrossEntropy", {"floor": TINY, "label_smoothing": 0.25, "pos_weight": 3.0}),
    ("BinaryCrossEntropy", {"from_logits": True}),
    ("WeightedCrossEntropy", {"floor": TINY, "class_weights": (1.0, 5.0)}),
    ("WeightedCrossEntropy", {"from_logits": True, "class_weights": (1.0, 5.0)}),
    ("FocalLoss", {"floor": TINY, "alpha": (0.25, 0.75), "gamma": 1.5}),
    ("FocalLoss", {"from_logits": True, "gamma": 2.0}),
    ("HingeLoss", {}),
    ("SquaredHingeLoss", {}),
    ("LogisticLoss", {}),
    ("ExponentialLoss", {}),
    ("PerceptronLoss", {}),
    ("ModifiedHuberLoss", {}),
    ("PoissonLoss", {"full": True}),
    ("PoissonLoss", {"log_input": True}),
    ("GammaLoss", {}),
    ("GammaLoss", {"log_input": True}),
    *(
        ("TweedieLoss", {"power": q, "log_input": link})
        for q in (1.0, 1.5, 2.0, 3.0)
        for link in (False, True)
    ),
    ("NegativeBinomialLoss", {"dispersion": 0.5}),
    ("NegativeBinomialLoss", {"log_input": True}),
    ("KLDivergence", {"floor": TINY}),
]


def close(a: Any, b: Any, digits: int = 29) -> bool:
    """Whether two numbers agree to so many digits, or are both below any float."""
    with mp.workprec(5000):
        a, b = mpf(a), mpf(b)
        if a == b or max(abs(a), abs(b)) < mpf(2) ** -1300:
            return True
        return bool(abs(a - b) <= mpf(10) ** -digits * abs(b))
