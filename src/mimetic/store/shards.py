"""A shard's file in, its clips' tracks out: mapped into memory, and never given where it is not as it was written."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mimetic.records import Json, StoreError, Track
from mimetic.soundness import Bytes
from mimetic.spools import joined
from mimetic.store.writing import FORMAT


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
        spans = (self._span(batch, line) for batch, line in self._lines[clip])
        return sum(span.stop - span.start for span in spans)

    def _span(self, batch: int, line: int) -> slice:
        """Tell where a line's rows lie among its batch's."""
        start, stop = self._offsets[batch][line : line + 2].tolist()
        return slice(start, stop)

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
        span = self._span(batch, line)
        values = self._values[batch][span]
        return values if self._counts[batch][line] == len(values) else values[self._valid[batch][span]]

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
            span = self._span(batch, line)
            sure = self._batches[batch].column(name).values.to_numpy()[span]
            pieces.append(sure[self._valid[batch][span]])
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
        span = self._span(batch, line)
        columns = self._batches[batch]
        notes = {
            name.removeprefix("note:"): columns.column(name).values.to_numpy()[span]
            for name in columns.schema.names
            if name.startswith("note:")
        }
        return Track(
            values=self._values[batch][span],
            rate=self.rate(clip),
            valid=self._valid[batch][span],
            notes=notes,
            provenance={**self.identity, "source": self.source(clip)},
        )
