"""A view becomes a Track. To add an extractor: a file here, a line in the table.

A *feature* is an extractor with its options, written as ``name`` or ``name+option=value+option=value``: the words
of the command line, of recipes, and of the folders in a store.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mimetic.records import Entry, Extractor, Json, UsageError, find

VIEWS = ("frames", "faces", "audio", "words")

HALF_FROM_DIM = 256
"""From this many columns on a track is stored in float16: model states survive it, millimetres do not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExtractorEntry(Entry):
    """An extractor: the view it takes, the modality it speaks for, and the shape of its track.

    ``rate`` is in hertz, 0 for one vector a clip. ``view_options`` say how the view itself is made (for faces:
    detector, size, align). ``revision`` pins the model, or counts our own changes of what is computed.
    """

    view: str
    modality: str
    dim: int
    rate: float
    view_options: Mapping[str, Any] = field(default_factory=dict)
    model: str = "none"
    revision: str = "1"


FACES = {"detector": "centre", "size": 160, "align": False, "margin": None, "model": None, "fps": None}
"""How a face crop is made. ``None`` leaves it to the detector, which has a use for some of them only."""

EXTRACTORS: dict[str, ExtractorEntry] = {
    "words-hashed": ExtractorEntry(
        target="mimetic.features.hashed:HashedWords",
        about="words and pairs of words, hashed",
        options={"dim": 512},
        view="words",
        modality="text",
        dim=512,
        rate=0.0,
    ),
    "logmel": ExtractorEntry(
        target="mimetic.features.prosody:LogMel",
        about="log-mel bands, pitch, energy, voicing",
        view="audio",
        modality="audio",
        dim=48,
        rate=50.0,
    ),
    "face-appearance": ExtractorEntry(
        target="mimetic.features.appearance:Appearance",
        about="grey thumbnail, gradients and colours of the face crop",
        view="faces",
        modality="vision",
        dim=400,
        rate=5.0,
        view_options=FACES,
    ),
    "motion-blocks": ExtractorEntry(
        target="mimetic.features.motion:MotionBlocks",
        about="movement of the picture's blocks",
        view="frames",
        modality="motion",
        dim=100,
        rate=10.0,
    ),
    "motion-landmarks": ExtractorEntry(
        target="mimetic.features.landmarks:MotionLandmarks",
        about="facial landmarks and head pose, and how they move",
        view="frames",
        modality="motion",
        dim=40,
        rate=10.0,
        model="mediapipe face_mesh",
        revision="0.10.21",
        extra="face",
    ),
}

LIGHT = ("words-hashed", "logmel", "face-appearance", "motion-blocks")
"""One extractor a modality, with nothing downloaded and no extra: what ``extract`` takes when not told."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Feature:
    """An extractor's entry with the options that somebody chose. ``key`` is its one spelling."""

    key: str
    entry: ExtractorEntry
    options: Mapping[str, Any]
    view_options: Mapping[str, Any]

    @property
    def dim(self) -> int:
        """Columns of the track."""
        return int(self.options.get("dim", self.entry.dim))

    @property
    def rate(self) -> float:
        """Rows a second; 0 for one vector a clip."""
        return float(self.options.get("rate", self.entry.rate))

    @property
    def dtype(self) -> str:
        """The type its values are stored in."""
        return "float16" if self.dim >= HALF_FROM_DIM else "float32"

    @property
    def identity(self) -> Json:
        """All that decides its values: what a store's rows are signed with."""
        return {
            "extractor": self.key.partition("+")[0],
            "options": dict(self.options),
            "view": self.entry.view,
            "view_options": dict(self.view_options),
            "model": self.entry.model,
            "revision": self.entry.revision,
            "dim": self.dim,
            "rate": self.rate,
            "dtype": self.dtype,
        }

    def make(self) -> Extractor:
        """Build the extractor."""
        extractor: Extractor = self.entry.load()(**self.options)
        return extractor


def feature(text: str, table: Mapping[str, ExtractorEntry] = EXTRACTORS) -> Feature:
    """Read ``name+option=value``.

    >>> feature("face-appearance+detector=mediapipe").view_options["detector"]
    'mediapipe'

    Raises
    ------
    UnknownName
        for a name that the table does not have.
    UsageError
        for an option that the extractor does not have.
    """
    name, *pairs = text.split("+")
    entry = find(table, name, "extractor")
    chosen = dict(_option(text, pair) for pair in pairs)
    unknown = set(chosen) - set(entry.options) - set(entry.view_options)
    if unknown:
        known = ", ".join([*entry.options, *entry.view_options]) or "none"
        raise UsageError(f"extractor {name!r} has no option {sorted(unknown)[0]!r}", remedy=f"Its options: {known}.")
    for option, value in chosen.items():
        _check_option(name, option, value, {**entry.options, **entry.view_options}[option])
    options = {key: chosen.get(key, value) for key, value in entry.options.items()}
    view_options = {key: chosen.get(key, value) for key, value in entry.view_options.items()}
    defaults = {**entry.options, **entry.view_options}
    changed = {key: value for key, value in sorted(chosen.items()) if value != defaults[key]}
    key = "+".join([name, *(f"{option}={_spelling(value)}" for option, value in changed.items())])
    return Feature(key=key, entry=entry, options=options, view_options=view_options)


def features(texts: Iterable[str], table: Mapping[str, ExtractorEntry] = EXTRACTORS) -> tuple[Feature, ...]:
    """Read several, each once, in the order given."""
    return tuple({f.key: f for f in (feature(text, table) for text in texts)}.values())


def _check_option(name: str, option: str, value: Any, default: Any) -> None:
    """Refuse a value of another type than the default's, and numbers that count nothing."""
    if isinstance(default, bool):
        good, told = isinstance(value, bool), "true or false"
    elif isinstance(default, int):
        good, told = type(value) is int and value > 0, "a whole number above 0"
    else:
        good, told = default is None or isinstance(value, str), "a name"
    if not good:
        raise UsageError(f"{name}'s {option} is {value!r}", remedy=f"It has to be {told}.")


def _option(text: str, pair: str) -> tuple[str, Any]:
    name, equals, value = pair.partition("=")
    if not equals:
        raise UsageError(f"{text!r} is not an extractor with options", remedy="Write name+option=value.")
    if value.lower() in ("true", "false"):
        return name, value.lower() == "true"
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def _spelling(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
