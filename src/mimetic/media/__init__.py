"""A path becomes views: frames at the rates that are asked for, and sound; streamed, decoded once.

In goes any file that FFmpeg reads: a video, a sound, a still image (a clip of one frame). Out come pieces of
``Frames`` and ``Sound`` of bounded size, in the file's order, and beside them the reasons why a view gave nothing
and the warnings about damage that did not stop it. A file is never held whole: of decoded pictures there is one
at a time beside the decoder's own.

Time is what the timestamps say, counted from the first picture; claimed frame rates are not believed. Sound is
counted from its own first sample: neither a late start nor a gap in it is filled with silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, Self

import av
import numpy as np
from av.audio.stream import AudioStream
from av.packet import Packet
from av.stream import Discard
from av.video.stream import VideoStream

from mimetic.media.opening import find_stream, fingerprint, open_container, words_of
from mimetic.pieces import SHORTEST, Clock, Item, Mono, Pictures, seconds
from mimetic.records import Frames, UsageError

__all__ = [
    "LONGEST",
    "MEDIA_SUFFIXES",
    "PATIENCE",
    "PIXELS",
    "Media",
    "find_stream",
    "fingerprint",
    "open_container",
    "words_of",
]

# fmt: off
MEDIA_SUFFIXES = frozenset({
    ".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".webm",
    ".wmv", ".aac", ".aif", ".aiff", ".amr", ".flac", ".m4a", ".mka", ".mp3", ".oga", ".ogg", ".opus", ".wav", ".wma",
    ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp",
})
# fmt: on
"""What counts as media where a folder is listed, in lower case. A file that is named is opened, whatever its suffix."""

PATIENCE = 200
"""Bad packets in a row after which a stream is given up."""

PIXELS = 1 << 28
"""Pixels of the largest picture that is decoded: 16,384 by 16,384, twice what any camera takes."""

LONGEST = 6 * 3600.0
"""Seconds of a stream after which the rest is left: a file of a few kilobytes can claim years."""

# ------------------------------------------------------------------------------------------- the file


class Media:
    """An open media file: what it claims to hold and, decoded in one pass, what it does hold.

    Parameters
    ----------
    path
        the file; whatever its suffix, its content decides.
    threads
        of each decoder. One by default, since clips are shared out among processes.

    Attributes
    ----------
    duration, claimed_rate
        seconds and frames a second as the file claims them; ``None`` where it does not. Not to be relied on.
    has_picture, has_sound
        whether there is a track of each kind (cover art is not a picture). It may be empty or damaged.
    reasons
        after ``decode``: why ``"frames"`` or ``"audio"`` gave nothing.
    warnings
        after ``decode``: damage that did not stop it.

    Raises
    ------
    ClipError
        if the file is not there, is empty, or is not media.
    """

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        self.path = path
        self.reasons: dict[str, str] = {}
        self.warnings: list[str] = []
        self._threads = threads
        self._decoded = False
        self._container = open_container(path)
        self._picture = find_stream(self._container, VideoStream)
        self._sound = find_stream(self._container, AudioStream)
        self.has_picture, self.has_sound = self._picture is not None, self._sound is not None
        self.duration = seconds(self._container.duration, Fraction(1, av.time_base))
        rate = self._picture.average_rate if self._picture else None
        self.claimed_rate = float(rate) if rate else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    @cached_property
    def size(self) -> tuple[int, int] | None:
        """Width and height of the first picture, upright; ``None`` if there is none. Opens the file once more."""
        with Media(self.path) as again:
            for _, piece in again.decode(rates=[1 / SHORTEST]):
                assert isinstance(piece, Frames)
                height, width = piece.images.shape[1:3]
                return width, height
        return None

    def decode(self, *, rates: Sequence[float] = (), sound: bool = False) -> Iterator[Item]:
        """Yield ``(rate, Frames)`` for each rate and ``(None, Sound)``, in one pass over the file.

        At a rate of ``r`` hertz there is a frame for every instant ``k / r`` from the first picture's timestamp
        to the last one's end: the picture that is shown then. So a clip of ``d`` seconds has ``ceil(d r)`` frames
        (and at least one, if any picture can be decoded); a picture that stands alone is a still, one frame. All
        images in a piece have one size. Streams that are not asked for are neither read nor decoded.
        """
        if self._decoded:
            raise UsageError(f"{self.path.name} has been decoded already", remedy="Open it again.")
        if not all(0 < rate < np.inf for rate in rates):
            raise UsageError(f"frames cannot be taken at {list(rates)} Hz", remedy="A rate is above zero.")
        self._decoded = True
        tracks = self._tracks(tuple(dict.fromkeys(rates)), sound)
        for packet in self._packets(tracks):
            yield from tracks[packet.stream_index].take(packet)
            if (long := tracks[packet.stream_index]).sink.seconds > LONGEST:
                self.warnings.append(f"{long.noun} is left after {LONGEST / 3600:g} hours")
                break
        for track in tracks.values():
            yield from track.finish()
            self._conclude(track)

    def _tracks(self, rates: Sequence[float], sound: bool) -> dict[int, _Track]:
        tracks = {}
        if rates and self._picture is None:
            self.reasons["frames"] = "no picture"
        elif rates and self._picture is not None:
            pictures = Pictures(self.path, Clock(self._picture), rates)
            tracks[self._picture.index] = _Track("frames", "picture", self._picture, pictures)
        if sound and self._sound is None:
            self.reasons["audio"] = "no sound track"
        elif sound and self._sound is not None:
            tracks[self._sound.index] = _Track("audio", "sound", self._sound, Mono())
        return tracks

    def _packets(self, tracks: dict[int, _Track]) -> Iterator[Packet[Any]]:
        """Yield the packets of the tracks, reading on after errors, until all are given up or the file ends."""
        streams = [stream for stream in self._container.streams if stream.index in tracks]
        for stream in self._container.streams:
            if stream not in streams:
                stream.discard = Discard.all
            elif stream.codec_context is not None:
                stream.codec_context.thread_count = self._threads
                stream.codec_context.options = {"max_pixels": str(PIXELS)}
        failures = 0
        while failures < PATIENCE:
            try:
                for packet in self._container.demux(streams):
                    if all(track.given_up for track in tracks.values()):
                        return
                    failures = 0
                    if packet.size:  # an empty one would end the decoder; where it is meant, it repeats the last frame
                        yield packet
                return
            except av.FFmpegError as error:
                failures += 1
                warning = f"file damaged: {words_of(error)}"
                if warning not in self.warnings:
                    self.warnings.append(warning)

    def _conclude(self, track: _Track) -> None:
        if not track.sink.given:
            self.reasons[track.view] = track.reason
            return
        if track.bad:
            self.warnings.append(f"{track.noun} damaged after {track.damaged_at:.1f} s (bad packets: {track.bad})")
        claimed = seconds(track.stream.duration, track.stream.time_base) or self.duration or 0.0
        if track.sink.seconds < 0.9 * claimed - 0.5:
            self.warnings.append(f"{track.noun} ends after {track.sink.seconds:.1f} s of {claimed:.1f} s claimed")


# ------------------------------------------------------------------------------------------- a stream


class _Sink(Protocol):
    """Where a stream's decoded frames flow; ``given`` counts what came out, ``seconds`` the time it covers."""

    given: int

    @property
    def seconds(self) -> float: ...

    def add(self, frame: Any) -> Iterator[Item]:
        """Take the next frame."""

    def end(self) -> Iterator[Item]:
        """Take note that there are no more frames."""

    def flush(self) -> Iterator[Item]:
        """Hand over what waits for a piece to fill."""


class _Track:
    """A stream on its way through its decoder into a sink. Bad packets are counted and skipped."""

    def __init__(self, view: str, noun: str, stream: VideoStream | AudioStream, sink: _Sink) -> None:
        self.view, self.noun, self.stream, self.sink = view, noun, stream, sink
        self.bad = 0
        self.damaged_at = 0.0
        self._bad_in_a_row = 0
        self._words = "" if stream.codec_context else "no decoder for it"

    @property
    def given_up(self) -> bool:
        """Whether to stop trying: there is no decoder, or it fails and fails."""
        return not self.stream.codec_context or self._bad_in_a_row >= PATIENCE

    @property
    def reason(self) -> str:
        """Why nothing came out of it."""
        return f"{self.noun} cannot be decoded: {self._words}" if self._words else f"the {self.noun} track is empty"

    def take(self, packet: Packet[Any] | None) -> Iterator[Item]:
        """Decode a packet; ``None`` drains the decoder."""
        if not self.given_up:
            yield from self._guard(self._decode(packet))

    def finish(self) -> Iterator[Item]:
        """Drain the decoder and the sink."""
        yield from self.take(None)
        yield from self._guard(self.sink.end())
        yield from self.sink.flush()

    def _decode(self, packet: Packet[Any] | None) -> Iterator[Item]:
        for frame in self.stream.decode(packet):
            if frame.is_corrupt:
                self._note_damage()
            self._bad_in_a_row = 0
            yield from self.sink.add(frame)

    def _guard(self, items: Iterator[Item]) -> Iterator[Item]:
        try:
            yield from items
        except (av.FFmpegError, ValueError) as error:  # ValueError: a pixel or sample format that PyAV does not know
            self._note_damage()
            self._bad_in_a_row += 1
            self._words = words_of(error)

    def _note_damage(self) -> None:
        if not self.bad:
            self.damaged_at = self.sink.seconds
        self.bad += 1
