"""What a recipe is trained on: a data set, its split and its features, in; tracks, labels, and what signs them, out.

Features are mapped once and shared by all recipes and seeds that are trained on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mimetic.batches import Ragged, load_tracks, stored_identity
from mimetic.features import Feature, feature
from mimetic.recipes import Recipe
from mimetic.records import BadData, Dataset, Json
from mimetic.runs import FORMAT, Signature
from mimetic.sharing import shared
from mimetic.splits import Split, split_dataset
from mimetic.store import Store, digest
from mimetic.tuned import read_tuned


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Material:
    """A data set as one recipe sees it: tracks by part, labels, split, what signs them; and what its clips share."""

    dataset: Dataset
    split: Split
    parts: tuple[Ragged, ...]
    identities: tuple[Json, ...]
    labels: Tensor
    fingerprints: Mapping[str, str]
    shared: Json
    kept: dict[str, Tensor] = field(default_factory=dict)  # what was pooled of its tracks, for other seeds and recipes

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
                "shared": self.shared,
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
        self._kept: dict[str, Tensor] = {}

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
            self._check_unseen(key, split)
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
            shared=self._shared,
            kept=self._kept,
        )

    @cached_property
    def _shared(self) -> Json:
        return shared(self.dataset)

    def _split(self, name: str) -> Split:
        if name not in self._splits:
            self._splits[name] = split_dataset(self.dataset, name)
        return self._splits[name]

    def _map(self, key: str) -> None:
        if key in self._tracks:
            return
        self._identities[key] = stored_identity(self.store, feature(key), self.dataset)
        self._tracks[key] = load_tracks(self.store, feature(key), self.dataset)
        self._provenance[key] = provenance(self.store, feature(key), self.dataset)

    def _check_unseen(self, key: str, split: Split) -> None:
        """Refuse features of an encoder that has learned from clips which are to judge it."""
        if (tuned := read_tuned(self.store.folder(key))) is None:
            return
        stored, clips = self.store[key], self.dataset.clips
        for part, rows in (("validation", split.valid), ("test", split.test)):
            told = [(clips[row].id, stored.source(clips[row].id)) for row in rows.tolist()]
            tuned.check_unseen(told, part=part, split=split.name)

    def _data(self) -> str:
        if not self._fingerprint:
            self._fingerprint = data_fingerprint(self.dataset)
        return self._fingerprint


def data_fingerprint(dataset: Dataset) -> str:
    """Give a short name for who is in a data set and what they felt."""
    return digest([dataset.targets, [clip.id for clip in dataset.clips], _hexed(dataset.labels)])


def provenance(store: Store, wanted: Feature, dataset: Dataset) -> Json:
    """Say what signs a stored feature of a data set's clips: who made its rows, and from what."""
    stored = store[wanted.key]
    shards = {id(shard): shard for shard in (stored.newest(clip.id) for clip in dataset.clips)}
    sources = [stored.source(clip.id) for clip in dataset.clips]
    made_by = sorted({digest(shard.identity) for shard in shards.values()})
    return {"feature": wanted.key, "made by": made_by, "from": digest(sources)}


def _hexed(labels: NDArray[np.float64]) -> str:
    return np.ascontiguousarray(labels).tobytes().hex()
