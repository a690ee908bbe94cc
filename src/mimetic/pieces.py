"""Decoded pictures and sound become pieces of ``Frames`` and ``Sound``, as they come.

In go a stream's frames from its decoder, one by one. Out come upright RGB frames at the instants of each rate that
is asked for, and 16 kHz mono; of decoded pictures one is held at a time, of what is given never more than a piece.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import av
import numpy as np
import soxr
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image

from mimetic.records import SAMPLE_RATE, Frames, Sound

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

Item = tuple[float, Frames] | tuple[None, Sound]
Matrix = tuple[int, int, int, int]

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


def seconds(count: int | None, time_base: Fraction | None) -> float | None:
    """Give a count of ticks in seconds; ``None`` where either is unknown."""
    return None if count is None or time_base is None else float(count * time_base)


# ------------------------------------------------------------------------------------------- pictures


class Clock:
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
        stamp = seconds(frame.dts if frame.pts is None else frame.pts, frame.time_base)
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
        duration = seconds(frame.duration, frame.time_base) or 0.0
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
        """Choose the image for the next instant."""
        if self._images and self._images[0].shape != image.shape:
            yield from self.flush()
        self._images.append(image)
        self.next += 1
        if len(self._images) >= min(PIECE_FRAMES, max(1, PIECE_BYTES // image.nbytes)):
            yield from self.flush()

    def flush(self) -> Iterator[Item]:
        """Hand over the images as a piece."""
        count = len(self._images)
        if count:
            times = np.arange(self.next - count, self.next) / self.rate
            piece = Frames(images=np.stack(self._images), times=times, valid=np.ones(count, dtype=np.bool_))
            self._images.clear()
            yield self.rate, piece


class Pictures:
    """Decoded pictures in, pieces of upright RGB frames out; only what is chosen is converted, and once."""

    def __init__(self, path: Path, clock: Clock, rates: Sequence[float]) -> None:
        self.given = 0
        self._path, self._clock = path, clock
        self._grids = [_Grid(rate) for rate in rates]
        self._shown: VideoFrame | None = None
        self._alone = True
        self._reformatter = VideoReformatter()  # kept: it remembers its tables from frame to frame

    @property
    def seconds(self) -> float:
        """When the last frame appeared."""
        return self._clock.now

    def add(self, frame: VideoFrame) -> Iterator[Item]:
        """Give the frame before this one to every instant until this one appears."""
        now = self._clock.read(frame)
        shown, self._shown = self._shown, frame
        if shown is not None:
            self._alone = False
            yield from self._show(shown, now)

    def end(self) -> Iterator[Item]:
        """Give the last frame to every instant until its end, or to one if it is a still."""
        if self._shown is not None:
            until = 0.0 if self._alone else self._clock.end(self._shown)
            yield from self._show(self._shown, until, at_least=1)

    def flush(self) -> Iterator[Item]:
        """Hand over what waits for a piece to fill."""
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
        image = _view(self._rgb(frame))
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
                orientation = image.getexif().get(_EXIF_ORIENTATION)
                return orientation if orientation in _ORIENTATIONS else 1
        except (OSError, Image.DecompressionBombError):
            return None


def _view(frame: VideoFrame) -> NDArray[np.uint8]:
    """Look at an RGB frame's own memory, ``(height, width, 3)``: a piece copies it, once."""
    plane = frame.planes[0]
    memory: NDArray[np.uint8] = np.frombuffer(plane, np.uint8)  # type: ignore[call-overload]
    return memory.reshape(plane.height, plane.line_size)[:, : 3 * frame.width].reshape(frame.height, frame.width, 3)


# ---------------------------------------------------------------------------------------------- sound


class Mono:
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
        """How much has been heard."""
        return (self.given + len(self._waiting)) / SAMPLE_RATE

    def add(self, frame: AudioFrame) -> Iterator[Item]:
        """Mix and resample the frame."""
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if kind != self._kind:
            self._drain()
            self._tune(frame.sample_rate)
            self._kind = kind
        for part in self._to_float.resample(frame):
            channels = np.nan_to_num(part.to_ndarray()).clip(-1.0, 1.0).reshape(-1, part.layout.nb_channels)
            self._keep(self._to_16k.resample_chunk(channels.mean(axis=1, dtype=np.float32)))
        yield from self._pieces(at_least=PIECE_SAMPLES)

    def end(self) -> Iterator[Item]:
        """Take what the resampler still holds."""
        self._drain()
        yield from self._pieces(at_least=PIECE_SAMPLES)

    def flush(self) -> Iterator[Item]:
        """Hand over what waits for a piece to fill."""
        yield from self._pieces(at_least=1)

    def _tune(self, rate: int) -> None:
        self._to_float = AudioResampler(format="flt")  # the sample format alone: rate and channels stay
        self._to_16k = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")

    def _drain(self) -> None:
        self._keep(self._to_16k.resample_chunk(np.zeros(0, dtype=np.float32), last=True))

    def _keep(self, samples: NDArray[np.float32]) -> None:  # resampling may overshoot
        self._waiting = np.concatenate([self._waiting, samples.clip(-1.0, 1.0)])

    def _pieces(self, *, at_least: int) -> Iterator[Item]:
        while len(self._waiting) >= at_least:
            piece, self._waiting = self._waiting[:PIECE_SAMPLES], self._waiting[PIECE_SAMPLES:]
            self.given += len(piece)
            yield None, Sound(samples=piece)
