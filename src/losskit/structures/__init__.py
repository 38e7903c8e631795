"""The abstract bases, one per structure: what the rules of a loss are functions of.

``rules`` holds the structures whose losses are scalar rules of single elements or of rows of classes;
``arrays`` the base of all others, whose terms are functions of whole arrays, with a file for each.
"""

from losskit.structures.arrays import ArrayLoss
from losskit.structures.rules import (
    ElementwiseLoss,
    ElementwiseSum,
    MarginLoss,
    ResidualLoss,
    RowForm,
    RowLoss,
    RowSum,
    RuleLoss,
    SoftmaxLoss,
    argument_of,
    chain_of,
    common_form,
)

__all__ = [
    "ArrayLoss", "ElementwiseLoss", "ElementwiseSum", "MarginLoss", "ResidualLoss", "RowForm", "RowLoss", "RowSum",
    "RuleLoss", "SoftmaxLoss", "argument_of", "chain_of", "common_form",
]  # fmt: skip
