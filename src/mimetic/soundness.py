"""Whether a shard's bytes are those that were written: its record batches in, checksums and verdicts out.

A batch carries two checksums. The *index* covers all but the values (ids, sources, reasons, rates, where each clip's
rows begin): it is small, and checked whenever a shard is opened. The *whole* covers the values too, and is checked when
the first of them is touched: once a process and file, since a file is told by its place, inode, size and time. So
reading costs one pass over what is read, and planning costs none.
"""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pyarrow as pa

WHOLE, INDEX = b"checksum", b"index"
"""Where a batch's own metadata carries them. Shards of before the index have the first alone."""

DAMAGED = ".damaged"
"""What the name of a shard ends in that was set aside."""

Stamp = tuple[str, int, int, int]


def checksums(batch: pa.RecordBatch) -> dict[str, str]:
    """Give both checksums of a batch, as its metadata."""
    return {WHOLE.decode(): _whole(batch), INDEX.decode(): _index(batch)}


def _whole(batch: pa.RecordBatch) -> str:
    return _hash(buffer for column in batch.columns for buffer in column.buffers())


def _index(batch: pa.RecordBatch) -> str:
    """Cover all but what lists hold: of those, only where each begins."""
    lists = [pa.types.is_list(column.type) for column in batch.columns]
    pairs = zip(batch.columns, lists, strict=True)
    return _hash(buffer for column, is_list in pairs for buffer in column.buffers()[: 2 if is_list else None])


def _hash(buffers: Iterable[pa.Buffer | None]) -> str:
    state = hashlib.blake2b(digest_size=16)
    for buffer in buffers:
        if buffer is not None:
            state.update(buffer)
    return state.hexdigest()


def stamp(path: Path) -> Stamp:
    """Tell a file from any other, and from what it was before it was written again."""
    told = path.stat()
    return str(path.absolute()), told.st_ino, told.st_size, told.st_mtime_ns


class Bytes:
    """A shard's batches, and which of them are known to be as they were written.

    Raises
    ------
    ValueError
        (or pyarrow's own errors, which are such) if anything but the values is not as it was written.
    """

    def __init__(self, path: Path) -> None:
        self._proven = _proven(stamp(path))
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        source = pa.BufferReader(pa.py_buffer(self._map))
        reader = pa.ipc.open_file(source)
        self.schema = reader.schema
        pairs = [reader.get_batch_with_custom_metadata(i) for i in range(reader.num_record_batches)]
        self.batches = [pair.batch for pair in pairs]
        self._told = [dict(pair.custom_metadata or {}) for pair in pairs]
        source.seek(8)  # behind the file's first word: the schema stands there too, and has no checksum
        if not pa.ipc.read_schema(source).equals(self.schema, check_metadata=True):
            raise ValueError("its two schemas differ")
        for batch, told in zip(self.batches, self._told, strict=True):
            batch.validate(full=True)  # what a made-up offset points to is not ours to read
            if INDEX in told and told[INDEX] != _index(batch).encode():
                raise ValueError("its index is not as it was written")

    def sound(self, number: int) -> bool:
        """Tell whether a batch is as it was written, to the last byte."""
        if number not in self._proven and self._told[number].get(WHOLE) == _whole(self.batches[number]).encode():
            self._proven.add(number)
            self.release()  # all of the batch was touched, for a clip or two of it
        return number in self._proven

    def release(self) -> None:
        """Let go of the memory that mapped pages take; they are read again when they are touched again."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)

    def verify(self) -> bool:
        """Tell whether every byte is as it was written, whatever was known before."""
        self._proven.clear()
        return all(self.sound(number) for number in range(len(self.batches)))


@cache
def _proven(_file: Stamp) -> set[int]:
    """Remember which batches of a file this process has found sound."""
    return set()


def set_aside(path: Path) -> Path:
    """Take a damaged shard out of the store's sight; its bytes stay beside."""
    return path.replace(path.with_name(path.name + DAMAGED))
