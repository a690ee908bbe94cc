"""Rows of consecutive clips in, one shard out: an Arrow file whose bytes and name follow from them alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mimetic.records import Json, Track
from mimetic.soundness import checksums
from mimetic.spools import Spool
from mimetic.store.files import digest, whole

FORMAT = 2
SUFFIX = ".arrow"

BATCH = 16 << 20
"""Bytes of values from which on a record batch is written, and the next one begun."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Row:
    """One clip's line in a shard: its track, the reason if there is none or only a part; ``source`` says of what."""

    clip: str
    source: str
    track: Track | Spool | None
    reason: str | None


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
