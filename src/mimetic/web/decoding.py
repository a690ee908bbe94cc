"""What a stranger's file meets first: a process of its own that looks, refuses, and only then decodes.

In go clips, one after another; out come ``Facts`` (or a ``ClipError`` that says why the clip is refused) and what a
``ClipReader`` says of it. A file that crashes or hangs its decoder costs itself alone.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import av
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from mimetic.features import Feature
from mimetic.media import find_stream, open_container
from mimetic.reading import ClipReader, Message
from mimetic.records import Clip, ClipError, MimeticError, Words
from mimetic.web.limits import PIXELS, UPLOAD_SECONDS
from mimetic.words import read_words


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What a clip claims to be, before it is decoded; and its words with their times, where there are some."""

    seconds: float | None
    has_picture: bool
    has_sound: bool
    words: Words | None


@dataclass(frozen=True, slots=True)
class Reads:
    """Makes a decoder's function; pickled on the way to its process."""

    features: tuple[Feature, ...]

    def __call__(self) -> Inspecting:
        """Make the function, in the process where it is going to work."""
        made = Inspecting(ClipReader(self.features))
        gc.freeze()  # what is there now stays: looking for garbage passes it over
        return made


class Inspecting:
    """A reader that looks before it reads."""

    def __init__(self, read: ClipReader) -> None:
        self._read = read

    def __call__(self, clip: Clip) -> Iterator[Facts | ClipError | Message]:
        """Yield the clip's facts and what is read of it; or the reason why it is not read."""
        try:
            yield inspect(clip)
            yield from self._read(clip)
        except MimeticError as error:
            yield ClipError(error.message)
        finally:
            give_memory_back()


def give_memory_back() -> None:
    """Hand free memory back to the system, where its C library can: a process that reads clip after clip grows else.

    Frames of all sizes come and go; glibc keeps the gaps between them for itself, and Python what refers to itself.
    """
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def inspect(clip: Clip) -> Facts:
    """Look at a clip's header.

    Raises
    ------
    ClipError
        if it is no media file, longer or larger than the limits, or holds neither picture nor sound.
    """
    words = _words(clip)
    if clip.path is None:
        return Facts(seconds=None, has_picture=False, has_sound=False, words=words)
    with open_container(clip.path) as container:
        video, audio = find_stream(container, VideoStream), find_stream(container, AudioStream)
        if video is None and audio is None:
            raise ClipError("no picture and no sound in it")
        seconds = None if container.duration is None else container.duration / av.time_base
        if seconds is not None and seconds > UPLOAD_SECONDS:
            raise ClipError(f"it lasts {seconds / 60:.1f} minutes, and {UPLOAD_SECONDS / 60:g} is the most")
        if video is not None and video.width * video.height > PIXELS:
            raise ClipError(f"its picture claims {video.width} by {video.height} pixels: too many")
    return Facts(seconds=seconds, has_picture=video is not None, has_sound=audio is not None, words=words)


def _words(clip: Clip) -> Words | None:
    try:
        return read_words(clip)
    except ClipError:
        return None
