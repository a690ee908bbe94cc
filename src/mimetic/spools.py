"""Rows as they come become a track: pooled, rounded to the store's type, and set aside on disk when there are many.

A ``Spool`` holds the last few megabytes of a track and keeps the rest in a file without a name, so that twenty minutes
of a model's states cost no more memory than one. It gives the track back in pieces, in order, as often as asked.
"""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from mimetic.growing import Growing
from mimetic.records import Track

HELD = 1 << 20
"""Bytes of values that a spool holds in memory, and that a piece of a track has at most."""


class NotFinite(ValueError):
    """A value is infinite, no number, or too large for the type it has to be stored in."""


def rounded(track: Track, dtype: str | np.dtype[Any]) -> Track:
    """Give a track in the type that it is stored in: itself, if it has that already.

    Raises
    ------
    NotFinite
        if a value cannot be stored.
    """
    kind: np.dtype[Any] = np.dtype(dtype)
    values = track.values
    limit = float(np.finfo(kind).max)
    if values.size and not (values.max() <= limit and values.min() >= -limit):
        raise NotFinite(f"its values are not finite in {kind}")
    return track if values.dtype == kind else replace(track, values=values.astype(kind))


class Spool:
    """A track that grows.

    Parameters
    ----------
    dim, rate, dtype
        of the track.
    folder
        where the file without a name lies while it is needed; the system's own place if not told.
    """

    def __init__(self, dim: int, rate: float, dtype: str, *, folder: Path | None = None) -> None:
        self.dim, self.rate, self.dtype = dim, rate, np.dtype(dtype)
        self._folder = folder
        self._file: IO[bytes] | None = None
        self._held = Growing((dim,), self.dtype)
        self._valid = Growing((), np.bool_)
        self._notes: dict[str, Growing] = {}

    @property
    def length(self) -> int:
        """Count the rows."""
        return len(self._valid)

    @property
    def notes(self) -> list[str]:
        """The names of the facts that it knows of its rows."""
        return sorted(self._notes)

    def append(self, rows: Track) -> None:
        """Take the next rows.

        Raises
        ------
        NotFinite
            if a value cannot be stored.
        """
        rows = rounded(rows, self.dtype)
        for name in {*rows.notes, *self._notes}:
            if name not in self._notes:
                self._notes[name] = Growing((), np.float32)
                self._notes[name].append(np.zeros(self.length, np.float32))
            self._notes[name].append(rows.notes.get(name, np.zeros(len(rows.values), np.float32)))
        self._valid.append(rows.valid)
        self._held.append(rows.values)
        if self._held.rows.nbytes > HELD:
            self._set_aside()

    def _set_aside(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - it lives as long as the spool
            weakref.finalize(self, self._file.close)
        self._file.write(np.ascontiguousarray(self._held.rows).data)
        self._held.clear()

    def pieces(self) -> Iterator[Track]:
        """Give the track in pieces of at most ``HELD`` bytes; an empty one has none."""
        step = max(1, HELD // (self.dim * self.dtype.itemsize))
        if self._file is not None:
            self._set_aside()
            self._file.seek(0)
        for start in range(0, self.length, step):
            rows = slice(start, min(start + step, self.length))
            yield Track(
                values=self._held.rows[rows] if self._file is None else self._read(rows.stop - start),
                rate=self.rate,
                valid=self._valid.rows[rows],
                notes={name: self._notes[name].rows[rows] for name in self.notes},
            )

    def _read(self, rows: int) -> NDArray[Any]:
        assert self._file is not None
        data = self._file.read(rows * self.dim * self.dtype.itemsize)
        return np.frombuffer(data, self.dtype).reshape(rows, self.dim)

    def track(self) -> Track:
        """Give the whole track, in memory."""
        return joined(list(self.pieces()) or [_empty(self.dim, self.rate, self.dtype)])


def _empty(dim: int, rate: float, dtype: np.dtype[Any]) -> Track:
    return Track(values=np.zeros((0, dim), dtype), rate=rate, valid=np.zeros(0, np.bool_))


def joined(pieces: Sequence[Track]) -> Track:
    """Give the track that some pieces, at least one, make; of a single one no copy is made."""
    first = pieces[0]
    if len(pieces) == 1:
        return first
    return Track(
        values=np.concatenate([piece.values for piece in pieces]),
        rate=first.rate,
        valid=np.concatenate([piece.valid for piece in pieces]),
        notes={name: np.concatenate([piece.notes[name] for piece in pieces]) for name in first.notes},
        provenance=first.provenance,
    )


class Pooling:
    """Rows into fixed bins: the mean of a bin's measurements, as they come.

    Row ``k`` of ``native`` hertz begins at ``k / native`` seconds, and falls into the bin of ``1 / rate`` seconds in
    which it begins. A bin without a measurement is a zero row that is none; its facts are the mean over its rows.
    """

    def __init__(self, native: float, rate: float) -> None:
        self._native, self._rate = native, rate
        self._bins = 0  # that are closed
        self._rows = 0  # that fell into those
        self._open: list[Track] = []

    def add(self, rows: Track) -> Track:
        """Take rows, give the bins that are complete."""
        self._open.append(rows)
        taken = self._rows + sum(len(track.values) for track in self._open)
        return self._close(int(self._bin_of(np.array(taken))))

    def finish(self) -> Track:
        """Give the last bin, if rows are in it."""
        return self._close(self._bins + any(len(track.values) for track in self._open))

    def _bin_of(self, row: NDArray[np.intp]) -> NDArray[np.intp]:
        bins: NDArray[np.intp] = np.floor(row * self._rate / self._native + 1e-9).astype(np.intp)
        return bins

    def _close(self, stop: int) -> Track:
        """Pool the rows of the bins before ``stop``, and keep the others."""
        rows, count = joined(self._open), stop - self._bins
        bins = self._bin_of(self._rows + np.arange(len(rows.values))) - self._bins
        done = int(np.searchsorted(bins, count))
        self._open = [_cut(rows, slice(done, None))]
        self._bins, self._rows = stop, self._rows + done
        return _pooled(_cut(rows, slice(done)), bins[:done], count, self._rate)


def _cut(rows: Track, which: slice) -> Track:
    notes = {name: note[which] for name, note in rows.notes.items()}
    return Track(values=rows.values[which], rate=rows.rate, valid=rows.valid[which], notes=notes)


def _pooled(rows: Track, bins: NDArray[np.intp], count: int, rate: float) -> Track:
    """Give ``count`` bins, the mean of the measurements in each; ``bins`` ``(time,)`` says where a row falls."""
    measured = np.bincount(bins, rows.valid, minlength=count)
    sums = np.zeros((count, rows.values.shape[1]))
    np.add.at(sums, bins[rows.valid], rows.values[rows.valid])
    everything = np.maximum(np.bincount(bins, minlength=count), 1)
    return Track(
        values=(sums / np.maximum(measured, 1)[:, None]).astype(np.float32),
        rate=rate,
        valid=measured > 0,
        notes={
            name: (np.bincount(bins, note, minlength=count) / everything).astype(np.float32)
            for name, note in rows.notes.items()
        },
    )


def pool(track: Track, rate: float) -> Track:
    """Pool a whole track into bins of ``1 / rate`` seconds."""
    pooling = Pooling(track.rate, rate)
    return joined([pooling.add(track), pooling.finish()])
