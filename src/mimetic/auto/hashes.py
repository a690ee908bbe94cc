"""The line to beat: all that clips have as one row of statistics, and a ridge; texts as hashed words and letters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import HashingVectorizer

from mimetic.auto.members import Arrays, Floats
from mimetic.auto.statistics import Statistics, fit_statistics
from mimetic.modalities import Modalities, Value
from mimetic.records import Json

COLUMNS = 1_024
"""Columns of words, and as many of letters."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Floor:
    """A ridge on clip statistics, and on hashed words and letters of these texts."""

    kind: ClassVar[str] = "floor"
    texts: tuple[str, ...]
    statistics: Statistics

    @property
    def name(self) -> str:
        """What it is, and of which modalities."""
        return self.statistics.name

    def predict(self, clips: Modalities) -> Floats:
        """Give ``(clip, target)``."""
        return self.statistics.predict(_hashed(clips, self.texts))

    def saved(self) -> tuple[Json, Arrays]:
        """Give the blocks as JSON; what was learned as arrays."""
        config, arrays = self.statistics.saved()
        return {"texts": list(self.texts), **config}, arrays

    @classmethod
    def restored(cls, config: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Floor:
        """Build it from what ``saved`` gave."""
        return cls(texts=tuple(config["texts"]), statistics=Statistics.restored(config, arrays))


def fit_hashes(clips: Modalities, labels: Floats, folds: NDArray[np.intp]) -> tuple[Floor, Floats]:
    """Fit the line to beat; give it with its fair predictions, ``(clip, target)``."""
    texts = tuple(clips.texts)
    hashed = _hashed(clips, texts)
    statistics, predicted = fit_statistics(hashed, hashed.arrays, labels, folds)
    return Floor(texts=texts, statistics=statistics), predicted


def _hashed(clips: Modalities, texts: tuple[str, ...]) -> Modalities:
    for name in texts:
        if name in clips:
            clips = clips.with_arrays(f"{name}.hashed", _rows(clips[name]))
    return clips


def _rows(values: tuple[Value, ...]) -> list[Value]:
    said = [value if isinstance(value, str) else "" for value in values]
    words = HashingVectorizer(n_features=COLUMNS, ngram_range=(1, 2), token_pattern=r"(?u)\w+(?:'\w+)*")
    letters = HashingVectorizer(n_features=COLUMNS, analyzer="char_wb", ngram_range=(2, 5))
    rows = np.hstack([kind.transform(said).toarray().astype(np.float32) for kind in (words, letters)])
    return [row if isinstance(value, str) else None for row, value in zip(rows, values, strict=True)]
