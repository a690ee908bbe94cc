"""What clips can be looked at apart by: a run's clips, their data set and its features in, cuts out.

A cut is by a column of the data set, or by what ``KINDS`` tells of a name. What cannot be told has a reason.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mimetic.evidence.slices import Cut, by_column, by_numbers, refused
from mimetic.features.prosody import NAMES
from mimetic.records import Dataset, Track
from mimetic.runs import Outcome, Run
from mimetic.scripts import script_groups
from mimetic.sharing import SCRIPTS, is_called, rows_of
from mimetic.splits import groups_of, texts_of
from mimetic.store import Store

LOUDNESS = "logmel"
"""The extractor whose track says how loud a clip is."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Judged:
    """What slices are made from: the clips of a part, and what the data set and its store know of them."""

    run: Run
    outcome: Outcome
    dataset: Dataset
    store: Store | None
    rows: NDArray[np.intp]

    def tracks(self, key: str) -> Iterator[Track | None]:
        """Yield a stored feature of each clip; ``None`` where there is none."""
        assert self.store is not None
        stored = self.store[key]
        for clip in self.outcome.clips:
            yield stored[clip] if clip in stored and stored.length(clip) else None

    def stored(self, name: str) -> list[str]:
        """Name the features of an extractor that the store has."""
        held = [] if self.store is None else self.store.keys()
        return [key for key in held if key.partition("+")[0] == name]

    @property
    def count(self) -> int:
        """How many clips there are."""
        return len(self.outcome.clips)


def cut_by(name: str, judged: Judged) -> Cut:
    """Cut the clips by a column, or by what ``KINDS`` tells of that name."""
    if name not in judged.dataset.columns:
        return KINDS[name](judged)
    column = judged.dataset.column(name)
    return by_column(name, [column[row] for row in judged.rows])


def _length(judged: Judged) -> Cut:
    """Cut by the seconds that the longest track of the clip covers."""
    keys = [f.key for f in judged.run.features if f.rate and f.key in judged.stored(f.name)]
    if not keys:
        return refused("length", judged.count, "the store has no feature of the run that tells time")
    seconds = np.full((len(keys), judged.count), np.nan)
    for line, key in zip(seconds, keys, strict=True):
        for place, track in enumerate(judged.tracks(key)):
            line[place] = np.nan if track is None or not track.rate else len(track.values) / track.rate
    longest = np.where(np.isnan(seconds), -1.0, seconds).max(axis=0)
    return by_numbers("length", np.where(longest < 0, np.nan, longest), unit="s")


def _missing(judged: Judged) -> Cut:
    """Set the clips without each modality apart, and those that have all."""
    presence, modalities = judged.outcome.presence, judged.run.recipe.modalities
    if presence.all():
        return refused("missing", judged.count, "no clip lacks anything")
    sets = {f"without {name}": ~presence[:, column] for column, name in enumerate(modalities)}
    several = {name: flags for name, flags in sets.items() if flags.any()}
    if len(modalities) > 1:
        several["complete"] = presence.all(axis=1)
    return Cut(by="missing", sets=several, known=np.ones(judged.count, np.bool_))


def _labels(judged: Judged) -> Cut:
    """Set labels of zero apart from the others: whether somebody shows it at all, and how much."""
    true = judged.outcome.true
    if not (true == 0).any():
        return refused("labels", judged.count, "no label is zero")
    return Cut(by="labels", sets={"zero": true == 0, "not zero": true != 0}, known=np.ones(judged.count, np.bool_))


def _seen(judged: Judged) -> Cut:
    """Set clips whose script a training clip has apart from the others."""
    column = next((name for name in judged.dataset.columns if is_called(name, SCRIPTS)), None)
    if column is None:
        scripts = script_groups([text or "" for text in texts_of(judged.dataset.clips)])
    else:
        known = np.array(judged.dataset.column(column)) != ""
        scripts = np.where(known, groups_of(judged.dataset, column), -1)
    if not (scripts[judged.rows] >= 0).any():
        return refused("seen", judged.count, "there are no transcripts, and no column says the script")
    whole = judged.run.outcome
    learned = [clip for clip, part in zip(whole.clips, whole.parts, strict=True) if part == "train"]
    seen = np.isin(scripts, scripts[rows_of(judged.dataset, learned)])[judged.rows]
    known = scripts[judged.rows] >= 0
    return Cut(by="seen", sets={"script of training": seen & known, "other script": ~seen & known}, known=known)


def _loudness(judged: Judged) -> Cut:
    """Cut by mean energy in decibels."""
    keys = judged.stored(LOUDNESS)
    if not keys:
        return refused("loudness", judged.count, f"the store has no {LOUDNESS}, which would say it")
    column = NAMES.index("energy")
    values = [
        math.nan if track is None else 20 * float(track.measured[:, column].mean()) - 50
        for track in judged.tracks(keys[0])
    ]
    return by_numbers("loudness", values, unit="dB")


def _confidence(judged: Judged) -> Cut:
    """Cut by the face detector's mean confidence."""
    faces = [f for f in judged.run.features if f.entry.view == "faces"]
    for key in (key for f in faces for key in judged.stored(f.name) if key == f.key):
        told = [_confident(track) for track in judged.tracks(key)]
        if not np.isnan(told).all():
            return by_numbers("confidence", told)
    return refused("confidence", judged.count, "no stored feature of the run notes a detector's confidence")


def _confident(track: Track | None) -> float:
    if track is None or "confidence" not in track.notes or not track.valid.any():
        return math.nan
    return float(track.notes["confidence"][track.valid].mean())


def _language(judged: Judged) -> Cut:
    return refused("language", judged.count, "no column of the data set says it")


KINDS: dict[str, Callable[[Judged], Cut]] = {
    "length": _length,
    "missing": _missing,
    "labels": _labels,
    "seen": _seen,
    "loudness": _loudness,
    "confidence": _confidence,
    "language": _language,
}
"""What clips can be cut by, whatever columns there are; a column of the same name goes before."""
