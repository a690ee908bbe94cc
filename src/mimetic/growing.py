"""Rows that come piece by piece, kept in one block of memory.

A list of small arrays costs far more than their bytes: each is cut out of the hole that some large temporary has left,
which the next temporary then no longer fits. Over twenty minutes of frames that was 100 MB for 10 MB of rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

FIRST = 16
"""Rows that there is room for at first; the room doubles whenever it is full."""


class Growing:
    """An array that grows along its first axis.

    Parameters
    ----------
    shape
        of a row; ``()`` for single values.
    """

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        self._room: NDArray[Any] = np.empty((FIRST, *shape), dtype)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def append(self, rows: NDArray[Any]) -> None:
        """Take ``(time, *shape)``, brought to the array's type."""
        length = self._length + len(rows)
        if length > len(self._room):
            grown = np.empty((max(length, 2 * len(self._room)), *self._room.shape[1:]), self._room.dtype)
            grown[: self._length] = self._room[: self._length]
            self._room = grown
        self._room[self._length : length] = rows
        self._length = length

    @property
    def rows(self) -> NDArray[Any]:
        """All rows so far: a view, good until the next is appended."""
        return self._room[: self._length]

    def clear(self) -> None:
        """Forget the rows, and keep the room."""
        self._length = 0
