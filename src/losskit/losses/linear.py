"""A linear layer and cross-entropy in one: what the last layer of a language model needs."""

from typing import ClassVar

from losskit.about import SMOOTH, About
from losskit.losses.softmax import SparseCategoricalCrossEntropy
from losskit.parameters import parameter
from losskit.rules import Term
from losskit.structures.linear import LinearLoss


class LinearCrossEntropy(LinearLoss):
    r"""Cross-entropy of the logits hidden @ weight.T + bias, a tile of rows at a time.

    The value and the derivatives with respect to hidden, weight and bias are those of the two steps
    apart, ``SparseCategoricalCrossEntropy(from_logits=True)`` after a matrix product; but the logits, rows
    times classes numbers, are never stored whole. torch's LinearCrossEntropyLoss (2.13) is a module that
    holds the weight and ignores index -100; Liger's and Apple's cut cross-entropy are GPU kernels of the
    same name. ``derivative`` answers with a tuple, in the order hidden, weight, bias.

    Parameters: ``label_smoothing`` s puts (1 - s) y + s / classes in the place of y; ``z_loss`` adds that
    multiple of the squared log-sum-exp of the logits; ``class_weights`` is a weight a class, which is not
    in a mean's denominator; rows whose target is ``ignore_index`` are absent; with
    ``targets="distribution"`` y_true holds shares of all classes. hidden is of shape (..., features),
    weight (classes, features), bias (classes,) or left out, y_true (...) or (..., classes). A mean is
    over rows.

    Raises ValueError where the shapes do not fit or distributions do not sum to 1, IndexError for a class
    index out of range. In compiled code such rows are NaN instead.

    >>> import numpy as np
    >>> loss = LinearCrossEntropy()
    >>> hidden, weight = np.array([[2.0, 0.0]]), np.array([[10.0, 0.0], [0.0, 10.0]])
    >>> print(f"{loss.compute([0], hidden, weight):.7e}")  # logits 20 and 0
    2.0611536e-09
    """

    label_smoothing: float = parameter(
        default=0.0, at_least=0, at_most=1, doc="share of the uniform distribution mixed into the target"
    )
    z_loss: float = parameter(
        default=0.0, at_least=0, doc="multiple of the squared log-sum-exp of the logits"
    )

    def make_terms(self) -> tuple[Term, ...]:
        of_logits = SparseCategoricalCrossEntropy(self.label_smoothing, z_loss=self.z_loss, from_logits=True)
        return of_logits.terms

    about: ClassVar = About(
        formula=r"-\log \operatorname{softmax}(W h + b)_t",
        tasks={"multiclass"},
        traits={SMOOTH},
        estimates="the probability of each class",
        strengths=("memory for one tile of logits instead of all of them", "one call for both gradients"),
        weaknesses=("the logits themselves are not there to look at",),
        uses=("language models with large vocabularies", "classification with very many classes"),
        references=(
            "Wijmans et al. (2024), Cut your losses in large-vocabulary language models",
            "Hsu et al. (2024), Liger kernel",
        ),
        aliases=("linear_softmax_cross_entropy",),
        elsewhere=(
            "torch.nn.LinearCrossEntropyLoss: a module that holds the weight; ignores -100; since torch 2.13",
        ),
    )
