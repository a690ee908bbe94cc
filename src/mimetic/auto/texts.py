"""Texts with ridge: how often words, pairs of words and pieces of words are used, weighed by how rare they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer

from mimetic.auto.members import Arrays, Floats
from mimetic.modalities import Modalities, Value
from mimetic.records import Json
from mimetic.ridge import Ridge, fit_ridge

UNITS: dict[str, dict[str, Any]] = {
    "words": {"analyzer": "word", "ngram_range": (1, 2), "token_pattern": r"(?u)\w+(?:'\w+)*"},
    "letters": {"analyzer": "char_wb", "ngram_range": (2, 5)},
}
"""What is counted: words and pairs of them; two to five letters in a row, within words."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Texts:
    """Term frequencies (tf-idf) and a ridge. A clip without the text gets the mean of the labels, ``prior``."""

    kind: ClassVar[str] = "texts"
    modality: str
    counters: Mapping[str, TfidfVectorizer]
    ridge: Ridge
    prior: Floats

    @property
    def name(self) -> str:
        """What it is, and of which modality."""
        return f"ridge on words and letters of {self.modality}"

    def predict(self, clips: Modalities) -> Floats:
        """Give ``(clip, target)``."""
        values: Sequence[Value] = clips[self.modality] if self.modality in clips else [None] * len(clips)
        has = np.array([isinstance(value, str) for value in values], dtype=bool)
        counted = hstack([counter.transform(_texts(values)) for counter in self.counters.values()]).tocsr()
        predicted: Floats = np.where(has[:, None], self.ridge.predict(counted), self.prior)
        return predicted

    def saved(self) -> tuple[Json, Arrays]:
        """Give the vocabularies as JSON; what was learned as arrays."""
        terms = {unit: counter.get_feature_names_out().tolist() for unit, counter in self.counters.items()}
        rarity = {f"idf.{unit}": counter.idf_ for unit, counter in self.counters.items()}
        learned = {"weights": self.ridge.weights, "intercept": self.ridge.intercept, "alphas": self.ridge.alphas}
        return {"modality": self.modality, "terms": terms}, {**rarity, **learned, "prior": self.prior}

    @classmethod
    def restored(cls, config: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Texts:
        """Build it from what ``saved`` gave."""
        counters = {}
        for unit, terms in config["terms"].items():
            counters[unit] = _counter(unit, vocabulary=terms)
            counters[unit].idf_ = arrays[f"idf.{unit}"]
        ridge = Ridge(**{name: arrays[name] for name in ("weights", "intercept", "alphas")})
        return cls(modality=str(config["modality"]), counters=counters, ridge=ridge, prior=arrays["prior"])


def fit_texts(
    clips: Modalities, modality: str, labels: Floats, folds: NDArray[np.intp]
) -> tuple[Texts, Floats] | None:
    """Fit a ridge on the terms of one modality's texts; give it with its fair predictions, ``(clip, target)``.

    ``None`` where the texts have no words. The vocabulary is all texts': it does not know the labels.
    """
    values = clips[modality]
    has = np.array([isinstance(value, str) for value in values], dtype=bool)
    texts = _texts(values)
    fewest = 2 if np.count_nonzero(has) > 50 else 1
    counters, counted = {}, []
    for unit in UNITS:
        counter = _counter(unit, min_df=fewest)
        try:
            counted.append(counter.fit_transform(texts))
        except ValueError:  # an empty vocabulary
            continue
        counters[unit] = counter
    if not counters:
        return None
    known = np.where(has[:, None], labels, np.nan)
    ridge, predicted = fit_ridge(csr_matrix(hstack(counted)), known, folds)
    prior = _means(labels)
    member = Texts(modality=modality, counters=counters, ridge=ridge, prior=prior)
    return member, np.where(has[:, None], predicted, prior)


def _texts(values: Sequence[Value]) -> list[str]:
    return [value if isinstance(value, str) else "" for value in values]


def _counter(unit: str, **options: Any) -> TfidfVectorizer:
    return TfidfVectorizer(**UNITS[unit], sublinear_tf=True, strip_accents="unicode", **options)


def _means(labels: Floats) -> Floats:
    known = ~np.isnan(labels)
    means: Floats = np.where(known, labels, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return means
