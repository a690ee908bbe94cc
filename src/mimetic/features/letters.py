"""Words as they are: what is said in a clip, letter by letter, for models that count words themselves.

In goes what is said (``Words``), out comes a Track of one column: 0 for the beginning, then the Unicode number of each
letter. So a text lies in a store, and is missing or empty, like any other feature. ``read_letters`` gives it back.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mimetic.records import Track, Words


class Letters:
    """What is said, letter by letter."""

    def begin(self) -> LettersExtraction:
        """Start on a clip."""
        return LettersExtraction()


class LettersExtraction:
    """One clip on its way."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def add(self, piece: Words) -> None:
        """Take what is said."""
        self._texts.append(piece.text)

    def finish(self) -> Track:
        """Give ``(letter + 1, 1)`` float32; ``(0, 1)`` where there were no words to take.

        An empty text is a measurement too: nobody spoke. It has its beginning.
        """
        numbers = [0, *map(ord, " ".join(self._texts))] if self._texts else []
        values = np.array(numbers, np.float32).reshape(-1, 1)
        return Track(values=values, rate=0.0, valid=np.ones(len(values), dtype=np.bool_))


def read_letters(values: NDArray[np.floating[Any]]) -> str:
    """Give the text of a track's values.

    >>> read_letters(np.array([[0.0], [72.0], [105.0]]))
    'Hi'
    """
    return "".join(map(chr, values[1:, 0].astype(np.int64).tolist()))
