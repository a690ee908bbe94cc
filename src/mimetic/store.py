"""Tracks on disk: sharded Arrow, memory-mapped, never half-written.

::

    STORE/<feature>/00000.a1b2c3d4.arrow     one row a clip, in the data set's order

A row holds a clip's track or the reason why there is none, and the fingerprint of what it was made from. A shard
is written beside its place and renamed, so that what can be seen is whole; its name ends in a digest of what it
holds the features *of*, so that the same work leaves the same name. Reading maps the file: a clip costs the pages
that are touched. ``Store(path)[feature][clip]`` is a Track.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mimetic.records import Json, StoreError, Track

FORMAT = 1
SUFFIX = ".arrow"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Row:
    """One clip's line in a shard: its track, the reason if there is none or only a part; ``source`` says of what."""

    clip: str
    source: str
    track: Track | None
    reason: str | None


def digest(content: Any, *, size: int = 8) -> str:
    """Give a short name for any JSON content: hex of BLAKE2b over its sorted text."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=size).hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside, flush to disk, rename: the file is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        _flush(path.parent)
    finally:
        beside.unlink(missing_ok=True)


def _flush(folder: Path) -> None:
    """Make a rename last through a loss of power, where folders can be flushed."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# ---------------------------------------------------------------------------------------------- writing


def write_shard(folder: Path, index: int, identity: Json, rows: Sequence[Row], dtype: str) -> Path:
    """Write one feature's rows of consecutive clips; ``identity`` is all that decides the feature's values.

    The bytes depend on the rows and the identity alone.
    """
    dim = int(identity["dim"])
    table = _table(rows, dim, np.dtype(dtype))
    head = {"format": FORMAT, "feature": identity, "versions": _versions(), "checksum": _checksum(table)}
    table = table.replace_schema_metadata({"mimetic": json.dumps(head, sort_keys=True)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_batch(table)
    name = digest([identity, [(row.clip, row.source) for row in rows]], size=4)
    path = folder / f"{index:05d}.{name}{SUFFIX}"
    write_atomically(path, sink.getvalue())
    return path


def _table(rows: Sequence[Row], dim: int, dtype: np.dtype[Any]) -> pa.RecordBatch:
    tracks = [row.track for row in rows]
    lengths = [0 if track is None else len(track.values) for track in tracks]
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
    values = [track.values.astype(dtype) for track in tracks if track is not None]
    flat = np.concatenate(values) if values else np.zeros((0, dim), dtype)
    valid = np.concatenate([np.zeros(0, bool), *(track.valid for track in tracks if track is not None)])
    columns: dict[str, pa.Array] = {
        "clip": pa.array([row.clip for row in rows], pa.string()),
        "source": pa.array([row.source for row in rows], pa.string()),
        "reason": pa.array([row.reason for row in rows], pa.string()),
        "rate": pa.array([0.0 if track is None else track.rate for track in tracks], pa.float64()),
        "values": pa.ListArray.from_arrays(offsets, pa.FixedSizeListArray.from_arrays(pa.array(flat.reshape(-1)), dim)),
        "valid": pa.ListArray.from_arrays(offsets, pa.array(valid)),
    }
    for note in sorted({name for track in tracks if track is not None for name in track.notes}):
        parts = [
            np.zeros(n, np.float32) if t is None else t.notes.get(note, np.zeros(n, np.float32))
            for t, n in zip(tracks, lengths, strict=True)
        ]
        columns[f"note:{note}"] = pa.ListArray.from_arrays(offsets, pa.array(np.concatenate(parts)))
    return pa.record_batch(columns)


def _versions() -> dict[str, str]:
    """Tell what computed the values: recorded, not signed."""
    return {name: version(name) for name in ("mimetic", "numpy", "scipy", "av")}


def _checksum(table: pa.RecordBatch) -> str:
    state = hashlib.blake2b(digest_size=16)
    for column in table.columns:
        for buffer in column.buffers():
            if buffer is not None:
                state.update(buffer)
    return state.hexdigest()


# ---------------------------------------------------------------------------------------------- reading


class Shard:
    """A finished file, mapped into memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._batch = pa.ipc.open_file(pa.memory_map(str(path))).get_batch(0)
            self.head: Json = json.loads(self._batch.schema.metadata[b"mimetic"])
        except (pa.ArrowInvalid, OSError, KeyError, TypeError, ValueError) as error:
            remedy = "Delete it and run `mimetic extract` again."
            raise StoreError(f"the shard {path} is damaged ({str(error).splitlines()[0]})", remedy=remedy) from None
        if self.head.get("format") != FORMAT:
            raise StoreError(f"the shard {path} has format {self.head.get('format')}, this version reads {FORMAT}")
        self.clips: list[str] = self._batch.column("clip").to_pylist()
        self.sources: list[str] = self._batch.column("source").to_pylist()
        self.reasons: list[str | None] = self._batch.column("reason").to_pylist()

    @property
    def identity(self) -> Json:
        """What the values are, as they were signed when written."""
        identity: Json = self.head["feature"]
        return identity

    def verify(self) -> bool:
        """Tell whether every byte is as it was written."""
        return _checksum(self._batch) == str(self.head["checksum"])

    @cached_property
    def _offsets(self) -> NDArray[np.int32]:
        return np.asarray(self._batch.column("values").offsets)

    @cached_property
    def _values(self) -> NDArray[np.floating[Any]]:
        flat: NDArray[np.floating[Any]] = self._batch.column("values").values.values.to_numpy()
        return flat.reshape(-1, int(self.identity["dim"]))

    @cached_property
    def _valid(self) -> NDArray[np.bool_]:
        valid: NDArray[np.bool_] = self._batch.column("valid").values.to_numpy(zero_copy_only=False)
        return valid

    @cached_property
    def lengths(self) -> NDArray[np.int32]:
        """Rows of each clip's track, ``(clip,)``."""
        return np.diff(self._offsets)

    def track(self, row: int) -> Track:
        """Give a clip's track; its values are a view of the mapped file."""
        start, stop = int(self._offsets[row]), int(self._offsets[row + 1])
        notes = {
            name.removeprefix("note:"): self._batch.column(name).values.to_numpy()[start:stop]
            for name in self._batch.schema.names
            if name.startswith("note:")
        }
        return Track(
            values=self._values[start:stop],
            rate=float(self._batch.column("rate")[row].as_py()),
            valid=self._valid[start:stop],
            notes=notes,
            provenance={**self.identity, "source": self.sources[row]},
        )


class StoredFeature(Mapping[str, Track]):
    """One feature of a store: clip id to Track. Of a clip that stands in several shards the newest counts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        paths = sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: (path.stat().st_mtime_ns, path.name))
        self.shards = [Shard(path) for path in paths]
        self._rows = {clip: (shard, i) for shard in self.shards for i, clip in enumerate(shard.clips)}

    def __getitem__(self, clip: str) -> Track:
        shard, row = self._rows[clip]
        return shard.track(row)

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def reason(self, clip: str) -> str | None:
        """Say why the clip has no track, or only a part of one; ``None`` where it has it whole."""
        shard, row = self._rows[clip]
        return shard.reasons[row]

    def source(self, clip: str) -> str:
        """Give the fingerprint of what the clip's row was made from."""
        shard, row = self._rows[clip]
        return shard.sources[row]

    def newest(self, clip: str) -> Shard:
        """Give the shard whose row of the clip counts."""
        return self._rows[clip][0]

    def length(self, clip: str) -> int:
        """Count the rows of the clip's track."""
        shard, row = self._rows[clip]
        return int(shard.lengths[row])


class Store:
    """A folder of features. Opening it costs nothing; a feature's shards are mapped when it is first asked for."""

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
