"""Features that others made become rows of the store: a folder, a zip or one file in, joined by clip id alone.

A file is read at a time, straight from the archive, and nothing in it is run. A clip whose file cannot be used has
the reason in its row. What was imported is signed as the feature that it stands for, with a note that it was imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mimetic.extraction import SHARD
from mimetic.features import Feature
from mimetic.imports.joining import join
from mimetic.imports.placing import misfit_of, track_of
from mimetic.records import BadData, Clip, ClipError, Json, Track, UnknownName, UsageError
from mimetic.sheets import Sheet, as_sheet
from mimetic.sources import Source, open_source
from mimetic.spools import HELD, Spool
from mimetic.stocktaking import mend
from mimetic.store import Row, Store, StoredFeature, digest, write_shard

MISSING = ("auto", "rows", "none")
ABSENT, NOT_AMONG = "absent", "not among what was imported"
"""The fingerprint, and the reason, of a clip that the source has nothing of."""


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
        rows a second of the files, where they say it neither by timestamps nor otherwise, or wrongly.
    missing
        what becomes of clips that the source has nothing of, nor the store: ``rows`` marks them as missing, ``none``
        leaves them to extraction, ``auto`` does the first for what cannot be extracted, and the second for the rest.

    Raises
    ------
    BadData
        if there is nothing to read, or it names none of the clips, or one of them twice, or is another feature.
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
        places, strangers = join(clips, source.names(), path)
        if not places:
            names = f"It names others: {', '.join(strangers[:3])} ..." if strangers else "It holds no features at all."
            raise BadData(f"{path} has none of the {len(clips)} clips", remedy=names)
        _check_shapes(source, list(places.values()), wanted, path)
        summary = Summary(strangers=strangers, absent=[clip.id for clip in clips if clip.id not in places])
        identity = {**wanted.identity, "made": {"imported": True, "rate": rate}}
        store.refresh()
        mend(store, wanted.key, imported=True)
        stored = store[wanted.key] if wanted.key in store.keys() else None  # noqa: SIM118 - a Store is no dict
        job = _Job(source, places, wanted, rate, stored, identity, marks=marks)
        progress(0, len(clips))
        for index in range(-(-len(clips) // SHARD)):
            shard = clips[index * SHARD : (index + 1) * SHARD]
            job.write(shard, index, store)
            progress(min(len(clips), (index + 1) * SHARD), len(clips))
    store.refresh()
    _count(store, wanted, places, summary)
    return summary


def _check_shapes(source: Source, names: Sequence[str], wanted: Feature, path: Path) -> None:
    """Stop before any work where the first, the middle and the last entry all say that this is another feature."""
    told: list[str] = []
    for name in {names[0]: None, names[len(names) // 2]: None, names[-1]: None}:
        try:
            values = _sheet(source, name).values
        except ClipError:
            continue
        misfit = misfit_of(values, wanted)
        if misfit is None and wanted.rate and values.ndim == 1:
            misfit = f"is one vector, and {wanted.key} has {wanted.rate:g} rows a second"
        if misfit is None:
            return
        told.append(f"{path}: {name} {misfit}")
        fps = "+fps=HZ" if values.ndim > 1 and len(values) > 1 else ""
        own = f"--as own-{wanted.entry.modality}+name=NAME+dim={values.shape[-1] if values.ndim else 1}{fps}"
    if told:
        raise BadData(told[0], remedy=f"If that is what it should be: {own}.")


def _sheet(source: Source, name: str) -> Sheet:
    """Read an entry; a table that names its one clip in every line is that clip's."""
    content = source.read(name)
    if isinstance(content, Mapping) and len(content) == 1:
        (content,) = content.values()
    return as_sheet(content)


def _count(store: Store, wanted: Feature, places: Mapping[str, str], summary: Summary) -> None:
    stored = store[wanted.key]
    for clip in places:
        reason = stored.reason(clip)
        summary.clips += 1
        summary.rows += stored.length(clip)
        if reason is not None:
            summary.failures.append((clip, reason))


@dataclass(slots=True)
class _Job:
    """One import on its way."""

    source: Source
    places: Mapping[str, str]
    wanted: Feature
    rate: float | None
    stored: StoredFeature | None
    identity: Json
    marks: bool

    def write(self, clips: Sequence[Clip], index: int, store: Store) -> None:
        """Write the shard of some clips, unless what the store gives of each of them is this."""
        taken = [clip for clip in clips if clip.id in self.places or (self.marks and not self._is_held(clip.id))]
        if taken and not all(self._is_done(clip.id) for clip in taken):
            rows = [self._row(clip) for clip in taken]
            write_shard(store.folder(self.wanted.key), index, self.identity, rows, self.wanted.dtype)

    def _is_held(self, clip: str) -> bool:
        """Tell whether the store has this feature of a clip: another part of the data set was imported before."""
        if self.stored is None or clip not in self.stored or self.stored.source(clip) == ABSENT:
            return False
        return self.wanted.matches(self.stored.newest(clip).identity)

    def _is_done(self, clip: str) -> bool:
        """Tell whether the row that counts is what would be written now; it may be older than others' shards."""
        if self.stored is None or clip not in self.stored:
            return False
        same = digest(self.stored.newest(clip).identity) == digest(self.identity)
        return same and self.stored.source(clip) == self._fingerprint(clip)

    def _fingerprint(self, clip: str) -> str:
        try:
            return self.source.fingerprint(self.places[clip]) if clip in self.places else ABSENT
        except ClipError as error:
            return f"unread: {error}"

    def _row(self, clip: Clip) -> Row:
        source = self._fingerprint(clip.id)
        if clip.id not in self.places:
            return Row(clip=clip.id, source=source, track=None, reason=NOT_AMONG)
        name = self.places[clip.id]
        try:
            track, reason = track_of(_sheet(self.source, name), self.wanted, self.rate, clip)
        except ClipError as error:
            return Row(clip=clip.id, source=source, track=None, reason=f"{name}: {error}")
        return Row(clip=clip.id, source=source, track=_set_aside(track), reason=reason)


def _set_aside(track: Track) -> Track | Spool:
    """Put a long track on disk until its shard is written."""
    if track.values.nbytes <= HELD:
        return track
    rows, dim = track.values.shape
    spool = Spool(dim, track.rate, str(track.values.dtype))
    step = max(1, HELD // (dim * track.values.itemsize))  # what it takes at once it holds on to
    for piece in (slice(start, start + step) for start in range(0, rows, step)):
        notes = {name: note[piece] for name, note in track.notes.items()}
        spool.append(Track(values=track.values[piece], rate=track.rate, valid=track.valid[piece], notes=notes))
    return spool
