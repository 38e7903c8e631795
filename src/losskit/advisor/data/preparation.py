"""What happens to the features before a model sees them, learnt from training rows only."""

from typing import Any

from losskit.advisor.data.table import Table
from losskit.errors import needs

with needs("compare"):
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

MOST_CATEGORIES = 30
"""A text column gets at most this many indicator columns; rarer texts share one."""


def preparation(table: Table) -> Any:
    """A transformer: numbers imputed by their median and standardised, categories one-hot, empty ones apart.

    A number that was empty is told by an indicator column; a category not seen in training counts as rare.
    """
    numeric = [i for i, levels in enumerate(table.categories) if levels is None]
    text = [i for i, levels in enumerate(table.categories) if levels is not None]
    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    codes = make_pipeline(
        SimpleImputer(strategy="constant", fill_value=-1.0),
        OneHotEncoder(
            max_categories=MOST_CATEGORIES, handle_unknown="infrequent_if_exist", sparse_output=False
        ),
    )
    return ColumnTransformer([("numbers", numbers, numeric), ("categories", codes, text)])
