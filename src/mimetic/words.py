"""What is said in a clip: its side file with the transcript.

In goes a ``Clip``, out come ``Words``. An absent transcript is *missing* (``NoStream``); an empty one is a
fact, ``Words(text="")``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mimetic.encodings import read_text
from mimetic.records import Clip, ClipError, NoStream, Words
from mimetic.subtitles import READERS, collapsed

WORD_SUFFIXES = (".txt", ".srt", ".vtt", ".ttml", ".json")
"""Side files with words; of a clip that has several the first in this order counts."""


def find_words(clip: Clip) -> Path | None:
    """Give the file with the clip's words: the one it names, else the first of ``WORD_SUFFIXES`` beside its media."""
    if clip.words is not None:
        places = [clip.words]
    else:
        places = [clip.path.with_suffix(suffix) for suffix in WORD_SUFFIXES] if clip.path is not None else []
    return next((place for place in places if place.is_file()), None)


def read_words(clip: Clip) -> Words:
    """Give what is said in the clip, whitespace collapsed, and which file in which encoding says so.

    Raises
    ------
    NoStream
        where there is no transcript.
    ClipError
        where there is one that cannot be read.
    """
    if clip.text is not None:
        return Words(text=collapsed(clip.text))
    path = find_words(clip)
    if path is None:
        raise NoStream("no transcript")
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise ClipError(f"a transcript is one of {', '.join(READERS)}, not {path.name!r}")
    text, encoding = read_text(path)
    return replace(reader(text) if text.strip() else Words(text=""), source=path.name, encoding=encoding)
