"""Which loss to train with: train a model with each on the data at hand, and measure.

>>> from losskit.advisor import LossRegressor
>>> LossRegressor("huber(delta=2)").hidden
0
"""

from losskit.advisor.comparison import compare
from losskit.advisor.estimators import LossClassifier, LossRegressor
from losskit.advisor.result import Comparison

__all__ = ["Comparison", "LossClassifier", "LossRegressor", "compare"]
