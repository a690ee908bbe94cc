"""A path becomes views: frames at the rates that are asked for, and sound; streamed, decoded once.

In goes any file that FFmpeg reads: a video, a sound, a still image (a clip of one frame). Out come pieces of
``Frames`` and ``Sound`` of bounded size, in the file's order, and beside them the reasons why a view gave nothing
and the warnings about damage that did not stop it. A file is never held whole: of decoded pictures there is one
at a time beside the decoder's own.

Time is what the timestamps say, counted from the first picture; claimed frame rates are not believed. Sound is
counted from its own first sample: neither a late start nor a gap in it is filled with silence.
"""

from __future__ import annotations

import hashlib
import os
import statistics
from collections import deque
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import av
import numpy as np
import soxr
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image

from mimetic.records import SAMPLE_RATE, ClipError, Frames, Sound, UsageError

# fmt: off
MEDIA_SUFFIXES = frozenset({
    ".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".webm",
    ".wmv", ".aac", ".aif", ".aiff", ".amr", ".flac", ".m4a", ".mka", ".mp3", ".oga", ".ogg", ".opus", ".wav", ".wma",
    ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp",
})
# fmt: on
"""What counts as media where a folder is listed, in lower case. A file that is named is opened, whatever its suffix."""

PIECE_FRAMES = 16
PIECE_BYTES = 8 << 20
"""A piece of pictures is at most so long and, beyond its first frame, at most so large."""

PIECE_SAMPLES = SAMPLE_RATE
"""A piece of sound is at most a second long."""

JUMP = 10.0
"""Seconds forward, beyond which the clock has jumped: the gap is closed up."""

SETBACK = 1.0
"""Seconds backward, beyond which the clock was set back; below, the pictures were merely out of order."""

SHORTEST = 1 / 250
"""Seconds: a shorter duration comes from a made-up rate (browsers' recordings claim 1,000 frames a second)."""

TOLERANCE = 1e-3
"""Seconds that a picture may be late for its instant: the tick of the clock in Matroska, WebM and FLV."""

PATIENCE = 200
"""Bad packets in a row after which a stream is given up."""

EDGE = 64 << 10
"""Bytes at either end of a file that its fingerprint covers."""

Item = tuple[float, Frames] | tuple[None, Sound]
Matrix = tuple[int, int, int, int]
S = TypeVar("S", VideoStream, AudioStream)

# EXIF's eight orientations as the (a, b, c, d) of a display matrix: x' = a x + c y, y' = b x + d y.
_ORIENTATIONS: dict[int, Matrix] = {
    1: (1, 0, 0, 1),
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}
_QUARTER_TURNS = (1, 8, 3, 6)  # orientations by the number of turns against the clock
_EXIF_ORIENTATION = 0x0112
_UNSPECIFIED = 2  # AVCOL_SPC_UNSPECIFIED


def fingerprint(path: Path) -> str:
    """Give a cheap identity of a file's content: what is in it, not what it is called.

    The hexadecimal BLAKE2b digest (16 bytes) of the size in bytes as a decimal number, the first 64 KiB and the
    last 64 KiB; in a file shorter than both, they overlap. A change in the middle that keeps the size goes unseen.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            digest = hashlib.blake2b(str(size).encode(), digest_size=16)
            for start in (0, max(0, size - EDGE)):
                file.seek(start)
                digest.update(file.read(EDGE))
    except OSError as error:
        raise ClipError(f"cannot be read: {_words(error)}") from error
    return digest.hexdigest()


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
        self._container = _open(path)
        self._picture = _find(self._container, VideoStream)
        self._sound = _find(self._container, AudioStream)
        self.has_picture, self.has_sound = self._picture is not None, self._sound is not None
        self.duration = _seconds(self._container.duration, Fraction(1, av.time_base))
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
        for track in tracks.values():
            yield from track.finish()
            self._conclude(track)

    def _tracks(self, rates: Sequence[float], sound: bool) -> dict[int, _Track]:
        tracks = {}
        if rates and self._picture is None:
            self.reasons["frames"] = "no picture"
        elif rates and self._picture is not None:
            pictures = _Pictures(self.path, _Clock(self._picture), rates)
            tracks[self._picture.index] = _Track("frames", "picture", self._picture, pictures)
        if sound and self._sound is None:
            self.reasons["audio"] = "no sound track"
        elif sound and self._sound is not None:
            tracks[self._sound.index] = _Track("audio", "sound", self._sound, _Mono())
        return tracks

    def _packets(self, tracks: dict[int, _Track]) -> Iterator[Packet[Any]]:
        """Yield the packets of the tracks, reading on after errors, until all are given up or the file ends."""
        streams = [stream for stream in self._container.streams if stream.index in tracks]
        for stream in self._container.streams:
            if stream not in streams:
                stream.discard = Discard.all
            elif stream.codec_context is not None:
                stream.codec_context.thread_count = self._threads
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
                warning = f"file damaged: {_words(error)}"
                if warning not in self.warnings:
                    self.warnings.append(warning)

    def _conclude(self, track: _Track) -> None:
        if not track.sink.given:
            self.reasons[track.view] = track.reason
            return
        if track.bad:
            self.warnings.append(f"{track.noun} damaged after {track.damaged_at:.1f} s (bad packets: {track.bad})")
        claimed = _seconds(track.stream.duration, track.stream.time_base) or self.duration or 0.0
        if track.sink.seconds < 0.9 * claimed - 0.5:
            self.warnings.append(f"{track.noun} ends after {track.sink.seconds:.1f} s of {claimed:.1f} s claimed")


def _open(path: Path) -> InputContainer:
    # "file:", since a colon in a name is no protocol; the whitelist, since a playlist must not reach the network.
    options = {"protocol_whitelist": "file", "pattern_type": "none"}
    try:
        if not path.is_file():  # a pipe would block
            raise ClipError("not a file" if path.exists() else "no such file")
        if not path.stat().st_size:
            raise ClipError("the file is empty")
        return av.open(f"file:{path}", mode="r", options=options, metadata_errors="replace")
    except (av.FFmpegError, OSError) as error:
        raise ClipError(f"cannot be opened: {_words(error)}") from error


def _find(container: InputContainer, kind: type[S]) -> S | None:
    """Give the stream that FFmpeg holds for the best of its kind, cover art apart."""
    best = container.streams.best("video" if kind is VideoStream else "audio")
    streams = [
        stream
        for stream in container.streams
        if isinstance(stream, kind) and not stream.disposition & Disposition.attached_pic
    ]
    return next((stream for stream in streams if stream is best), streams[0] if streams else None)


def _seconds(count: int | None, time_base: Fraction | None) -> float | None:
    return None if count is None or time_base is None else float(count * time_base)


def _words(error: Exception) -> str:
    """Give the system's or FFmpeg's words for an error."""
    words = str(getattr(error, "strerror", None) or error)
    return words[:1].lower() + words[1:]


# ------------------------------------------------------------------------------------------- a stream


class _Sink(Protocol):
    """Where a stream's decoded frames flow; ``given`` counts what came out, ``seconds`` the time it covers."""

    given: int

    @property
    def seconds(self) -> float: ...

    def add(self, frame: Any) -> Iterator[Item]: ...

    def end(self) -> Iterator[Item]: ...


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
        return not self.stream.codec_context or self._bad_in_a_row >= PATIENCE

    @property
    def reason(self) -> str:
        """Why nothing came out of it."""
        return f"{self.noun} cannot be decoded: {self._words}" if self._words else f"the {self.noun} track is empty"

    def take(self, packet: Packet[Any] | None) -> Iterator[Item]:
        """Decode a packet; ``None`` drains the decoder."""
        if self.given_up:
            return
        try:
            for frame in self.stream.decode(packet):
                if frame.is_corrupt:
                    self._note_damage()
                self._bad_in_a_row = 0
                yield from self.sink.add(frame)
        except (av.FFmpegError, ValueError) as error:  # ValueError: a pixel or sample format that PyAV does not know
            self._note_damage()
            self._bad_in_a_row += 1
            self._words = _words(error)

    def finish(self) -> Iterator[Item]:
        yield from self.take(None)
        yield from self.sink.end()

    def _note_damage(self) -> None:
        if not self.bad:
            self.damaged_at = self.sink.seconds
        self.bad += 1


# ------------------------------------------------------------------------------------------- pictures


class _Clock:
    """Seconds since the first picture, from timestamps that may be missing, go back or jump."""

    def __init__(self, stream: VideoStream) -> None:
        rate = stream.average_rate
        claimed = float(1 / rate) if rate else 0.0
        self._claimed_gap = claimed if SHORTEST <= claimed <= JUMP else 0.04
        self._gaps: deque[float] = deque(maxlen=32)
        self._offset: float | None = None
        self._started = False
        self.now = 0.0

    @property
    def gap(self) -> float:
        """Seconds from one picture to the next, of late."""
        return statistics.median(self._gaps) if self._gaps else self._claimed_gap

    def read(self, frame: VideoFrame) -> float:
        """Give the time of the next frame; never before the last one's."""
        stamp = _seconds(frame.dts if frame.pts is None else frame.pts, frame.time_base)
        expected = self.now + self.gap if self._started else 0.0
        self._started = True
        if stamp is None:
            now = expected
        else:
            if self._offset is None or not -SETBACK <= stamp - self._offset - self.now <= JUMP:
                self._offset = stamp - expected
            now = max(self.now, stamp - self._offset)
        if now > self.now:
            self._gaps.append(now - self.now)
        self.now = now
        return now

    def end(self, frame: VideoFrame) -> float:
        """Give the time until which the last frame is shown."""
        duration = _seconds(frame.duration, frame.time_base) or 0.0
        return self.now + (duration if SHORTEST <= duration <= JUMP else self.gap)


class _Grid:
    """The instants ``k / rate``, and the images chosen for them that no piece has taken yet."""

    def __init__(self, rate: float) -> None:
        self.rate, self.next = rate, 0
        self._images: list[NDArray[np.uint8]] = []
        self._tolerance = min(TOLERANCE, 0.25 / rate)

    def wants(self, until: float) -> bool:
        """Tell whether the next instant comes before the time at which the next picture appears."""
        return self.next / self.rate < until - self._tolerance

    def add(self, image: NDArray[np.uint8]) -> Iterator[Item]:
        if self._images and self._images[0].shape != image.shape:
            yield from self.flush()
        self._images.append(image)
        self.next += 1
        if len(self._images) >= min(PIECE_FRAMES, max(1, PIECE_BYTES // image.nbytes)):
            yield from self.flush()

    def flush(self) -> Iterator[Item]:
        count = len(self._images)
        if count:
            times = np.arange(self.next - count, self.next) / self.rate
            piece = Frames(images=np.stack(self._images), times=times, valid=np.ones(count, dtype=np.bool_))
            self._images.clear()
            yield self.rate, piece


class _Pictures:
    """Decoded pictures in, pieces of upright RGB frames out; only what is chosen is converted, and once."""

    def __init__(self, path: Path, clock: _Clock, rates: Sequence[float]) -> None:
        self.given = 0
        self._path, self._clock = path, clock
        self._grids = [_Grid(rate) for rate in rates]
        self._shown: VideoFrame | None = None
        self._alone = True
        self._reformatter = VideoReformatter()  # kept: it remembers its tables from frame to frame

    @property
    def seconds(self) -> float:
        return self._clock.now

    def add(self, frame: VideoFrame) -> Iterator[Item]:
        now = self._clock.read(frame)
        shown, self._shown = self._shown, frame
        if shown is not None:
            self._alone = False
            yield from self._show(shown, now)

    def end(self) -> Iterator[Item]:
        if self._shown is not None:
            until = 0.0 if self._alone else self._clock.end(self._shown)
            yield from self._show(self._shown, until, at_least=1)
        for grid in self._grids:
            yield from grid.flush()

    def _show(self, frame: VideoFrame, until: float, at_least: int = 0) -> Iterator[Item]:
        """Give the frame to every instant that comes before another one appears."""
        image: NDArray[np.uint8] | None = None
        for grid in self._grids:
            while grid.next < at_least or grid.wants(until):
                image = self._image(frame) if image is None else image
                self.given += 1
                yield from grid.add(image)

    def _image(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """Give the frame as ``(height, width, 3)`` RGB, turned and mirrored as its display matrix says."""
        image: NDArray[Any] = self._rgb(frame).to_ndarray()
        a, b, c, d = self._matrix(frame)
        if abs(b) + abs(c) > abs(a) + abs(d):
            image, a, d = image.transpose(1, 0, 2), c, b
        return image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]

    def _rgb(self, frame: VideoFrame) -> VideoFrame:
        try:
            return self._reformatter.reformat(frame, format="rgb24", threads=1)
        except av.FFmpegError:  # a colour space that FFmpeg cannot convert, such as a reserved number
            frame.colorspace = _UNSPECIFIED
            return self._reformatter.reformat(frame, format="rgb24", threads=1)

    def _matrix(self, frame: VideoFrame) -> Matrix:
        try:
            side_data: Any = frame.side_data
        except ValueError:  # PyAV fails on kinds of side data that it does not know; EXIF is one
            return _ORIENTATIONS[self._orientation or _QUARTER_TURNS[round(frame.rotation / 90) % 4]]
        if (matrix := side_data.get("DISPLAYMATRIX")) is None:
            return _ORIENTATIONS[1]
        a, b, _, c, d = np.frombuffer(matrix, dtype=np.int32)[:5].tolist()
        return a, b, c, d

    @cached_property
    def _orientation(self) -> int | None:
        """What a still image's EXIF says; ``None`` for other files."""
        try:
            with Image.open(self._path) as image:
                return int(image.getexif().get(_EXIF_ORIENTATION, 1))
        except (OSError, Image.DecompressionBombError):
            return None


# ---------------------------------------------------------------------------------------------- sound


class _Mono:
    """Decoded sound in, pieces of 16 kHz mono out: the mean of the channels, resampled by soxr as a stream.

    FFmpeg's own resampler is not used: it takes the top of the band away. When the sound changes its rate or its
    channels, what came before is brought to its end and a new resampler begins.
    """

    def __init__(self) -> None:
        self.given = 0
        self._kind = ("", "", 0)
        self._waiting = np.zeros(0, dtype=np.float32)
        self._tune(SAMPLE_RATE)

    @property
    def seconds(self) -> float:
        return (self.given + len(self._waiting)) / SAMPLE_RATE

    def add(self, frame: AudioFrame) -> Iterator[Item]:
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if kind != self._kind:
            self._drain()
            self._tune(frame.sample_rate)
            self._kind = kind
        for part in self._to_float.resample(frame):
            channels = np.nan_to_num(part.to_ndarray()).clip(-1.0, 1.0).reshape(-1, part.layout.nb_channels)
            self._keep(self._to_16k.resample_chunk(channels.mean(axis=1, dtype=np.float32)))
        while len(self._waiting) >= PIECE_SAMPLES:
            yield self._piece()

    def end(self) -> Iterator[Item]:
        self._drain()
        while len(self._waiting):
            yield self._piece()

    def _tune(self, rate: int) -> None:
        self._to_float = AudioResampler(format="flt")  # the sample format alone: rate and channels stay
        self._to_16k = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")

    def _drain(self) -> None:
        self._keep(self._to_16k.resample_chunk(np.zeros(0, dtype=np.float32), last=True))

    def _keep(self, samples: NDArray[np.float32]) -> None:  # resampling may overshoot
        self._waiting = np.concatenate([self._waiting, samples.clip(-1.0, 1.0)])

    def _piece(self) -> tuple[None, Sound]:
        piece, self._waiting = self._waiting[:PIECE_SAMPLES].copy(), self._waiting[PIECE_SAMPLES:].copy()
        self.given += len(piece)
        return None, Sound(samples=piece)
