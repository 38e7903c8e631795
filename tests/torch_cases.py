"""Every class of losskit.torch with inputs for it, which the tests in tests/torch share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

import losskit.torch as nn_losses
from losskit.domain import NON_NEGATIVE, PLUS_MINUS_ONE, PROBABILITY
from losskit.structures import ArrayLoss, RowLoss

ROWS, CLASSES = 4, 3


@dataclass(frozen=True)
class Case:
    """A module and how to make inputs for it."""

    name: str
    make: Callable[[], Any]
    inputs: Callable[..., Any]
    """(dtype, seed) -> (input, target)"""

    def __call__(self, dtype=torch.float64, seed=0):
        """(module, input, target)"""
        return self.make(), *self.inputs(dtype, seed)

    @property
    def soft(self):
        """Whether targets are floats, and so have a derivative."""
        return self.inputs(torch.float64, 0)[1].is_floating_point()


def numbers(dtype, random):
    return torch.randn(ROWS, CLASSES, dtype=torch.float64, generator=random).to(dtype)


def shares(dtype, random):
    return torch.softmax(torch.randn(ROWS, CLASSES, dtype=torch.float64, generator=random), -1).to(dtype)


def logarithms(dtype, random):
    return torch.log_softmax(torch.randn(ROWS, CLASSES, dtype=torch.float64, generator=random), -1).to(dtype)


def probabilities(dtype, random):
    return (0.1 + 0.8 * torch.rand(ROWS, CLASSES, dtype=torch.float64, generator=random)).to(dtype)


def positive(dtype, random):
    return (0.5 + torch.rand(ROWS, CLASSES, dtype=torch.float64, generator=random)).to(dtype)


def signs(dtype, random):
    return 2.0 * torch.randint(2, (ROWS, CLASSES), generator=random).to(dtype) - 1.0


def indices(dtype, random):
    return torch.randint(CLASSES, (ROWS,), generator=random)


def lists(dtype, random):
    """Class indices that end at the first -1."""
    return torch.randint(-1, CLASSES, (ROWS, CLASSES), generator=random)


def from_both(predictions, targets):
    """Inputs made of two generators."""

    def inputs(dtype, seed=0):
        random = torch.Generator().manual_seed(seed)
        return predictions(dtype, random), targets(dtype, random)

    return inputs


def inputs_of(loss):
    """Inputs for a loss, from what it says of itself."""
    if isinstance(loss, RowLoss):
        link = {"softmax": numbers, "probability": shares, "log_probability": logarithms}[loss.form.link]
        return from_both(link, shares if loss.form.target == "distribution" else indices)
    generators = {PROBABILITY: probabilities, NON_NEGATIVE: positive, PLUS_MINUS_ONE: signs, None: numbers}
    targets, predictions = (
        generators.get(next((d for d in domains if d), None), positive)
        for domains in zip(*((t.rules.targets, t.rules.predictions) for t in loss.terms), strict=True)
    )
    return from_both(predictions, targets)


PARAMETERS = {
    "WeightedCrossEntropy": [{"class_weights": (1.0, 3.0)}, {"class_weights": (0.5, 2.0), "from_logits": True}],
    "BarronLoss": [{"alpha": 1.5}, {"alpha": 0.0}],
    "BinaryCrossEntropy": [{}, {"from_logits": True, "label_smoothing": 0.125, "pos_weight": 2.0}],
    "FocalLoss": [{}, {"from_logits": True, "alpha": (0.75, 0.25)}],
    "CategoricalCrossEntropy": [{}, {"from_logits": True, "class_weights": (1.0, 0.5, 2.0), "label_smoothing": 0.25}],
    "SparseCategoricalCrossEntropy": [
        {},
        {"from_logits": True, "class_weights": (1.0, 0.5, 2.0), "label_smoothing": 0.25, "z_loss": 0.125,
         "ignore_index": 2},
    ],
    "LabelSmoothingCrossEntropy": [{"from_logits": True}],
    "CategoricalFocalLoss": [{"from_logits": True}, {"alpha": (1.0, 0.5, 2.0)}],
    "PoissonLoss": [{}, {"log_input": True, "full": True}],
    "GammaLoss": [{}, {"log_input": True}],
    "TweedieLoss": [{}, {"log_input": True}, {"power": 3.0}],
    "NegativeBinomialLoss": [{}, {"log_input": True}],
    "KLDivergence": [{}, {"reverse": True}, {"log_input": True}, {"from_logits": True}],
    "SmoothL1Loss": [{"beta": 0.5}],
    "PolyLoss": [{"from_logits": True}],
    "GeneralizedCrossEntropy": [{"from_logits": True}, {"q": 1.0}],
    "SymmetricCrossEntropy": [{"from_logits": True}, {}],
    "LogitAdjustedLoss": [{"class_priors": (0.5, 0.25, 0.125)}],
    "JensenShannonDivergence": [{}, {"log_input": True}, {"from_logits": True}],
    "HellingerDistance": [{}, {"log_input": True}],
    "RenyiDivergence": [{}, {"alpha": 2.0, "log_input": True}, {"alpha": 2.0, "from_logits": True}],
    "TotalVariationDistance": [{}, {"from_logits": True}],
}  # fmt: skip
"""Sets of parameters by class: those without a default, and those that change what inputs are."""


def generated():
    """Cases of the modules that are made from the losses."""
    for cls in nn_losses.GENERATED:
        if issubclass(cls.loss_class, ArrayLoss):  # tests/torch/test_array_losses.py
            continue
        for parameters in PARAMETERS.get(cls.__name__, [{}]):
            inside = ",".join(f"{k}={v}" for k, v in parameters.items())
            yield Case(
                f"{cls.__name__}({inside})",
                lambda cls=cls, parameters=parameters: cls(**parameters),
                inputs_of(cls.loss_class(**parameters)),
            )


WEIGHTS = torch.tensor([1.0, 0.5, 2.0])


def drop_ins():
    """Cases of the modules with torch's names."""
    nn = nn_losses
    pair = from_both(numbers, numbers)
    yield Case("L1Loss", nn.L1Loss, pair)
    yield Case("MSELoss", nn.MSELoss, pair)
    yield Case("HuberLoss", lambda: nn.HuberLoss(delta=0.5), pair)
    yield Case("SmoothL1Loss", lambda: nn.SmoothL1Loss(beta=0.5), pair)
    yield Case("BCELoss", nn.BCELoss, from_both(probabilities, probabilities))
    yield Case("BCELoss(weight)", lambda: nn.BCELoss(WEIGHTS), from_both(probabilities, probabilities))
    logits = from_both(numbers, probabilities)
    yield Case("BCEWithLogitsLoss", nn.BCEWithLogitsLoss, logits)
    yield Case(
        "BCEWithLogitsLoss(weights)", lambda: nn.BCEWithLogitsLoss(WEIGHTS, pos_weight=WEIGHTS), logits
    )
    by_index = from_both(numbers, indices)
    yield Case("CrossEntropyLoss", nn.CrossEntropyLoss, by_index)
    yield Case(
        "CrossEntropyLoss(weight)",
        lambda: nn.CrossEntropyLoss(WEIGHTS, ignore_index=2, label_smoothing=0.25), by_index,
    )  # fmt: skip
    yield Case("CrossEntropyLoss(soft)", lambda: nn.CrossEntropyLoss(WEIGHTS), from_both(numbers, shares))
    yield Case("NLLLoss", lambda: nn.NLLLoss(WEIGHTS), from_both(logarithms, indices))
    yield Case("KLDivLoss", lambda: nn.KLDivLoss(reduction="batchmean"), from_both(logarithms, shares))
    yield Case("PoissonNLLLoss", lambda: nn.PoissonNLLLoss(full=True), from_both(numbers, positive))
    yield Case(
        "PoissonNLLLoss(mean)", lambda: nn.PoissonNLLLoss(log_input=False), from_both(positive, positive)
    )
    yield Case("SoftMarginLoss", nn.SoftMarginLoss, from_both(numbers, signs))
    yield Case("HingeEmbeddingLoss", nn.HingeEmbeddingLoss, from_both(numbers, signs))
    yield Case("MultiLabelSoftMarginLoss", lambda: nn.MultiLabelSoftMarginLoss(WEIGHTS), logits)
    yield Case("MultiMarginLoss", lambda: nn.MultiMarginLoss(weight=WEIGHTS), by_index)
    yield Case("MultiMarginLoss(p=2)", lambda: nn.MultiMarginLoss(2, margin=0.5), by_index)
    yield Case("MultiLabelMarginLoss", nn.MultiLabelMarginLoss, from_both(numbers, lists))
    yield Case("KLDivLoss(log)", lambda: nn.KLDivLoss(log_target=True), from_both(logarithms, logarithms))


CASES = [*generated(), *drop_ins()]
