"""Every trace of a clip or a person removed: a store or a run and some ids in, what was removed and what stays out.

A shard is written anew without the rows, so that their bytes are nowhere in it; a run's scores likewise; records of
what an encoder learned from lose the id. What was made in passing (inputs prepared for tuning, files half-written,
shards set aside) goes whole, since it can be made again. Then all below the place is searched for the ids and for
the fingerprints of what their rows were made from: files that still hold one are named, and left, since they are yours.

What no program can undo is said too: weights that were trained on the clip.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mimetic.records import Dataset, Json, UsageError
from mimetic.runs import Run, rewrite_outcome, runs_of
from mimetic.soundness import DAMAGED
from mimetic.store import SUFFIX, Row, Shard, Store, write_atomically, write_shard
from mimetic.tuned import NAME as TUNED

PASSING = (f"*{DAMAGED}", ".*.part", ".training", ".tuning")
"""What was made in passing, below a store or a run: it can hold anything, and can be made again."""


@dataclass(slots=True)
class Forgotten:
    """What was done.

    Attributes
    ----------
    rows
        how many rows of features and scores were removed, by place.
    removed
        files that were removed whole.
    trained
        weights that may have learned from the clips: nothing but a new training undoes that.
    named
        files that still hold one of the ids: reports, tables, originals.
    """

    rows: dict[str, int] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    trained: list[str] = field(default_factory=list)
    named: list[str] = field(default_factory=list)

    def as_json(self) -> Json:
        """Give it as ``--json`` prints it."""
        return {name: getattr(self, name) for name in self.__slots__}


def clips_of_person(dataset: Dataset, person: str) -> frozenset[str]:
    """Give the ids of a person's clips, as the data set's columns tell.

    Raises
    ------
    UsageError
        if no column that names people knows the person.
    """
    for name in ("person", "subject", "group", "speaker"):
        column = dataset.columns.get(name, ())
        if person in column:
            return frozenset(clip.id for clip, who in zip(dataset.clips, column, strict=True) if who == person)
    known = ", ".join(dataset.columns) or "none"
    raise UsageError(f"{dataset.name} does not know the person {person!r}", remedy=f"Its columns: {known}.")


def forget(place: Path, clips: Collection[str]) -> Forgotten:
    """Remove every trace of some clips from a store, a run, or a folder of runs.

    Raises
    ------
    BadRun
        if the place is neither.
    StoreError
        for a damaged shard: nobody can tell what is in it.
    """
    done = Forgotten()
    if Store(place).keys():
        sources = _empty_store(Store(place), clips, done)
    else:
        sources = frozenset()
        for run in runs_of([place]):
            _empty_run(run, clips, done)
    for name in PASSING:
        _remove(place.rglob(name), done)
    done.named = [str(path) for path in _holding(place, {*clips, *sources})]
    return done


# ------------------------------------------------------------------------------------------------ stores


def _empty_store(store: Store, clips: Collection[str], done: Forgotten) -> frozenset[str]:
    """Give the fingerprints of what the rows, and no row that stays, were made from: they are searched for, too."""
    sources: set[str] = set()
    shared: set[str] = set()  # two clips with the same words
    for key in store.keys():  # noqa: SIM118 - a Store is no dict
        for shard in store[key].shards:
            gone = [clip for clip in shard.clips if clip in clips]
            sources |= {shard.source(clip) for clip in gone}
            shared |= {shard.source(clip) for clip in shard.clips if clip not in clips}
            if gone:
                _rewrite(shard, clips)
                done.rows[key] = done.rows.get(key, 0) + len(gone)
        _unlearn(store.folder(key) / TUNED, clips, done)
    store.refresh()
    return frozenset(source for source in sources - shared if len(source) >= 16)  # "absent" is nobody's


def _rewrite(shard: Shard, clips: Collection[str]) -> None:
    """Write a shard anew without some rows, as old as it was: of a clip in several shards the newest counts."""
    rows = [_row(shard, clip) for clip in shard.clips if clip not in clips]
    times = shard.path.stat()
    if rows:
        dtype = str(shard.identity["dtype"])
        index = int(shard.path.name.partition(".")[0])
        path = write_shard(shard.path.parent, index, shard.identity, rows, dtype)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    shard.path.unlink()


def _row(shard: Shard, clip: str) -> Row:
    track = shard.track(clip)
    kept = None if not len(track.values) and shard.reason(clip) else track
    return Row(clip=clip, source=shard.source(clip), track=kept, reason=shard.reason(clip))


def _unlearn(path: Path, clips: Collection[str], done: Forgotten) -> None:
    """Take ids out of the record of what an encoder learned from; its weights stay as they are, and are named."""
    if not path.is_file():
        return
    told = json.loads(path.read_text("utf-8"))
    if gone := [clip for clip in told["clips"] if clip in clips]:
        told["clips"] = {clip: source for clip, source in told["clips"].items() if clip not in clips}
        write_atomically(path, (json.dumps(told, indent=1, ensure_ascii=False) + "\n").encode())
        done.trained.append(f"{path.parent}: the encoder that made these features learned from {', '.join(gone)}")


# -------------------------------------------------------------------------------------------------- runs


def _empty_run(run: Run, clips: Collection[str], done: Forgotten) -> None:
    outcome = run.outcome
    gone = [(clip, part) for clip, part in zip(outcome.clips, outcome.parts, strict=True) if clip in clips]
    if gone:
        rewrite_outcome(run, outcome.without(clips))
        done.rows[str(run.path)] = len(gone)
    if learned := [clip for clip, part in gone if run.refit or part == "train"]:
        done.trained.append(f"{run.path}: its weights were trained on {', '.join(learned)}; train it again without")
    _unlearn(run.path / TUNED, clips, done)


# ---------------------------------------------------------------------------------------------- leftovers


def _remove(paths: Iterator[Path], done: Forgotten) -> None:
    for path in list(paths):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        done.removed.append(str(path))


def _holding(place: Path, texts: Collection[str]) -> Iterator[Path]:
    """Yield the files whose name or content holds one of some texts as a word of its own."""
    words = b"|".join(re.escape(text.encode()) for text in sorted(texts, key=len, reverse=True))
    pattern = re.compile(rb"(?<![0-9A-Za-z])(?:" + words + rb")(?![0-9A-Za-z])")
    for path in sorted(path for path in place.rglob("*") if path.is_file()):
        if path.suffix == SUFFIX and path.parent.parent == place:
            continue  # a shard: its rows are known, and numbers that look like an id are none
        if pattern.search(path.name.encode()) or pattern.search(path.read_bytes()):
            yield path
