"""Score prediction files of any size: exact sums of losses, in all and by group.

>>> from losskit.scoring import score
>>> score({"y": [0.0, 1.0], "p": [0.5, 3.0]}, true="y", pred="p", losses="mae").losses
{'mae': 1.25}
"""

from losskit.scoring.exact_sum import ExactSum
from losskit.scoring.scorer import score
from losskit.scoring.scores import Score, Scores

__all__ = ["ExactSum", "Score", "Scores", "score"]
