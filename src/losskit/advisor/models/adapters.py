"""How a classifier's outputs and classes are shown to a loss: as logits, margins, probabilities or rows.

Everything here asks what a loss is, never what it is called.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from losskit import catalogue
from losskit.advisor.models.model import Objective
from losskit.errors import InputError, needs
from losskit.links import link_of, on_logits, terms
from losskit.loss import LossFunction
from losskit.structures import ArrayLoss, RowLoss

with needs("compare"):
    from scipy import optimize
    from scipy.special import expit, log_softmax, softmax


def resolve(loss: object) -> LossFunction:
    """A loss, or the text of one, as a loss.

    >>> resolve("huber(delta=2)")
    HuberLoss(delta=2.0)
    """
    if isinstance(loss, str):
        loss = catalogue.parse(loss)
    if not isinstance(loss, LossFunction):
        raise TypeError(
            f"a loss must be a losskit loss or text such as 'huber(delta=2)', got {type(loss).__name__}"
        )
    for part in terms(loss):
        if isinstance(part, ArrayLoss):
            raise InputError(
                f"{type(part).__name__} takes ({', '.join(part.arguments)}) as whole arrays; the models here answer one "
                "number a row, or one a class: choose a loss of single predictions or of rows."
            )
    return loss


@dataclass(frozen=True)
class Adapter:
    """A classification loss with the shape of the outputs and targets it takes."""

    loss: LossFunction
    kind: str
    """What the loss takes: "rows" of logits, a "logit", a "margin" or a "probability"."""
    classes: int
    one_hot: bool = False
    """Whether a loss of rows takes distributions instead of class indices."""

    @property
    def outputs(self) -> int:
        """One output a class; for a loss of one number and two classes, one."""
        return self.classes if self.kind == "rows" or self.classes > 2 else 1

    def targets(self, codes: NDArray[np.intp]) -> NDArray[Any]:
        """The classes 0, 1, ... as the loss wants them."""
        if self.kind == "rows" and not self.one_hot:
            return codes
        hot = np.eye(self.classes)[codes]
        if self.kind == "rows":
            return hot
        binary = hot[:, 1:] if self.outputs == 1 else hot
        return 2.0 * binary - 1.0 if self.kind == "margin" else binary

    def objective(self, codes: NDArray[np.intp], weight: NDArray[np.float64] | None) -> Objective:
        """The loss of a model's outputs and its slope by them."""
        y = self.targets(codes)
        w = weight
        if self.kind != "rows" and weight is not None:
            w = np.ascontiguousarray(np.broadcast_to(weight[:, None], y.shape))
        loss = self.loss

        def of_probability(z: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            p = expit(z)
            value, slope = loss.value_and_derivative(y, p, sample_weight=w)
            return float(value), slope * p * expit(-z)

        def of_output(z: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            value, slope = loss.value_and_derivative(y, z, sample_weight=w)
            return float(value), slope

        return of_probability if self.kind == "probability" else of_output

    def temperature(
        self,
        outputs: NDArray[np.float64],
        codes: NDArray[np.intp],
        weight: NDArray[np.float64] | None,
    ) -> float:
        """The factor that turns margins into logits: the one of least log loss; 1 for what is logits already.

        One factor for all classes (Guo et al. 2017), so that the likeliest class stays the one predicted. The
        classes are softened by one row each, or margins without a mistake would ask for an infinite factor.
        """
        if self.kind != "margin":
            return 1.0
        w = np.ones(len(codes)) if weight is None else weight
        soft = (np.eye(self.classes)[codes] * w.sum() + 1.0) / (w.sum() + self.classes)
        rows = self._rows(outputs)
        size = float(np.abs(rows).max()) or 1.0

        def log_loss(log_factor: float) -> float:
            return -float(w @ (soft * log_softmax(rows * (np.exp(log_factor) / size), axis=1)).sum(axis=1))

        best = optimize.minimize_scalar(
            log_loss, bounds=(-7.0, 14.0), method="bounded", options={"xatol": 1e-6}
        )
        return float(np.exp(best.x)) / size

    def probabilities(self, outputs: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
        """The probability of each class."""
        if self.kind == "rows" or self.kind == "margin" or self.outputs == 1:
            return np.asarray(softmax(self._rows(outputs) * temperature, axis=1))
        p = np.maximum(expit(outputs), np.finfo(float).tiny)
        return np.asarray(p / p.sum(axis=1, keepdims=True))

    def _rows(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """One column a class: of one output, 0 and the output."""
        return np.column_stack([np.zeros(len(outputs)), outputs]) if self.outputs == 1 else outputs


def adapter_for(loss: object, classes: int) -> Adapter:
    """Find how a loss wants a classifier's outputs; "auto" is the cross-entropy.

    >>> adapter_for("hinge", 2).kind, adapter_for("auto", 3).kind
    ('margin', 'rows')
    """
    if isinstance(loss, str) and loss == "auto":
        loss = "binary_cross_entropy" if classes == 2 else "sparse_categorical_cross_entropy"
    found = on_logits(resolve(loss))
    parts = terms(found)
    rows = [part for part in parts if isinstance(part, RowLoss)]
    if rows:
        if any(part.form.link != "softmax" for part in rows):
            raise InputError(f"{found!r} takes no logits, and logits are what a classifier has.")
        return Adapter(found, "rows", classes, one_hot=any(p.form.target == "distribution" for p in rows))
    link = link_of(found)
    return Adapter(found, link if link in ("margin", "logit") else "probability", classes)


def tasks_of(loss: LossFunction) -> frozenset[str]:
    """The tasks that every term of a loss serves; empty where nothing is known of them."""
    known = [part.about.tasks for part in terms(loss) if part.about is not None]
    return frozenset.intersection(*known) if known else frozenset()
