"""What a run says of every clip: its ``scores.arrow``, written and read."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Outcome:
    """What a run says of every clip of its data set.

    ``parts`` is ``(clip,)``: train, valid, test or rest; ``true`` and ``predicted`` ``(clip, target)`` float64, NaN
    where there is no label; ``presence`` ``(clip, modality)`` bool.
    """

    clips: tuple[str, ...]
    parts: tuple[str, ...]
    true: NDArray[np.float64]
    predicted: NDArray[np.float64]
    presence: NDArray[np.bool_]

    def part(self, name: str) -> Outcome:
        """Give the clips of one part."""
        return self._of([i for i, part in enumerate(self.parts) if part == name])

    def without(self, clips: Collection[str]) -> Outcome:
        """Give all clips but some."""
        return self._of([i for i, clip in enumerate(self.clips) if clip not in clips])

    def _of(self, rows: Sequence[int]) -> Outcome:
        return Outcome(
            clips=tuple(self.clips[i] for i in rows),
            parts=tuple(self.parts[i] for i in rows),
            true=self.true[list(rows)],
            predicted=self.predicted[list(rows)],
            presence=self.presence[list(rows)],
        )


def write_outcome(path: Path, outcome: Outcome) -> None:
    """Write it as the table that ``read_outcome`` reads."""
    table = pa.table(
        {
            "clip": pa.array(outcome.clips, pa.string()),
            "part": pa.array(outcome.parts, pa.string()),
            "true": _fixed(outcome.true),
            "predicted": _fixed(outcome.predicted),
            "presence": _fixed(outcome.presence.astype(np.uint8)),
        }
    )
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def read_outcome(path: Path) -> Outcome:
    """Read what a run says of every clip.

    Raises
    ------
    OSError, ValueError, KeyError
        if the file is missing or damaged.
    """
    with pa.OSFile(str(path)) as file:
        table = pa.ipc.open_file(file).read_all()
    table.validate(full=True)  # what a made-up offset points to is not ours to read
    return Outcome(
        clips=tuple(table["clip"].to_pylist()),
        parts=tuple(table["part"].to_pylist()),
        true=_matrix(table["true"]),
        predicted=_matrix(table["predicted"]),
        presence=_matrix(table["presence"]).astype(bool),
    )


def _fixed(matrix: NDArray[Any]) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(matrix).reshape(-1)), matrix.shape[1])


def _matrix(column: pa.ChunkedArray) -> NDArray[Any]:
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0)
    flat: NDArray[Any] = array.flatten().to_numpy()
    return flat.reshape(len(column), array.type.list_size)
