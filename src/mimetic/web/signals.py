"""What can be seen and heard in a clip, for the eye: a reading in, curves of loudness, pitch and movement out.

These are measurements of the clip, not of the model. They come from the tracks of ``logmel``, ``motion-landmarks`` and
``motion-blocks``, turned back into decibels, hertz and changes per second.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mimetic.features import landmarks, motion, prosody
from mimetic.records import Json, Track
from mimetic.web.scoring import Reading
from mimetic.web.strip import ENTRY

POINTS = 300
"""Of a curve: what a screen can show."""

SOURCES = {
    "loudness": "logmel",
    "pitch": "logmel",
    "face movement": "motion-landmarks",
    "picture movement": "motion-blocks",
}
"""The curves, and the feature that each is taken from."""

NOTHING = {"pitch": "no voice found", "face movement": "no face found", "picture movement": "nothing moves"}
"""Why a feature that is there has nothing for a curve."""

Floats = NDArray[np.float64]


def as_json(reading: Reading) -> Json:
    """Give the curves that there are: ``{name: {"unit", "times", "values"}}``, null where nothing is measured."""
    strip = reading.track(reading.strip)
    words = reading.facts.words
    curves = {name: curve for name, curve in _curves(reading).items() if curve is not None}
    return {
        "curves": curves,
        "unmeasured": {name: _why_not(reading, name) for name in SOURCES if name not in curves},
        "words": [] if words is None else [[start, end, text] for start, end, text in words.segments],
        "text": None if words is None else words.text,
        "faces": None if strip is None or not strip.valid.any() else _faces(strip),
    }


def _why_not(reading: Reading, name: str) -> str:
    """Say why there is no curve."""
    taken = reading.taken.get(SOURCES[name])
    if taken is None:
        return "the extra `face` is not installed" if name == "face movement" else "not looked at"
    return taken.reason or NOTHING.get(name, "nothing measured")


def _faces(strip: Track) -> Json:
    return {"rate": ENTRY.rate, "valid": [bool(there) for there in strip.valid]}


def _curves(reading: Reading) -> dict[str, Json | None]:
    sound = reading.track("logmel")
    points = reading.track("motion-landmarks")
    blocks = reading.track("motion-blocks")
    return {
        "loudness": None if sound is None else _curve(sound, _loudness(sound), "dB"),
        "pitch": None if sound is None else _curve(sound, _pitch(sound), "Hz"),
        "face movement": None if points is None else _curve(points, _of_landmarks(points), "a second"),
        "picture movement": None if blocks is None else _curve(blocks, _of_blocks(blocks), "a second"),
    }


def _column(track: Track, names: tuple[str, ...], name: str) -> Floats:
    return track.values[:, names.index(name)].astype(np.float64)


def _loudness(track: Track) -> Floats:
    """Decibels, by the inverse of ``logmel``'s ``energy``."""
    return 20 * _column(track, prosody.NAMES, "energy") - 50


def _pitch(track: Track) -> Floats:
    """Hertz, by the inverse of ``logmel``'s ``pitch``; NaN where there is no voice."""
    voiced = _column(track, prosody.NAMES, "voicing") >= prosody.VOICED
    return np.where(voiced, prosody.MIDDLE_VOICE * 2 ** _column(track, prosody.NAMES, "pitch"), np.nan)


def _of_landmarks(track: Track) -> Floats:
    """Give the root mean square of how fast the measures of expression change; NaN where there is no face."""
    speeds = [_column(track, landmarks.NAMES, f"{name}_speed") for name in landmarks.EXPRESSION]
    return np.where(track.valid, np.sqrt(np.mean(np.square(speeds), axis=0)), np.nan)


def _of_blocks(track: Track) -> Floats:
    """Give how fast the picture's lightness changes; NaN for the first frame, which has nothing before it."""
    return np.where(track.valid, _column(track, motion.NAMES, "energy"), np.nan)


def _curve(track: Track, values: Floats, unit: str) -> Json | None:
    """Thin a curve: of neighbours the mean of what is measured, null where nothing is."""
    if not np.isfinite(values).any():
        return None
    groups = np.array_split(values, min(POINTS, len(values)))
    firsts = np.cumsum([0, *(len(group) for group in groups[:-1])])
    means = [float(np.mean(group[np.isfinite(group)])) if np.isfinite(group).any() else None for group in groups]
    return {
        "unit": unit,
        "times": [round(float(first) / track.rate, 3) for first in firsts],
        "values": [None if mean is None else round(mean, 4) for mean in means],
    }
