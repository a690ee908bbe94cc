"""One feature of many clips: tracks of different lengths in, buckets of any of the clips out."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mimetic.batches.buckets import Bucket, cut, placed_at
from mimetic.records import Track
from mimetic.store import StoredFeature

Rows = NDArray[np.floating[Any]]
"""What was measured of a clip, ``(time, dim)``."""


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
        return tuple(self._bucket(clips, rows, device) for rows in cut(order, lengths[order].tolist()))

    def computed(self, clips: NDArray[np.intp]) -> int:
        """Count the rows of the clips' buckets, padding included."""
        lengths = np.sort(self.lengths[clips][self.lengths[clips] > 0])
        return sum(len(of) * int(lengths[of].max()) for of in cut(np.arange(len(lengths)), lengths.tolist()))

    def buckets_at(self, clips: NDArray[np.intp], places: NDArray[np.intp], device: torch.device) -> tuple[Bucket, ...]:
        """Cut clips into buckets whose ``rows`` are the places told."""
        return placed_at(self.buckets(clips, device), places)

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
