"""What training is measured on: made features of clips whose lengths have the long tail that spoken clips have.

A folder in; a store in it, a file a clip beside it as the field keeps them, and the data set out. Values are noise:
what they cost does not hang on what they say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mimetic.features import feature
from mimetic.records import Clip, Dataset, Track
from mimetic.store import Row, Store, write_shard

TARGETS = ("Admiration", "Amusement", "Determination", "Empathic Pain", "Excitement", "Joy")

MEDIAN, SPREAD, LONGEST = 60, 1.13, 1_500
"""Rows of sound a clip: lognormal, cut off above. The median is 60, the mean 114, the longest 25 times the median."""

SHARE: Mapping[str, int] = {
    "wav2vec2": 1,
    "wav2vec2-affect": 1,
    "dinov2-face": 5,
    "motion-openface": 5,
    "gte": LONGEST,
}
"""The features that are made, and how many rows of sound come to one of theirs; of words there is one row."""

SHARD = 250
"""Clips in a shard."""


@dataclass(frozen=True, slots=True)
class Made:
    """Made clips: where they lie, how many there are, and how many rows of sound the longest has at most."""

    root: Path
    clips: int
    longest: int = LONGEST

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Rows of sound, ``(clip,)``, of fewer clips the first ones; the longest is there at least once."""
        rows = np.random.default_rng(0).lognormal(np.log(MEDIAN), SPREAD, self.clips)
        lengths: NDArray[np.int64] = np.clip(np.round(rows), 2, self.longest).astype(np.int64)
        lengths[0] = self.longest
        return lengths

    @property
    def dataset(self) -> Dataset:
        """Give who is in it: eight in ten are to train on, one in ten to validate, one in ten to test."""
        draw = np.random.default_rng(1)
        labels = draw.integers(0, 6, (self.clips, len(TARGETS))) / 5
        place = np.arange(self.clips) / self.clips
        parts = np.select([place < 0.8, place < 0.9], ["train", "valid"], "test")
        labels[parts == "test"] = np.nan
        clips = tuple(Clip(id=f"{i:05d}", part=str(part)) for i, part in enumerate(parts))
        return Dataset(name="made", clips=clips, targets=TARGETS, labels=labels, store=self.store.path)

    @property
    def store(self) -> Store:
        """Open its features."""
        return Store(self.root / "features")

    def file(self, key: str, clip: int) -> Path:
        """Name the field's own file of a clip's feature: float32, as it is read back."""
        return self.root / "files" / key / f"{clip:05d}.npy"

    def rows(self, key: str, clip: int) -> NDArray[np.float32]:
        """Give a clip's rows as the field has them, ``(time, dim)``."""
        rows: NDArray[np.float32] = np.load(self.file(key, clip))
        return rows

    def write(self) -> None:
        """Make it all."""
        for number, key in enumerate(SHARE):
            for index in range(-(-self.clips // SHARD)):
                self._write_shard(number, key, index)

    def _write_shard(self, number: int, key: str, index: int) -> None:
        wanted, lengths = feature(key), self.lengths
        draw = np.random.default_rng([2, number, index])
        rows = []
        for clip in range(index * SHARD, min((index + 1) * SHARD, self.clips)):
            values = draw.standard_normal((-(-int(lengths[clip]) // SHARE[key]), wanted.dim), np.float32)
            values = values.astype(wanted.dtype)
            self.file(key, clip).parent.mkdir(parents=True, exist_ok=True)
            np.save(self.file(key, clip), values.astype(np.float32))
            track = Track(values=values, rate=wanted.rate, valid=np.ones(len(values), np.bool_))
            rows.append(Row(clip=f"{clip:05d}", source="made", track=track, reason=None))
        write_shard(self.store.folder(key), index, {**wanted.identity, "made": "bench"}, rows, wanted.dtype)
