"""Which loss to train with: train a model with each on the data at hand, and measure.

>>> from losskit.advisor import LossRegressor
>>> LossRegressor("huber(delta=2)").hidden
0
"""

from losskit.advisor.comparison.result import Comparison
from losskit.advisor.comparison.trial import compare
from losskit.advisor.models.estimators import LossClassifier, LossRegressor

__all__ = ["Comparison", "LossClassifier", "LossRegressor", "compare"]
