"""Arrays that ``recommend`` refuses, and in which words."""

import datetime
from typing import Any

import numpy as np
import pytest

from losskit.advisor import recommend
from losskit.errors import InputError

BAD: dict[str, tuple[tuple[Any, ...], dict[str, Any], str]] = {
    "constant": (([2.0, 2.0, 2.0],), {}, "y_true is 2 in every row"),
    "one class": ((["a", "a"],), {}, 'y_true is "a" in every row'),
    "empty": (([],), {}, "y_true is empty"),
    "all missing": (([np.nan, np.nan],), {}, "no value in any of its 2 rows"),
    "infinite": (([1.0, np.inf],), {}, r"infinite \(inf\) in row 2"),
    "dates": (([datetime.date(2024, 1, 1)],), {}, "is dates"),
    "complex": (([1j, 2j],), {}, "is complex"),
    "text for a quantity": ((["a", "b"],), {"task": "regression"}, 'text such as "a"'),
    "too many classes": (([f"t{i}" for i in range(50)],), {}, "50 different values in 50 rows"),
    "a column vector": (([[1.0], [2.0]],), {}, r"flatten it with y_true.ravel\(\)"),
    "several quantities": ((np.zeros((3, 2)),), {}, "ask for each column by itself"),
    "lengths": (([1.0, 2.0], [1.0]), {}, "y_pred has 1 rows, y_true has 2"),
    "text as prediction": (([1.0, 2.0], ["a", "b"]), {}, "y_pred is text such as 'a'"),
    "infinite prediction": (([1.0, 2.0], [1.0, -np.inf]), {}, r"y_pred is infinite \(-inf\) in row 2"),
    "one number for three classes": ((list("abc"), [0.1, 0.2, 0.3]), {}, "3 classes need a probability each"),
    "wrong columns": ((list("abcabc"), np.full((6, 2), 0.5)), {}, "2 columns, and y_true has 3 classes"),
    "negative weight": (([1.0, 2.0],), {"sample_weight": [1.0, -1.0]}, r"negative \(-1\) in row 2"),
    "no weight left": (([1.0, 2.0],), {"sample_weight": [0.0, 0.0]}, "weight above 0"),
    "task": (([1.0, 2.0],), {"task": "regresion"}, 'Did you mean "regression"'),
    "three for binary": (([1, 2, 3],), {"task": "binary"}, "two classes, and there are 3"),
    "goal": (([1.0, 2.5],), {"goal": "quantil:0.9"}, 'there is no goal "quantil:0.9"'),
    "level": (([1.0, 2.5],), {"goal": "quantile:9"}, 'write it like "quantile:0.9"'),
    "goal of classes": (([1.0, 2.5],), {"goal": "balanced"}, "one for classes"),
    "goal of quantities": ((["a", "b"],), {"goal": "median"}, "one for quantities"),
    "background": ((np.zeros((2, 4, 4), int),), {}, "y_true is 0 everywhere"),
    "negative mask": ((np.full((2, 4, 4), -1),), {}, "classes from 0"),
    "mask of another shape": ((np.eye(4, dtype=int)[None], np.zeros((1, 4, 5))), {}, "has shape"),
    "one label": (([1, 1, 1], np.zeros((3, 4))), {"task": "similarity"}, "one label in all rows"),
    "no pair": (([1, 2, 3], np.zeros((3, 4))), {"task": "similarity"}, "no two rows with the same label"),
    "goal of a mask": ((np.eye(4, dtype=int)[None],), {"goal": "median"}, "is neither"),
    "ragged": (([[1, 2], [3]],), {}, "different lengths"),
    "too large": (([1e200, 2.0],), {}, "whose squares overflow"),
    "too alike": (([1e-200, 2e-200],), {}, "whose square vanishes"),
    "an image": ((np.arange(4000).reshape(2, 40, 50),), {}, "an image, not a mask"),
    "features": (([1.0, 2.5],), {"features": np.zeros((3, 2))}, 'the feature "x0" has 3 rows, y_true has 2'),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_bad_input(what: str) -> None:
    arguments, options, message = BAD[what]
    with pytest.raises(InputError, match=message):
        recommend(*arguments, **options)
