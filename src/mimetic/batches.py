"""Ragged tracks become tensors: clips of like length side by side, with little padding and no more rows than fit.

Each modality is cut into buckets of its own, and its vectors are put back in the clips' order afterwards: a clip with
long sound and few faces costs neither modality the other's padding.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mimetic.features import Feature
from mimetic.records import Dataset, StoreError, Track
from mimetic.store import Store

BUDGET = 65_536
"""Rows of time, padding included, in one bucket; a longer clip is a bucket of its own."""

SLACK = 1.15
"""How much longer than a bucket's shortest clip its longest may be."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Bucket:
    """Some clips of one modality: ``values`` ``(clip, time, dim)``, ``lengths`` ``(clip,)``, ``rows`` their places."""

    rows: Tensor
    values: Tensor
    lengths: Tensor


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Batch:
    """Clips on their way through a network: buckets a modality, and ``presence`` ``(clip, modality)`` bool."""

    buckets: tuple[tuple[Bucket, ...], ...]
    presence: Tensor


class Ragged:
    """One feature of many clips: arrays of ``(time, dim)``, none where it is missing.

    Rows without a measurement (frames without a face) are left out, so that what an encoder sees of a clip is its own
    from first to last.
    """

    def __init__(self, tracks: Iterable[Track | None], dim: int) -> None:
        self.dim = dim
        self.values: list[NDArray[np.floating[Any]] | None] = [
            None if track is None else track.measured for track in tracks
        ]
        self.lengths = np.array([0 if v is None else len(v) for v in self.values], dtype=np.int64)

    def buckets(self, clips: NDArray[np.intp], device: torch.device) -> tuple[Bucket, ...]:
        """Cut the clips that have this modality into buckets; ``rows`` count within ``clips``."""
        present = np.flatnonzero(self.lengths[clips])
        order = present[np.argsort(self.lengths[clips[present]], kind="stable")]
        return tuple(self._bucket(clips, rows, device) for rows in self._cut(order, self.lengths[clips[order]]))

    @staticmethod
    def _cut(order: NDArray[np.intp], lengths: NDArray[np.int64]) -> Iterable[NDArray[np.intp]]:
        start = 0
        for stop in range(1, len(order) + 1):
            if (
                stop == len(order)
                or lengths[stop] > SLACK * lengths[start]
                or lengths[stop] * (stop + 1 - start) > BUDGET
            ):
                yield order[start:stop]
                start = stop

    def _bucket(self, clips: NDArray[np.intp], rows: NDArray[np.intp], device: torch.device) -> Bucket:
        lengths = self.lengths[clips[rows]]
        values = np.zeros((len(rows), int(lengths.max()), self.dim), np.float32)
        for place, clip in enumerate(clips[rows]):
            track = self.values[clip]
            assert track is not None
            values[place, : len(track)] = track
        return Bucket(
            rows=torch.from_numpy(rows.astype(np.int64)).to(device),
            values=torch.from_numpy(values).to(device),
            lengths=torch.from_numpy(lengths).to(device),
        )


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
    presence = np.stack([part.lengths[clips] > 0 for part in parts], axis=1)
    kept = np.ones_like(presence) if keep is None else keep
    buckets = []
    for modality, part in enumerate(parts):
        places = np.flatnonzero(kept[:, modality])
        buckets.append(_replaced(part.buckets(clips[places], device), places))
    return Batch(buckets=tuple(buckets), presence=torch.from_numpy(presence & kept).to(device))


def _replaced(buckets: Sequence[Bucket], places: NDArray[np.intp]) -> tuple[Bucket, ...]:
    """Count rows within the batch again, not within the clips that were kept."""
    to_batch = torch.from_numpy(places.astype(np.int64))
    return tuple(Bucket(rows=to_batch.to(b.rows.device)[b.rows], values=b.values, lengths=b.lengths) for b in buckets)


def load_tracks(store: Store, wanted: Feature, dataset: Dataset) -> Ragged:
    """Map one feature of every clip, in the data set's order; a clip without rows has none.

    Raises
    ------
    StoreError
        if a clip has no row for the feature, or has one that was computed otherwise.
    """
    stored = store[wanted.key]
    absent = [clip.id for clip in dataset.clips if clip.id not in stored]
    if absent:
        some = ", ".join(absent[:3])
        remedy = f"Run `mimetic extract` with --with {wanted.key}."
        raise StoreError(f"{len(absent)} clips have no {wanted.key} in {store.path} ({some} ...)", remedy=remedy)
    shards = {shard.path: shard for shard in map(stored.newest, (clip.id for clip in dataset.clips))}.values()
    dims = {int(shard.identity["dim"]) for shard in shards}
    if len(dims) != 1 or not all(wanted.matches(shard.identity) for shard in shards):
        remedy = f"Run `mimetic extract` with --with {wanted.key}."
        raise StoreError(f"{store.path} holds {wanted.key} as another version computed it", remedy=remedy)
    tracks = (stored[clip.id] if stored.length(clip.id) else None for clip in dataset.clips)
    return Ragged(tracks, dims.pop())
