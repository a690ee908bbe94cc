"""Features that others made become rows of the store: a folder, a zip or one file in, joined by clip id alone.

A file is read at a time, straight from the archive, and nothing in it is run. A clip whose file cannot be used has
the reason in its row. What was imported is signed as the feature that it stands for, with a note that it was imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from mimetic.extraction import SHARD
from mimetic.features import Feature
from mimetic.foreign import READERS
from mimetic.media import MEDIA_SUFFIXES
from mimetic.records import BadData, Clip, ClipError, Json, Track, UnknownName, UsageError
from mimetic.sheets import LARGEST, Sheet, as_sheet
from mimetic.sources import Source, open_source
from mimetic.spools import pool, rounded
from mimetic.store import Row, Store, shard_path, write_shard

MISSING = ("auto", "rows", "none")
NOT_AMONG = "not among what was imported"


@dataclass(slots=True)
class Summary:
    """What an import did.

    Attributes
    ----------
    clips, rows
        how many clips have the feature now, and how many rows they have together.
    absent
        clips that the source has nothing of.
    strangers
        names in the source that are no clip's.
    failures
        ``(clip, reason)`` of what could not be used, or only in part.
    """

    clips: int = 0
    rows: int = 0
    absent: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)

    def as_json(self) -> Json:
        """Give the summary as ``--json`` prints it."""
        failures = [{"clip": clip, "reason": reason} for clip, reason in self.failures]
        return {
            "clips": self.clips,
            "rows": self.rows,
            "absent": self.absent,
            "strangers": self.strangers,
            "failures": failures,
        }


def import_features(
    clips: Sequence[Clip],
    path: Path,
    wanted: Feature,
    store: Store,
    *,
    rate: float | None = None,
    missing: str = "auto",
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Summary:
    """Bring features into a store.

    Parameters
    ----------
    path
        a folder or a zip with a file a clip, named by its id; or one file with all clips.
    wanted
        which feature they are: an extractor's, whose columns they have to have, or ``own-...+name=...+dim=...``.
    rate
        rows a second of the files, where it is not the feature's; rows are put where they belong in time. Files that
        have timestamps need none.
    missing
        what becomes of clips that the source has nothing of: ``rows`` marks them as missing, ``none`` leaves them to
        extraction, ``auto`` does the first for what cannot be extracted, and the second for the rest.

    Raises
    ------
    BadData
        if there is nothing to read, or it names none of the clips, or one of them twice.
    UsageError
        for a rate that is none, or a feature that has none.
    """
    if rate is not None and not 0 < rate < float("inf"):
        raise UsageError(f"--rate {rate:g} is no rate", remedy="Give rows a second, a number above 0.")
    if rate is not None and not wanted.rate:
        raise UsageError(f"{wanted.key} is one vector a clip, and has no rate", remedy="Leave out --rate.")
    if missing not in MISSING:
        raise UnknownName("way with missing clips", missing, MISSING)
    marks = wanted.entry.view == "imported" if missing == "auto" else missing == "rows"
    with open_source(path) as source:
        places, strangers = _joined(clips, source.names(), path)
        if not places:
            some = ", ".join(strangers[:3]) or "nothing"
            raise BadData(f"{path} has none of the {len(clips)} clips", remedy=f"Its names: {some} ...")
        summary = Summary(strangers=strangers, absent=[clip.id for clip in clips if clip.id not in places])
        identity = {**wanted.identity, "made": {"imported": True, "rate": rate}}
        job = _Job(source, places, wanted, rate, summary, marks=marks)
        progress(0, len(clips))
        for index in range(-(-len(clips) // SHARD)):
            shard = clips[index * SHARD : (index + 1) * SHARD]
            job.write(shard, index, identity, store)
            progress(min(len(clips), (index + 1) * SHARD), len(clips))
    store.refresh()
    _count(store, wanted, places, summary)
    return summary


def _count(store: Store, wanted: Feature, places: Mapping[str, str], summary: Summary) -> None:
    stored = store[wanted.key]
    for clip in places:
        reason = stored.reason(clip)
        summary.clips += 1
        summary.rows += stored.length(clip)
        if reason is not None:
            summary.failures.append((clip, reason))


# ------------------------------------------------------------------------------------------------ by id


def _joined(clips: Sequence[Clip], names: Iterable[str], path: Path) -> tuple[dict[str, str], list[str]]:
    """Give which name of the source is which clip's, and the names that are nobody's."""
    spellings: dict[str, str | None] = {}
    for clip in clips:
        for spelling in _spellings(clip.id):
            spellings[spelling] = clip.id if spelling not in spellings or spelling == clip.id else None
    places: dict[str, str] = {}
    strangers: list[str] = []
    for name in names:
        clip_id = next((found for s in _spellings(name) if (found := spellings.get(s)) is not None), None)
        if clip_id is None:
            strangers.append(name)
        elif clip_id in places:
            message = f"{path} has two entries for the clip {clip_id!r}: {places[clip_id]} and {name}"
            raise BadData(message, remedy="Leave one of them out.")
        else:
            places[clip_id] = name
    return places, strangers


def _spellings(name: str) -> Iterator[str]:
    """Give a name as it is, without its folders, without a media file's suffix, and a number without its zeros."""
    yield name
    bare = PurePosixPath(name)
    stem = bare.stem if bare.suffix.lower() in (*MEDIA_SUFFIXES, *READERS) else bare.name
    yield bare.name
    yield stem
    if stem.removesuffix(".0").isdecimal():
        yield f"number {int(stem.removesuffix('.0'))}"


# ----------------------------------------------------------------------------------------------- tracks


@dataclass(slots=True)
class _Job:
    """One import on its way."""

    source: Source
    places: Mapping[str, str]
    wanted: Feature
    rate: float | None
    summary: Summary
    marks: bool = False

    def write(self, clips: Sequence[Clip], index: int, identity: Json, store: Store) -> None:
        """Write the shard of some clips, unless it is there."""
        sources = [(clip.id, self._fingerprint(clip.id)) for clip in clips if self.marks or clip.id in self.places]
        folder = store.folder(self.wanted.key)
        if sources and not shard_path(folder, index, identity, sources).exists():
            rows = [self._row(clip, source) for clip, source in sources]
            write_shard(folder, index, identity, rows, self.wanted.dtype)

    def _fingerprint(self, clip: str) -> str:
        try:
            return self.source.fingerprint(self.places[clip]) if clip in self.places else "absent"
        except ClipError as error:
            return f"unread: {error}"

    def _row(self, clip: str, source: str) -> Row:
        if clip not in self.places:
            return Row(clip=clip, source=source, track=None, reason=NOT_AMONG)
        try:
            track, reason = _track(as_sheet(self.source.read(self.places[clip])), self.wanted, self.rate)
        except ClipError as error:
            return Row(clip=clip, source=source, track=None, reason=f"{self.places[clip]}: {error}")
        return Row(clip=clip, source=source, track=track, reason=reason)


def _track(sheet: Sheet, wanted: Feature, rate: float | None) -> tuple[Track, str | None]:
    """Give the sheet's rows as the feature's track, and what has to be said of them.

    Raises
    ------
    ClipError
        if they cannot be the feature's: other columns, several rows for one vector, no rows at all.
    """
    values = np.atleast_2d(sheet.values)
    if values.ndim != 2 or values.shape[1] != wanted.dim:
        shape = " by ".join(map(str, sheet.values.shape))
        raise ClipError(f"is {shape}, and {wanted.key} has {wanted.dim} columns")
    if not len(values):
        raise ClipError("has no rows")
    if not wanted.rate and len(values) > 1:
        raise ClipError(f"has {len(values)} rows, and {wanted.key} is one vector a clip")
    valid = np.ones(len(values), np.bool_) if sheet.valid is None else sheet.valid
    finite = (np.abs(values) <= np.finfo(wanted.dtype).max).all(axis=1)  # of NaN and infinity it is false
    lost = int((valid & ~finite).sum())
    if lost and not (valid & finite).any():
        raise ClipError(f"its values are not finite in {wanted.dtype}")
    reason = f"in part: {lost} rows are not finite in {wanted.dtype}" if lost else None
    valid = valid & finite
    clean = np.where(valid[:, None], values, 0).astype(np.float32)
    track = Track(values=clean, rate=rate or wanted.rate, valid=valid, notes=dict(sheet.notes))
    return rounded(_timed(track, sheet.times, wanted), wanted.dtype), reason


def _timed(track: Track, times: NDArray[np.float64] | None, wanted: Feature) -> Track:
    """Put rows where they belong in time, at the feature's rate: the mean of those that share a place.

    A place without a row is no measurement. Rows without times are evenly spaced from 0.
    """
    if not wanted.rate or (times is None and track.rate == wanted.rate):
        return replace(track, rate=wanted.rate)
    if times is None and track.rate > wanted.rate:
        return pool(track, wanted.rate)
    return _spread(track, np.arange(len(track.values)) / track.rate if times is None else times, wanted)


def _spread(track: Track, times: NDArray[np.float64], wanted: Feature) -> Track:
    if not np.isfinite(times).all() or times.min() < 0:
        raise ClipError("has times that are none")
    places = np.floor(times * wanted.rate + 1e-6).astype(np.intp)
    count = int(places.max()) + 1
    if count * wanted.dim * 4 > LARGEST:
        raise ClipError(f"has times up to {times.max():g} s, which is too long")
    measured = np.bincount(places, track.valid, minlength=count)
    sums = np.zeros((count, wanted.dim), np.float64)
    np.add.at(sums, places[track.valid], track.values[track.valid])
    there = np.maximum(np.bincount(places, minlength=count), 1)
    return Track(
        values=(sums / np.maximum(measured, 1)[:, None]).astype(np.float32),
        rate=wanted.rate,
        valid=measured > 0,
        notes={
            name: (np.bincount(places, note, minlength=count) / there).astype(np.float32)
            for name, note in track.notes.items()
        },
    )
