"""Texts with ridge: how often words, or pieces of words, are used, weighed by how rare they are.

Words and letters are two members: a mixture of both is better than a ridge on both side by side, where the many pieces
outweigh the words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

from mimetic.auto.members import Arrays, Floats
from mimetic.modalities import Modalities, Value
from mimetic.records import Json
from mimetic.ridge import Ridge, fit_ridge

UNITS: dict[str, dict[str, Any]] = {
    "words": {"analyzer": "word", "ngram_range": (1, 2), "token_pattern": r"(?u)\w+(?:'\w+)*"},
    "letters": {"analyzer": "char_wb", "ngram_range": (2, 5)},
}
"""What can be counted: words and pairs of them; two to five letters in a row, within words."""

MANY = 50
"""Texts from which on a term has to be in two of them."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Texts:
    """Term frequencies (tf-idf) and a ridge. A clip without the text gets the mean of the labels, ``prior``."""

    kind: ClassVar[str] = "texts"
    modality: str
    unit: str
    counter: TfidfVectorizer
    ridge: Ridge
    prior: Floats

    @property
    def name(self) -> str:
        """What it is, and of which modality."""
        return f"ridge on {self.unit} of {self.modality}"

    def predict(self, clips: Modalities) -> Floats:
        """Give ``(clip, target)``."""
        values: Sequence[Value] = clips[self.modality] if self.modality in clips else [None] * len(clips)
        predicted = self.ridge.predict(self.counter.transform(_texts(values)))
        return np.where(_has(values)[:, None], predicted, self.prior)

    def saved(self) -> tuple[Json, Arrays]:
        """Give the vocabulary as JSON; what was learned as arrays."""
        told = {"modality": self.modality, "unit": self.unit, "terms": self.counter.get_feature_names_out().tolist()}
        learned = {"weights": self.ridge.weights, "intercept": self.ridge.intercept, "alphas": self.ridge.alphas}
        return told, {"idf": self.counter.idf_, "prior": self.prior, **learned}

    @classmethod
    def restored(cls, config: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Texts:
        """Build it from what ``saved`` gave."""
        counter = _counter(config["unit"], vocabulary=config["terms"])
        counter.idf_ = arrays["idf"]
        ridge = Ridge(**{name: arrays[name] for name in ("weights", "intercept", "alphas")})
        return cls(
            modality=config["modality"], unit=config["unit"], counter=counter, ridge=ridge, prior=arrays["prior"]
        )


def fit_texts(
    clips: Modalities, modality: str, unit: str, labels: Floats, folds: NDArray[np.intp]
) -> tuple[Texts, Floats] | None:
    """Fit a ridge on the terms of one modality's texts; give it with its fair predictions, ``(clip, target)``.

    ``None`` where the texts have no terms. The vocabulary is all texts': it does not know the labels.
    """
    has = _has(clips[modality])
    counter = _counter(unit, min_df=2 if np.count_nonzero(has) > MANY else 1)
    try:
        counted = counter.fit_transform(_texts(clips[modality]))
    except ValueError:  # an empty vocabulary
        return None
    ridge, predicted = fit_ridge(counted, np.where(has[:, None], labels, np.nan), folds)
    prior = _means(labels)
    member = Texts(modality=modality, unit=unit, counter=counter, ridge=ridge, prior=prior)
    return member, np.where(has[:, None], predicted, prior)


def _has(values: Sequence[Value]) -> NDArray[np.bool_]:
    return np.array([isinstance(value, str) for value in values], dtype=bool)


def _texts(values: Sequence[Value]) -> list[str]:
    return [value if isinstance(value, str) else "" for value in values]


def _counter(unit: str, **options: Any) -> TfidfVectorizer:
    return TfidfVectorizer(**UNITS[unit], sublinear_tf=True, strip_accents="unicode", **options)


def _means(labels: Floats) -> Floats:
    known = ~np.isnan(labels)
    means: Floats = np.where(known, labels, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return means
