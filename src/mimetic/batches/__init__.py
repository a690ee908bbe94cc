"""Ragged tracks become tensors: clips of like length side by side, with little padding and no more rows than fit.

Each modality is cut into buckets of its own, and its vectors are put back in the clips' order afterwards: a clip with
long sound and few faces costs neither modality the other's padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mimetic.batches.buckets import BUDGET, ENCODED, POOLED, ROWS, SLACK, SLACK_ROWS, Bucket, buckets_of
from mimetic.batches.ragged import Ragged
from mimetic.batches.ready import Ready
from mimetic.features import Feature
from mimetic.records import Dataset, Json, StoreError
from mimetic.store import Store, digest

__all__ = [
    "BUDGET",
    "ENCODED",
    "POOLED",
    "ROWS",
    "SLACK",
    "SLACK_ROWS",
    "Batch",
    "Bucket",
    "Ragged",
    "Ready",
    "buckets_of",
    "load_tracks",
    "make_batch",
    "stored_identity",
]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Batch:
    """Clips on their way through a network: buckets a modality, and ``lengths`` ``(clip, modality)``, 0 if missing."""

    buckets: tuple[tuple[Bucket, ...], ...]
    lengths: Tensor

    @property
    def confidence(self) -> Tensor:
        """How sure detectors were, ``(clip, modality)``: the mean over rows, 1 where none tells, 0 where missing."""
        sure = (self.lengths > 0).float()
        for modality, buckets in enumerate(self.buckets):
            for bucket in buckets:
                if bucket.quality is not None:
                    sure[bucket.rows, modality] = bucket.quality.sum(dim=1) / bucket.lengths
        return sure


def make_batch(
    parts: Sequence[Ragged],
    clips: NDArray[np.intp],
    device: torch.device,
    *,
    keep: NDArray[np.bool_] | None = None,
) -> Batch:
    """Make the batch of some clips.

    ``keep`` is ``(clip, modality)`` bool, as modality dropout draws it: what is not kept is not computed, and from
    there on missing like anything that was never there.
    """
    lengths = np.stack([part.lengths[clips] for part in parts], axis=1)
    if keep is None:
        buckets = [part.buckets(clips, device) for part in parts]
        return Batch(buckets=tuple(buckets), lengths=torch.from_numpy(lengths).to(device))
    buckets = []
    for modality, part in enumerate(parts):
        places = np.flatnonzero(keep[:, modality])
        buckets.append(part.buckets_at(clips[places], places, device))
    return Batch(buckets=tuple(buckets), lengths=torch.from_numpy(lengths * keep).to(device))


def load_tracks(store: Store, wanted: Feature, dataset: Dataset) -> Ragged:
    """Map one feature of every clip, in the data set's order; a clip without rows has none.

    Nothing but lengths is read here; whether rows are as they were written is known when they are first touched.

    Raises
    ------
    StoreError
        if a clip has no row for the feature, or has one that was computed otherwise.
    """
    identity = stored_identity(store, wanted, dataset)
    stored = store[wanted.key]
    return Ragged.stored(stored, [clip.id for clip in dataset.clips], int(identity["dim"]))


def stored_identity(store: Store, wanted: Feature, dataset: Dataset) -> Json:
    """Give what signs the feature's rows of the data set's clips: who made them, their dim, and all that decides them.

    Raises
    ------
    StoreError
        as ``load_tracks``.
    """
    stored = store[wanted.key]
    remedy = f"Run `mimetic extract` with --with {wanted.key}."
    absent = [clip.id for clip in dataset.clips if clip.id not in stored]
    if absent:
        some = ", ".join(absent[:3])
        raise StoreError(f"{len(absent)} clips have no {wanted.key} in {store.path} ({some} ...)", remedy=remedy)
    shards = {id(shard): shard for shard in (stored.newest(clip.id) for clip in dataset.clips)}
    identities = {digest(shard.identity): shard.identity for shard in shards.values()}
    if not all(map(wanted.matches, identities.values())):
        raise StoreError(f"{store.path} holds {wanted.key} as another version computed it", remedy=remedy)
    if len({identity["dim"] for identity in identities.values()}) != 1:
        raise StoreError(f"{store.path} holds {wanted.key} of several models", remedy=remedy)
    return next(iter(identities.values()))
