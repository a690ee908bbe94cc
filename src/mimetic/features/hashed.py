"""Words become one vector: how often each word and each pair of words is said, hashed; nothing learned, nothing stored.

In goes what is said in a clip (``Words``), out comes a Track of one row of length 1. Which columns a word counts in
follows from the word alone: it is the same in every process, on every machine, for every data set.
"""

from __future__ import annotations

import unicodedata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mimetic.records import Track, Words

WORD = r"\w+(?:'\w+)*"
"""One letter is a word ("I"), and "don't" is one word, not two."""


class HashedWords:
    """Words and pairs of neighbouring words, hashed to ``dim`` columns.

    A word's sign comes from its hash too, so that collisions cancel on average instead of adding up (Weinberger et
    al., "Feature hashing for large scale multitask learning", ICML 2009).

    Parameters
    ----------
    dim
        columns. Few serve small data: some hundred clips cannot teach a weight for every word.
    """

    def __init__(self, dim: int = 512) -> None:
        # Imported here because it takes a second, which whoever reads the tables should not wait.
        from sklearn.feature_extraction.text import HashingVectorizer

        self._vectorizer = HashingVectorizer(
            preprocessor=_normalised,
            token_pattern=WORD,
            ngram_range=(1, 2),
            n_features=dim,
            alternate_sign=True,
            norm="l2",
            dtype=np.float32,
        )

    def begin(self) -> HashedWordsExtraction:
        """Start on a clip."""
        return HashedWordsExtraction(self._vectorizer)


class HashedWordsExtraction:
    """One clip on its way."""

    def __init__(self, vectorizer: Any) -> None:
        self._vectorizer = vectorizer
        self._texts: list[str] = []

    def add(self, piece: Words) -> None:
        """Take what is said."""
        self._texts.append(piece.text)

    def finish(self) -> Track:
        """Give ``(1, dim)`` float32; ``(0, dim)`` where there were no words to take.

        An empty text is a measurement too: nobody spoke. Its row is zero, and valid.
        """
        texts = [" ".join(self._texts)] if self._texts else []
        values: NDArray[np.float32] = np.zeros((len(texts), self._vectorizer.n_features), dtype=np.float32)
        if texts:
            values = self._vectorizer.transform(texts).toarray()
        return Track(values=values, rate=0.0, valid=np.ones(len(texts), dtype=np.bool_))


def _normalised(text: str) -> str:
    """Give one spelling to what reads the same: composed letters, lower case, straight apostrophes."""
    return unicodedata.normalize("NFKC", text).lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
