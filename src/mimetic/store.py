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

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mimetic.records import Json, StoreError, Track
from mimetic.soundness import Bytes, checksums
from mimetic.spools import Spool, joined

FORMAT = 2
SUFFIX = ".arrow"

BATCH = 16 << 20
"""Bytes of values from which on a record batch is written, and the next one begun."""

HELD = 8 << 20
"""Bytes that are read of a feature's files before their pages are let go of."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Row:
    """One clip's line in a shard: its track, the reason if there is none or only a part; ``source`` says of what."""

    clip: str
    source: str
    track: Track | Spool | None
    reason: str | None


def digest(content: Any, *, size: int = 8) -> str:
    """Give a short name for any JSON content: hex of BLAKE2b over its sorted text."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=size).hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside, flush to disk, rename: the file is there whole or not at all."""
    with whole(path) as beside:
        beside.write_bytes(content)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a path beside to write to; what is there at the end is flushed to disk and renamed to ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield beside
        with beside.open("rb+") as file:
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
    path = shard_path(folder, index, identity, [(row.clip, row.source) for row in rows])
    head = {"format": FORMAT, "feature": identity, "versions": _versions()}
    layout = _Layout(int(identity["dim"]), np.dtype(dtype), _notes(rows))
    schema = layout.schema.with_metadata({"mimetic": json.dumps(head, sort_keys=True)})
    with whole(path) as beside, pa.OSFile(str(beside), "wb") as file, pa.ipc.new_file(file, schema) as writer:
        for lines in _batches(rows, layout):
            batch = layout.batch(lines).replace_schema_metadata(schema.metadata)
            writer.write_batch(batch, checksums(batch))
    return path


def shard_path(folder: Path, index: int, identity: Json, sources: Sequence[tuple[str, str]]) -> Path:
    """Name the shard of these clips, each with the fingerprint of what its row is made from."""
    return folder / f"{index:05d}.{digest([identity, sources], size=4)}{SUFFIX}"


def _notes(rows: Sequence[Row]) -> list[str]:
    return sorted({name for row in rows if row.track is not None for name in row.track.notes})


def _batches(rows: Sequence[Row], layout: _Layout) -> Iterator[list[_Line]]:
    """Yield the lines of one record batch after the other: a clip's, or a piece of a long one's."""
    lines: list[_Line] = []
    held = 0
    for row in rows:
        for piece in _pieces(row.track):
            if lines and held + layout.weight(piece) > BATCH:
                yield lines
                lines, held = [], 0
            lines.append((row, piece))
            held += layout.weight(piece)
    yield lines


def _pieces(track: Track | Spool | None) -> list[Track | None] | Iterator[Track]:
    if isinstance(track, Spool):
        return track.pieces() if track.length else [None]
    return [track]


_Line = tuple[Row, Track | None]


@dataclass(frozen=True, slots=True)
class _Layout:
    """The columns of a shard."""

    dim: int
    dtype: np.dtype[Any]
    notes: Sequence[str]

    @property
    def schema(self) -> pa.Schema:
        schema: pa.Schema = self.batch([]).schema
        return schema

    def weight(self, piece: Track | None) -> int:
        """Count the bytes of a piece's values."""
        return 0 if piece is None else len(piece.values) * self.dim * self.dtype.itemsize

    def batch(self, lines: Sequence[_Line]) -> pa.RecordBatch:
        """Give the lines as a record batch."""
        pieces = [piece for _, piece in lines]
        lengths = [0 if piece is None else len(piece.values) for piece in pieces]
        offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
        values = [piece.values.astype(self.dtype, copy=False) for piece in pieces if piece is not None]
        flat = np.concatenate([np.zeros((0, self.dim), self.dtype), *values])
        valid = np.concatenate([np.zeros(0, bool), *(piece.valid for piece in pieces if piece is not None)])
        fixed = pa.FixedSizeListArray.from_arrays(pa.array(flat.reshape(-1)), self.dim)
        columns: dict[str, pa.Array] = {
            "clip": pa.array([row.clip for row, _ in lines], pa.string()),
            "source": pa.array([row.source for row, _ in lines], pa.string()),
            "reason": pa.array([row.reason for row, _ in lines], pa.string()),
            "rate": pa.array([0.0 if piece is None else piece.rate for piece in pieces], pa.float64()),
            "values": pa.ListArray.from_arrays(offsets, fixed),
            "valid": pa.ListArray.from_arrays(offsets, pa.array(valid)),
        }
        for note in self.notes:
            parts = [
                np.zeros(n, np.float32) if piece is None else piece.notes.get(note, np.zeros(n, np.float32))
                for piece, n in zip(pieces, lengths, strict=True)
            ]
            flat_note = np.concatenate([np.zeros(0, np.float32), *parts])
            columns[f"note:{note}"] = pa.ListArray.from_arrays(offsets, pa.array(flat_note))
        return pa.record_batch(columns)


@cache
def _versions() -> dict[str, str]:
    """Tell what computed the values: recorded, not signed."""
    return {name: version(name) for name in ("mimetic", "numpy", "scipy", "av", "torch", "transformers")}


# ---------------------------------------------------------------------------------------------- reading


class DamagedShard(StoreError):
    """A shard is not as it was written."""


def damaged(path: Path, why: str) -> DamagedShard:
    """Say which shard is damaged, and what makes it again."""
    remedy = "`mimetic extract`, or of imported features `mimetic import`, sets it aside and makes it again."
    return DamagedShard(f"the shard {path} is damaged ({why})", remedy=remedy)


class Shard:
    """A finished file, mapped into memory. What is not as it was written is never given."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._bytes = Bytes(path)
            self._batches = self._bytes.batches
            self.head: Json = json.loads(self._bytes.schema.metadata[b"mimetic"])
            lines = [
                (b, i, clip) for b, of in enumerate(self._batches) for i, clip in enumerate(of["clip"].to_pylist())
            ]
        except (pa.ArrowException, OSError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise damaged(path, str(error).partition("\n")[0]) from None
        if self.head.get("format") != FORMAT:
            remedy = "Delete it and run `mimetic extract` again."
            told = f"the shard {path} has format {self.head.get('format')}, this version reads {FORMAT}"
            raise StoreError(told, remedy=remedy)
        self._lines: dict[str, list[tuple[int, int]]] = {}
        for batch, line, clip in lines:  # a clip that comes again goes on
            self._lines.setdefault(clip, []).append((batch, line))

    @property
    def clips(self) -> list[str]:
        """The ids of its clips, in their order."""
        return list(self._lines)

    @property
    def identity(self) -> Json:
        """What the values are, as they were signed when written."""
        identity: Json = self.head["feature"]
        return identity

    def verify(self) -> bool:
        """Tell whether every byte is as it was written."""
        return self._bytes.verify()

    @property
    def sound(self) -> bool:
        """Whether every byte is as it was written; what this process knows already is not read again."""
        return all(self._bytes.sound(number) for number in range(len(self._batches)))

    @cached_property
    def _offsets(self) -> list[NDArray[np.int32]]:
        return [np.asarray(batch.column("values").offsets) for batch in self._batches]

    @cached_property
    def _values(self) -> list[NDArray[np.floating[Any]]]:
        dim = int(self.identity["dim"])
        return [batch.column("values").values.values.to_numpy().reshape(-1, dim) for batch in self._batches]

    @cached_property
    def _valid(self) -> list[NDArray[np.bool_]]:
        return [batch.column("valid").values.to_numpy(zero_copy_only=False) for batch in self._batches]

    def _cell(self, name: str, clip: str) -> Any:
        batch, line = self._lines[clip][0]
        return self._batches[batch].column(name)[line].as_py()

    def source(self, clip: str) -> str:
        """Give the fingerprint of what the clip's row was made from."""
        return str(self._cell("source", clip))

    def reason(self, clip: str) -> str | None:
        """Say why the clip has no track, or only a part of one; ``None`` where it has it whole."""
        reason: str | None = self._cell("reason", clip)
        return reason

    def length(self, clip: str) -> int:
        """Count the rows of the clip's track."""
        return sum(
            int(self._offsets[batch][line + 1] - self._offsets[batch][line]) for batch, line in self._lines[clip]
        )

    def release(self) -> None:
        """Let go of the memory that what was read of the file takes."""
        self._bytes.release()

    @cached_property
    def _counts(self) -> list[NDArray[np.int64]]:
        """Count the rows with a measurement, ``(line,)`` for each batch."""
        sums = (np.concatenate([[0], np.cumsum(valid)]) for valid in self._valid)
        return [np.diff(of[offsets]) for of, offsets in zip(sums, self._offsets, strict=True)]

    def measured_length(self, clip: str) -> int:
        """Count the rows of the clip's track that carry a measurement."""
        return sum(int(self._counts[batch][line]) for batch, line in self._lines[clip])

    def measured(self, clip: str) -> NDArray[np.floating[Any]]:
        """Give ``Track.measured`` of a clip's track, and nothing else of it: a view where no row is left out.

        Raises
        ------
        StoreError
            as ``track``.
        """
        pieces = [self._measured(batch, line) for batch, line in self._lines[clip]]
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def _measured(self, batch: int, line: int) -> NDArray[np.floating[Any]]:
        self._check(batch)
        start, stop = self._offsets[batch][line : line + 2].tolist()
        values = self._values[batch][start:stop]
        return values if self._counts[batch][line] == stop - start else values[self._valid[batch][start:stop]]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of its values."""
        return self._values[0].dtype

    def rate(self, clip: str) -> float:
        """Give how many rows of the clip's track there are a second."""
        return float(self._cell("rate", clip))

    def confidence(self, clip: str) -> NDArray[np.float32] | None:
        """Give how sure a detector was of each measured row, ``(row,)``; ``None`` where the track does not say."""
        name = "note:confidence"
        if name not in self._batches[0].schema.names:
            return None
        pieces = []
        for batch, line in self._lines[clip]:
            start, stop = self._offsets[batch][line : line + 2].tolist()
            sure = self._batches[batch].column(name).values.to_numpy()[start:stop]
            pieces.append(sure[self._valid[batch][start:stop]])
        sure_of: NDArray[np.float32] = np.concatenate(pieces)
        return sure_of

    def track(self, clip: str) -> Track:
        """Give a clip's track: its values are a view of the mapped file, but for those that span several batches.

        Raises
        ------
        StoreError
            if the bytes are not those that were written; they are looked at once.
        """
        return joined([self._piece(batch, line, clip) for batch, line in self._lines[clip]])

    def _check(self, batch: int) -> None:
        if not self._bytes.sound(batch):
            raise damaged(self.path, "its bytes are not those that were written")

    def _piece(self, batch: int, line: int, clip: str) -> Track:
        self._check(batch)
        start, stop = int(self._offsets[batch][line]), int(self._offsets[batch][line + 1])
        columns = self._batches[batch]
        notes = {
            name.removeprefix("note:"): columns.column(name).values.to_numpy()[start:stop]
            for name in columns.schema.names
            if name.startswith("note:")
        }
        return Track(
            values=self._values[batch][start:stop],
            rate=self.rate(clip),
            valid=self._valid[batch][start:stop],
            notes=notes,
            provenance={**self.identity, "source": self.source(clip)},
        )


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
