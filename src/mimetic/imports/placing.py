"""What a file holds of a clip in, the feature's track out: its rows where they belong in time.

When a row is: by the rate that was given, else by the file's timestamps, else by its count of frames and the clip's own
frame rate, else by the feature's rate. It goes to the nearest place of the feature's rate; a place without a row is no
measurement.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mimetic.features import Feature
from mimetic.media import Media
from mimetic.records import Clip, ClipError, Track
from mimetic.sheets import LARGEST, Sheet
from mimetic.spools import pool, rounded

NEAR = 0.499
"""How far a row's time may lie before its place, in places; just under half, so that a bin's middle is in that bin."""

FASTEST = 240.0
"""Frames a second above which a file's claim is not believed."""


def misfit_of(values: NDArray[Any], wanted: Feature) -> str | None:
    """Say why rows cannot be the feature's, if so."""
    if values.ndim not in (1, 2) or values.shape[-1] != wanted.dim:
        return f"is {' by '.join(map(str, values.shape)) or 'a number'}, and {wanted.key} has {wanted.dim} columns"
    if not wanted.rate and values.ndim == 2 and len(values) > 1:
        return f"has {len(values)} rows, and {wanted.key} is one vector a clip"
    return None


def track_of(sheet: Sheet, wanted: Feature, rate: float | None, clip: Clip) -> tuple[Track, str | None]:
    """Give the sheet's rows as the feature's track, and what has to be said of them.

    Raises
    ------
    ClipError
        if they cannot be the feature's: other columns, several rows for one vector, no rows at all.
    """
    if (misfit := misfit_of(sheet.values, wanted)) is not None:
        raise ClipError(misfit)
    values = np.atleast_2d(sheet.values)
    if not len(values):
        raise ClipError("has no rows")
    valid = np.ones(len(values), np.bool_) if sheet.valid is None else sheet.valid
    finite = (np.abs(values) <= np.finfo(wanted.dtype).max).all(axis=1)  # of NaN and infinity it is false
    lost = int((valid & ~finite).sum())
    if lost and not (valid & finite).any():
        raise ClipError(f"its values are not finite in {wanted.dtype}")
    reason = f"in part: {lost} rows are not finite in {wanted.dtype}" if lost else None
    valid = valid & finite
    clean = (values if valid.all() else np.where(valid[:, None], values, 0)).astype(np.float32, copy=False)
    notes = {name: note for name, note in sheet.notes.items() if name != "frame"}
    track = Track(values=clean, rate=rate or wanted.rate, valid=valid, notes=notes)
    times = _instants(sheet, rate, clip, wanted) if wanted.rate else None
    return rounded(_timed(track, times, wanted), wanted.dtype), reason


def _instants(sheet: Sheet, rate: float | None, clip: Clip, wanted: Feature) -> NDArray[np.float64] | None:
    """Give when each row is, in seconds; ``None`` where they are evenly spaced from 0."""
    if rate is None and sheet.times is not None:
        return sheet.times
    frames = sheet.notes.get("frame")
    return None if frames is None else frames.astype(np.float64) / (rate or _claimed(clip) or wanted.rate)


def _claimed(clip: Clip) -> float | None:
    """Give the frame rate of a clip's file, where there is one and its claim can be believed."""
    try:
        with Media(clip.path or Path()) as media:
            rate = media.claimed_rate
    except ClipError:
        return None
    return rate if rate is not None and 1 <= rate <= FASTEST else None


def _timed(track: Track, times: NDArray[np.float64] | None, wanted: Feature) -> Track:
    """Put rows where they belong in time, at the feature's rate: the mean of those that share a place."""
    if times is None and (not wanted.rate or track.rate == wanted.rate):
        return replace(track, rate=wanted.rate)
    if times is None and track.rate > wanted.rate:
        return pool(track, wanted.rate)
    return _spread(track, np.arange(len(track.values)) / track.rate if times is None else times, wanted)


def _spread(track: Track, times: NDArray[np.float64], wanted: Feature) -> Track:
    if not np.isfinite(times).all() or times.min() < 0:
        raise ClipError("has times that are none")
    step = float(np.median(np.diff(np.sort(times)))) * wanted.rate if len(times) > 1 else 1.0
    places = np.floor(times * wanted.rate + max(NEAR * min(1.0, step), 1e-6)).astype(np.intp)
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
