"""What a recipe is trained on: a data set, its split and its features, in; tracks, labels, and what signs them, out.

Features are mapped once and shared by all recipes and seeds that are trained on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mimetic.batches import Ragged, load_tracks, stored_identity
from mimetic.features import feature
from mimetic.recipes import Recipe
from mimetic.records import BadData, Dataset, Json
from mimetic.runs import FORMAT, Signature
from mimetic.splits import Split, split_dataset
from mimetic.store import Store, digest


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Material:
    """A data set as one recipe sees it: tracks by part, labels, split, and what signs them."""

    dataset: Dataset
    split: Split
    parts: tuple[Ragged, ...]
    identities: tuple[Json, ...]
    labels: Tensor
    fingerprints: Mapping[str, str]

    def sign(self, recipe: Recipe, seed: int) -> Signature:
        """Give the signature of a recipe trained on this."""
        system = digest({"format": FORMAT, "recipe": recipe.content, **self.fingerprints}, size=16)
        return Signature(system=system, run=digest([system, seed], size=16), seed=seed)

    def facts(self) -> Json:
        """Give what a run's ``config.json`` says of it."""
        split, dataset = self.split, self.dataset
        return {
            "targets": list(dataset.targets),
            "features": list(self.identities),
            "data": {
                "name": dataset.name,
                "clips": len(dataset.clips),
                "note": dataset.note,
                "fingerprint": self.fingerprints["data"],
            },
            "split": {
                "name": split.name,
                "fingerprint": self.fingerprints["split"],
                **{part: len(getattr(split, part)) for part in ("train", "valid", "test")},
            },
        }


class Shelf:
    """A data set with its features, each mapped when it is first asked for, and its splits."""

    def __init__(self, dataset: Dataset, store: Store) -> None:
        self.dataset, self.store = dataset, store
        self._tracks: dict[str, Ragged] = {}
        self._identities: dict[str, Json] = {}
        self._provenance: dict[str, Json] = {}
        self._splits: dict[str, Split] = {}
        self._fingerprint = ""

    def material(self, recipe: Recipe) -> Material:
        """Give what a recipe is trained on.

        Raises
        ------
        BadData
            if the split has no training or validation clips, or the data set no targets.
        StoreError
            if a clip has no row for a feature, or has one that was computed otherwise.
        """
        if not self.dataset.targets:
            raise BadData(f"{self.dataset.name} has no labels to train on", remedy="Give a data set with targets.")
        split = self._split(recipe.split)
        keys = [feature(part.feature).key for part in recipe.parts]
        for key in keys:
            self._map(key)
        fingerprints = {
            "data": self._data(),
            "split": digest([split.name, *(rows.tolist() for rows in (split.train, split.valid, split.test))]),
            "features": digest([self._provenance[key] for key in keys]),
        }
        seconds = [part.seconds for part in recipe.parts]
        return Material(
            dataset=self.dataset,
            split=split,
            parts=tuple(self._tracks[key].beginning(of) for key, of in zip(keys, seconds, strict=True)),
            identities=tuple(self._identities[key] for key in keys),
            labels=torch.from_numpy(self.dataset.labels.astype(np.float32)),
            fingerprints=fingerprints,
        )

    def _split(self, name: str) -> Split:
        if name not in self._splits:
            self._splits[name] = split_dataset(self.dataset, name)
        return self._splits[name]

    def _map(self, key: str) -> None:
        if key in self._tracks:
            return
        self._identities[key] = stored_identity(self.store, feature(key), self.dataset)
        self._tracks[key] = load_tracks(self.store, feature(key), self.dataset)
        self._provenance[key] = _provenance(self.store, key, self.dataset)

    def _data(self) -> str:
        if not self._fingerprint:
            ids = [clip.id for clip in self.dataset.clips]
            self._fingerprint = digest([self.dataset.targets, ids, _hexed(self.dataset.labels)])
        return self._fingerprint


def _provenance(store: Store, key: str, dataset: Dataset) -> Json:
    stored = store[key]
    shards = {id(shard): shard for shard in (stored.newest(clip.id) for clip in dataset.clips)}
    sources = [stored.source(clip.id) for clip in dataset.clips]
    made_by = sorted({digest(shard.identity) for shard in shards.values()})
    return {"feature": key, "made by": made_by, "from": digest(sources)}


def _hexed(labels: NDArray[np.float64]) -> str:
    return np.ascontiguousarray(labels).tobytes().hex()
