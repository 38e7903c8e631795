"""Cutting arrays into tiles, for formulas that go over large ones a part at a time."""

from typing import Any

TILE = 256
"""Rows of a tile."""


def tiles(xp: Any, *arrays: Any) -> tuple[Any, ...]:
    """The arrays with their rows in tiles along a new first axis; the last tile is filled up with zeros."""
    rows = arrays[0].shape[0]
    tile = min(TILE, rows)
    missing = -rows % tile
    return tuple(
        xp.reshape(xp.concatenate((a, xp.zeros_like(a[:missing])), axis=0), (-1, tile, *a.shape[1:]))
        for a in arrays
    )
