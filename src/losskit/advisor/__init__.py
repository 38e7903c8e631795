"""Which loss to train with: by looking at the data, or by training a model with each and measuring.

>>> from losskit.advisor import LossRegressor
>>> LossRegressor("huber(delta=2)").hidden
0
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from losskit.advisor.comparison.result import Comparison as Comparison
    from losskit.advisor.comparison.trial import compare as compare
    from losskit.advisor.models.estimators import LossClassifier as LossClassifier
    from losskit.advisor.models.estimators import LossRegressor as LossRegressor
    from losskit.advisor.recommendation.advice import recommend as recommend
    from losskit.advisor.recommendation.answer import Recommendation as Recommendation
    from losskit.advisor.recommendation.reading import recommend_file as recommend_file

_HOMES = {
    "Comparison": "comparison.result",
    "LossClassifier": "models.estimators",
    "LossRegressor": "models.estimators",
    "Recommendation": "recommendation.answer",
    "compare": "comparison.trial",
    "recommend": "recommendation.advice",
    "recommend_file": "recommendation.reading",
}
__all__ = [
    "Comparison",
    "LossClassifier",
    "LossRegressor",
    "Recommendation",
    "compare",
    "recommend",
    "recommend_file",
]


def __getattr__(name: str) -> Any:
    """A public name, from its home: scikit-learn is loaded only for what trains."""
    if name not in _HOMES:
        raise AttributeError(f"module 'losskit.advisor' has no attribute {name!r}")
    return getattr(importlib.import_module(f"losskit.advisor.{_HOMES[name]}"), name)
