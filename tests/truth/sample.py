"""What array losses are tried on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Sample(NamedTuple):
    """Arguments to try a loss on; not smooth where a difference quotient says nothing of the derivative."""

    name: str
    arguments: tuple[np.ndarray | None, ...]
    smooth: bool = True
