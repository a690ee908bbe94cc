"""Pictures and sound become files: mp4 (H.264 and AAC), mp3, JPEG; whole or not at all.

The encoders run with one thread, so that the same pictures leave the same bytes.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mimetic.records import SAMPLE_RATE

CLOCK = 1000
"""Ticks a second of a film's clock, if not told."""

_X264 = {"preset": "superfast", "crf": "26", "threads": "1"}


def write_film(
    frames: Iterable[NDArray[np.uint8]],
    times: NDArray[np.float64],
    sound: NDArray[np.float32] | None,
    *,
    rate: int,
    clock: int = CLOCK,
    sideways: bool = False,
) -> bytes:
    """Give an mp4 of frames ``(height, width, 3)`` at their times in seconds, with its sound if it has one.

    ``rate`` is the frame rate in hertz as far as there is one; where there is none, FFmpeg reports twice the ``clock``
    (once for each field), which is how browsers' recordings come to claim 1,000. A film that is ``sideways`` has its
    pixels lie on their side, and a display matrix that says so.
    """
    with TemporaryDirectory() as folder:  # the header can only be moved to the front in a real file
        path = Path(folder) / "film.mp4"
        _encode(path, frames, times, sound, rate=rate, clock=clock, sideways=sideways)
        film = path.read_bytes()
    return _turned(film) if sideways else film


def _encode(
    path: Path,
    frames: Iterable[NDArray[np.uint8]],
    times: NDArray[np.float64],
    sound: NDArray[np.float32] | None,
    *,
    rate: int,
    clock: int,
    sideways: bool,
) -> None:
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        video = container.add_stream("libx264", rate=rate, options=_X264)
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = Fraction(1, clock)
        audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono") if sound is not None else None
        for number, (image, time) in enumerate(zip(frames, times, strict=True)):
            stored = np.ascontiguousarray(np.rot90(image)) if sideways else image
            if not number:
                video.height, video.width = stored.shape[:2]
            frame = av.VideoFrame.from_ndarray(stored, format="rgb24")
            frame.pts, frame.time_base = round(time * clock), Fraction(1, clock)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if audio is not None and sound is not None:
            container.mux(audio.encode(_sound_frame(sound, "fltp")))
            container.mux(audio.encode())


def write_mp3(sound: NDArray[np.float32]) -> bytes:
    """Give an mp3 of 16 kHz mono samples."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=SAMPLE_RATE, layout="mono")
        container.mux(stream.encode(_sound_frame(sound, "fltp")))
        container.mux(stream.encode())
    return file.getvalue()


def _sound_frame(sound: NDArray[np.float32], form: str) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[None]), format=form, layout="mono")
    frame.sample_rate = SAMPLE_RATE
    return frame


def write_jpeg(image: NDArray[np.uint8], side: int) -> bytes:
    """Give a JPEG of a square picture at another size."""
    file = io.BytesIO()
    Image.fromarray(image).resize((side, side), Image.Resampling.BOX).save(file, "JPEG", quality=88)
    return file.getvalue()


def write_beside(path: Path, content: bytes) -> None:
    """Write beside and rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    beside.write_bytes(content)
    beside.replace(path)


def _turned(film: bytes) -> bytes:
    """Set the picture track's display matrix to a quarter turn clockwise (ISO/IEC 14496-12, tkhd)."""
    changed, at = bytearray(film), 0
    while (at := film.find(b"tkhd", at + 1)) >= 0:
        matrix = at + 4 + 40
        width, height = struct.unpack_from(">II", film, matrix + 36)
        if width and height:
            struct.pack_into(">9i", changed, matrix, 0, 1 << 16, 0, -1 << 16, 0, 0, height, 0, 1 << 30)
    return bytes(changed)
