"""What is read goes onto a tape of the last seconds: frames of threads in, small files of a window out.

Every picture is packed once, as a JPEG of its own, and sound is kept as it is: so a window is cut anywhere without
work, and costs a few megabytes of memory however long one watches. Threads read; whoever scores is never waited for.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from threading import Condition, Event, Thread
from typing import Any, Self

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.packet import Packet
from av.video.frame import PictureType, VideoFrame

from mimetic.live import EVERY, WINDOW
from mimetic.media import words_of
from mimetic.records import ClipError, MimeticError, UsageError

KEPT = WINDOW + 2 * EVERY
"""Seconds in the ring."""

LARGEST = 960
"""Pixels of a picture's longer side; a larger one is made smaller."""

FASTEST = 30.0
"""Pictures a second that are kept; of more, some are left out."""

PATIENCE = 10.0
"""Seconds without anything after which a device is given up."""

TICKS = Fraction(1, 1_000_000)
"""The unit of a packet's time."""

COUNTED = Fraction(1, 1000)
"""The unit of the coder's own time, which nobody reads."""

Frame = VideoFrame | AudioFrame


# ------------------------------------------------------------------------------------------- the ring


@dataclass(frozen=True, slots=True)
class _Packed:
    """A picture or a stretch of sound: when it came, how long it is, its bytes, and what a stream of such needs."""

    time: float
    seconds: float
    data: bytes
    shape: tuple[Any, ...]


class Tape:
    """The last seconds of pictures and sound, filled by threads. A context: they end with it.

    Parameters
    ----------
    plays
        each reads something to its end and hands frames on with their times; called in a thread of its own.
    """

    def __init__(self, plays: Sequence[Callable[[Tape], None]]) -> None:
        self._lanes: dict[str, deque[_Packed]] = {"video": deque(), "audio": deque()}
        self._changed, self.stopped = Condition(), Event()
        self._jpeg: Any = None
        self._coded = 0
        self._to_packed = AudioResampler(format="flt")
        self._going, self._now = len(plays), 0.0
        self._error: MimeticError | None = None
        self._began = time.monotonic()
        self._threads = [Thread(target=self._run, args=(play,), name="capture", daemon=True) for play in plays]

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        for thread in self._threads:
            thread.join(timeout=2.0)

    def _run(self, play: Callable[[Tape], None]) -> None:
        error: MimeticError | None = None
        try:
            play(self)
        except MimeticError as caught:
            error = caught
        except (av.FFmpegError, OSError, ValueError) as caught:
            error = ClipError(f"it broke off: {words_of(caught)}")
        with self._changed:
            self._going -= 1
            self._error = self._error or error
            self._changed.notify_all()

    @property
    def elapsed(self) -> float:
        """Seconds since the tape runs."""
        return time.monotonic() - self._began

    @property
    def now(self) -> float:
        """Seconds since the beginning up to which something came."""
        return self._now

    def reach(self, until: float) -> bool:
        """Wait until a moment is on the tape; ``False`` if all that is read ends before.

        Raises
        ------
        MimeticError
            if what is read breaks off, or gives nothing for ten seconds.
        """
        with self._changed:
            while self._now + 1e-6 < until:
                before = self._now
                if self._error is not None:
                    raise self._error
                if not self._going:
                    return False
                if not self._changed.wait(timeout=PATIENCE) and self._now == before:
                    remedy = "Is another program using it? Name another one, or none."
                    raise UsageError(f"no picture and no sound came for {PATIENCE:g} s", remedy=remedy)
        return True

    # ------------------------------------------------------------------------------------------- in

    def add(self, frame: Frame, time: float) -> None:
        """Keep a frame that came at a time, in seconds since the beginning."""
        for packed in self._pack(frame, time):
            lane = self._lanes["video" if isinstance(frame, VideoFrame) else "audio"]
            with self._changed:
                lane.append(packed)
                self._now = max(self._now, packed.time + packed.seconds)
                while lane[0].time + lane[0].seconds < self._now - KEPT:
                    lane.popleft()
                self._changed.notify_all()

    def _pack(self, frame: Frame, time: float) -> Iterator[_Packed]:
        if isinstance(frame, AudioFrame):
            for part in self._to_packed.resample(frame):
                heard, seconds = part.to_ndarray().tobytes(), part.samples / part.sample_rate
                yield _Packed(time, seconds, heard, (part.sample_rate, part.layout.name))
            return
        lane = self._lanes["video"]
        if not lane or time - lane[-1].time > 0.9 / FASTEST:
            packet, shape = self._picture(frame)
            yield _Packed(time, 1 / FASTEST, packet, shape)

    def _picture(self, frame: VideoFrame) -> tuple[bytes, tuple[int, int]]:
        shrink = min(1.0, LARGEST / max(frame.width, frame.height))
        width, height = (2 * max(1, round(side * shrink / 2)) for side in (frame.width, frame.height))
        small = frame.reformat(width=width, height=height, format="yuvj420p")
        self._coded += 1  # the coder wants times that grow, whatever they are
        small.pts, small.time_base, small.pict_type = self._coded, COUNTED, PictureType.NONE
        if self._jpeg is None or (self._jpeg.width, self._jpeg.height) != (width, height):
            self._jpeg = _jpeg_coder(width, height)
        return b"".join(bytes(packet) for packet in self._jpeg.encode(small)), (width, height)

    # ------------------------------------------------------------------------------------------- out

    def write(self, path: Path, *, until: float) -> float:
        """Write the window that ends at a moment as a Matroska file; give the second it begins with."""
        with self._changed:
            lanes = {kind: _last_of_a_kind(lane, until) for kind, lane in self._lanes.items() if lane}
        start = max(0.0, until - WINDOW)
        with av.open(str(path), "w", format="matroska") as container:
            streams = {kind: _stream(container, kind, lane[-1]) for kind, lane in lanes.items() if lane}
            packed = [(kind, piece) for kind in streams for piece in lanes[kind]]
            for kind, piece in sorted(packed, key=lambda item: item[1].time):
                container.mux(_packet(piece, start, streams[kind]))
        return start


def _jpeg_coder(width: int, height: int) -> Any:
    coder: Any = av.CodecContext.create("mjpeg", "w")
    coder.width, coder.height, coder.pix_fmt, coder.time_base = width, height, "yuvj420p", COUNTED
    coder.options = {"qmin": "2", "qmax": "2"}
    return coder


def _last_of_a_kind(lane: Sequence[_Packed], until: float) -> list[_Packed]:
    """Give what lies in a window; from before a change of size or rate, nothing."""
    inside = [piece for piece in lane if until - WINDOW - 1e-6 <= piece.time < until - 1e-6]
    return [piece for piece in inside if piece.shape == inside[-1].shape]


def _stream(container: Any, kind: str, piece: _Packed) -> Any:
    if kind == "audio":
        rate, layout = piece.shape
        return container.add_stream("pcm_f32le", rate=rate, layout=layout)
    stream = container.add_stream("mjpeg", rate=round(FASTEST))
    stream.width, stream.height, stream.pix_fmt = *piece.shape, "yuvj420p"
    return stream


def _packet(piece: _Packed, start: float, stream: Any) -> Packet[Any]:
    packet: Packet[Any] = Packet(piece.data)
    packet.stream, packet.time_base, packet.is_keyframe = stream, TICKS, True
    packet.pts = packet.dts = round((piece.time - start) / TICKS)
    packet.duration = round(piece.seconds / TICKS)
    return packet
