"""Ragged tracks become tensors: clips of like length side by side, with little padding and no more rows than fit.

Each modality is cut into buckets of its own, and its vectors are put back in the clips' order afterwards: a clip with
long sound and few faces costs neither modality the other's padding.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mimetic.features import Feature
from mimetic.records import Dataset, Json, StoreError, Track
from mimetic.store import Store, StoredFeature, digest

Rows = NDArray[np.floating[Any]]
"""What was measured of a clip, ``(time, dim)``."""

BUDGET = 65_536
"""Rows of time, padding included, in one bucket; a longer clip is a bucket of its own."""

SLACK, SLACK_ROWS = 0.12, 32
"""Padding that one bucket may hold: this share of its own rows, or as many rows as a bucket of its own would cost."""


ROWS, POOLED, ENCODED = 0, 1, 2
"""What a bucket holds: rows as they are stored, or what an encoder pools them to, or what it makes of them."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Bucket:
    """Some clips of one modality: ``values`` ``(clip, time, dim)``, ``lengths`` ``(clip,)``, ``rows`` their places.

    ``quality`` is ``(clip, time)``, how well each row was measured, 0 to 1; ``None`` where the track does not say.
    ``stage`` tells what was done to the rows: where anything was, there is one of each clip, ``(clip, 1, width)``, and
    one sum of its quality.
    """

    rows: Tensor
    values: Tensor
    lengths: Tensor
    quality: Tensor | None = None
    stage: int = ROWS


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


class Each(Sequence[Rows | None]):
    """The rows of many clips, each made when it is asked for."""

    def __init__(self, count: int, give: Callable[[int], Rows | None]) -> None:
        self._count, self._give = count, give

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, clip: int) -> Rows | None: ...
    @overload
    def __getitem__(self, clip: slice) -> list[Rows | None]: ...
    def __getitem__(self, clip: int | slice) -> Rows | list[Rows | None] | None:
        if isinstance(clip, slice):
            return [self._give(one) for one in range(*clip.indices(self._count))]
        if not 0 <= clip < self._count:
            raise IndexError(clip)
        return self._give(clip)


class Ragged:
    """One feature of many clips: arrays of ``(time, dim)``, none where it is missing.

    Rows without a measurement (frames without a face) are left out, so that what an encoder sees of a clip is its own
    from first to last.
    """

    def __init__(self, tracks: Iterable[Track | None], dim: int) -> None:
        self.dim = dim
        self.rate = 0.0
        held: list[Rows | None] = []
        self.quality: dict[int, NDArray[np.float32]] = {}
        for clip, track in enumerate(tracks):
            held.append(None if track is None else track.measured)
            self.rate = self.rate if track is None else track.rate
            if track is not None and "confidence" in track.notes:
                self.quality[clip] = track.notes["confidence"][track.valid].clip(0.0, 1.0)
        self.values: Sequence[Rows | None] = held
        self.lengths = np.array([0 if v is None else len(v) for v in held], dtype=np.int64)
        dtypes = {v.dtype for v in held if v is not None}
        self._dtype = np.result_type(*dtypes) if dtypes else np.dtype(np.float32)

    @classmethod
    def stored(cls, feature: StoredFeature, clips: Sequence[str], dim: int) -> Ragged:
        """Give clips whose rows stay on the disk until they are asked for; a clip without rows has none."""
        ragged = cls([], dim)
        ragged.lengths = np.array([feature.measured_length(clip) for clip in clips], dtype=np.int64)
        there = np.flatnonzero(ragged.lengths).tolist()
        ragged.values = Each(len(clips), lambda clip: feature.measured(clips[clip]) if ragged.lengths[clip] else None)
        ragged.rate = feature.newest(clips[there[-1]]).rate(clips[there[-1]]) if there else 0.0
        told = ((clip, feature.newest(clips[clip]).confidence(clips[clip])) for clip in there)
        ragged.quality = {clip: sure.clip(0.0, 1.0) for clip, sure in told if sure is not None}
        ragged._dtype = feature.dtype
        return ragged

    def holding(self, values: Sequence[NDArray[np.floating[Any]] | None]) -> Ragged:
        """Give other clips, or the same ones changed, in the same columns and at the same rate.

        How well rows were measured is not known of them.
        """
        other = copy.copy(self)
        other.values, other.quality = list(values), {}
        other.lengths = np.array([0 if v is None else len(v) for v in values], dtype=np.int64)
        other._dtype = np.result_type(self._dtype, *{v.dtype for v in values if v is not None})
        return other

    def beginning(self, seconds: float) -> Ragged:
        """Give no more of each clip than the rows of so many seconds; 0 for all of it."""
        rows = max(1, round(seconds * self.rate))
        if not seconds * self.rate or self.lengths.max(initial=0) <= rows:
            return self
        shorter = copy.copy(self)
        shorter.values = Each(len(self.values), lambda clip: _first(self.values[clip], rows))
        shorter.quality = {clip: quality[:rows] for clip, quality in self.quality.items()}
        shorter.lengths = np.minimum(self.lengths, rows)
        return shorter

    def drawn(self, clips: NDArray[np.intp], draw: np.random.Generator, *, crop: float, masked: float) -> Ragged:
        """Give some clips less of what they have, as training does: the others stay as they are.

        A window of ``crop`` seconds is kept, drawn anew for each clip (0: all of it); of that, one stretch of up to the
        share ``masked`` is taken away. A row is left of each at least.
        """
        rows = max(1, round(crop * self.rate)) if crop * self.rate else 0
        less = copy.copy(self)
        less.quality, less.lengths = dict(self.quality), self.lengths.copy()
        drawn: dict[int, Rows] = {}
        for clip in clips.tolist():
            if (values := self.values[clip]) is None or not len(values):
                continue
            kept = _kept_rows(len(values), rows, masked, draw)
            drawn[clip], less.lengths[clip] = values[kept], len(kept)
            if clip in self.quality:
                less.quality[clip] = self.quality[clip][kept]
        less.values = Each(len(self.values), lambda clip: drawn[clip] if clip in drawn else self.values[clip])
        return less

    def buckets(self, clips: NDArray[np.intp], device: torch.device) -> tuple[Bucket, ...]:
        """Cut the clips that have this modality into buckets; ``rows`` count within ``clips``."""
        lengths = self.lengths[clips]
        order = np.argsort(lengths, kind="stable")[np.count_nonzero(lengths == 0) :]
        return tuple(self._bucket(clips, rows, device) for rows in _cut(order, lengths[order].tolist()))

    def computed(self, clips: NDArray[np.intp]) -> int:
        """Count the rows of the clips' buckets, padding included."""
        lengths = np.sort(self.lengths[clips][self.lengths[clips] > 0])
        return sum(len(of) * int(lengths[of].max()) for of in _cut(np.arange(len(lengths)), lengths.tolist()))

    def buckets_at(self, clips: NDArray[np.intp], places: NDArray[np.intp], device: torch.device) -> tuple[Bucket, ...]:
        """Cut clips into buckets whose ``rows`` are the places told."""
        return _replaced(self.buckets(clips, device), places)

    def _bucket(self, clips: NDArray[np.intp], rows: NDArray[np.intp], device: torch.device) -> Bucket:
        lengths = self.lengths[clips[rows]]
        values = np.zeros((len(rows), int(lengths.max()), self.dim), self._dtype)
        for place, clip in enumerate(clips[rows].tolist()):
            track = self.values[clip]
            assert track is not None
            values[place, : len(track)] = track
        return Bucket(
            rows=torch.from_numpy(rows).to(device),
            values=torch.from_numpy(values).to(device).float(),  # half as many bytes on the way
            lengths=torch.from_numpy(lengths).to(device),
            quality=self._quality(clips[rows], lengths, device),
        )

    def _quality(self, clips: NDArray[np.intp], lengths: NDArray[np.int64], device: torch.device) -> Tensor | None:
        """Give how well each row was measured, ``(clip, time)``, 0 in padding; ``None`` where nothing tells."""
        if not self.quality:
            return None
        quality = np.zeros((len(clips), int(lengths.max())), np.float32)
        for place, (clip, length) in enumerate(zip(clips.tolist(), lengths.tolist(), strict=True)):
            quality[place, :length] = self.quality.get(clip, 1.0)
        return torch.from_numpy(quality).to(device)


class Ready(Ragged):
    """Clips of which all is done that does not learn: one row of each, ``(clip, width)``, where it is computed with.

    Of how long their tracks are, and how well they were measured, nothing is forgotten.
    """

    def __init__(self, of: Ragged, rows: Tensor, stage: int) -> None:
        super().__init__([], of.dim)
        self.rows, self.stage = rows, stage
        self.rate, self.lengths = of.rate, of.lengths
        self.values = Each(
            len(of.values), lambda clip: rows[clip : clip + 1].cpu().numpy() if of.lengths[clip] else None
        )
        self.quality = {clip: quality.sum(keepdims=True) for clip, quality in of.quality.items()}

    def beginning(self, seconds: float) -> Ragged:
        """Give them as they are: what was cut off was cut off before."""
        del seconds
        return self

    def buckets(self, clips: NDArray[np.intp], device: torch.device) -> tuple[Bucket, ...]:
        """Give the clips that have this modality as one bucket."""
        places = np.flatnonzero(self.lengths[clips])
        if not len(places):
            return ()
        own = clips[places]
        chosen = torch.from_numpy(own).to(self.rows.device)
        return (
            Bucket(
                rows=torch.from_numpy(places).to(device),
                values=self.rows[chosen][:, None].to(device),
                lengths=torch.from_numpy(self.lengths[own]).to(device),
                quality=self._sums(own, device),
                stage=self.stage,
            ),
        )

    def _sums(self, clips: NDArray[np.intp], device: torch.device) -> Tensor | None:
        if not self.quality:
            return None
        sums = [float(self.quality[clip][0]) if clip in self.quality else self.lengths[clip] for clip in clips.tolist()]
        return torch.tensor(sums, dtype=torch.float32, device=device)[:, None]


def _first(values: Rows | None, count: int) -> Rows | None:
    return None if values is None else values[:count]


def _kept_rows(length: int, rows: int, masked: float, draw: np.random.Generator) -> NDArray[np.intp]:
    """Draw which of a clip's rows are kept: a window of so many (0: all), less a stretch within it."""
    size = min(length, rows) if rows else length
    first = int(draw.integers(length - size + 1))
    window = np.arange(first, first + size)
    gone = min(size - 1, round(masked * size * float(draw.random())))
    start = int(draw.integers(size - gone + 1))
    return np.delete(window, np.s_[start : start + gone])


def _cut(order: NDArray[np.intp], lengths: Sequence[int]) -> Iterable[NDArray[np.intp]]:
    """Cut clips of ascending lengths where a bucket would hold too much padding, or too many rows."""
    start, own = 0, 0
    for stop, length in enumerate(lengths):
        whole = length * (stop + 1 - start)
        padding = whole - own - length
        if stop > start and (whole > BUDGET or padding > max(SLACK_ROWS, SLACK * (own + length))):
            yield order[start:stop]
            start, own = stop, 0
        own += length
    if len(order):
        yield order[start:]


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


def buckets_of(tracks: Sequence[Tensor], places: NDArray[np.intp]) -> tuple[Bucket, ...]:
    """Cut tracks that are tensors, ``(time, dim)`` with gradients, into buckets whose ``rows`` are the places told."""
    lengths = np.array([len(track) for track in tracks])
    order = np.argsort(lengths, kind="stable")
    cuts = _cut(order, lengths[order].tolist())
    return _replaced([_stacked([tracks[i] for i in rows], rows) for rows in cuts], places)


def _stacked(tracks: Sequence[Tensor], rows: NDArray[np.intp]) -> Bucket:
    device = tracks[0].device
    return Bucket(
        rows=torch.from_numpy(rows).to(device),
        values=nn.utils.rnn.pad_sequence(list(tracks), batch_first=True).float(),
        lengths=torch.tensor([len(track) for track in tracks], device=device),
    )


def _replaced(buckets: Sequence[Bucket], places: NDArray[np.intp]) -> tuple[Bucket, ...]:
    """Count rows within the batch again, not within the clips that were kept."""
    to_batch = torch.from_numpy(places.astype(np.int64))
    return tuple(replace(bucket, rows=to_batch.to(bucket.rows.device)[bucket.rows]) for bucket in buckets)


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
