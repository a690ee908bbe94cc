"""Tracks on disk: sharded Arrow, memory-mapped, never half-written.

::

    STORE/<feature>/00000.a1b2c3d4.arrow     one row a clip, in the data set's order

A row holds a clip's track or the reason why there is none, and the fingerprint of what it was made from. A long track
goes on in the first row of the next record batch, so that no more than a few megabytes are held at once. A shard is
written beside its place and renamed, so that what can be seen is whole; its name ends in a digest of what it
holds the features *of*, so that the same work leaves the same name. Reading maps the file: a clip costs the pages
that are touched. ``Store(path)[feature][clip]`` is a Track.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
from numpy.typing import NDArray

from mimetic.records import StoreError, Track
from mimetic.store.files import digest, whole, write_atomically
from mimetic.store.shards import DamagedShard, Shard, damaged
from mimetic.store.writing import SUFFIX, Row, shard_path, write_shard

__all__ = [
    "SUFFIX",
    "DamagedShard",
    "Row",
    "Shard",
    "Store",
    "StoredFeature",
    "damaged",
    "digest",
    "shard_path",
    "whole",
    "write_atomically",
    "write_shard",
]

HELD = 8 << 20
"""Bytes that are read of a feature's files before their pages are let go of."""


class StoredFeature(Mapping[str, Track]):
    """One feature of a store: clip id to Track. Of a clip that stands in several shards the newest counts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shards = _open_all(folder)
        self._newest = {clip: shard for shard in self.shards for clip in shard.clips}
        self._held = 0

    def __getitem__(self, clip: str) -> Track:
        return self._newest[clip].track(clip)

    def __iter__(self) -> Iterator[str]:
        return iter(self._newest)

    def __len__(self) -> int:
        return len(self._newest)

    def __contains__(self, clip: object) -> bool:  # a mapping would read the track to know
        return clip in self._newest

    def reason(self, clip: str) -> str | None:
        """Say why the clip has no track, or only a part of one; ``None`` where it has it whole."""
        return self._newest[clip].reason(clip)

    def source(self, clip: str) -> str:
        """Give the fingerprint of what the clip's row was made from."""
        return self._newest[clip].source(clip)

    def newest(self, clip: str) -> Shard:
        """Give the shard whose row of the clip counts."""
        return self._newest[clip]

    def length(self, clip: str) -> int:
        """Count the rows of the clip's track."""
        return self._newest[clip].length(clip)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type that all its values fit in."""
        return np.result_type(*{shard.dtype for shard in self.shards})

    def measured_length(self, clip: str) -> int:
        """Count the rows of the clip's track that carry a measurement."""
        return self._newest[clip].measured_length(clip)

    def measured(self, clip: str) -> NDArray[np.floating[Any]]:
        """Give the rows of the clip's track that carry a measurement, ``(time, dim)``.

        What was read before is let go of again from time to time: no more than about ``HELD`` bytes of the files stay
        in memory, however many clips are gone through.
        """
        rows = self._newest[clip].measured(clip)
        self._held += rows.nbytes
        if self._held > HELD:
            self._held = 0
            for shard in self.shards:
                shard.release()
        return rows


def _open_all(folder: Path) -> list[Shard]:
    """Open a folder's shards, the newest last; one that a writer has replaced meanwhile is looked for again."""
    while True:
        paths = list(folder.glob(f"*{SUFFIX}"))
        try:
            return [Shard(path) for path in sorted(paths, key=lambda path: (path.stat().st_mtime_ns, path.name))]
        except (FileNotFoundError, DamagedShard):
            if all(path.exists() for path in paths):
                raise


class Store:
    """A folder of features. Opening it costs nothing; a feature's shards are mapped when it is first asked for.

    >>> track = Store("DATA/features")["logmel"]["00000"]
    >>> track.values.shape[1], track.rate
    (48, 50.0)

    Raises
    ------
    StoreError
        when a feature is asked for that is not there, or whose shards are damaged or of another format.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._open: dict[str, StoredFeature] = {}

    def keys(self) -> list[str]:
        """Name the features that have at least one shard."""
        return sorted({unquote(shard.parent.name) for shard in self.path.glob(f"*/*{SUFFIX}")})

    def folder(self, key: str) -> Path:
        """Give the folder of a feature; an option's path separators do not become folders."""
        return self.path / quote(key, safe="+=,.")

    def __contains__(self, key: object) -> bool:
        return key in self.keys()

    def __getitem__(self, key: str) -> StoredFeature:
        if key not in self._open:
            folder = self.folder(key)
            if not any(folder.glob(f"*{SUFFIX}")):
                held = ", ".join(self.keys()) or "nothing"
                raise StoreError(f"the store {self.path} has no {key!r}; it holds {held}")
            self._open[key] = StoredFeature(folder)
        return self._open[key]

    def refresh(self) -> None:
        """Forget what is mapped, so that new shards are seen."""
        self._open.clear()
