"""One number a row: which losses can be scored from columns, and their terms."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from losskit import catalogue
from losskit.errors import InputError
from losskit.labels import label_of
from losskit.loss import LossFunction
from losskit.scoring.roles import Roles
from losskit.structures import ElementwiseLoss, RowLoss
from losskit.structures.columns import ColumnLoss

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class ScoredLoss:
    """A loss as it is scored: its terms, and whether they are averaged or added up."""

    label: str
    """What the user called it."""
    terms_of: LossFunction
    """The loss with one number a row."""
    mean: bool

    @classmethod
    def of(cls, given: str | LossFunction, roles: Roles) -> "ScoredLoss":
        """A loss by its text or itself; an error where the columns are not what it is a loss of."""
        loss = _parsed(given) if isinstance(given, str) else given
        label = given.strip() if isinstance(given, str) else label_of(loss)
        if loss.reduction == "none":
            raise InputError(f'"{label}": a score is a mean or a sum; reduction="none" is neither.')
        _check_columns(label, loss, roles)
        return cls(label, loss.replace(reduction="none"), loss.reduction == "mean")

    def terms(self, true: Numbers, pred: tuple[Numbers, ...]) -> Numbers:
        """The loss of each row."""
        if isinstance(self.terms_of, RowLoss):
            terms = self.terms_of(_as_classes(true), np.stack(pred, axis=self.terms_of.axis))
        else:
            terms = self.terms_of(true, *pred)
        return np.asarray(terms, np.float64)

    def first_refused(self, true: Numbers, pred: tuple[Numbers, ...], error: Exception) -> tuple[int, str]:
        """Of rows that the loss raised an error for, the first one that it does not accept, and why."""
        low, high = 0, len(true)  # the first ``low`` rows are accepted, the first ``high`` are not
        while high - low > 1:
            middle = (low + high) // 2
            trouble = self._trouble(true[:middle], tuple(column[:middle] for column in pred))
            low, high = (middle, high) if trouble is None else (low, middle)
        row = slice(low, high)
        found = self._trouble(true[row], tuple(column[row] for column in pred)) or error
        return low, re.sub(r" at (index \S+|the only element)", "", str(found.args[0])).rstrip(".")

    def _trouble(self, true: Numbers, pred: tuple[Numbers, ...]) -> Exception | None:
        try:
            self.terms(true, pred)
        except (ValueError, IndexError, TypeError) as error:
            return error
        return None


def _parsed(text: str) -> LossFunction:
    try:
        return catalogue.parse(text)
    except (ValueError, KeyError, TypeError, SyntaxError) as error:
        raise InputError(str(error.args[0]) if error.args else str(error)) from None


def _check_columns(label: str, loss: LossFunction, roles: Roles) -> None:
    """Raise unless the loss is one of a target column and as many prediction columns as there are."""
    count = len(roles.pred)
    if isinstance(loss, RowLoss):
        if loss.form.target == "distribution":
            raise InputError(
                f'"{label}" takes a distribution over the classes as target, which is no single column;'
                " score sparse_categorical_cross_entropy, or another loss of class indices."
            )
        if count < 2:
            raise InputError(
                f'"{label}" compares a class index with one column for each class: --pred class0 --pred class1 ...;'
                f' got "{roles.pred[0]}" only.'
            )
        return
    if isinstance(loss, ElementwiseLoss) or loss.structure == "by_hand":
        names: tuple[str, ...] = ("y_true", "y_pred")
    elif isinstance(loss, ColumnLoss) and not (loss.entries or loss.summed or loss.apart):
        names = loss.arguments
    else:
        raise InputError(
            f'"{label}" is no loss of single rows, so columns of targets and predictions do not determine it.'
        )
    if names[0] != "y_true":
        raise InputError(f'"{label}" compares {" and ".join(names)}, and no target with a prediction.')
    if count != len(names) - 1:
        wanted = "one column" if len(names) == 2 else f"{len(names) - 1} columns ({', '.join(names[1:])})"
        raise InputError(f'"{label}" takes {wanted} of predictions; got {count}: {", ".join(roles.pred)}.')


def _as_classes(true: Numbers) -> NDArray[Any]:
    """Class indices, which are whole numbers."""
    classes = true.astype(np.int64)
    if (classes != true).any():
        wrong = true[classes != true][0]
        raise ValueError(f"y_true must be class indices 0, 1, 2, ..., got {wrong:g}")
    return classes
