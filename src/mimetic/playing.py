"""A camera, a microphone, or a file played at its own speed: names and paths in, what fills a tape out."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from mimetic.capturing import PATIENCE, Tape
from mimetic.media import find_stream, open_container, words_of
from mimetic.records import ClipError, UsageError

NONE = "none"
"""What one calls a camera or a microphone that is not wanted."""


@dataclass(frozen=True, slots=True)
class Device:
    """Where FFmpeg finds a camera or a microphone: one of its input formats, and a name that this knows."""

    format: str
    name: str

    def __str__(self) -> str:
        return f"{self.format}:{self.name}"


CAMERAS = {
    "linux": Device("v4l2", "/dev/video0"),
    "darwin": Device("avfoundation", "default:none"),
}
MICROPHONES = {
    "linux": Device("alsa", "default"),
    "darwin": Device("avfoundation", "none:default"),
}
"""What is opened where nothing is told, by platform. Windows has names only: they have to be told."""

OPTIONS = {"avfoundation": {"framerate": "30"}}
"""What a format has to be told; this one asks for 29.97 pictures a second else, which few cameras have."""


def device(told: str, usual: dict[str, Device]) -> Device | None:
    """Give the device that was told as ``FORMAT:NAME``, the platform's own if none was, ``None`` for ``none``.

    >>> device("v4l2:/dev/video2", CAMERAS), device("none", CAMERAS)
    (Device(format='v4l2', name='/dev/video2'), None)

    Raises
    ------
    UsageError
        if there is no usual one, or what was told is no device.
    """
    if told == NONE:
        return None
    form, colon, name = told.partition(":")
    if told and not (colon and name):
        raise UsageError(f"{told!r} is no device", remedy="Write FORMAT:NAME, such as v4l2:/dev/video0, or none.")
    if not told and sys.platform not in usual:
        raise UsageError("there is no usual device on this system", remedy="Name one: dshow:video=NAME, or none.")
    return Device(form, name) if told else usual[sys.platform]


def play_file(path: Path) -> Callable[[Tape], None]:
    """Play a file at its own speed, from its first frame on.

    Raises
    ------
    ClipError
        if it is no media file, or holds neither picture nor sound.
    """
    container = open_container(path)
    found = find_stream(container, VideoStream), find_stream(container, AudioStream)
    streams = [stream for stream in found if stream is not None]
    if not streams:
        raise ClipError(f"{path.name} has no picture and no sound")

    def play(tape: Tape) -> None:
        first: float | None = None
        with container, suppress(EOFError):
            for frame in container.decode(*streams):
                assert isinstance(frame, VideoFrame | AudioFrame)
                first = frame.time if first is None and frame.time is not None else first
                at = 0.0 if frame.time is None or first is None else max(0.0, frame.time - first)
                if tape.stopped.wait(max(0.0, at - tape.elapsed)):
                    return
                tape.add(frame, at)

    return play


def _settle_alsa() -> None:
    """Point ALSA to the system's files: PyAV's copy looks for its own below ``/tmp``, where anybody may put some."""
    places = [*sorted(Path("/usr/lib").glob("*/alsa-lib")), Path("/usr/lib64/alsa-lib"), Path("/usr/lib/alsa-lib")]
    plugins = next((place for place in places if place.is_dir()), places[-1])
    os.environ.setdefault("ALSA_CONFIG_DIR", "/usr/share/alsa")
    os.environ.setdefault("ALSA_CONFIG_PATH", "/usr/share/alsa/alsa.conf")
    os.environ.setdefault("ALSA_PLUGIN_DIR", str(plugins))


def play_device(at: Device) -> Callable[[Tape], None]:
    """Open a device, and read it until it is stopped: a frame's time is when it came.

    Raises
    ------
    UsageError
        if it cannot be opened.
    """
    if at.format == "alsa":
        _settle_alsa()
    try:
        container = av.open(at.name, mode="r", format=at.format, options=OPTIONS.get(at.format, {}), timeout=PATIENCE)
    except (av.FFmpegError, OSError, ValueError) as error:
        remedy = "Name another one as FORMAT:NAME, or none."
        raise UsageError(f"{at} cannot be opened: {words_of(error)}", remedy=remedy) from None
    assert isinstance(container, InputContainer)

    def play(tape: Tape) -> None:
        with container:
            for frame in container.decode():
                if tape.stopped.is_set():
                    return
                assert isinstance(frame, VideoFrame | AudioFrame)
                heard = frame.samples / frame.sample_rate if isinstance(frame, AudioFrame) else 0.0
                tape.add(frame, max(0.0, tape.elapsed - heard))

    return play
